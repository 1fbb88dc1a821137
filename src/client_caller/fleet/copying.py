"""Copying journals: what calls write down is in the database a moment later, so that any gateway can go on with them.

In:   flight records, as calls begin or go on.
Out:  rows of `journals`; the newest record of a call; that record in the folder of whoever goes on with the call.
Rule: no call waits for it, or fails of it. The file on the disk is the queue: what is remembered of a call is how far
      it was copied, so that memory does not grow however long the database is away, and nothing written is left out.

One thread copies for all calls, in one transaction a round. A follower only says that there is something to copy.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, SQLAlchemyError

from client_caller.errors import ConfigError
from client_caller.fleet import journals
from client_caller.fleet.journals import Part
from client_caller.ledger.database import Database, LedgerFailed, reason
from client_caller.records.flight import Entry, FlightRecord, header_of

log = logging.getLogger("client_caller.fleet")

_GATHER_S: Final = 0.05
"""How long lines are gathered. Each round shares the interpreter with the calls for some milliseconds; but what was not
copied yet is what a call forgets whose gateway is killed."""

_LONGEST_PAUSE_S: Final = 5.0
"""While the database is away it is tried after twice as long each time, up to this."""

_AT_ONCE: Final = 4 * 1024 * 1024
"""Bytes after which no more calls are taken into one transaction: what is in memory is this and one record."""

_MOST: Final = 2_000
"""Calls that may wait to be copied, some kilobytes each: hours without a database. Beyond, the oldest are given up."""

_SECOND: Final = len("20261123T140000")
"""As much of a folder's name as tells the second in which its call began."""

_READERS: Final = 2
_CLOSE_S: Final = 10.0


@dataclass(slots=True, eq=False)
class _Copy:
    """How far one record was copied: so many lines, so many bytes.

    is_told: there may be more;  epoch: None before anything was stored;  is_late: the database was away since the call
    was taken up, so that others may have gone on with it before anything was stored from here.
    """

    call_id: str
    record: FlightRecord
    path: Path
    is_told: bool = True
    epoch: int | None = None
    lines: int = 0
    size: int = 0
    is_late: bool = False

    @property
    def is_ended(self) -> bool:
        """Whether nothing more is written."""
        return self.record.is_closed or self.record.failed


@dataclass(frozen=True, slots=True)
class _Read:
    """What was written since a record was last copied. is_last: nothing more comes."""

    copy: _Copy
    lines: bytes
    is_last: bool


