"""The callers of demo and benchmark: what they say, and with which voice.

In:   a way to have text spoken; human recordings.     Out: clips.
Rule: the sentences survive the telephone band and the embedded transcriber with the voice named beside them; a
      rehearsal of the agent must not become a test of how well a synthetic voice is understood.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_caller.audio.frame import Samples
from client_caller.rehearsal.clips import Clip, prepare, read_wav

Render = Callable[[str], Awaitable[tuple[Samples, int]]]
"""Has a text spoken: samples and their rate in hertz."""

CALLER_VOICE: Final = "en-us"
CALLER_WORDS_PER_MINUTE: Final = 150


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a human recording, in seconds of the file, and the words in it."""

    file: str
    from_s: float
    to_s: float
    text: str


HUMAN_SENTENCES: Final = (
    Passage("two_cities.wav", 1.05, 4.75, "It was the best of times, it was the worst of times."),
    Passage("two_cities.wav", 21.05, 24.15, "We had everything before us, we had nothing before us."),
    Passage("two_cities.wav", 24.45, 26.30, "We were all going direct to heaven."),
    Passage("two_cities.wav", 26.40, 28.55, "We were all going direct the other way."),
    Passage("beckett.wav", 3.35, 4.45, "No matter."),
    Passage("beckett.wav", 4.75, 5.85, "Try again."),
)
"""Whole sentences from the recordings that the moonshine-voice package ships (public-domain texts, read aloud)."""


async def spoken(text: str, render: Render) -> Clip:
    """A sentence by the synthetic caller."""
    samples, hz = await render(text)
    return prepare(samples, hz, text)


def recorded(passage: Passage, folder: Path) -> Clip:
    """A sentence by a human being. folder: where the recordings are. Raises ConfigError when one is missing."""
    samples, hz = read_wav(folder / passage.file)
    cut = samples[round(passage.from_s * hz) : round(passage.to_s * hz)]
    return prepare(cut, hz, passage.text, name=passage.file)
