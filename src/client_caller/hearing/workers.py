"""Worker threads for models that take longer than the event loop may wait.

In:   a job: a function and its arguments.     Out: its result, awaited.
Rule: only so many jobs wait; beyond that a job is refused, for a decode that comes so late is worthless. A thread that
      hangs in a job which nobody awaits any more is replaced, so that it takes no place of the others; should it ever
      come back, it ends. Nothing waits for it, not even the end of the process.
"""

import asyncio
import logging
import os
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread, current_thread, get_native_id
from types import TracebackType
from typing import Any, Final, TypeVar, TypeVarTuple

from client_caller.errors import EngineCrashed, EngineOverloaded

log = logging.getLogger("client_caller.hearing")

_WAITING: Final = 8

HUNG_S: Final = 2.0
"""How long a job may still run after it was given up: longer than any decode should take."""

_REPLACED_AT_MOST: Final = 4
"""Threads that may hang at once and be replaced. Each keeps its memory; more would use it up."""

_CLOSE_S: Final = 3.0
"""How long the end of the threads is waited for, each."""

Job = TypeVarTuple("Job")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Task:
    """A job and its result. As a context it hands on whatever the work raises to whoever awaits it."""

    work: Callable[[], Any]
    done: Future[Any] = field(default_factory=Future)
    thread: Thread | None = None  # that does it, from its beginning to its end
    is_replaced: bool = False  # that thread has been given up for lost

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: object, wrong: BaseException | None, trace: TracebackType | None) -> bool:
        if wrong is not None:
            self.done.set_exception(wrong)
        return True


class Workers:
    """`count` threads that work for `engine` (its name in errors).

    patient: they give way to everything else, where the system can do that (Linux);
    waiting: how many jobs may wait for each of them;  hung_s: how long a job may run on after it was given up.
    """

    def __init__(
        self, engine: str, count: int, *, patient: bool = False, waiting: int = _WAITING, hung_s: float = HUNG_S
    ) -> None:
        self._engine = engine
        self._patient = patient
        self._limit = count * (1 + waiting)
        self._hung_s = hung_s
        self._awaited = 0
        self._hung = 0
        self._closed = False
        self._tasks: deque[_Task] = deque()
        self._changed = Condition()  # guards all that the threads share
        self._threads: list[Thread] = []
        for _ in range(count):
            self._start_thread()

    async def run(self, work: Callable[[*Job], Result], *job: *Job) -> Result:
        """The result of `work(*job)`, done in a worker.

        When the caller of this is cancelled, a job that has not begun never will; one that has, ends unheard.
        Raises EngineOverloaded when too many wait, EngineCrashed after `close`, and what `work` raises.
        """
        if self._awaited >= self._limit:
            raise EngineOverloaded(self._engine, f"{self._awaited} jobs are waiting")
        task = _Task(lambda: work(*job))
        with self._changed:
            if self._closed:
                raise EngineCrashed(self._engine, "it has been closed")
            self._tasks.append(task)
            self._changed.notify()
        self._awaited += 1
        try:
            result: Result = await asyncio.wrap_future(task.done)
        except asyncio.CancelledError:
            self._give_up(task)
            raise
        finally:
            self._awaited -= 1
        return result

    def close(self) -> None:
        """Let the jobs at hand end, then end the threads. Blocks for as long as that takes, but not for a hung one."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_CLOSE_S)
        if any(thread.is_alive() for thread in self._threads):
            log.warning("a worker does not end", extra={"engine": self._engine})

    def _start_thread(self) -> None:
        thread = Thread(target=self._serve, name=self._engine, daemon=True)  # a hung one must not hold up the process
        self._threads.append(thread)
        thread.start()

    def _give_up(self, task: _Task) -> None:
        with self._changed:
            if task in self._tasks:
                self._tasks.remove(task)
                return
        asyncio.get_running_loop().call_later(self._hung_s, self._replace_hung, task)

    def _replace_hung(self, task: _Task) -> None:
        """The task was given up a while ago: if its thread still works at it, another takes its place."""
        with self._changed:
            if task.thread is None or self._closed:
                return
            replaced = self._hung < _REPLACED_AT_MOST
            if replaced:
                self._hung += 1
                task.is_replaced = True
                self._threads.remove(task.thread)
                self._start_thread()
        log.warning("a worker hangs", extra={"engine": self._engine, "replaced": replaced, "hung": self._hung})

    def _serve(self) -> None:
        """In a worker thread: do what is to be done, until there will be no more."""
        if self._patient:
            _give_way()
        while (task := self._next_task()) is not None:
            with task:
                task.done.set_result(task.work())
            with self._changed:
                task.thread = None
                if task.is_replaced:
                    self._hung -= 1
                    return

    def _next_task(self) -> _Task | None:
        with self._changed:
            while True:
                while not self._tasks and not self._closed:
                    self._changed.wait()
                if not self._tasks:
                    return None
                task = self._tasks.popleft()
                if task.done.set_running_or_notify_cancel():
                    task.thread = current_thread()
                    return task


_NICE: Final = 10
"""A tenth of a usual share of a busy core. Not the idle class of the system: such a thread may be left standing
while it holds the interpreter's lock, and then everything waits for it."""


def _give_way() -> None:
    """In a worker thread: on Linux a priority is a thread's own; elsewhere it is the process's, which must keep it."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICE)
