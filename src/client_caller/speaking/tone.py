"""The test voice: every word is a tone of known length, so what a caller has heard can be counted.

In:   text.     Out: speech at 8 kHz whose word times are exact.
Rule: no threads and no randomness; it waits only by `asyncio.sleep`, so it also runs in virtual time.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

import numpy as np

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.speaking.protocol import Speech, Talk, WordTime

_AMPLITUDE: Final = 0.14  # -20 dBFS for a sine
_LOWEST_HZ: Final = 300.0  # the lower edge of the telephone band
_STEP_HZ: Final = 50.0
_PITCHES: Final = 60  # up to 3,250 Hz, the upper edge, before the pitches begin again


@dataclass(frozen=True, slots=True)
class ToneVoice:
    """A voice that sounds each word as `word_s` seconds of tone, each with its own pitch.

    first_audio_s: seconds before the first word;  stall_after_words, stall_s: where it halts, and for how long.
    """

    word_s: float = 0.25
    first_audio_s: float = 0.0
    stall_after_words: int | None = None
    stall_s: float = 0.0

    async def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
        """One `Speech` for each word of `text.split()`."""
        await asyncio.sleep(self.first_audio_s)
        for index in range(len(text.split())):
            if index == self.stall_after_words:
                await asyncio.sleep(self.stall_s)
            yield Speech(tone(index, self.word_s), (WordTime(index, index * self.word_s, (index + 1) * self.word_s),))

    def leave(self, call_id: str) -> None:
        """Nothing is kept of a call."""


def tone(index: int, length_s: float) -> Samples:
    """The sound of the word at `index`: shape (n,), 8 kHz, about -20 dBFS."""
    hz = _LOWEST_HZ + _STEP_HZ * (index % _PITCHES)
    at_s = np.arange(round(length_s * LINE_HZ)) / LINE_HZ
    return (_AMPLITUDE * np.sin(2 * np.pi * hz * at_s)).astype(np.float32)
