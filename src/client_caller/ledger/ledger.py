"""The ledger: what must be kept for ever.

In:   entries of running calls; questions and changes of who places calls.
Out:  calls, how we stand with numbers, orders, campaigns.
Rule: to note an entry costs a call nothing. Everything else is awaited, runs on threads of the ledger's own, and is on
      the disk when it returns. What is asked about numbers is answered with all that was noted before.

Every coroutine raises LedgerFailed when the database is away or refuses. Whoever wanted to call someone must not do so
then. Times that are given have a time zone.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from client_caller.ledger import calls, campaigns, numbers, orders
from client_caller.ledger.database import Database, LedgerFailed, open_database, reason, spill_beside
from client_caller.ledger.entries import (
    Campaign,
    CampaignState,
    Consent,
    Contact,
    Entry,
    Forbidden,
    KeptCall,
    Order,
    Progress,
    Standing,
    Unsummed,
)
from client_caller.ledger.spill import Spill
from client_caller.ledger.writer import Writer

_THREADS: Final = 4

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


def open_ledger(url: str, spill: Path | None = None, executor: Executor | None = None) -> "Ledger":
    """Open a ledger, upgrade its tables, and store what an earlier process had to spill.

    spill: where entries wait while the database is away; None: next to a SQLite file, else runs/ledger-spill.jsonl;
    executor: where questions are answered, shut down with the ledger; None: threads of its own.
    Raises ConfigError that says what to do.
    """
    database = open_database(url)

    def store(entries: Sequence[Entry]) -> None:
        with database.writing() as connection:
            calls.store(connection, entries)

    writer = Writer(store, Spill(spill or spill_beside(url)))
    writer.start()
    return Ledger(database, writer, executor or ThreadPoolExecutor(_THREADS, thread_name_prefix="ledger"))


class Ledger:
    """An open ledger; see `open_ledger`. Several processes may have the same one open."""

    def __init__(self, database: Database, writer: Writer, executor: Executor) -> None:
        self._database = database
        self._writer = writer
        self._executor = executor
        self._is_closed = False

    def note(self, entry: Entry) -> None:
        """Keep an entry. Returns at once, and never raises; it is stored a moment later, whatever happens to us."""
        self._writer.note(entry)

    @property
    def database(self) -> Database:
        """Where it is all kept."""
        return self._database

    @property
    def is_away(self) -> bool:
        """Whether the database is away, so that what is noted waits in the spill."""
        return self._writer.is_away

    async def flush(self) -> None:
        """Wait until all that was noted is in the database. Raises LedgerFailed while it is away."""
        await self.aside(self._writer.flush)

    async def close(self) -> None:
        """Store what was noted, or spill it, and give the database back. Safe to repeat; nothing else is, after it."""
        if self._is_closed:
            return
        self._is_closed = True
        await self.aside(self._writer.close)
        self._executor.shutdown(wait=False)
        self._database.close()

    # Numbers

    async def standing(self, number: str, now: datetime | None = None) -> Standing:
        """How we stand with a number: at most 100 calls to it; with `now`, none of more than 366 days before."""
        await self.flush()
        return await self.read(numbers.standing, number, now)

    async def is_forbidden(self, number: str) -> bool:
        """Whether a number must not be called."""
        await self.flush()
        return bool(await self.read(numbers.forbidden, number))

    async def forbidden(self) -> list[Forbidden]:
        """All prohibitions that hold, oldest first."""
        await self.flush()
        return await self.read(numbers.forbidden)

    async def forbid(self, entries: Sequence[Forbidden]) -> None:
        """Have numbers not be called any more, as from a list; what comes up in a call is noted."""
        await self.write(numbers.forbid, entries)

    async def permit(self, number: str, at: datetime, reason: str) -> None:
        """Let a number be called again. What forbade it until `at` is kept, and this beside it."""
        await self.write(numbers.permit, number, at, reason)

    async def add_consents(self, consents: Sequence[Consent]) -> None:
        """Keep consents. One that was given before a revocation we know of is revoked, whenever it is added."""
        await self.write(numbers.add_consents, consents)

    async def revoke_consent(self, number: str, at: datetime, source: str) -> None:
        """End all consents of a number that were given until `at`."""
        await self.write(numbers.revoke, number, at, source)

    async def delete_number(self, number: str) -> list[str]:
        """Forget whose number this is, as they may demand; gives the folders of flight records that must go, too.

        Its calls with all their entries, its orders and its consents are removed, and its contacts emptied and done.
        Kept are the prohibitions and revocations: only because of them is the number not called again. What is noted
        later, of a call that still runs, is kept again: end it first. Backups and spilled files are the operator's.
        """
        await self.flush()
        return await self.write(numbers.forget, number)

    # Orders

    async def make_order(self, order: Order) -> None:
        """Write an order down, on the disk, before the carrier is asked; its contact is then "calling".

        Raises DoubleOrderError, and changes nothing, when the order was made already or its contact does not wait.
        """
        await self.write(orders.make, order)

    async def order_placed(self, order_id: str, call_id: str, at: datetime) -> None:
        """The carrier has a call for this order. One that was deleted meanwhile is passed over."""
        await self.write(orders.placed, order_id, call_id, at)

    async def order_unsure(self, order_id: str) -> None:
        """Nobody can tell whether the carrier has placed the call. It counts as placed until that is known."""
        await self.write(orders.unsure, order_id)

    async def close_order(
        self, order_id: str, outcome: str, at: datetime, retry_at: datetime | None = None, *, dropped: bool = False
    ) -> bool:
        """The call of an order is over, and with it one attempt at its contact.

        retry_at: when the contact is due again; None: it is done.  dropped: there surely was no call, so the attempt
        does not count.  Gives whether the order was open; else somebody has closed it, and nothing is changed.
        """
        return await self.write(orders.close, order_id, outcome, at, retry_at, dropped)

    async def order(self, order_id: str) -> Order | None:
        """One order; None when there is none."""
        return await self.read(orders.order, order_id)

    async def open_orders(self) -> list[Order]:
        """The orders whose calls may run or still be placed, oldest first: what a crash leaves."""
        return await self.read(orders.open_orders)

    # Campaigns

    async def add_campaign(self, campaign: Campaign, contacts: Sequence[Contact]) -> Campaign:
        """Make a campaign; the same file (by digest) under the same name gives the one there is, and changes nothing.

        Raises ConfigError when the name belongs to a campaign of another file.
        """
        return await self.write(campaigns.add, campaign, contacts)

    async def campaign(self, campaign_id: str) -> Campaign | None:
        """One campaign; None when there is none."""
        return await self.read(campaigns.campaign, campaign_id)

    async def campaigns(self) -> list[Campaign]:
        """All campaigns, the newest first."""
        return await self.read(campaigns.all_campaigns)

    async def set_campaign_state(self, campaign_id: str, state: CampaignState) -> None:
        """Start, stop or finish a campaign."""
        await self.write(campaigns.set_state, campaign_id, state)

    async def contacts(self, campaign_id: str) -> list[Contact]:
        """Whom a campaign is to reach, in the order of its file."""
        return await self.read(campaigns.contacts_of, campaign_id)

    async def contact(self, contact_id: str) -> Contact | None:
        """One contact; None when there is none."""
        return await self.read(campaigns.contact, contact_id)

    async def due(self, campaign_id: str, now: datetime, limit: int) -> list[Contact]:
        """Whom to call now: who waits for a time that has come, by that time, then who was never called, by row.

        Nobody, unless the campaign is running.
        """
        return await self.read(campaigns.due, campaign_id, now, limit)

    async def contact_after(self, contact_id: str, outcome: str, attempts: int, next_at: datetime | None) -> bool:
        """Put off a contact that waits, or with `next_at` None be done with it, without having called.

        Gives whether it waited; else it is being called or done, and nothing is changed.
        """
        return await self.write(campaigns.after, contact_id, outcome, attempts, next_at)

    async def progress(self, campaign_id: str) -> Progress:
        """How far a campaign is."""
        return await self.read(campaigns.progress, campaign_id)

    # Calls

    async def call(self, call_id: str) -> KeptCall | None:
        """One call; None when nothing was told of it."""
        await self.flush()
        return await self.read(calls.call, call_id)

    async def calls(self, limit: int, before: str | None = None) -> list[KeptCall]:
        """Calls, the newest first. before: the id of a call, to go on behind it."""
        await self.flush()
        return await self.read(calls.newest, limit, before)

    async def audit(self, call_id: str) -> dict[str, Any] | None:
        """All that can be proved of a call, ready for JSON: "call", "entries", "order", the "consents" that held when
        it was ordered (or came in), "forbidden_then", and "forbidden_in_call". None when nothing was told of it."""
        await self.flush()
        return await self.read(calls.audit, call_id)

    async def calls_without_summary(self, since: datetime, limit: int = 1_000) -> list[Unsummed]:
        """Calls with a record that ended since then and were not summed up yet, those that ended first first."""
        await self.flush()
        return await self.read(calls.without_summary, since, limit)

    async def read(
        self, ask: Callable[Concatenate[Connection, _Given], _Found], *args: _Given.args, **more: _Given.kwargs
    ) -> _Found:
        """Have something looked up, on a thread."""

        def look() -> _Found:
            with self._database.reading() as connection:
                return ask(connection, *args, **more)

        return await self.aside(look)

    async def write(
        self, change: Callable[Concatenate[Connection, _Given], _Found], *args: _Given.args, **more: _Given.kwargs
    ) -> _Found:
        """Have something changed, on a thread, in one transaction."""

        def transact() -> _Found:
            with self._database.writing() as connection:
                return change(connection, *args, **more)

        return await self.aside(transact)

    async def aside(self, work: Callable[[], _Found]) -> _Found:
        """Have something done on a thread of the ledger's, so that no call waits for it."""

        def translated() -> _Found:
            try:
                return work()
            except SQLAlchemyError as refused:
                raise LedgerFailed(f"the ledger's database is away or refuses ({reason(refused)})") from None

        return await asyncio.get_running_loop().run_in_executor(self._executor, translated)
