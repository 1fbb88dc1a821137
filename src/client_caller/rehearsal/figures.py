"""Figures over many turns.

In:   measured numbers.     Out: one of them.
"""

from collections.abc import Sequence
from math import ceil


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` (in (0, 1]) of the values do not exceed; None when there are none.

    This is the nearest-rank definition: it never invents a number between two measured ones, which matters for the
    handful of turns in one call, where p95 is simply the slowest.
    """
    if not values:
        return None
    return sorted(values)[ceil(share * len(values)) - 1]
