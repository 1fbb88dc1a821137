"""What of a transcriber's work to believe.

In:   sound before it is decoded, text after.     Out: whether to decode it; the text without what was made up.
Rule: a generative transcriber always finds words, in noise too; so it is not shown noise.
"""

from typing import Final

import numpy as np

from client_caller.audio.frame import Samples
from client_caller.audio.levels import level_dbfs

_SHORTEST_S: Final = 0.1
"""No word is shorter."""

_LOUDEST_S: Final = 0.03
"""Length of the stretches of which the loudest counts: a short word must not drown in the silence around it."""

_QUIETEST_DBFS: Final = -52.0
"""The loudest stretch of a quiet caller's quietest word lies above, a line's hiss below."""

_LONGEST_PHRASE: Final = 8
_REPEATS: Final = 3
_LOOP_WORDS: Final = 8
"""A loop has at least so many words in all: "no, no, no" and "four five, four five, four five" may be meant."""

_FOUND_IN_NOISE: Final = ["you"]
"""What Moonshine answers to loud hiss and to snatches too short for a word, as measured. Nobody says it alone."""


def holds_voice(samples: Samples, hz: int) -> bool:
    """Whether there is enough sound, and loud enough, for words."""
    if len(samples) < _SHORTEST_S * hz:
        return False
    stretch = round(_LOUDEST_S * hz)
    stretches = samples[: len(samples) // stretch * stretch].reshape(-1, stretch)
    loudest = stretches[np.argmax(np.square(stretches).sum(axis=1))]
    return level_dbfs(loudest) > _QUIETEST_DBFS


def believed(text: str) -> str:
    """The text in which a phrase said over and over (three times or more, eight words or more) is said once.

    Empty when all of it is what is found in breath and noise.
    """
    words = text.split()
    plain = [word.strip(".,!?").lower() for word in words]
    if plain == _FOUND_IN_NOISE:
        return ""
    kept: list[str] = []
    at = 0
    while at < len(words):
        length, repeats = _loop(plain[at:])
        kept += words[at : at + length]
        at += length * repeats
    return " ".join(kept)


def _loop(words: list[str]) -> tuple[int, int]:
    """Length and repeats of the loop that `words` begin with; (1, 1) when they begin with none."""
    for length in range(1, _LONGEST_PHRASE + 1):
        repeats = 1
        while words[repeats * length : (repeats + 1) * length] == words[:length]:
            repeats += 1
        if repeats >= _REPEATS and repeats * length >= _LOOP_WORDS:
            return length, repeats
    return 1, 1
