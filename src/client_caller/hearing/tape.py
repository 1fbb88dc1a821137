"""The tape: the newest sound of one call, found again by its time.

In:   samples, one after the other.     Out: those between two instants.
Rule: it holds a fixed number of seconds; the oldest go without a word. Instants are seconds since the first sample.
"""

from typing import Final

import numpy as np

from client_caller.audio.frame import Samples

_ROOM: Final = 2
"""Times the kept length that is allocated, so that the sound is moved to the front once per kept length only."""


class Tape:
    """The last `kept_s` seconds of sound at `hz`."""

    def __init__(self, hz: int, kept_s: float) -> None:
        self._hz = hz
        self._kept = round(kept_s * hz)
        self._sound: Samples = np.zeros(_ROOM * self._kept, np.float32)
        self._written = 0  # samples now in `_sound`
        self._dropped = 0  # samples that were before them

    @property
    def ends_s(self) -> float:
        """The end of the sound."""
        return (self._dropped + self._written) / self._hz

    def append(self, samples: Samples) -> None:
        """Add sound at the end."""
        fresh = samples[-self._kept :]
        if self._written + len(fresh) > len(self._sound):
            keep = self._kept - len(fresh)
            self._dropped += self._written - keep
            self._sound[:keep] = self._sound[self._written - keep : self._written]
            self._written = keep
        self._sound[self._written : self._written + len(fresh)] = fresh
        self._written += len(fresh)
        self._dropped += len(samples) - len(fresh)

    def between(self, from_s: float, to_s: float) -> Samples:
        """A copy of the sound between two instants, or of what is left of it."""
        oldest = max(0, self._written - self._kept)
        first = max(oldest, round(from_s * self._hz) - self._dropped)
        last = min(self._written, round(to_s * self._hz) - self._dropped)
        return self._sound[first : max(first, last)].copy()
