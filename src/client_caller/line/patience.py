"""Patience: a time limit on waits that follow one another, as cheap as if there were none.

In:   something to wait for, and an instant.     Out: what comes of it; TimeoutError when the instant is there first.
Rule: what `asyncio.timeout_at` promises holds here, too. A cancelled task stays cancelled, and waits one at a time.

A line waits for a message fifty times a second, and nearly every time in vain for the limit: to arm and disarm a timer
for each cost more than to read the message. Here a timer that has become too early when it fires is armed anew, so that
there is one for as long as a limit lasts. Nor is the running loop asked for each time: Python 3.11 asks the system for
the number of the process before it answers, which alone was an eighth of the time that fifty calls took.
"""

import asyncio
from collections.abc import Awaitable
from math import inf
from typing import Any, TypeVar

Result = TypeVar("Result")


class Patience:
    """The waits of one task, one after the other, in one event loop. Instants are those of its clock.

    tidy_up_s: how long what was given up may take to tidy up, before it is told once more; None: as long as it likes.
    """

    def __init__(self, tidy_up_s: float | None = None) -> None:
        self._tidy_up_s = tidy_up_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.Handle | None = None
        self._fires_at = 0.0  # uvloop's handle of an instant that is past cannot tell
        self._until = 0.0  # of the wait at hand, or of the last one
        self._who: asyncio.Task[Any] | None = None  # waits
        self._told = 0  # how often the wait at hand was told to end

    @property
    def now(self) -> float:
        """The time of the event loop in which it waits."""
        return self._its_loop().time()

    async def wait(self, for_what: Awaitable[Result], until: float) -> Result:
        """What comes of it. Raises TimeoutError at `until`, infinite for never, or when it is told to give up."""
        task = asyncio.current_task(self._its_loop())
        assert task is not None
        assert self._who is None
        cancelled = task.cancelling()
        if until != inf and (self._timer is None or self._fires_at > until):
            self._arm(until)
        self._until, self._told, self._who = until, 0, task
        try:
            return await for_what
        except asyncio.CancelledError as cancellation:
            if self._told and self._take_back(task) <= cancelled:
                raise TimeoutError from cancellation
            raise
        finally:
            self._take_back(task)
            self._who = None

    def give_up(self) -> None:
        """Let the wait at hand end now; without one, nothing happens."""
        if self._who is None or self._told:
            return
        self._tell(self._who)
        if self._tidy_up_s is not None:
            self._arm(self.now + self._tidy_up_s)

    def rest(self) -> None:
        """There will be no further waits, or not for long: leave no timer behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _its_loop(self) -> asyncio.AbstractEventLoop:
        self._loop = self._loop or asyncio.get_running_loop()
        return self._loop

    def _take_back(self, task: asyncio.Task[Any]) -> int:
        """Undo our own cancellations. How many are left, which are not ours."""
        for _ in range(self._told):
            task.uncancel()
        self._told = 0
        return task.cancelling()

    def _tell(self, who: asyncio.Task[Any]) -> None:
        self._told += 1
        who.cancel()

    def _arm(self, until: float) -> None:
        self.rest()
        self._timer, self._fires_at = self._its_loop().call_at(until, self._look), until

    def _look(self) -> None:
        self._timer = None
        if self._who is None:
            return  # the next wait arms it
        if self._told:
            if self._tidy_up_s is not None:  # it has had its time
                self._tell(self._who)
        elif self._until <= self.now:
            self.give_up()
        elif self._until != inf:
            self._arm(self._until)
