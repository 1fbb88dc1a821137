"""Changing the sampling rate by a ratio of whole numbers, in a stream, with little delay.

In:   chunks of samples at one rate.     Out: chunks at the other, seamless however the stream is cut.
Rule: no buffering beyond the filter's half length. (Stream resamplers made for music hold back 40-100 ms,
      which a caller hears as a slow answer.)
"""

from functools import cache
from math import gcd
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from client_caller.audio.frame import Samples

_ZERO_CROSSINGS: Final = 16
"""Half length of the filter in periods of the slower rate: 2 ms at 8 kHz, and below -85 dB beyond 4.4 kHz."""

LAG_SAMPLES: Final = _ZERO_CROSSINGS
"""How far a sample's output depends on those around it, where the rate is raised, in samples of the input."""

_KAISER_BETA: Final = 8.0
"""Side lobes near -80 dB, below the noise of mu-law."""


class Resampler:
    """A windowed-sinc polyphase filter with memory: one stream, one instance.

    Feed it chunks; after the last one `finish` gives the tail. The sum of what comes out has ceil(n * to_hz / from_hz)
    samples for n that went in, aligned with the input (no shift).
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        common = gcd(from_hz, to_hz)
        self._up, self._down = to_hz // common, from_hz // common
        slower_hz = min(from_hz, to_hz)
        half = -(-_ZERO_CROSSINGS * from_hz // slower_hz)  # input samples each side of the output instant
        self._half = half
        self._taps = _taps(self._up, half, 0.92 * slower_hz / from_hz)  # the rest is the filter's slope
        self._held: Samples = np.zeros(half - 1, np.float32)
        self._held_from = -(half - 1)  # input index of the first held sample
        self._received = 0
        self._made = 0

    def feed(self, samples: Samples) -> Samples:
        """The output that these samples complete; it lags the input by the filter's half length."""
        self._received += len(samples)
        self._held = np.concatenate((self._held, samples))
        ready = (self._received - self._half - 1) * self._up // self._down + 1  # outputs whose right wing is here
        return self._make(max(ready, self._made))

    def finish(self) -> Samples:
        """The tail, as if silence followed. The instance is then used up."""
        self._held = np.concatenate((self._held, np.zeros(self._half + 1, np.float32)))
        return self._make(-(-self._received * self._up // self._down))

    def _raised(self, until: int) -> Samples:
        """What `_make` gives when the output rate is a multiple of the input's, phase by phase: quicker, and every
        frame of every call comes this way."""
        first, last = self._made // self._up, (until - 1) // self._up  # input samples that outputs belong to
        from_ = first - self._half + 1 - self._held_from
        held = self._held[from_ : from_ + last - first + 2 * self._half]
        made = np.stack([np.correlate(held, taps, "valid") for taps in self._taps], axis=1).ravel()
        return made[self._made - first * self._up :][: until - self._made]

    def _make(self, until: int) -> Samples:
        if until <= self._made:
            return np.zeros(0, np.float32)
        if self._down == 1:
            made = self._raised(until)
        else:
            positions = np.arange(self._made, until) * self._down
            whole, phase = positions // self._up, positions % self._up
            rows = sliding_window_view(self._held, 2 * self._half)[whole - self._half + 1 - self._held_from]
            made = np.einsum("ij,ij->i", rows, self._taps[phase]).astype(np.float32)
        self._made = until
        keep_from = until * self._down // self._up - self._half + 1
        self._held = self._held[keep_from - self._held_from :].copy()
        self._held_from = keep_from
        return made


@cache
def _taps(up: int, half: int, cutoff: float) -> Samples:
    """The filter of each phase, shape (phases, 2 * half). cutoff: of the input's Nyquist rate."""
    phases = np.arange(up)[:, None] / up
    offset = np.arange(-half + 1, half + 1)[None, :] - phases
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0.0, 1 - (offset / half) ** 2))) / np.i0(_KAISER_BETA)
    taps = cutoff * np.sinc(cutoff * offset) * window
    filters: Samples = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
    return filters


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """All of `samples` at another rate at once: ceil(n * to_hz / from_hz) of them."""
    if from_hz == to_hz:
        return samples
    stream = Resampler(from_hz, to_hz)
    return np.concatenate((stream.feed(samples), stream.finish()))
