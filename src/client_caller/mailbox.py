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

    def put(self, order: Order) -> None:
        """Order this, too."""
        self._orders.append(order)
        self._came.set()

    def withdraw(self) -> None:
        """Neither begin what was ordered nor go on with what was begun."""
        self._orders.clear()
        self._came.clear()
        if self._work is not None:
            self._work.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Order]:
        """The next order, as soon as there is one. The block is left early, quietly, when the order is withdrawn."""
        await self._came.wait()
        order = self._orders.popleft()
        if not self._orders:
            self._came.clear()
        work = self._work = asyncio.timeout(None)
        try:
            async with work:
                yield order
        except TimeoutError:
            if not work.expired():
                raise
        finally:
            self._work = None
