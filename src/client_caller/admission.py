"""Whether one more call may come in: how late answers would be then, told from how late they have been of late.

In:   of each answer when it was made, how many calls ran, and the seconds that it took.
Out:  the p95 to be expected with so many calls; the knee, up to which it is within the aim; whether one more may come.
Rule: no clock (`now` is an argument, in seconds), no task, no chance. Without measurements nobody is turned away.

A process with calls is a closed queue: each caller talks for a while, then wants an answer, and all of them ask the
same few servers (cores, slots, a card). How long that takes grows with the number of calls, the faster the more there
are, and is known for numbers that there have been. So what was measured is kept by number, and fades with time; numbers
side by side are taken together until there are enough answers to tell a p95 from, and until none looks slower than the
next, which can only be chance. Between what is left the line is straight, and beyond it goes on as it last rose.
"""

from dataclasses import dataclass
from math import inf, sqrt
from typing import Final, Self

import numpy as np
import numpy.typing as npt

_HALF_LIFE_S: Final = 240.0
"""Seconds after which a measurement counts half. With less the knee follows chance, with more a slow minute is held
against callers for a quarter of an hour; `tests/test_admission.py` has both."""

_FEW: Final = 20.0
"""Answers of which nothing is told: of twenty, one is later than their p95."""

_RISES_AT: Final = 0.95
"""Share of the aim below which the knee rises: what is just at the aim stays as it is, and does not flap."""

_RISES_EVERY_S: Final = 20.0
"""Seconds between two steps up, a call each: enough for the one more to have had its first answers."""

_KEPT_S: Final = 30.0
"""Seconds for which room stays that there was: who was promised it has a stream by then, and whom we ring up has
answered (`outbound.ring_s`). Calls that run are never ended, so the load would hardly be lower without it."""

_DRAWN_EVERY_S: Final = 1.0
"""Seconds for which a line is good, however much is measured meanwhile."""

_BOUNDS: Final = np.geomspace(0.05, 30.0, 96)
"""Seconds that are told apart, 7 % from one to the next. An answer beyond the last is as bad as none."""

_GONE: Final = 0.05
"""Weight below which nothing is left of what was measured with so many calls."""

_Weights = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Block:
    """What was measured with a few numbers of calls side by side.

    weights: of answers, by how long they took, float64 of shape (97,);  calls: that ran, as a mean.
    """

    weights: _Weights
    calls: float
    weight: float
    p95_s: float

    @classmethod
    def of(cls, weights: _Weights, calls: float) -> Self:
        """Its p95 is told less one standard error: chance is not enough to turn somebody away."""
        upto = np.cumsum(weights)
        weight = float(upto[-1])
        level = 0.95 - sqrt(0.95 * 0.05 / max(weight, 1.0))
        rank = min(int(np.searchsorted(upto, level * weight)), len(_BOUNDS) - 1)
        return cls(weights, calls, weight, float(_BOUNDS[rank]))

    def joined(self, other: Self) -> Self:
        weight = self.weight + other.weight
        calls = (self.calls * self.weight + other.calls * other.weight) / weight
        return self.of(self.weights + other.weights, calls)


class Admission:
    """What one process can take on. Without limits everything."""

    def __init__(self) -> None:
        self._aim_s = inf
        self._floor = self._at_most = self._knee = 1
        self._measured: dict[int, _Weights] = {}  # by calls that ran
        self._faded_at = 0.0
        self._known: list[tuple[float, float]] = []  # calls, and the p95 with so many; both rise
        self._drawn_at = -inf
        self._rises_at = -inf
        self._kept: list[tuple[float, int]] = []  # room that there was: until when it stays, and for how many calls

    def limit(self, aim_s: float, floor: int, at_most: int) -> None:
        """What to keep to from now on.

        aim_s: seconds within which 95 of 100 answers are to come; 0: whenever;  floor: calls that are let in all the
        same;  at_most: calls that are held at once, whatever is measured. More than before are tried at once.
        """
        self._aim_s = aim_s or inf
        self._floor = min(floor, at_most)
        self._knee = min(at_most, max(self._floor, self._knee if self._knee < self._at_most else at_most))
        self._at_most = at_most

    def took(self, now: float, calls: int, seconds: float) -> None:
        """An answer took so long while so many calls ran; inf: it should have been made, and was not."""
        self._draw(now)
        weights = self._measured.setdefault(calls, np.zeros(len(_BOUNDS) + 1))
        weights[int(np.searchsorted(_BOUNDS, seconds))] += 1.0

    def loop_is_late(self, now: float, calls: int) -> None:
        """There may be no more calls than there are: their very frames come late."""
        self._draw(now)
        self._move(now, max(self._floor, min(self._knee, calls)))
        self._rises_at = now + _RISES_EVERY_S

    def p95_s(self, now: float, calls: int) -> float | None:
        """Seconds within which 95 of 100 answers are to be expected with so many calls; None: too little is known."""
        self._draw(now)
        known = self._known
        if not known:
            return None
        if len(known) > 1 and calls > known[-1][0]:
            (before, before_s), (last, last_s) = known[-2:]
            return last_s + (last_s - before_s) * (calls - last) / (last - before)
        return float(np.interp(calls, [at for at, _ in known], [seconds for _, seconds in known]))

    def knee(self, now: float) -> int:
        """The largest number of calls with which answers are expected within the aim, as far as that was tried."""
        self._draw(now)
        return self._knee

    def admits(self, now: float, calls: int) -> bool:
        """Whether there may be so many calls."""
        knee = self.knee(now)
        self._kept = [(until, room) for until, room in self._kept if until > now]
        return calls <= max([knee, *(room for _, room in self._kept)])

    def _fade(self, now: float) -> None:
        left = 0.5 ** (max(0.0, now - self._faded_at) / _HALF_LIFE_S)
        self._faded_at = now
        faded = {calls: weights * left for calls, weights in self._measured.items()}
        self._measured = {calls: weights for calls, weights in faded.items() if weights.sum() > _GONE}

    def _draw(self, now: float) -> None:
        """Draw the line anew, and go to the knee on it: down at once, up by steps."""
        if now < self._drawn_at + _DRAWN_EVERY_S:
            return
        self._drawn_at = now
        self._fade(now)
        self._known = [(block.calls, block.p95_s) for block in self._blocks()]
        knee = self._floor
        while knee < min(self._at_most, self._knee + 1):
            expected_s = self.p95_s(now, knee + 1)
            aim_s = self._aim_s if knee < self._knee else _RISES_AT * self._aim_s
            if expected_s is not None and expected_s > aim_s:
                break
            knee += 1
        if knee <= self._knee or now >= self._rises_at:
            self._move(now, knee)

    def _move(self, now: float, knee: int) -> None:
        if knee < self._knee:
            self._kept.append((now + _KEPT_S, self._knee))
        if knee != self._knee:
            self._rises_at = now + _RISES_EVERY_S
        self._knee = knee

    def _blocks(self) -> list[_Block]:
        """What is known, in order: each with enough answers, and slower than the one before."""
        blocks: list[_Block] = []
        for calls in sorted(self._measured):
            block = _Block.of(self._measured[calls], calls)
            while blocks and (min(blocks[-1].weight, block.weight) < _FEW or block.p95_s <= blocks[-1].p95_s):
                block = blocks.pop().joined(block)
            blocks.append(block)
        return [block for block in blocks if block.weight >= _FEW]
