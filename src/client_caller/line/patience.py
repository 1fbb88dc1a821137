"""Patience: a time limit on waits that follow one another, as cheap as if there were none.

In:   something to wait for, and an instant.     Out: what comes of it; TimeoutError when the instant is there first.
Rule: what `asyncio.timeout_at` promises holds here, too. A cancelled task stays cancelled, and waits one at a time.

A line waits for a message fifty times a second, and nearly every time in vain for the limit: to arm and disarm a timer
for each cost more than to read the message. Here a timer that has become too early when it fires is armed anew, so that
there is one for as long as a limit lasts.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

Result = TypeVar("Result")


class Patience:
    """The waits of one task, one after the other. Instants are those of the event loop's clock."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0  # of the wait at hand, or of the last one
        self._who: asyncio.Task[Any] | None = None  # waits
        self._is_out = False  # for the wait at hand

    async def wait(self, for_what: Awaitable[Result], until: float) -> Result:
        """What comes of it. Raises TimeoutError at `until`, or when it is told to give up."""
        task = asyncio.current_task()
        assert task is not None
        assert self._who is None
        cancelled = task.cancelling()
        if self._timer is None or self._timer.when() > until:
            self._arm(until)
        self._until, self._is_out, self._who = until, False, task
        try:
            return await for_what
        except asyncio.CancelledError as cancellation:
            if self._is_out and self._take_back(task) <= cancelled:
                raise TimeoutError from cancellation
            raise
        finally:
            if self._is_out:
                self._take_back(task)
            self._who = None

    def give_up(self) -> None:
        """Let the wait at hand end now; without one, nothing happens."""
        if self._who is not None and not self._is_out:
            self._is_out = True
            self._who.cancel()

    def rest(self) -> None:
        """There will be no further waits, or not for long: leave no timer behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _take_back(self, task: asyncio.Task[Any]) -> int:
        """Undo our own cancellation. How many are left, which are not ours."""
        self._is_out = False
        return task.uncancel()

    def _arm(self, until: float) -> None:
        self.rest()
        self._timer = asyncio.get_running_loop().call_at(until, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._who is None:
            return  # the next wait arms it
        if self._until <= asyncio.get_running_loop().time():
            self.give_up()
        else:
            self._arm(self._until)
