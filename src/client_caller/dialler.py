"""The dialler: places the calls that were ordered, one by one, and follows each until it is over.

In:   orders; what the carrier tells; how calls went.     Out: calls placed; orders closed in the ledger.
Rule: an order is in the ledger before the carrier is asked. What nobody can tell was placed counts as placed until the
      carrier's own list says otherwise, so nobody is ever called twice for one order, whatever crashes when.

Whether a number may be called is judged when it is ordered and again right before it is dialled (outbound/judge.py).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf
from typing import Final

from client_caller.agent import Agent, filled
from client_caller.agent.shelf import AgentShelf
from client_caller.book import wall_clock
from client_caller.errors import CallRefused, CallUnsure, CarrierFailed, ClientCallerError
from client_caller.ledger.entries import Order
from client_caller.ledger.ledger import Ledger
from client_caller.line.control import DialOrder, Dials, PlacedCall, Steers
from client_caller.line.protocol import OVER, News, Parties, StateReached
from client_caller.outbound.judge import Allowed, Request, Wait, judge
from client_caller.outbound.law import Law
from client_caller.outbound.numbers import mask
from client_caller.outbound.pace import Pacer
from client_caller.outbound.retries import REFUSED, next_attempt
from client_caller.settings import OutboundSettings
from client_caller.standings import standing_of

log = logging.getLogger("client_caller.dialler")

_LOOK_EVERY_S: Final = 5.0
"""Seconds between two looks at what no news comes of."""

_UNSURE_S: Final = (5.0, 120.0)
"""Seconds after which the carrier is asked whether it has placed a call, and after which a call that is in no list of
its was surely not placed: its lists lag behind by seconds at most. An assumption, on the safe side."""

_QUEUED_S: Final = 60.0
"""Seconds that a call may wait at the carrier before it rings. Then it is called off: it would ring at any hour.
Source: calls beyond the rate are queued for up to a day, twilio.com/docs/voice/api/call-resource."""

_TRANSFERRED_S: Final = 3_600
"""Seconds that a call may go on with a human, after it could have been transferred at the last moment."""

_WORD_S: Final = 15.0
"""Seconds after the carrier's last word in which our own record of the call must come."""

_GRACE_S: Final = 60.0
"""Seconds beyond all limits after which no news of a call means that news was lost."""


class NotAllowedError(ClientCallerError):
    """The law does not allow this call, or not now; the message says why. until: when it will be, None: never."""

    def __init__(self, why: str, until: datetime | None = None) -> None:
        super().__init__(why)
        self.until = until


@dataclass(slots=True)
class OpenOrder:
    """An order whose call may run. Loop times: since when it is known here; when to look at it next; when news came.

    request: what is judged right before it is dialled;  attempts: those at its contact, with this one.
    """

    order: Order
    request: Request
    agent: Agent
    attempts: int
    since: float
    look_at: float
    state: str = ""
    outcome: str = ""  # as our record of the call has it
    over_at: float | None = None


