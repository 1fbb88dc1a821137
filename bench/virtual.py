"""A clock that jumps: when nothing is ready to run, the loop's time moves on to the next timer at once.

Ten minutes of call time pass in milliseconds, always in the same order. No threads and no sockets under it: a loop in
which every task waits and no timer is armed raises instead of hanging.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

_TURN_S = 1e-9
"""What one turn of the loop takes when nothing has to be waited for."""


class _JumpingSelector(selectors.SelectSelector):
    """Never waits: hands the wait to `jump`."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if timeout is None and not ready:
            raise RuntimeError("every task is blocked and no timer is armed")
        # Time never quite stands still, so that nobody waits for ever for an instant that rounding put behind now.
        self.jumped_s += max(0.0 if ready or timeout is None else timeout, _TURN_S)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock starts at 0 and jumps."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.jumped_s

    def stall(self, seconds: float) -> None:
        """Let time pass in which nothing runs, as when something holds up the loop."""
        self._jumping.jumped_s += seconds


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end on virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
