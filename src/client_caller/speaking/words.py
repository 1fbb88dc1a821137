"""Words in time: the part of a stretch of sound that each word takes, where the voice did not say, and the pause after.

In:   words and the stretch they fill.     Out: their times, in proportion to their letters.
"""

from collections.abc import Sequence
from typing import Final

from client_caller.speaking.protocol import WordTime

PAUSE_S: Final = {",": 0.12, ";": 0.18, ":": 0.18, ".": 0.25, "!": 0.25, "?": 0.25}
"""Silence behind a piece, by its last character; one that is cut from the middle of a sentence has none."""


def pause_after(text: str) -> float:
    """Seconds of silence that a piece ends with."""
    return PAUSE_S.get(text.rstrip("\"'”’) ")[-1:], 0.0)


def spread(words: Sequence[str], first: int, start_s: float, end_s: float) -> list[WordTime]:
    """Times of `words`, the first of which has index `first`. What has no letter or digit (a dash) takes no time."""
    letters = [sum(character.isalnum() for character in word) for word in words]
    each_s = (end_s - start_s) / max(1, sum(letters))
    times, begins_s, before = [], start_s, 0
    for index, count in enumerate(letters, first):
        before += count
        ends_s = start_s + before * each_s if before < sum(letters) else end_s
        times.append(WordTime(index, begins_s, ends_s))
        begins_s = ends_s
    return times
