"""By how long callers wait: how many replicas a deployment should have.

In:   the requests in hand, and the 95th percentile of the waits that each replica notes.     Out: a number of replicas.
Rule: arithmetic only. Requests decide, as Serve's own policy has it, until callers wait for too long; from then on it
      is never fewer than now. Serve keeps the number within its bounds and delays.
"""

from typing import Any, Final, Protocol

_NEAR: Final = 0.7
"""From this share of the aim on, fewer replicas would miss it."""

_FASTEST: Final = 2.0
"""Each decision at most doubles: a wait that is ten times the aim need not take ten times the machines."""


class Seen(Protocol):
    """What Serve tells a policy: `ray.serve.config.AutoscalingContext`, as far as this one looks."""

    current_num_replicas: int
    config: Any

    @property
    def total_num_requests(self) -> float: ...
    @property
    def aggregated_metrics(self) -> dict[str, dict[Any, float]] | None: ...


class ByLatency:
    """aim_s: how long a caller may wait for this engine, in seconds, in 19 of 20 cases."""

    def __init__(self, aim_s: float, figure: str = "p95_s") -> None:
        self._aim_s = aim_s
        self._figure = figure

    def __call__(self, seen: Seen) -> tuple[float, dict[str, Any]]:
        """How many replicas are wanted, before bounds; and nothing to remember."""
        now = seen.current_num_replicas
        by_requests = seen.total_num_requests / float(seen.config.get_target_ongoing_requests())
        waits = (seen.aggregated_metrics or {}).get(self._figure, {})
        share = max(waits.values(), default=0.0) / self._aim_s
        if share <= _NEAR:
            return by_requests, {}
        return max(by_requests, now * min(max(share, 1.0), _FASTEST)), {}
