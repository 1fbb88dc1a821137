"""Calls that we place, on a clock that jumps: a carrier in memory, a ledger on disk, one dialler."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from client_caller.agent.shelf import AgentShelf
from client_caller.dialler import Dialler
from client_caller.ledger.entries import Consent
from client_caller.ledger.ledger import Ledger, open_ledger
from client_caller.line.control import DialOrder, PlacedCall
from client_caller.line.protocol import CallState, Parties, StateReached
from client_caller.office import Office
from client_caller.outbound.law import Law
from client_caller.settings import OutboundSettings

ADA, BEN, OURS = "+12125550101", "+12125550104", "+12125550100"
NOON = datetime(2026, 6, 2, 16, 0, tzinfo=UTC)
"""A Tuesday, noon in New York."""

AGENTS = Path(__file__).parents[1] / "agents"
VARS = {"name": "Ada", "day": "Tuesday"}


class AtOnce(Executor):
    """Works where it is asked to, for under virtual time no thread can wake the loop."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*args, **more))
        except Exception as failure:  # noqa: BLE001 - it is handed on, as any executor does
            done.set_exception(failure)
        return done


@dataclass
class CarrierInMemory:
    """Places calls in memory. fails: raised instead of answering, by turns; placed_anyway: though it fails."""

    fails: list[Exception | None] = field(default_factory=list)
    placed_anyway: bool = False
    dialled: list[tuple[float, DialOrder]] = field(default_factory=list)
    calls: dict[str, PlacedCall] = field(default_factory=dict)
    hung_up: list[str] = field(default_factory=list)
    now: Callable[[], datetime] = lambda: NOON

    async def dial(self, order: DialOrder) -> str:
        self.dialled.append((asyncio.get_running_loop().time(), order))
        failure = self.fails.pop(0) if self.fails else None
        call_id = f"CA{len(self.dialled)}"
        if failure is None or self.placed_anyway:
            self.calls[call_id] = PlacedCall(call_id, order.to, order.from_, "ringing", self.now())
        if failure is not None:
            raise failure
        return call_id

    async def placed(self, to: str, since: datetime) -> Sequence[PlacedCall]:
        return [call for call in reversed(self.calls.values()) if call.to == to and call.placed_at >= since]

    async def look_up(self, call_id: str) -> PlacedCall | None:
        return self.calls.get(call_id)

    async def hang_up(self, call_id: str) -> None:
        self.hung_up.append(call_id)

    async def lead_to(self, call_id: str, url: str) -> None:
        raise AssertionError("nobody leads calls elsewhere here")

    async def record(self, call_id: str) -> None:
        raise AssertionError("nobody records here")


class Operator:
    """One process that places calls, and the world around it."""

    def __init__(
        self,
        folder: Path,
        carrier: CarrierInMemory | None = None,
        law: Law | None = None,
        on_duty: Callable[[], bool] = lambda: True,
        **outbound: Any,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._began_at = self.loop.time()
        self.carrier = carrier or CarrierInMemory()
        self.carrier.now = self.now
        self.ledger: Ledger = open_ledger(f"sqlite:///{folder}/ledger.db", None, AtOnce())
        settings = OutboundSettings(from_number=OURS, **outbound)
        self.room = True
        self.dialler = Dialler(
            settings,
            self.ledger,
            self.carrier,
            self.carrier,
            law or Law(),
            AgentShelf(AGENTS),
            lambda promised: self.room,
            self.now,
        )
        self.told: list[tuple[str, object]] = []
        self.office = Office(self.dialler, OURS, self.tell, "appointment_reminder", self.carrier, on_duty)
        self.working: asyncio.Task[None] | None = None

    def tell(self, call_id: str, news: object) -> bool:
        self.told.append((call_id, news))
        return call_id in self.carrier.calls

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.loop.time() - self._began_at)

    async def agree(self, *numbers: str) -> None:
        """These have agreed to be called, a day ago."""
        given_at = NOON - timedelta(days=1)
        await self.ledger.add_consents([Consent(each, "informational", given_at, "form", "yes") for each in numbers])

    def start(self) -> None:
        self.working = asyncio.create_task(self.office.run())

    async def stop(self) -> None:
        """Die at once, as a killed process does, but for the database's files."""
        if self.working:
            self.working.cancel()
            await asyncio.gather(self.working, return_exceptions=True)
        await self.ledger.close()

    def reach(self, call_id: str, state: CallState, why: str = "") -> None:
        """The carrier tells a state."""
        placed = self.carrier.dialled[int(call_id.removeprefix("CA")) - 1][1]
        self.carrier.calls[call_id] = PlacedCall(call_id, placed.to, placed.from_, state, self.now())
        self.office.hear_of(StateReached(call_id, Parties(placed.to, placed.from_, placed.id), state, None, why))

    def finish(self, call_id: str, outcome: str = "talked") -> None:
        """A call was held, and is over."""
        number = int(call_id.removeprefix("CA"))
        self.office.ended(self.carrier.dialled[number - 1][1].id, outcome)
        self.reach(call_id, "completed")
