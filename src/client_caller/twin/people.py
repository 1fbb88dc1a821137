"""People at telephones: what they say, and how their telephone behaves.

In:   20 ms of what is heard.     Out: 20 ms of what is said, or None to hang up; and keys.
Rule: a person knows of no carrier and reads no clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ
from client_caller.audio.mulaw import SILENCE, encode
from client_caller.twin.carried import AnsweredBy

QUIET: Final = bytes([SILENCE]) * FRAME_SAMPLES
"""One frame in which nothing sounds."""

NextFrame = Callable[[bytes], bytes | None]
"""Gets the 160 mu-law bytes heard in the slot before, gives the next 160, or None to hang up."""

Outcome = Literal["answers", "busy", "no-answer", "failed"]
"""What becomes of a call to this telephone. "failed": there is no such number."""

RESPONDS_AFTER_S: Final = 0.5
"""From the end of a prompt to the key of who responds to it."""


def steady_tone(hz: int) -> bytes:
    """One frame of a tone at -20 dBFS; `hz` a multiple of 50, so that frames follow each other without a click."""
    return encode((0.14 * np.sin(2 * np.pi * hz * np.arange(FRAME_SAMPLES) / LINE_HZ)).astype(np.float32))


TALK: Final = steady_tone(200)
BEEP: Final = steady_tone(1_000)
"""What people and machines sound like who need not be understood."""


@dataclass(frozen=True, slots=True)
class Human:
    """Says hello, and waits. hello_s: how long the first words are."""

    hello_s: float = 0.8


@dataclass(frozen=True, slots=True)
class Machine:
    """Plays a greeting, and beeps or not."""

    greeting_s: float = 6.0
    beeps: bool = True


@dataclass(frozen=True, slots=True)
class Fax:
    """A fax machine."""


@dataclass(frozen=True, slots=True)
class Nobody:
    """Somebody lifted, and nothing is said."""


Answerer = Human | Machine | Fax | Nobody
"""Who answers, for the carrier's detection."""


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A key pressed, in seconds from the first sound of the call."""

    at_s: float
    key: str


def _silent(heard: bytes) -> bytes:
    return QUIET


def _presses_nothing(prompt: str) -> str:
    return ""


def _heeds_no_key(key: str) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody at a telephone, for one call.

    next_frame: what they say;  ring_s: how long it rings before they lift, or before the call fails;
    answerer, verdict: who answers, and what detection says if it errs;  keys: pressed at their times;
    responds: the keys pressed half a second after a prompt of `<Gather>` has been heard, given its words;
    hears_key: told of every key that is sent to them.
    """

    next_frame: NextFrame = _silent
    ring_s: float = 3.0
    outcome: Outcome = "answers"
    answerer: Answerer = Human()
    verdict: AnsweredBy | None = None
    keys: tuple[KeyPress, ...] = ()
    responds: Callable[[str], str] = _presses_nothing
    hears_key: Callable[[str], None] = _heeds_no_key


class Saying:
    """Says parts, one after the other, then hangs up. parts: (seconds, the frame that is repeated)."""

    def __init__(self, *parts: tuple[float, bytes]) -> None:
        self._parts = [(round(seconds / FRAME_S), frame) for seconds, frame in parts]

    def next_frame(self, heard: bytes) -> bytes | None:
        """The next 20 ms."""
        while self._parts:
            left, frame = self._parts[0]
            if left > 0:
                self._parts[0] = (left - 1, frame)
                return frame
            del self._parts[0]
        return None


def talking(said_s: float, silent_s: float = 0.0) -> NextFrame:
    """Talks for a while, is silent for a while, hangs up."""
    return Saying((said_s, TALK), (silent_s, QUIET)).next_frame


def answering_machine(greeting_s: float = 6.0, *, beeps: bool = True, records_s: float = 60.0) -> Person:
    """A machine that greets, beeps, records for a while and hangs up."""
    beep_s = 0.5 if beeps else 0.0
    voice = Saying((greeting_s, TALK), (beep_s, BEEP), (records_s, QUIET))
    return Person(next_frame=voice.next_frame, answerer=Machine(greeting_s, beeps))


def colleague(*, accepts: bool, key: str = "1", talks_s: float = 20.0) -> Person:
    """Somebody of the house, who is asked by `<Gather>` whether to take a call. accepts: by that key; else none."""
    return Person(next_frame=talking(talks_s), responds=lambda prompt: key if accepts else "")


def screened(person: Person, asks_s: float = 4.0, *, takes: bool = True) -> Person:
    """A telephone that answers by itself, asks who is calling, and then puts `person` on, or hangs up.

    No carrier's detection can tell: it says "unknown".
    """
    asking = Saying((asks_s, TALK))

    def next_frame(heard: bytes) -> bytes | None:
        return asking.next_frame(heard) or (person.next_frame(heard) if takes else None)

    return Person(
        next_frame=next_frame,
        ring_s=person.ring_s,
        verdict="unknown",
        keys=person.keys,
        responds=person.responds,
        hears_key=person.hears_key,
    )
