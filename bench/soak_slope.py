"""Whether something grows: a straight line through what was held after so many calls, and how sure it is.

In:   calls done so far, and what was held then.     Out: a slope with the bounds between which it surely lies.
Rule: arithmetic only. The first quarter of a run warms up and does not count. What cannot be told is not called flat:
      a slope passes only when its upper bound is below the limit.

Neighbouring measurements are alike, for memory that was taken is kept for a while: they tell less than as many of which
each is new. So the bounds of least squares are widened as for errors each of which keeps a share of the one before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, sqrt
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

WARM_UP: Final = 0.25
"""The share of a run that does not count."""

_SURE: Final = 0.95
_LEAST: Final = 4
"""Measurements without which a line through them says nothing of its own error."""

_MOST_ALIKE: Final = 0.98
"""Beyond this, the bounds would be as wide as the picture."""

Verdict = Literal["flat", "grows", "cannot be told"]


@dataclass(frozen=True, slots=True)
class Slope:
    """How much more is held after each call. low, high: bounds of 95 %;  n: measurements behind it;  first, last: what
    was held at the first and at the last of them."""

    a_call: float
    low: float
    high: float
    n: int
    first: float
    last: float

    def verdict(self, limit: float) -> Verdict:
        """As compared with a limit that must not be reached, in what is held a call."""
        if self.high < limit:
            return "flat"
        return "grows" if self.low >= limit else "cannot be told"


def slope(calls: Sequence[float], held: Sequence[float]) -> Slope:
    """Of the last three quarters. calls: how many were over at each measurement, rising;  held: what was held then.

    Raises ValueError for series that are empty, do not belong together, or do not rise.
    """
    if not calls or len(calls) != len(held):
        raise ValueError(f"{len(calls)} counts of calls and {len(held)} measurements make no line")
    if any(later <= earlier for earlier, later in pairwise(calls)):
        raise ValueError("the counts of calls do not rise")
    kept = [number for number, done in enumerate(calls) if done >= calls[0] + WARM_UP * (calls[-1] - calls[0])]
    x, y = (np.array([series[number] for number in kept], np.float64) for series in (calls, held))
    if len(kept) < _LEAST:
        return Slope(0.0, -inf, inf, len(kept), float(y[0]), float(y[-1]))
    away = x - x.mean()
    spread = float(away @ away)
    a_call = float(away @ y) / spread
    errors = y - y.mean() - a_call * away
    variance = float(errors @ errors) / (len(kept) - 2) / spread * _alike(errors)
    half = t_quantile((1 + _SURE) / 2, len(kept) - 2) * sqrt(variance)
    return Slope(a_call, a_call - half, a_call + half, len(kept), float(y[0]), float(y[-1]))


def _alike(errors: NDArray[np.float64]) -> float:
    """How many times more the slope varies, because each error keeps a share of the one before it."""
    squares = float(errors @ errors)
    share = float(errors[1:] @ errors[:-1]) / squares if squares else 0.0
    share = min(max(share, 0.0), _MOST_ALIKE)
    return (1 + share) / (1 - share)


def t_quantile(p: float, freedom: int) -> float:
    """Student's t, from the normal distribution's: Abramowitz and Stegun 26.7.5, at p = 0.975 within 1 % from 2 degrees
    of freedom on, and 0.02 % from 5 on."""
    z: float = NormalDist().inv_cdf(p)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return float(z + sum(term / freedom**power for power, term in enumerate(terms, 1)))