class Dialler:
    """Places calls for one process. `step` does the work; everything else only asks for it.

    has_room: whether one more call could be held;  now: the wall clock, UTC.
    """

    def __init__(
        self,
        settings: OutboundSettings,
        ledger: Ledger,
        carrier: Dials,
        steers: Steers,
        law: Law,
        agents: AgentShelf,
        has_room: Callable[[int], bool],
        now: Callable[[], datetime] = wall_clock,
    ) -> None:
        self.ledger = ledger
        self.law = law
        self.agents = agents
        self.now = now
        self.pacer = Pacer(settings.calls_per_s, settings.calls_at_once)
        self.open: dict[str, OpenOrder] = {}
        self._settings = settings
        self._carrier = carrier
        self._steers = steers
        self._has_room = has_room
        self._ready: deque[OpenOrder] = deque()
        self._news = asyncio.Event()

    # What is asked of it.

    async def order(self, order: Order, request: Request, attempts: int = 1) -> OpenOrder:
        """Have a call placed as soon as there is room.

        Raises NotAllowedError, MissingVariableError, ConfigError, DoubleOrderError, LedgerFailed: there is none then.
        """
        agent = filled(self.agents.for_calling(order.agent), order.vars, outbound=True)
        if any(known.order.to == order.to for known in self.open.values()):
            raise NotAllowedError("This number is being called already.")
        await self._check(request)
        await self.ledger.make_order(order)
        loop_now = asyncio.get_running_loop().time()
        known = OpenOrder(order, request, agent, attempts, loop_now, loop_now + _LOOK_EVERY_S)
        self.open[order.id] = known
        self._ready.append(known)
        self._news.set()
        return known

    def room(self) -> int:
        """How many more orders it would take now: one beyond those that wait to be dialled."""
        return 1 if self.room_at() <= asyncio.get_running_loop().time() else 0

    def room_at(self) -> float:
        """The loop time from which on it would take one, if nothing happens before; inf: not before something does."""
        due_at = self.pacer.next_at(asyncio.get_running_loop().time(), len(self.open))
        return inf if due_at is None or self._ready or not self._has_room(self._promised) else due_at

    @property
    def _promised(self) -> int:
        """Calls that ring, and will need room when they are answered."""
        return sum(known.state not in ("in-progress", *OVER) for known in self.open.values())

    def agent_of(self, order_id: str) -> Agent | None:
        """The agent that speaks in this call, its variables filled in; None when nobody knows of the order."""
        known = self.open.get(order_id)
        return known.agent if known else None

    def hear_of(self, news: News) -> None:
        """Take note of what the carrier tells."""
        if not isinstance(news, StateReached):
            return
        known = self.open.get(news.parties.order)
        if known is None or known.order.call_id not in ("", news.call_id):
            return
        known.order = replace(known.order, call_id=news.call_id)
        self._reach(known, news.state)

    def ended(self, order_id: str, outcome: str) -> None:
        """A call was held, and this is how it went."""
        if known := self.open.get(order_id):
            known.outcome = outcome
            self._news.set()

    def wake(self) -> None:
        """Something has changed that may be acted on."""
        self._news.set()

    def _reach(self, known: OpenOrder, state: str) -> None:
        known.state = state
        if state in OVER and known.over_at is None:
            known.over_at = asyncio.get_running_loop().time()
        self._news.set()

    # What it does.

    async def recover(self) -> None:
        """Take up what an earlier process has left open. None of it is dialled again before it is looked up."""
        loop_now = asyncio.get_running_loop().time()
        for order in await self.ledger.open_orders():
            if order.id in self.open:
                continue
            contact = await self.ledger.contact(order.contact_id) if order.contact_id else None
            try:
                agent = filled(self.agents.for_calling(order.agent), order.vars, outbound=True)
            except ClientCallerError as wrong:
                log.warning("an order was left whose agent is gone", extra={"order": order.id, "why": str(wrong)})
                await self._steer_away(order)
                continue
            attempts = contact.attempts + 1 if contact else 1
            request = Request(order.to, order.purpose)
            known = OpenOrder(order, request, agent, attempts, loop_now, loop_now)
            self.open[order.id] = known

    def rest(self) -> None:
        """Leave all open orders to whoever places calls now, and finds them in the ledger."""
        self.open.clear()
        self._ready.clear()

    async def _steer_away(self, order: Order) -> None:
        if order.call_id:
            await self._steers.hang_up(order.call_id)
        await self.ledger.close_order(order.id, "failed", self.now())

    async def step(self) -> float:
        """Do all that can be done now. Gives the loop time at which there is more, if no news comes.

        Raises LedgerFailed.
        """
        loop = asyncio.get_running_loop()
        while self._ready:
            due_at = self.pacer.next_at(loop.time(), len(self.open) - len(self._ready))
            if due_at is None or due_at > loop.time() or not self._has_room(self._promised - len(self._ready)):
                break
            await self._dial(self._ready[0])
        for known in list(self.open.values()):
            if known not in self._ready:
                await self._follow(known)
        due_at = self.pacer.next_at(loop.time(), len(self.open) - len(self._ready)) if self._ready else None
        looks = [known.look_at for known in self.open.values() if known not in self._ready]
        waits = [loop.time() + _LOOK_EVERY_S] if self._ready else []
        return min([inf, *looks, *waits, *([due_at] if due_at is not None else [])])

    async def until_news(self, at: float) -> None:
        """Wait for news, or until this loop time."""
        try:
            async with asyncio.timeout_at(at):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()

    async def _check(self, request: Request, made_at: datetime | None = None) -> None:
        now = self.now()
        standing = await standing_of(self.ledger, request.number, now, made_at)
        verdict = judge(request, standing, self.law, now)
        if not isinstance(verdict, Allowed):
            raise NotAllowedError(verdict.why, verdict.until if isinstance(verdict, Wait) else None)

    async def _dial(self, known: OpenOrder) -> None:
        """Ask the carrier to place the call, once."""
        order = known.order
        try:
            await self._check(known.request, order.made_at)
        except NotAllowedError as refusal:
            self._ready.popleft()
            await self._close(known, "canceled", retry_at=refusal.until, dropped=True)
            return
        self._ready.popleft()
        self.pacer.dialled(asyncio.get_running_loop().time())
        settings = self._settings
        longest_s = round(known.agent.limits.max_call_s + settings.ring_s + _TRANSFERRED_S)
        request = DialOrder(
            order.id, order.to, order.from_, settings.ring_s, longest_s, detect_machine=settings.detect_machine
        )
        known.since = asyncio.get_running_loop().time()
        try:
            call_id = await self._carrier.dial(request)
        except CallRefused as refusal:
            log.warning("a call was refused", extra={"order": order.id, "to": mask(order.to), "why": str(refusal)})
            outcome = f"{REFUSED}{refusal.code or 'unreachable'}"
            await self._close(known, outcome, retry_at=self._retry_at(known, outcome), dropped=True)
        except CallUnsure as unsure:
            log.warning("a call may have been placed", extra={"order": order.id, "why": str(unsure)})
            known.look_at = known.since + _UNSURE_S[0]
            await self.ledger.order_unsure(order.id)
        else:
            known.order = replace(known.order, call_id=call_id, state="placed")
            known.look_at = known.since + _QUEUED_S
            await self.ledger.order_placed(order.id, call_id, self.now())

    async def _follow(self, known: OpenOrder) -> None:
        """Close an order whose call is over; look after one of which nothing was heard."""
        loop_now = asyncio.get_running_loop().time()
        if known.over_at is not None:
            known.look_at = known.over_at + _WORD_S
            if outcome := self._outcome(known, loop_now):
                await self._close(known, outcome, retry_at=self._retry_at(known, outcome))
            return
        if known.order.call_id and known.order.state != "placed":  # its news were quicker than the answer
            known.order = replace(known.order, state="placed")
            await self.ledger.order_placed(known.order.id, known.order.call_id, self.now())
        if loop_now >= known.look_at:
            known.look_at = loop_now + _LOOK_EVERY_S
            try:
                await self._look_up(known, loop_now)
            except CarrierFailed as failure:
                log.warning("a call could not be looked up", extra={"order": known.order.id, "why": str(failure)})

    async def _look_up(self, known: OpenOrder, loop_now: float) -> None:
        if known.order.call_id:
            call = await self._carrier.look_up(known.order.call_id)
        else:
            call = await self._find(known.order)
        if call is None:
            if loop_now - known.since >= _UNSURE_S[1]:
                await self._close(known, "failed", retry_at=self._retry_at(known, "failed"), dropped=True)
            return
        parties = Parties(call.to, call.from_, known.order.id)
        self.hear_of(StateReached(call.call_id, parties, call.state, call.duration_s))
        if call.state == "queued" and loop_now - known.since >= _QUEUED_S:
            await self._steers.hang_up(call.call_id)
        if call.state in ("queued", "ringing"):
            known.look_at = loop_now + _LOOK_EVERY_S
        elif call.state == "in-progress":
            known.look_at = loop_now + known.agent.limits.max_call_s + _GRACE_S

    async def _find(self, order: Order) -> PlacedCall | None:
        """The call that this order has led to, if it has: the carrier's newest to that number that is no other's."""
        others = {known.order.call_id for known in self.open.values()}
        since = order.made_at - timedelta(seconds=_LOOK_EVERY_S)
        placed = await self._carrier.placed(order.to, since)
        return next((call for call in placed if call.call_id not in others and call.from_ in ("", order.from_)), None)

    def _outcome(self, known: OpenOrder, loop_now: float) -> str:
        """How an order ended, once it is known: by the carrier's word, and for a call that was held by ours."""
        if known.state != "completed":
            return known.state
        assert known.over_at is not None
        return known.outcome or ("line lost" if loop_now - known.over_at >= _WORD_S else "")

    def _retry_at(self, known: OpenOrder, outcome: str) -> datetime | None:
        return next_attempt(outcome, known.attempts, self.now(), self.law) if known.order.contact_id else None

    async def _close(self, known: OpenOrder, outcome: str, *, retry_at: datetime | None, dropped: bool = False) -> None:
        await self.ledger.close_order(known.order.id, outcome, self.now(), retry_at, dropped=dropped)
        self.pacer.breaker.heard(outcome, asyncio.get_running_loop().time())
        del self.open[known.order.id]
        log.info("an order is closed", extra={"order": known.order.id, "outcome": outcome})
        self._news.set()
