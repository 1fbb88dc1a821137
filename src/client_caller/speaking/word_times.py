"""When each word of a piece sounds, for a voice that does not say.

In:   the words of a piece, and its sound as it comes, 8 kHz.     Out: their times, each once, soon after it ended.
Rule: a time lies within the sound that has come, and none is taken back: so a word is told only when a pause behind it
      would have been noticed.

Words share the sound by how long they take to say. Where the voice pauses, at a comma for one, it is known again which
word has just ended, and how fast this voice speaks.
"""

import re
from typing import Final

import numpy as np

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.levels import SILENT_DBFS
from client_caller.speaking.protocol import WordTime

_LETTER, _SYLLABLE, _WORD, _CLAUSE_END, _SMALL = 0.58, 0.78, 1.39, 1.86, -1.22
"""How long a word takes, in characters of average text: by its letters, groups of vowels, for being a word, for ending
a clause (its last syllable is drawn out), for being one that nobody stresses. Least squares over eSpeak's own word
times for every other piece of bench/word_times.py, five voices and speeds; on the rest the error of a word's length is
18 % of a mean word's, where letters alone give 29 %."""

_SMALL_WORDS: Final = {
    *("a", "an", "the", "of", "to", "in", "on", "at", "by", "for", "from", "with", "and", "or", "but", "as", "that"),
    *("is", "are", "was", "be", "been", "can", "will", "would", "could", "do", "does", "have", "has", "had", "not"),
    *("this", "your", "our", "my", "his", "her", "their", "it", "its", "we", "you", "i", "he", "she", "they"),
}

_BLOCK: Final = LINE_HZ // 100
_BLOCK_S: Final = _BLOCK / LINE_HZ
_BELOW_LOUDEST_DB: Final = 35.0
_QUIET_DBFS: Final = -55.0
"""10 ms are silent 35 dB below the loudest so far, or below -55 dBFS; as in csm/ending.py."""

_PAUSE: Final = 10
_LONG_PAUSE: Final = 20
"""Blocks of silence that are a pause where punctuation lets one expect it, and anywhere. A stop consonant has fewer."""

_NOTICED_S: Final = 0.12
"""A word is told so long after it should have ended; a pause behind it has been noticed by then."""

_UNSURE_S: Final = 0.08
_UNSURE: Final = 0.12
_FARTHEST: Final = 2.0
"""A place in the sound is known to 80 ms and an eighth of the stretch since the last pause; a pause twice as far from
the punctuation is another one."""

_TRUST_S: Final = 3.0
"""The speed that was given counts like so many seconds of speech at it."""

_VOWELS: Final = re.compile("[aeiouy]+")
_SILENT_E: Final = re.compile("[aeiouy].*[^aeiouyl]e$")


