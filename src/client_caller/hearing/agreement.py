"""Agreement: which words of a turn will not change any more while the caller is still speaking.

In:   the turn's words as each interim decode finds them.     Out: the same words, and how many of them are settled.
Rule: two decodes of growing sound that begin with the same words have agreed on them (LocalAgreement-2, Macháček et al.
      2023, arXiv 2307.14743). What was agreed on stays; a later decode only tells what follows it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agreed:
    """Words of a turn, of which the first `stable` stay as they are until the turn is over."""

    text: str
    stable: int


class Agreement:
    """The stable beginning of one turn's words."""

    def __init__(self) -> None:
        self._stable: list[str] = []
        self._last: list[str] = []

    def after(self, text: str) -> Agreed:
        """The words after another decode, which found `text`."""
        words = text.split()
        words = self._stable + words[_matched(self._stable, words) :]
        self._stable = words[: max(len(self._stable), _common(words, self._last))]
        self._last = words
        return Agreed(" ".join(words), len(self._stable))


def _bare(word: str) -> str:
    return re.sub(r"[\W_]", "", word.lower())


def _common(words: Sequence[str], others: Sequence[str]) -> int:
    """How many words both begin with."""
    for count, (word, other) in enumerate(zip(words, others, strict=False)):
        if _bare(word) != _bare(other):
            return count
    return min(len(words), len(others))


def _matched(stable: Sequence[str], words: Sequence[str]) -> int:
    """How many of `words` say what `stable` says: the beginning with the least edit distance from it.

    A decode that has found one word more or less in there must not make a word come twice, or not at all.
    """
    distances = list(range(len(words) + 1))
    for row, settled in enumerate(stable, start=1):
        above, distances = distances, [row]
        for column, word in enumerate(words, start=1):
            changed = above[column - 1] + (_bare(settled) != _bare(word))
            distances.append(min(changed, above[column] + 1, distances[-1] + 1))
    nearest = min(distances)
    return max(column for column, distance in enumerate(distances) if distance == nearest)
