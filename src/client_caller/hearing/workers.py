"""Worker threads for models that take longer than the event loop may wait.

In:   a job: a function and its arguments.     Out: its result, awaited.
Rule: only so many jobs wait; beyond that a job is refused, for a decode that comes so late is worthless.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, TypeVarTuple

from client_caller.errors import EngineCrashed, EngineOverloaded

_WAITING: Final = 8

Job = TypeVarTuple("Job")
Result = TypeVar("Result")


class Workers:
    """`count` threads that work for `engine` (its name in errors).

    patient: they give way to everything else, where the system can do that (Linux);
    waiting: how many jobs may wait for each of them.
    """

    def __init__(self, engine: str, count: int, *, patient: bool = False, waiting: int = _WAITING) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=engine, initializer=_give_way if patient else None)
        self._limit = count * (1 + waiting)
        self._awaited = 0

    async def run(self, work: Callable[[*Job], Result], *job: *Job) -> Result:
        """The result of `work(*job)`, done in a worker.

        When the caller of this is cancelled, a job that has not begun never will; one that has, ends unheard.
        Raises EngineOverloaded when too many wait, EngineCrashed after `close`, and what `work` raises.
        """
        if self._awaited >= self._limit:
            raise EngineOverloaded(self._engine, f"{self._awaited} jobs are waiting")
        try:
            done = asyncio.get_running_loop().run_in_executor(self._threads, work, *job)
        except RuntimeError as closed:
            raise EngineCrashed(self._engine, "it has been closed") from closed
        self._awaited += 1
        try:
            return await done
        finally:
            self._awaited -= 1

    def close(self) -> None:
        """Let the jobs at hand end, then end the threads. Blocks for as long as that takes."""
        self._threads.shutdown()


_NICE: Final = 10
"""A tenth of a usual share of a busy core. Not the idle class of the system: such a thread may be left standing
while it holds the interpreter's lock, and then everything waits for it."""


def _give_way() -> None:
    """In a worker thread: on Linux a priority is a thread's own; elsewhere it is the process's, which must keep it."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