class JournalCopies:
    """Copies the records that it is given to follow. Its thread runs from the beginning until `close`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._copies: dict[str, _Copy] = {}  # by call, until all of it is copied
        self._wishes: list[tuple[str | None, Future[bool]]] = []
        self._door = Lock()  # around the two
        self._wake = Event()  # there is something to do
        self._hurry = Event()  # somebody waits for it
        self._is_closed = False
        self._is_away = False
        self._pause_s = _GATHER_S
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="journals")
        self._thread = Thread(target=self._run, name="journals", daemon=True)
        self._thread.start()

    @property
    def is_away(self) -> bool:
        """Whether the database takes nothing, so that what calls write is copied later."""
        return self._is_away

    def follow(self, record: FlightRecord) -> None:
        """Copy what this record holds, and what is written to it from now on. Returns at once, and never raises.

        Whoever follows a call begins an epoch. What an earlier record of the same call still lacks is in this one.
        """
        if record.path is None or record.failed or self._is_closed:
            return
        call_id = record.folder.name.partition("-")[2]
        copy = _Copy(call_id, record, record.path, is_late=self._is_away)
        with self._door:
            given_up = self._make_room()
            self._copies[call_id] = copy
        if given_up:
            log.warning("too many calls wait to be copied: the oldest are given up", extra={"count": given_up})

        def tell(_: Entry) -> None:
            copy.is_told = True
            if not self._wake.is_set():
                self._wake.set()

        record.follow(tell)
        self._wake.set()

    async def flush(self, call_id: str | None = None, within_s: float = 5.0) -> bool:
        """Wait until what was written so far is in the database, of one call or of all; gives whether it is."""
        answer: Future[bool] = Future()
        with self._door:
            if call_id is not None and call_id not in self._copies:
                return True
            if self._is_closed:
                return not self._copies
            self._wishes.append((call_id, answer))
        self._hurry.set()
        self._wake.set()
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.wrap_future(answer)
        except TimeoutError:
            return False

    async def fetch(self, call_id: str) -> bytes | None:
        """The newest record of a call, in whole lines; None when none was copied. Raises LedgerFailed."""

        def look() -> tuple[int, bytes] | None:
            try:
                with self._database.reading() as connection:
                    return journals.newest(connection, call_id)
            except SQLAlchemyError as refused:
                raise LedgerFailed(f"the ledger's database is away or refuses ({reason(refused)})") from None

        found = await asyncio.get_running_loop().run_in_executor(self._readers, look)
        return found[1] if found else None

    async def close(self) -> None:
        """Copy what is left, if the database takes it, and end. Safe to repeat."""
        with self._door:
            self._is_closed = True
        self._hurry.set()
        self._wake.set()
        if self._thread.is_alive():
            await asyncio.get_running_loop().run_in_executor(self._readers, self._thread.join, _CLOSE_S)
        self._readers.shutdown(wait=False)

    # On the thread.

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._wake.wait()
            self._hurry.wait(self._pause_s)
            self._hurry.clear()
            self._wake.clear()
            with self._door:
                is_last, wishes, self._wishes = self._is_closed, self._wishes, []
            if self._bring():
                _answer(wishes, is_copied=True)
            elif is_last:
                log.warning("calls were not copied to their end", extra={"count": len(self._told())})
                _answer(wishes, is_copied=False)
            else:
                self._wake.set()
                with self._door:
                    self._wishes += [wish for wish in wishes if not wish[1].cancelled()]

    def _told(self) -> list[_Copy]:
        with self._door:
            return [copy for copy in self._copies.values() if copy.is_told or copy.is_ended]

    def _bring(self) -> bool:
        """Copy what was written before this began; gives whether the database has it all."""
        told = self._told()
        while told:
            batch = self._read(told)
            try:
                self._store(batch)
            except SQLAlchemyError as refused:
                for read in batch:
                    read.copy.is_told = True
                self._be_away(refused)
                return False
        if self._is_away:
            log.warning("journals are copied again: the database is back")
        self._is_away, self._pause_s = False, _GATHER_S
        return True

    def _read(self, told: list[_Copy]) -> list[_Read]:
        """What is new in the records of calls, which are taken from the list, up to as much as is stored at once."""
        found: list[_Read] = []
        size = 0
        while told and size < _AT_ONCE:
            copy = told.pop(0)
            copy.is_told, is_last = False, copy.is_ended  # asked before the file is read: later it would be too late
            try:
                with copy.path.open("rb", buffering=0) as file:
                    file.seek(copy.size)
                    written = file.read()
            except OSError as refused:
                log.warning("a record cannot be copied", extra={"call": copy.call_id, "why": refused.strerror})
                self._let_go(copy)
                continue
            lines = written[: written.rfind(b"\n") + 1]
            size += len(lines)
            found.append(_Read(copy, lines, is_last))
        return found

    def _store(self, batch: Sequence[_Read]) -> None:
        """Store in one transaction. What the database will never take must not keep the others from it."""
        news, epochs = [read for read in batch if read.lines], dict[str, int]()
        try:
            if news:
                with self._database.writing() as connection:
                    epochs = _write(connection, news)
        except (DataError, ValueError) as wrong:
            if len(batch) > 1:
                for read in batch:
                    self._store([read])
                return
            [read] = batch
            log.warning("a record cannot be copied", extra={"call": read.copy.call_id, "why": reason(wrong)})
            self._let_go(read.copy)
            return
        for read in batch:
            copy = read.copy
            copy.epoch = epochs.get(copy.call_id, copy.epoch)
            copy.lines += read.lines.count(b"\n")
            copy.size += len(read.lines)
            is_stale = bool(read.lines) and copy.epoch is None
            if is_stale:
                log.warning("a call has gone on elsewhere, and is not copied from here", extra={"call": copy.call_id})
            if read.is_last or is_stale:
                self._let_go(copy)

    def _be_away(self, refused: SQLAlchemyError) -> None:
        if not self._is_away:
            log.warning("journals are not copied: the database is away", extra={"why": reason(refused)})
        self._is_away, self._pause_s = True, min(2 * self._pause_s, _LONGEST_PAUSE_S)
        with self._door:
            for copy in self._copies.values():
                copy.is_late = True

    def _let_go(self, copy: _Copy) -> None:
        """Copy nothing more of this record."""
        with self._door:
            if self._copies.get(copy.call_id) is copy:
                del self._copies[copy.call_id]

    def _make_room(self) -> int:
        """How many calls had to be given up for one more; the door is closed."""
        if len(self._copies) < _MOST:
            return 0
        oldest = list(self._copies)[: _MOST // 10]
        for call_id in oldest:
            del self._copies[call_id]
        return len(oldest)


def materialise(records: Path, content: bytes) -> Path:
    """Put a record that was fetched under `records`, as the newest of its call; gives its path.

    The newest record of the call that is there already is replaced, for only the newest is looked at; but not one that
    began earlier, and so is of another conversation, nor one that begins with this content, and so lacks nothing.
    Raises ConfigError for what is no record, OSError when the disk refuses.
    """
    header = header_of(content.partition(b"\n")[0], "a record out of the database")
    try:
        began = datetime.fromisoformat(header.started).astimezone(UTC)
    except ValueError as wrong:
        raise ConfigError("a record out of the database does not say when its call began") from wrong
    name = f"{began:%Y%m%dT%H%M%S%f}-{header.call}"
    if not header.call or Path(name).name != name:
        raise ConfigError("a record out of the database names no call")
    records.mkdir(parents=True, exist_ok=True)
    there = max((each for each in os.listdir(records) if each.partition("-")[2] == header.call), default="")
    # A header tells the second, the name of a folder the microsecond.
    path = records / (there if there[:_SECOND] >= name[:_SECOND] else name) / "record.jsonl"
    if path.exists() and path.read_bytes().startswith(content):
        return path
    path.parent.mkdir(exist_ok=True)
    fetched = path.with_name("record.fetched")
    fetched.write_bytes(content)
    fetched.replace(path)
    return path


def _write(connection: Connection, batch: Sequence[_Read]) -> dict[str, int]:
    """Store what was read; gives the epochs that were begun, by call."""
    epochs: dict[str, int] = {}
    # In the order of their names, so that two gateways never wait for each other.
    for read in sorted(batch, key=lambda read: read.copy.call_id):
        copy = read.copy
        if copy.epoch is None and not (copy.is_late and _has_gone_on(connection, copy.call_id, read.lines)):
            epochs[copy.call_id] = journals.begin(connection, copy.call_id, read.lines)
    parts = [
        Part(read.copy.call_id, read.copy.epoch, read.copy.lines, read.lines)
        for read in batch
        if read.copy.epoch is not None
    ]
    journals.store(connection, parts)
    return epochs


def _has_gone_on(connection: Connection, call_id: str, ours: bytes) -> bool:
    """Whether a call went on elsewhere since this was written of it here, while we could not reach the database.

    Of one conversation, what is there is then no beginning of ours; of two, the one that began later counts.
    """
    found = journals.newest(connection, call_id)
    if found is None:
        return False
    theirs = found[1]
    their_header, our_header = theirs.partition(b"\n")[0], ours.partition(b"\n")[0]
    if their_header == our_header:
        return not ours.startswith(theirs)
    return _began(their_header) > _began(our_header)


def _began(header: bytes) -> str:
    """When a conversation began, in ISO 8601; empty, which is before all others, when nobody can tell."""
    try:
        return header_of(header, "a journal").started
    except ConfigError:
        return ""


def _answer(wishes: Sequence[tuple[str | None, Future[bool]]], *, is_copied: bool) -> None:
    for _, wish in wishes:
        if wish.set_running_or_notify_cancel():
            wish.set_result(is_copied)
