"""Whether a language model still makes sense, as far as that can be told from its text alone.

In:   the fragments of one reply, in order.     Out: what is wrong with it, as soon as something is.
Rule: only what no caller could make anything of. What is merely untrue or beside the point passes. A fragment costs the
      same however long the reply has become.
"""

import re
from collections import Counter, deque
from typing import Final

_WORDLESS: Final = 40
"""Characters without a letter or a digit that may stand at the beginning."""

_WORDLESS_LATER: Final = 160
"""And between two words: the line under a table's heading is shorter."""

_UNIT: Final = 20
_REPEATS: Final = 20
"""A unit of up to 20 characters (a token, a word, a sign) may follow itself so often. A row of digits or a laugh is
shorter; a model that has lost its way goes on for ever."""

_SEEN: Final = _UNIT * (_REPEATS + 1)

_RUN: Final = 8
_RUN_KINDS: Final = 4
_RUN_REPEATS: Final = 3
"""Longer units are found by their words: a run of 8, at least 4 of them different, may come again so often. Sentences
that take turns (A B A B …) hold the same runs each time; numbers that are spelled out have fewer kinds of words."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class TextCheck:
    """The text of one reply so far."""

    def __init__(self) -> None:
        self._wordless = 0
        self._tail = ""
        self._word = ""
        self._run: deque[str] = deque(maxlen=_RUN)
        self._runs: Counter[tuple[str, ...]] = Counter()
        self.has_words = False

    def feed(self, fragment: str) -> str | None:
        """What is wrong now that this fragment has come; None when nothing is."""
        self._tail = (self._tail + fragment)[-_SEEN:]
        silent = self._silent(fragment)
        if _CONTROL.search(fragment):
            return "nonsense: control characters"
        if silent:
            return "nonsense: no words"
        if self._comes_again(fragment) or any(self._repeats(unit) for unit in range(1, _UNIT + 1)):
            return "nonsense: it repeats itself"
        return None

    def _silent(self, fragment: str) -> bool:
        """Whether too much came without a word."""
        silent = False
        for character in fragment:
            if character.isalnum():
                self.has_words, self._wordless = True, 0
            else:
                self._wordless += 1
                silent = silent or self._wordless >= (_WORDLESS_LATER if self.has_words else _WORDLESS)
        return silent

    def _comes_again(self, fragment: str) -> bool:
        """Whether these characters complete a run of words that has come too often."""
        *complete, self._word = re.split(r"\W+", self._word + fragment.lower())
        again = False
        for word in filter(None, complete):
            self._run.append(word)
            if len(self._run) == _RUN and len(set(self._run)) >= _RUN_KINDS:
                run = tuple(self._run)
                self._runs[run] += 1
                again = again or self._runs[run] > _RUN_REPEATS
        return again

    def _repeats(self, unit: int) -> bool:
        whole = unit * (_REPEATS + 1)
        return len(self._tail) >= whole and self._tail[-whole:] == self._tail[-unit:] * (_REPEATS + 1)