class WordTimer:
    """One piece. letters_per_s: characters that the voice says in a second of speech, spaces among them."""

    def __init__(self, text: str, letters_per_s: float = 14.0) -> None:
        self._words = text.split()
        ends_clause = [not word[-1].isalnum() for word in self._words[:-1]] + [True]
        self._ends_clause = ends_clause[: len(self._words)]
        lengths = map(_length, self._words, self._ends_clause)
        self._until = np.concatenate((np.zeros(1), np.cumsum(np.fromiter(lengths, float, len(self._words)))))
        self._letters, self._seconds = letters_per_s * _TRUST_S, _TRUST_S
        self._told = 0
        self._told_s = 0.0  # where the last told word ended
        self._first = 0  # the word with which this stretch of speech began
        self._begins_s: float | None = None  # where it began; None in the pause before it
        self._blocks = 0
        self._silent = 0  # blocks, up to now
        self._loudest = SILENT_DBFS
        self._rest: Samples = np.zeros(0, np.float32)

    @property
    def letters_per_s(self) -> float:
        """As fast as the voice was found to speak: for its next piece."""
        return self._letters / self._seconds

    def feed(self, samples: Samples) -> tuple[WordTime, ...]:
        """The words that are known to have ended now."""
        waiting = np.concatenate((self._rest, samples))
        whole = len(waiting) // _BLOCK * _BLOCK
        self._rest = waiting[whole:].copy()
        powers = np.square(waiting[:whole].reshape(-1, _BLOCK), dtype=np.float64).mean(axis=1)
        words: list[WordTime] = []
        for dbfs in 10 * np.log10(np.maximum(powers, 10 ** (SILENT_DBFS / 10))):
            words += self._hear(float(dbfs))
        return tuple(words)

    def finish(self) -> tuple[WordTime, ...]:
        """All others: the sound is over."""
        ends_s = (self._blocks - self._silent) * _BLOCK_S
        return tuple(self._settle(len(self._words), max(ends_s, self._told_s)))

    def _hear(self, dbfs: float) -> list[WordTime]:
        """The next 10 ms."""
        self._blocks += 1
        self._loudest = max(self._loudest, dbfs)
        if dbfs >= max(_QUIET_DBFS, self._loudest - _BELOW_LOUDEST_DB):
            self._silent = 0
            if self._begins_s is None:
                self._begins_s = (self._blocks - 1) * _BLOCK_S
            return self._ended()
        self._silent += 1
        if self._begins_s is None:
            return []
        if self._silent >= _PAUSE and (word := self._word_before(self._silent >= _LONG_PAUSE)) is not None:
            words = self._settle(word + 1, (self._blocks - self._silent) * _BLOCK_S)
            self._begins_s = None
            return words
        return []

    def _ended(self) -> list[WordTime]:
        """The words that ended long enough ago. One before a pause is waited for until the pause is surely not made."""
        words = []
        while self._told < len(self._words) - 1:
            ends_s = self._expected_s(self._told)
            wait_s = self._unsure_s(self._told) if self._ends_clause[self._told] else 0.0
            if self._blocks * _BLOCK_S < ends_s + _NOTICED_S + wait_s:
                break
            words.append(self._tell(ends_s))
        return words

    def _word_before(self, anywhere: bool) -> int | None:
        """The word behind which a pause has begun: the likeliest of those that end a clause, else of all."""
        paused_s = (self._blocks - self._silent) * _BLOCK_S
        untold = range(max(self._told - 1, self._first), len(self._words))
        off = {word: abs(paused_s - self._expected_s(word)) / self._unsure_s(word) for word in untold}
        ends = [word for word in untold if self._ends_clause[word] and off[word] <= _FARTHEST]
        return min(ends or (untold if anywhere else ()), key=lambda word: off[word], default=None)

    def _expected_s(self, word: int) -> float:
        """Where this word ends, counted from the beginning of the stretch."""
        begins_s = self._blocks * _BLOCK_S if self._begins_s is None else self._begins_s
        return begins_s + float(self._until[word + 1] - self._until[self._first]) / self.letters_per_s

    def _unsure_s(self, word: int) -> float:
        letters = float(self._until[word + 1] - self._until[self._first])
        return _UNSURE_S + _UNSURE * letters / self.letters_per_s

    def _settle(self, until: int, ends_s: float) -> list[WordTime]:
        """The words before `until` have ended here."""
        begins_s = ends_s if self._begins_s is None else self._begins_s
        letters = float(self._until[until] - self._until[self._first])
        words = []
        if letters > 0 and ends_s > begins_s:
            self._letters, self._seconds = self._letters + letters, self._seconds + ends_s - begins_s
        while self._told < until:
            share = float(self._until[self._told + 1] - self._until[self._first]) / letters if letters > 0 else 1.0
            words.append(self._tell(begins_s + share * (ends_s - begins_s)))
        self._first = until
        return words

    def _tell(self, ends_s: float) -> WordTime:
        ends_s = max(ends_s, self._told_s)
        begins_s = self._told_s
        if self._told == self._first and self._begins_s is not None:
            begins_s = min(ends_s, max(begins_s, self._begins_s))  # behind the pause
        word = WordTime(self._told, begins_s, ends_s)
        self._told, self._told_s = self._told + 1, ends_s
        return word


def _length(word: str, ends_clause: bool) -> float:
    """How long it takes to say, in characters of average text; what has no letter or digit takes no time."""
    letters = "".join(character for character in word.lower() if character.isalnum())
    if not letters:
        return 0.0
    digits = sum(character.isdigit() for character in letters)  # each a word of four letters, if nobody spelled it out
    syllables = max(1, digits + len(_VOWELS.findall(letters)) - bool(_SILENT_E.search(letters)))
    sounds = _LETTER * (len(letters) + 3 * digits) + _SYLLABLE * syllables
    return _WORD + sounds + _CLAUSE_END * ends_clause + _SMALL * (letters in _SMALL_WORDS)
