"""What an utterance follows on: the turns of the call, the caller's and our own, as far as they were heard.

Whoever wants an utterance says each time what was said before it. The engine keeps what it knows of a call by these
names, compares, and reads only what is new or has changed; so nothing needs to be undone after an interruption.
"""

from dataclasses import dataclass

from client_caller.audio.frame import Samples


@dataclass(frozen=True, slots=True)
class CallerTurn:
    """What the caller said. sound: (n,) float32 at 24 kHz."""

    id: str
    text: str
    sound: Samples


@dataclass(frozen=True, slots=True)
class OwnTurn:
    """What the caller heard of an utterance of ours.

    seconds: of its sound, None for all of it;  text: the words that sounded in them, where it was cut.
    """

    id: str
    seconds: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What is to be said now. turns: before it, the oldest first; a caller's turn by its id."""

    id: str
    text: str
    turns: tuple[OwnTurn | str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manner:
    """How it is said. temperature: 0 is greedy;  top_k: 1 to 64;  seed: the same again gives the same again;
    paced: it is played as it comes, so there is no need to be far ahead."""

    temperature: float = 0.9
    top_k: int = 50
    seed: int = 0
    paced: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """More of an utterance. sound: (n,) float32 at 24 kHz, maybe empty;  ended: why that is all, None if it is not."""

    call: str
    utterance: str
    sound: Samples
    ended: str | None = None
