"""Hearing without models: deterministic stand-ins for rehearsals and tests, named as what they are.

In:   sound, and a script of answers.     Out: the answers, in turn.
Rule: no threads, so that they work under a loop whose clock jumps; no settings choose them.
"""

import asyncio
from collections.abc import Iterable, Iterator

from client_caller.audio.frame import Samples
from client_caller.audio.levels import level_dbfs


class LoudnessActivity:
    """Takes for voice whatever is louder than `above_dbfs`."""

    def __init__(self, above_dbfs: float = -40.0) -> None:
        self._above_dbfs = above_dbfs

    async def probability(self, window: Samples) -> float:
        """0.99 for a loud window, 0.01 for any other."""
        return 0.99 if level_dbfs(window) > self._above_dbfs else 0.01

    def reset(self) -> None:
        """Nothing to forget."""


class ScriptedTranscriber:
    """Finds the given texts, one at each call that is given sound, `delay_s` later; when they have run out, nothing."""

    def __init__(self, texts: Iterable[str], delay_s: float = 0.0) -> None:
        self._texts: Iterator[str] = iter(texts)
        self._delay_s = delay_s

    async def transcribe(self, samples: Samples) -> str:
        """The next text, or "" when `samples` are digital silence."""
        silent = not samples.any()
        text = "" if silent else next(self._texts, "")
        await asyncio.sleep(self._delay_s)
        return text


class ScriptedTurnModel:
    """Gives the given probabilities, one at each call, `delay_s` later; when they have run out, the last again."""

    def __init__(self, scores: Iterable[float], delay_s: float = 0.0) -> None:
        self._scores: Iterator[float] = iter(scores)
        self._last = 0.5
        self._delay_s = delay_s

    async def p_done(self, samples: Samples) -> float:
        """The next probability."""
        self._last = score = next(self._scores, self._last)
        await asyncio.sleep(self._delay_s)
        return score
