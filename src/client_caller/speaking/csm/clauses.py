"""Pieces cut to clauses, the length in which CSM speaks best.

In:   a piece, as it is said.     Out: its words in segments of at most some 120 characters.
Rule: no word is lost, split or moved. What would be very short stays with its neighbour: of a lone word CSM makes
      things up (so says the README of Marvis, a model of the same shape), and of a long text it loses the thread.
"""

from collections.abc import Sequence
from typing import Final

LIMIT: Final = 120
"""Characters of a segment: eight seconds, which is less than CSM's usual ten for one."""

_SHORTEST: Final = 20
"""A shorter rest is not cut off, unless there is no other place to cut at."""

_CONJUNCTIONS: Final = {
    *("and", "but", "or", "so", "yet", "because", "since", "although", "though", "while", "whereas", "unless", "until"),
    *("if", "when", "whenever", "before", "after", "which", "who", "whose", "where", "that"),
}
"""English, as CSM is."""

_CLOSING: Final = "\"'”’)]"
_DASHES: Final = ("—", "–", "-")


def clauses(text: str, limit: int = LIMIT) -> list[str]:
    """The segments of a text; none when it has no words. Only a single word may be longer than `limit`."""
    words = text.split()
    return [" ".join(part) for part in _cut(words, limit)] if words else []


def _cut(words: Sequence[str], limit: int) -> list[Sequence[str]]:
    length = len(" ".join(words))
    if length <= limit or len(words) == 1:
        return [words]
    best, place, before = (False, -1, -length), 1, 0
    for index in range(1, len(words)):
        before += len(words[index - 1]) + 1
        left, right = before - 1, length - before
        # Of equally good places the one nearest the middle, so that both sides are of a length.
        worth = (min(left, right) >= _SHORTEST, _strength(words[index - 1], words[index]), -abs(left - right))
        if worth > best:
            best, place = worth, index
    return [*_cut(words[:place], limit), *_cut(words[place:], limit)]


def _strength(word: str, following: str) -> int:
    """How well a text can be cut between these two words."""
    bare = word.rstrip(_CLOSING)
    if bare.endswith((".", "!", "?", "…")):
        return 4
    if bare.endswith((";", ":", *_DASHES)):
        return 3
    if bare.endswith(","):
        return 2
    return int(following.lower() in _CONJUNCTIONS)
