"""How late the event loop is: the first thing to grow when a process has more calls than it can serve.

In:   the running loop's time.     Out: a histogram, and the worst of the last quarter of a minute.
Rule: it measures by being one more sleeper, so what delays it delays every frame of every call by as much.
"""

import asyncio
from collections import deque
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram

EVERY_S: Final = 0.1
"""Often enough to meet most delays of a few frames, and a thousandth of the loop's time."""

_WINDOW: Final = 150
"""Measurements that the gauge looks back on: fifteen seconds, as often as Prometheus usually asks."""

_P95: Final = _WINDOW * 95 // 100

_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0)
"""A frame lasts 20 ms; the carrier has up to 300 ms of the agent's voice ahead."""


class LoopLag:
    """Measures the loop in which `watch` runs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lags: deque[float] = deque(maxlen=_WINDOW)
        self.at = 0.0  # loop time of the last measurement
        self.p95_s = 0.0  # of the last fifteen seconds; 0 before they are over
        about = "Seconds that a timer of the event loop fired late"
        self._histogram = Histogram("client_caller_loop_lag_seconds", about, buckets=_BUCKETS, registry=registry)
        worst = Gauge("client_caller_loop_lag_worst_seconds", f"{about}, the worst of the last 15 s", registry=registry)
        worst.set_function(lambda: max(self._lags, default=0.0))

    async def watch(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self.at = loop.time()
            lag = max(0.0, self.at - due)
            self._lags.append(lag)
            self.p95_s = sorted(self._lags)[_P95] if len(self._lags) == _WINDOW else 0.0
            self._histogram.observe(lag)
