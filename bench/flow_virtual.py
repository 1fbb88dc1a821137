"""A clock that jumps: when nothing is ready to run, the loop's time moves on to the next timer at once.

In:   a coroutine that waits by timers only.     Out: its result, in a fraction of the time.
Rule: no sockets, no threads. A loop in which every task waits and no timer is armed raises instead of hanging.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

_TURN_S: Final = 1e-9
"""What one turn of the loop takes, so that rounding never leaves anybody waiting for an instant just past."""


class _JumpingSelector(selectors.SelectSelector):
    """Never waits; adds up what it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if timeout is None and not ready:
            raise RuntimeError("every task is blocked and no timer is armed")
        self.jumped_s += max(0.0 if ready or timeout is None else timeout, _TURN_S)
        return ready


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.jumped_s


def run_jumping(main: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run what `main` makes to its end, on a clock that begins at 0 and jumps."""
    with asyncio.Runner(loop_factory=_JumpingLoop) as runner:
        return runner.run(main())
