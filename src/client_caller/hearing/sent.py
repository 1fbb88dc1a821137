"""The agent's own sound as it was sent: what sounded when.

In:   mu-law with the instant at which it should sound, in order, with gaps; what was dropped before it sounded.
Out:  the sound between two instants, silence where nothing was sent.
Rule: it holds the newest seconds only, as bytes. Instants are on whatever time line the teller uses.
"""

from typing import Final

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.mulaw import SILENCE, decode

_KEPT: Final = 1 << 14  # samples, 2.048 s: the longest look back is 0.73 s, and sound is told up to 0.3 s ahead

_QUIET: Final = bytes([SILENCE])


class Sent:
    """The last two seconds of what one caller was sent, as a ring: the sample of each instant has one place in it."""

    def __init__(self) -> None:
        self._ring = bytearray(_QUIET * _KEPT)
        self._ends: int | None = None  # sample after the newest one; none: nothing was ever sent

    def plays(self, mulaw: bytes, at: float) -> None:
        """This sound follows, its first sample at `at`; what was told of that time before is replaced."""
        sound = mulaw[-_KEPT:]
        begins = round(at * LINE_HZ) + len(mulaw) - len(sound)
        ends = begins if self._ends is None else self._ends
        if begins > ends:
            gap = min(_KEPT, begins - ends)
            self._put(begins - gap, _QUIET * gap)
        self._put(begins, sound)
        self._ends = max(ends, begins + len(sound))

    def silenced(self, at: float) -> None:
        """Nothing of what was told sounds at `at` or later."""
        begins = round(at * LINE_HZ)
        if self._ends is not None and begins < self._ends:
            count = min(_KEPT, self._ends - begins)
            self._put(self._ends - count, _QUIET * count)
            self._ends = begins

    def ended_before(self, at: float) -> bool:
        """Whether nothing sounded at `at` or later."""
        return self._ends is None or self._ends <= at * LINE_HZ

    def before(self, at: float, count: int) -> Samples:
        """The `count` samples up to `at`, shape (count,); at most two seconds back are known."""
        last = round(at * LINE_HZ)
        if self._ends is None or self._ends <= last - count:
            return decode(_QUIET * count)
        first = (last - count) % _KEPT
        sound = self._ring[first : first + count] + self._ring[: max(0, first + count - _KEPT)]
        if self._ends < last:
            sound[self._ends - last :] = _QUIET * (last - self._ends)  # an older round of the ring
        return decode(sound)

    def _put(self, at: int, sound: bytes) -> None:
        first = at % _KEPT
        split = min(len(sound), _KEPT - first)
        self._ring[first : first + split] = sound[:split]
        if split < len(sound):
            self._ring[: len(sound) - split] = sound[split:]
