"""What a model of another rate makes, as speech for the line.

In:   sound as it comes.     Out: speech at 8 kHz and at the line's level, with the times of its words.
Rule: one way for all such voices. The times are estimates: the models that are used this way tell none.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from math import inf
from typing import Final

from client_caller.audio.finish import Finisher
from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.speaking.protocol import Speech, WordTime
from client_caller.speaking.word_times import WordTimer
from client_caller.speaking.words import pause_after

_LETTERS_PER_S: Final = 14.0
"""How fast a voice is taken to speak that has not spoken yet, in letters and spaces: 150 words a minute."""

_LAG_S: Final = 0.010
"""How far behind its input the finisher's output is, but for silence; see audio/finish.py."""


class Finish:
    """What the pieces of one voice have in common: each begins with the gain and the speed that the one before had."""

    def __init__(self) -> None:
        self.gain_db: float | None = None
        self.letters_per_s = _LETTERS_PER_S

    async def speech(self, text: str, made: AsyncGenerator[Samples, None], hz: int) -> AsyncGenerator[Speech, None]:
        """The piece `text`, whose sound comes out of `made` at `hz`. Raises what `made` raises."""
        piece = FinishedPiece(self, text, hz)
        async with aclosing(made):
            async for sound in made:
                if speech := piece.feed(sound):
                    yield speech
        if speech := piece.end():
            yield speech


class FinishedPiece:
    """One piece of a voice.

    skipped_s: silence at the beginning of its sound that was left out, as far as that is known.
    """

    def __init__(self, finish: Finish, text: str, hz: int) -> None:
        self._finish = finish
        self._finisher = Finisher(hz, finish.gain_db, pause_s=pause_after(text))
        self._timer = WordTimer(text, finish.letters_per_s)
        self._hz = hz
        self._taken = self._given = 0
        self._behind_s = inf

    @property
    def skipped_s(self) -> float:
        """Seconds."""
        return max(0.0, self._behind_s - _LAG_S) if self._given else 0.0

    def feed(self, sound: Samples) -> Speech | None:
        """What of the speech is complete, if any is."""
        samples = self._finisher.feed(sound)
        self._taken += len(sound)
        self._given += len(samples)
        if self._given:  # what is held back now and then is silence, so the least is what will never come
            self._behind_s = min(self._behind_s, self._taken / self._hz - self._given / LINE_HZ)
        return _speech(samples, self._timer.feed(samples))

    def end(self) -> Speech | None:
        """The rest of it, and the pause that its last character deserves."""
        samples = self._finisher.finish()
        words = (*self._timer.feed(samples), *self._timer.finish())
        self._finish.gain_db, self._finish.letters_per_s = self._finisher.gain_db, self._timer.letters_per_s
        return _speech(samples, words)


def _speech(samples: Samples, words: tuple[WordTime, ...]) -> Speech | None:
    return Speech(samples, words) if len(samples) or words else None
