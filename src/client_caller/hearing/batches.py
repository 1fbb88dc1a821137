"""Jobs of several calls, done together by one worker thread.

In:   items, each from a call that awaits what becomes of it.     Out: to each call its own result.
Rule: the thread does all that wait as one batch; what comes meanwhile is the next. What nobody awaits is left out.
      When the thread hangs and is replaced, the next one does once more what of its batch is still awaited.

A large model takes about as long for eight stretches of speech as for one. Only a worker that has been idle waits for
companions, and briefly: it costs every caller that time, and calls seldom pause within the same few milliseconds.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from client_caller.errors import EngineError
from client_caller.hearing.workers import HUNG_S, Workers

_COMPANIONS_S: Final = 0.003

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Job(Generic[Item, Result]):
    """`outcome` holds the result, or why there is none; nothing until the batch is done."""

    item: Item
    wanted: bool = True
    outcome: tuple[Result] | EngineError | None = None


class Batches(Generic[Item, Result]):
    """Batches of at most `at_most` items for `work`, which returns as many results in the same order.

    engine: its name in errors;  hung_s: as for `Workers`. Two batches' worth of items may wait.
    """

    def __init__(
        self, engine: str, work: Callable[[list[Item]], list[Result]], at_most: int, *, hung_s: float = HUNG_S
    ) -> None:
        self._work = work
        self._at_most = at_most
        self._workers = Workers(engine, 1, waiting=2 * at_most, hung_s=hung_s)
        self._waiting: deque[_Job[Item, Result]] = deque()  # what the workers refuse is dropped with the next batch

    async def run(self, item: Item) -> Result:
        """What `work` makes of `item`. Raises EngineOverloaded, EngineCrashed after `close`, and what `work` raises."""
        job = _Job[Item, Result](item)
        self._waiting.append(job)
        try:
            return await self._workers.run(self._serve, job)
        finally:
            job.wanted = False

    def close(self) -> None:
        """Let the batch at hand end, then end the thread. Blocks for as long as that takes."""
        self._workers.close()

    def _serve(self, job: _Job[Item, Result]) -> Result:
        """In the worker: do `job` with all that wait, unless an earlier batch has done it."""
        if job.outcome is None:
            if len(self._waiting) == 1:
                time.sleep(_COMPANIONS_S)
            self._do([job, *self._companions(job)])
        if isinstance(job.outcome, tuple):
            return job.outcome[0]
        assert job.outcome is not None
        raise job.outcome

    def _companions(self, job: _Job[Item, Result]) -> Iterator[_Job[Item, Result]]:
        room = self._at_most - 1
        while room:
            try:
                other = self._waiting.popleft()
            except IndexError:  # empty; not asked before, for a thread that was thought to hang may be at it, too
                return
            if other.wanted and other is not job:
                room -= 1
                yield other

    def _do(self, batch: list[_Job[Item, Result]]) -> None:
        try:
            results = self._work([job.item for job in batch])
        except EngineError as failure:
            for job in batch:
                job.outcome = failure
            return
        for job, result in zip(batch, results, strict=True):
            job.outcome = (result,)
