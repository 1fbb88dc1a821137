"""The tape: the newest sound of one call, found again by its time, at the rate of the models that decode and judge.

In:   the line's mu-law, one piece after the other.     Out: the samples between two instants, at 16 kHz.
Rule: it holds a fixed number of seconds; the oldest go without a word. Instants are seconds since the first sample.

It keeps the bytes as they came, an eighth of what the samples would take, and changes their rate only when somebody
asks: most of a call is silence and the agent's turn, which nobody ever does. What it gives is what a stream resampler
that had been fed from the first sample on would have given, to the bit.
"""

from typing import Final

import numpy as np

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.mulaw import decode
from client_caller.audio.resample import LAG_SAMPLES, Resampler

_MODEL_HZ: Final = 16_000
_UP: Final = _MODEL_HZ // LINE_HZ

_WINGS: Final = 2 * (LAG_SAMPLES + 1)
"""Bytes that the filter needs around those that are kept."""

_SLACK: Final = LINE_HZ
"""Bytes beyond those that are kept after which the oldest are let go: once a second, not with every frame."""


class Tape:
    """The last `kept_s` seconds of one line's sound."""

    def __init__(self, kept_s: float) -> None:
        self._kept = round(kept_s * LINE_HZ)
        self._mulaw = bytearray()
        self._dropped = 0  # bytes that were before them

    @property
    def ends_s(self) -> float:
        """The end of the sound that can be had: the filter's half length, 2 ms, before the end of what came."""
        return self._ends / _MODEL_HZ

    def append(self, mulaw: bytes) -> None:
        """Add sound at the end."""
        self._mulaw += mulaw
        if (beyond := len(self._mulaw) - self._kept - _WINGS) > _SLACK:
            del self._mulaw[:beyond]
            self._dropped += beyond

    def between(self, from_s: float, to_s: float) -> Samples:
        """The sound between two instants, or what is left of it, at 16 kHz."""
        ends = self._ends
        first = max(0, ends - _UP * self._kept, round(from_s * _MODEL_HZ))
        last = min(ends, round(to_s * _MODEL_HZ))
        if last <= first:
            return np.zeros(0, np.float32)
        begin = max(0, first // _UP - LAG_SAMPLES)  # of the input that the first of these depends on
        needed = self._mulaw[begin - self._dropped : last // _UP + LAG_SAMPLES + 1 - self._dropped]
        made = Resampler(LINE_HZ, _MODEL_HZ).feed(decode(needed))
        return made[first - _UP * begin : last - _UP * begin]

    @property
    def _ends(self) -> int:
        """Samples at 16 kHz that all the sound so far completes."""
        received = self._dropped + len(self._mulaw)
        return max(0, _UP * (received - LAG_SAMPLES - 1) + 1)
