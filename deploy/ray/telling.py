"""What the deployments have in common: how long answers take, and what an error is over HTTP.

In:   answers, errors of engines.     Out: figures for the autoscaler, responses in OpenAI's shape.
Rule: what is overloaded is told with 503, as Serve's own limits do; our clients then ask the next of their chain.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.responses import Response

from client_caller.errors import EngineCrashed, EngineError, EngineOverloaded
from client_caller.rehearsal.figures import percentile
from client_caller.speaking.csm.speech_http import told_error

P95: Final = "p95_s"
"""The name by which a replica's figure is known to the policy in deploy/ray/policy.py."""

_RECENT_S: Final = 20.0
_KEPT: Final = 1_000


class Waits:
    """For how long callers waited of late, in seconds: for the words, for the first token, for the first sound."""

    def __init__(self, recent_s: float = _RECENT_S) -> None:
        self._recent_s = recent_s
        self._waits: deque[tuple[float, float]] = deque(maxlen=_KEPT)  # loop time, seconds

    def note(self, began_at: float) -> None:
        """Somebody who has waited since then (loop time) has it now."""
        now = asyncio.get_running_loop().time()
        self._waits.append((now, now - began_at))

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note the block, unless it raises."""
        began_at = asyncio.get_running_loop().time()
        yield
        self.note(began_at)

    def figures(self) -> dict[str, float]:
        """As Serve wants them of a replica; 0 when nobody has waited of late."""
        oldest = asyncio.get_running_loop().time() - self._recent_s
        return {P95: percentile([wait for at, wait in self._waits if at >= oldest], 0.95) or 0.0}


def told(failed: EngineError) -> Response:
    """An engine's error as a response. The words of a call are in none of them."""
    if isinstance(failed, EngineOverloaded):
        return told_error(503, str(failed), code="overloaded")
    return told_error(500, str(failed), code="engine")


def well(failed: EngineError) -> bool:
    """Whether an engine that fails like this is worth keeping: one that is merely full is."""
    return not isinstance(failed, EngineCrashed)
