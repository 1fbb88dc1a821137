"""Voice activity by loudness alone: what is left when the model that tells voice from noise has failed.

In:   windows of 256 samples at 8 kHz, of one call.     Out: how likely a voice is, in two values.
Rule: it hears every caller who is louder than their line. It takes music and slammed doors for a voice, which the rest
      of hearing survives; a caller whom nobody hears, it would not.
"""

from typing import Final

from client_caller.audio.frame import Samples
from client_caller.audio.levels import level_dbfs
from client_caller.hearing.loudness import Loudness

_ABOVE_DB: Final = 10.0
"""Above the floor of the line's noise. A window of steady noise differs from its mean by 2 dB at most."""

_LEAST_DBFS: Final = -50.0
"""Hearing lifts a quiet caller above this before anybody judges; below it are the steps of mu-law."""

_VOICE: Final = 0.8
"""Enough for a voice, but not so sure that a single window, such as a click, would count as an onset."""

_NO_VOICE: Final = 0.05


class LevelActivity:
    """Voice activity of one call."""

    def __init__(self) -> None:
        self._loudness = Loudness()

    async def probability(self, window: Samples) -> float:
        """0.8 for a window that is louder than the line, else 0.05."""
        return self.judged(window)

    def judged(self, window: Samples) -> float:
        """The same, at once."""
        level = level_dbfs(window)
        self._loudness.feed(level)
        return _VOICE if level > max(_LEAST_DBFS, self._loudness.floor_dbfs + _ABOVE_DB) else _NO_VOICE

    def reset(self) -> None:
        """Forget the line's noise."""
        self._loudness = Loudness()
