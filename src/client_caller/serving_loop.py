"""The event loop of a process that serves: uvloop's, with the clock that calls are dated by.

A call wakes up for each stretch of sound that is due, and its socket for each frame that comes; with asyncio's own loop
much of a processor went into that alone (docs/media-path.md has the figures).

uvloop counts milliseconds, and rounds what is waited for to them. A call that waits for an instant was woken up to half
a millisecond before it, and then again and again until it had come: eight times on average. So instants are read from
the system's clock, and rounded up.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context
from time import monotonic  # noqa: TID251 - it is the loop from which everybody else has the time
from typing import Any, Final, TypeVar, TypeVarTuple

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

_HALF_A_TICK_S: Final = 0.0005


def run_serving(main: Coroutine[Any, Any, Result]) -> Result:
    """What `asyncio.run` does, on the faster loop where there is one: uvloop is not made for Windows."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(main)


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    class ExactLoop(uvloop.Loop):
        def time(self) -> float:
            return monotonic()

        def call_at(
            self,
            when: float,
            callback: Callable[[*Arguments], object],
            *args: *Arguments,
            context: Context | None = None,
        ) -> asyncio.TimerHandle:
            return self.call_later(when - monotonic() + _HALF_A_TICK_S, callback, *args, context=context)

    return ExactLoop()
