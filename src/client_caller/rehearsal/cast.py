"""The callers of demo and benchmark: what they say, and how it is made to sound.

In:   a way to have text spoken; human recordings.     Out: clips.
Rule: a rehearsal of the agent must not become a test of how well a synthetic voice is understood. So every sentence has
      the speed at which eSpeak's en-us, through the telephone band and room noise, was decoded without a fault by
      Moonshine tiny, as our listener hears it, in five tries of five (of four, where a sentence stops in the middle;
      one of the five such was understood in three).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from client_caller.audio.frame import Samples
from client_caller.rehearsal.clips import Clip, prepare, read_wav

Render = Callable[[str, int], Awaitable[tuple[Samples, int]]]
"""Has a text spoken at a number of words per minute: samples and their rate in hertz."""


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence for the synthetic caller."""

    text: str
    words_per_minute: int = 150


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a human recording, in seconds of the file, and the words in it."""

    file: str
    from_s: float
    to_s: float
    text: str


QUESTIONS: Final = (
    Line("I would like to cancel my order.", 140),
    Line("How long does it take?", 140),
    Line("My internet is very slow today.", 130),
    Line("Are you open on Saturday?"),
    Line("My internet is not working."),
    Line("How much does it cost?", 160),
    Line("When are you open?", 120),
    Line("I have a question about my order.", 160),
    Line("What are your opening hours?"),
    Line("Are you open on Sunday?"),
)
SHORT_ANSWERS: Final = (Line("Yes, please.", 140), Line("No.", 130), Line("Okay.", 140))
INTERRUPTIONS: Final = (
    Line("Hold on, how long does it take?", 140),
    Line("Hold on, I would like to cancel my order.", 140),
)
GOODBYE: Final = Line("Thank you very much for your help.", 130)
HELLO: Final = Line("Hello?", 140)
GREETING_OF_A_MACHINE: Final = Line("I am not at home. Please leave a message after the tone.", 140)
"""What is said on lifting, by a human and by a machine; not chosen for being understood, as the others were."""

TWO_SENTENCES: Final = Line("Okay, thank you. Goodbye.")
"""The gap between the two is as long as some agents take to answer; the first may well be all there is."""

HALTING: Final = (
    (Line("I am calling because", 130), Line("my internet is very slow today.", 130)),
    (Line("How long will it take to", 130), Line("open my account?", 130)),
    (Line("I am calling because", 120), Line("I would like to cancel my order.", 140)),
    (Line("My name is", 140), Line("Maria.", 140)),
    (Line("I am calling because", 140), Line("my order is very slow.", 140)),
)
"""Sentences that stop in the middle, where a speaker thinks."""

HUMAN_SENTENCES: Final = (
    Passage("two_cities.wav", 1.05, 4.75, "It was the best of times, it was the worst of times."),
    Passage("two_cities.wav", 21.05, 24.15, "We had everything before us, we had nothing before us."),
    Passage("two_cities.wav", 24.45, 26.30, "We were all going direct to heaven."),
    Passage("two_cities.wav", 26.40, 28.55, "We were all going direct the other way."),
    Passage("two_cities.wav", 10.70, 13.05, "It was the epoch of incredulity."),
    Passage("two_cities.wav", 13.30, 15.00, "It was the season of light."),
)
"""Sentences of Dickens (public domain), read by a human being, from a recording in the moonshine-voice package."""

HUMAN_HALTING: Final = (
    (Passage("two_cities.wav", 1.05, 2.16, "It was the best of"), Passage("two_cities.wav", 2.16, 2.95, "times.")),
    (
        Passage("two_cities.wav", 1.05, 3.92, "It was the best of times, it was the worst of"),
        Passage("two_cities.wav", 3.92, 4.75, "times."),
    ),
    (
        Passage("two_cities.wav", 21.05, 22.97, "We had everything before us, we had"),
        Passage("two_cities.wav", 22.97, 24.15, "nothing before us."),
    ),
    (
        Passage("two_cities.wav", 29.00, 31.55, "In short, the period was so far like the"),
        Passage("two_cities.wav", 31.55, 32.40, "present period."),
    ),
)
"""The same reader, cut at a quiet instant in mid-sentence; the pause between the halves is put there by the script."""


async def spoken(line: Line, render: Render) -> Clip:
    """A sentence by the synthetic caller."""
    samples, hz = await render(line.text, line.words_per_minute)
    return prepare(samples, hz, line.text)


def recorded(passage: Passage, folder: Path) -> Clip:
    """A passage by a human being. folder: where the recordings are. Raises ConfigError when one is missing."""
    samples, hz = read_wav(folder / passage.file)
    cut = samples[round(passage.from_s * hz) : round(passage.to_s * hz)]
    quiet = np.zeros(round(_EDGE_S * hz), np.float32)
    return prepare(np.concatenate((quiet, _faded(cut, hz), quiet)), hz, passage.text, name=passage.file)


_EDGE_S: Final = 0.02
_FADE_S: Final = 0.01


def _faded(samples: Samples, hz: int) -> Samples:
    """Without the click of a cut."""
    ramp = np.minimum(1.0, np.arange(len(samples)) / (_FADE_S * hz)).astype(np.float32)
    return samples * ramp * ramp[::-1]
