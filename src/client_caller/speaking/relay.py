"""A piece that more than one voice may have to say: what of it is said, and what is left.

In:   the stretches of each voice, with times of its own words.     Out: the stretches of the whole piece.
Rule: a word counts as said when all its sound was given; its time is given then, and only then. So whoever goes on
      begins with the word in which the voice before fell silent, and indexes and times go on counting.

Digital silence is kept back until sound follows it: of a voice that has died in it, nobody hears the silence.
"""

from collections import deque
from typing import Final

import numpy as np

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.speaking.protocol import Speech, WordTime
from client_caller.speaking.sound_check import in_order
from client_caller.speaking.words import spread

_ROUNDING_S: Final = 1e-6


class Relay:
    """One piece on its way from voice to voice. Times are seconds from its first sample.

    text: what is left to say.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._words = text.split()
        self._given = 0  # samples
        self._said: WordTime | None = None  # the last word whose sound was all given
        self._waiting: deque[WordTime] = deque()  # whose sound is not all given yet
        self._held: list[Samples] = []
        self._begin()

    @property
    def has_words(self) -> bool:
        """Whether what is left holds anything that sounds."""
        return any(character.isalnum() for character in self.text)

    def goes_on(self, speech: Speech) -> Speech | None:
        """The next stretch of the piece, when the voice has made this one; None while it is but silence."""
        self._tell(speech.words)
        self._held.append(np.clip(speech.samples, -1.0, 1.0))
        return self._give() if speech.samples.any() else None

    def end(self) -> Speech | None:
        """The voice is done: what was kept back, and the times of the words for which it gave none.

        Where nobody has given any, there are none: playout then spreads the words over the sound itself.
        """
        ends_s = (self._given + sum(map(len, self._held))) / LINE_HZ
        if self._told:
            untold = self._told.index + 1
            begins_s = min(max(self._told.end_s, self._begins_s), ends_s)
            self._waiting.extend(spread(self._words[untold:], untold, begins_s, ends_s))
        self._waiting = deque(_cut(word, ends_s) for word in self._waiting)
        return self._give() if self._held or self._waiting else None

    def hand_on(self) -> None:
        """The voice has failed: another one begins where it fell silent."""
        self._waiting.clear()
        self._held.clear()
        self._begin()
        self.text = " ".join(self._words[self._first :])

    def _begin(self) -> None:
        self._first = self._said.index + 1 if self._said else 0
        self._begins_s = self._given / LINE_HZ
        self._told = self._said
        self._trusted = True

    def _tell(self, words: tuple[WordTime, ...]) -> None:
        at_s = self._begins_s
        ours = tuple(WordTime(self._first + w.index, at_s + w.start_s, at_s + w.end_s) for w in words)
        self._trusted = self._trusted and in_order(ours, self._told, len(self._words))
        if self._trusted and ours:
            self._waiting.extend(ours)
            self._told = ours[-1]

    def _give(self) -> Speech:
        samples = np.concatenate(self._held) if self._held else np.zeros(0, np.float32)
        self._held.clear()
        self._given += len(samples)
        given_s = self._given / LINE_HZ
        said: list[WordTime] = []
        while self._waiting and self._waiting[0].end_s <= given_s + _ROUNDING_S:
            said.append(_cut(self._waiting.popleft(), given_s))
        self._said = said[-1] if said else self._said
        return Speech(samples, tuple(said))


def _cut(word: WordTime, ends_s: float) -> WordTime:
    """A time within the sound that there is."""
    return WordTime(word.index, min(word.start_s, ends_s), min(word.end_s, ends_s))
