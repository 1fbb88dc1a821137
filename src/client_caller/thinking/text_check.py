"""Whether a language model still makes sense, as far as that can be told from its text alone.

In:   the fragments of one reply, in order.     Out: what is wrong with it, as soon as something is.
Rule: only what no caller could make anything of. What is merely untrue or beside the point passes.
"""

import re
from typing import Final

_WORDLESS: Final = 40
"""Characters without a letter or a digit that may stand at the beginning."""

_UNIT: Final = 20
_REPEATS: Final = 20
"""A unit of up to 20 characters (a token, a word, a sign) may follow itself so often. A row of digits or a laugh is
shorter; a model that has lost its way goes on for ever."""

_SEEN: Final = _UNIT * (_REPEATS + 1)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class TextCheck:
    """The text of one reply so far."""

    def __init__(self) -> None:
        self._length = 0
        self._tail = ""
        self.has_words = False

    def feed(self, fragment: str) -> str | None:
        """What is wrong now that this fragment has come; None when nothing is."""
        self._length += len(fragment)
        self._tail = (self._tail + fragment)[-_SEEN:]
        self.has_words = self.has_words or any(character.isalnum() for character in fragment)
        if _CONTROL.search(fragment):
            return "nonsense: control characters"
        if not self.has_words and self._length >= _WORDLESS:
            return "nonsense: no words"
        if any(self._repeats(unit) for unit in range(1, _UNIT + 1)):
            return "nonsense: it repeats itself"
        return None

    def _repeats(self, unit: int) -> bool:
        whole = unit * (_REPEATS + 1)
        return len(self._tail) >= whole and self._tail[-whole:] == self._tail[-unit:] * (_REPEATS + 1)
