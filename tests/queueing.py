"""Calls that come to one server and wait for it, as arithmetic: what admission is tried on, without a telephone.

A caller talks for a while, asks, waits for the answer, and talks again: a closed queue. How late answers are with so
many calls is known by formula if the server takes everybody in turn, and else by having that many call for long.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from math import exp, inf
from random import Random
from typing import Final, Protocol


@dataclass(frozen=True, slots=True)
class Server:
    """What answers are made by. Times in seconds, all of them drawn from exponentials.

    talks_s: from one answer to the next question, on average;  works_s: an answer, if there is nobody else;
    at_least_s: what every answer takes besides;  shared: it works for all at the same time, instead of in turn;
    slow: by how much slower it is at some time.
    """

    talks_s: float = 6.0
    works_s: float = 0.3
    at_least_s: float = 0.2
    shared: bool = False
    slow: Callable[[float], float] = lambda now: 1.0

    def p95_s(self, calls: int) -> float:
        """Of one that takes everybody in turn: by the arrival theorem, who asks meets what `calls - 1` leave behind."""
        others, weights = calls - 1, [1.0]
        for waiting in range(others):
            weights.append(weights[-1] * (others - waiting) * self.works_s / self.talks_s)
        total, low, high = sum(weights), 0.0, 1_000.0
        while high - low > 1e-6:
            middle = (low + high) / 2
            late = sum(w * _erlang_tail(ahead + 1, middle / self.works_s) for ahead, w in enumerate(weights)) / total
            low, high = (middle, high) if late > 0.05 else (low, middle)
        return self.at_least_s + high

    def knee(self, aim_s: float) -> int:
        """The largest number of calls with which the p95 is within the aim."""
        calls = 1
        while self.p95_s(calls + 1) <= aim_s:
            calls += 1
        return calls


def _erlang_tail(stages: int, x: float) -> float:
    term = total = exp(-x)
    for k in range(1, stages):
        term *= x / k
        total += term
    return total


_NOBODY: Final = -1


class Gate(Protocol):
    """What lets callers in."""

    def admits(self, now: float, calls: int) -> bool: ...
    def took(self, now: float, calls: int, seconds: float) -> None: ...


@dataclass(slots=True)
class Fixed:
    """A limit that somebody has set."""

    limit: int

    def admits(self, now: float, calls: int) -> bool:
        return calls <= self.limit

    def took(self, now: float, calls: int, seconds: float) -> None: ...


@dataclass(slots=True)
class Day:
    """What came of it. answers: when, and after how many seconds."""

    held: int = 0
    answers: list[tuple[float, float]] = field(default_factory=list)

    def within(self, aim_s: float, since: float = 0.0) -> float:
        """The share of answers that came within the aim."""
        times = [seconds for at, seconds in self.answers if at >= since]
        return sum(seconds <= aim_s for seconds in times) / len(times)


class _Hours:
    """Hours of a process to which callers come."""

    def __init__(self, server: Server, gate: Gate, seed: int, every_s: float, call_s: float) -> None:
        self._server, self._gate, self._chance = server, gate, Random(seed)
        self._every_s, self._call_s = every_s, call_s
        self.day = Day()
        self.running = 0
        self._jobs: dict[int, tuple[float, float]] = {}  # by caller, in order: since when they wait, and the work left
        self._ends: dict[int, float] = {}
        self._order = count()
        self._moments: list[tuple[float, int, int]] = []  # when, in which order, who asks; -1: somebody comes
        self._later(0.0, every_s, _NOBODY)

    def pass_to(self, until: float, now: float) -> None:
        """Have all happen that does until then."""
        while now < until:
            works_on = list(self._jobs) if self._server.shared else list(self._jobs)[:1]
            speed = 1 / self._server.slow(now) / max(1, len(works_on))
            done_at, first = min(((now + self._jobs[who][1] / speed, who) for who in works_on), default=(inf, _NOBODY))
            then = min(done_at, self._moments[0][0], until)
            for who in works_on:
                asked, left = self._jobs[who]
                self._jobs[who] = asked, left - (then - now) * speed
            now = then
            if now == done_at:
                self._answered(now, first)
            elif now == self._moments[0][0]:
                self._happens(now, heapq.heappop(self._moments)[-1])

    def _answered(self, now: float, who: int) -> None:
        seconds = now - self._jobs.pop(who)[0] + self._server.at_least_s
        self._gate.took(now, self.running, seconds)
        self.day.answers.append((now, seconds))
        if self._ends[who] <= now:
            self.running -= 1
        else:
            self._later(now, self._server.talks_s, who)

    def _happens(self, now: float, who: int) -> None:
        if who != _NOBODY:
            self._jobs[who] = now, self._chance.expovariate(1 / self._server.works_s)
            return
        self._later(now, self._every_s, _NOBODY)
        if self._gate.admits(now, self.running + 1):
            self.running += 1
            self.day.held += 1
            self._ends[self.day.held] = now + self._chance.expovariate(1 / self._call_s)
            self._later(now, self._server.talks_s, self.day.held)

    def _later(self, now: float, mean_s: float, who: int) -> None:
        heapq.heappush(self._moments, (now + self._chance.expovariate(1 / mean_s), next(self._order), who))


def day(
    server: Server,
    gate: Gate,
    seed: int,
    lasts_s: float,
    every_s: float = 5.0,
    call_s: float = 120.0,
    look: Callable[[float, int], None] = lambda now, calls: None,
) -> Day:
    """A caller comes every `every_s` seconds on average, and stays for `call_s` if let in; `look` once a second."""
    hours = _Hours(server, gate, seed, every_s, call_s)
    for second in range(int(lasts_s)):
        look(float(second), hours.running)
        hours.pass_to(second + 1.0, float(second))
    return hours.day
