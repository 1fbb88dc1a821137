"""A mailbox: orders for one task, which can be withdrawn even when they have been begun.

Rule: bounded. When it is full the oldest order goes, for a newer one has overtaken it; a mailbox of one holds
      the latest.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

Order = TypeVar("Order")


class Mailbox(Generic[Order]):
    """Orders in the order they came. One task takes them out; anybody on its loop may put one in or withdraw all."""

    def __init__(self, limit: int = 1) -> None:
        self._orders: deque[Order] = deque(maxlen=limit)
        self._came = asyncio.Event()
        self._work: asyncio.Timeout | None = None
        self._begun: list[Order] = []

    def put(self, order: Order) -> list[Order]:
        """Order this, too; tells which order had to go for it, if any."""
        overtaken = [self._orders[0]] if len(self._orders) == self._orders.maxlen else []
        self._orders.append(order)
        self._came.set()
        return overtaken

    def withdraw(self) -> list[Order]:
        """Neither begin what was ordered nor go on with what was begun; tells which orders those were."""
        withdrawn = [*self._begun, *self._orders]
        self._begun.clear()
        self._orders.clear()
        self._came.clear()
        if self._work is not None and not self._work.expired():  # otherwise it is tidying up from an earlier withdrawal
            self._work.reschedule(asyncio.get_running_loop().time())
        return withdrawn

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Order]:
        """The next order, as soon as there is one. The block is left early, quietly, when the order is withdrawn."""
        await self._came.wait()
        order = self._orders.popleft()
        if not self._orders:
            self._came.clear()
        work = self._work = asyncio.timeout(None)
        self._begun.append(order)
        try:
            async with work:
                yield order
        except TimeoutError:
            if not work.expired():
                raise
        finally:
            self._work = None
            self._begun.clear()
