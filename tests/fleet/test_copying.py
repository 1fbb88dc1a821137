"""What a call writes down is in the database a moment later, whole lines from its beginning, whatever happens there."""

import asyncio
import gc
import logging
import shutil
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from calls import heart_of
from client_caller.conversation.events import CallAnswered, HungUp, LineLost, LineResumed
from client_caller.conversation.transitions import Phase
from client_caller.errors import ConfigError
from client_caller.fleet import copying
from client_caller.fleet.copying import JournalCopies, materialise
from client_caller.ledger.database import Database, LedgerFailed, open_database
from client_caller.records.flight import (
    ActionEntry,
    DeadlineEntry,
    Entry,
    EventEntry,
    FlightRecord,
    Header,
    read_record,
)
from client_caller.records.journal import find_journal
from client_caller.records.replay import replay
from client_caller.resumption import resume_call
from private_postgres import PrivatePostgres
from virtual import run

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*/record.jsonl"))
_numbers = count(1)
_open: list[FlightRecord] = []


@pytest.fixture(autouse=True)
def _close_records() -> Iterator[None]:
    yield
    while _open:
        _open.pop().close()


def kept_open(record: FlightRecord) -> FlightRecord:
    """The same record, closed after the test at the latest."""
    _open.append(record)
    return record


def new_call(folder: Path, call: str = "", second: int = 0, conversation: object = None) -> FlightRecord:
    """A record as a house opens one."""
    call = call or f"CA{next(_numbers)}"
    header = Header(call, f"2026-11-23T14:00:{second:02}Z", "Anna", conversation or {})  # type: ignore[arg-type]
    return kept_open(FlightRecord(folder / f"20261123T1400{second:02}123456-{call}" / "record.jsonl", header))


def resumed(path: Path | None) -> FlightRecord:
    assert path is not None
    return kept_open(FlightRecord.resume(path))


def call_of(record: FlightRecord) -> str:
    return record.folder.name.partition("-")[2]


def content(record: FlightRecord) -> bytes:
    assert record.path is not None
    return record.path.read_bytes()


def write(record: FlightRecord, entries: Sequence[Entry]) -> None:
    for entry in entries:
        match entry:
            case EventEntry(t, event):
                record.event(t, event)
            case DeadlineEntry(t):
                record.deadline(t)
            case ActionEntry(t, action):
                record.action(t, action)
            case _:
                record.fact(entry.t, entry.name, **entry.fields)


@dataclass
class Shaky:
    """A database that may be away, may lose its answers, may keep whoever writes waiting, and tells what is asked."""

    database: Database
    is_away: bool = False
    loses: list[str] = field(default_factory=list)  # what the next transactions lose: "", "all", or their "answer"
    answers: threading.Event = field(default_factory=threading.Event)
    is_asked: threading.Event = field(default_factory=threading.Event)
    transactions: int = 0

    def __post_init__(self) -> None:
        self.answers.set()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        self.is_asked.set()
        assert self.answers.wait(30)
        lost = self.loses.pop(0) if self.loses else ""
        if self.is_away or lost == "all":
            raise OperationalError("INSERT", None, Exception("away"))
        with self.database.writing() as connection:
            yield connection
        self.transactions += 1
        if lost:
            raise OperationalError("COMMIT", None, Exception("no answer"))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        if self.is_away:
            raise OperationalError("SELECT", None, Exception("away"))
        with self.database.reading() as connection:
            yield connection


@pytest.fixture
def open_copies() -> Iterator[Callable[..., JournalCopies]]:
    opened: list[JournalCopies] = []

    def run_one(database: Database | Shaky) -> JournalCopies:
        opened.append(JournalCopies(database))  # type: ignore[arg-type]
        return opened[-1]

    yield run_one
    for each in opened:
        asyncio.run(each.close())


@pytest.fixture
def shaky(database: Database) -> Iterator[Shaky]:
    made = Shaky(database)
    yield made
    made.is_away = False
    made.answers.set()


@pytest.fixture
def copies(shaky: Shaky, open_copies: Callable[..., JournalCopies]) -> JournalCopies:
    return open_copies(shaky)


def flushed(copies: JournalCopies, call_id: str | None = None, within_s: float = 30.0) -> bool:
    return asyncio.run(copies.flush(call_id, within_s))


def fetched(copies: JournalCopies, record: FlightRecord) -> bytes | None:
    return asyncio.run(copies.fetch(call_of(record)))


def find_it_away(copies: JournalCopies) -> None:
    """Wait until the database was tried, and refused."""
    while not copies.is_away:
        assert not flushed(copies, within_s=0.01)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if each.levelno >= logging.WARNING]


# What is copied.


def test_a_record_is_copied_from_its_header_on_while_it_is_written(copies: JournalCopies, tmp_path: Path) -> None:
    record = new_call(tmp_path)
    record.event(0.0, CallAnswered())
    copies.follow(record)
    assert flushed(copies)
    assert fetched(copies, record) == content(record)
    for number in range(30):
        record.fact(number / 10, "first token", reply=number)
    assert flushed(copies, call_of(record))
    record.event(4.0, HungUp())
    record.close()
    assert flushed(copies)
    assert fetched(copies, record) == content(record)
    assert content(record).count(b"\n") == 33


def test_without_news_nothing_is_asked_of_the_database(shaky: Shaky, copies: JournalCopies, tmp_path: Path) -> None:
    copies.follow(new_call(tmp_path))
    assert flushed(copies)
    assert flushed(copies)
    assert shaky.transactions == 1


def test_nobody_has_to_ask_for_it(shaky: Shaky, copies: JournalCopies, tmp_path: Path) -> None:
    record = new_call(tmp_path)
    copies.follow(record)
    while fetched(copies, record) != content(record):
        assert shaky.is_asked.wait(30)
    record.fact(1.0, "first token", reply=1)
    while fetched(copies, record) != content(record):
        assert shaky.is_asked.wait(30)


def test_many_calls_are_copied_in_one_transaction(shaky: Shaky, copies: JournalCopies, tmp_path: Path) -> None:
    shaky.answers.clear()
    first = new_call(tmp_path)
    copies.follow(first)
    assert shaky.is_asked.wait(30)
    records = [new_call(tmp_path) for _ in range(20)]
    for record in records:
        copies.follow(record)
        record.event(0.0, CallAnswered())
    shaky.answers.set()
    assert flushed(copies)
    assert [fetched(copies, record) for record in records] == [content(record) for record in records]
    assert shaky.transactions == 2


def test_who_goes_on_with_a_call_copies_all_of_it_anew(copies: JournalCopies, tmp_path: Path) -> None:
    record = new_call(tmp_path)
    copies.follow(record)
    record.event(0.0, CallAnswered())
    record.close()
    assert flushed(copies)
    with (record.folder / "record.jsonl").open("ab") as file:
        file.write(b'{"t":0.5,"ev')  # what a kill leaves
    again = resumed(record.path)
    again.event(1.0, LineLost())
    copies.follow(again)
    again.event(2.0, LineResumed())
    assert flushed(copies)
    assert fetched(copies, again) == content(again)


def test_of_a_call_that_was_never_followed_there_is_nothing(copies: JournalCopies) -> None:
    assert asyncio.run(copies.fetch("CA0")) is None
    assert flushed(copies, "CA0", 0.0)


@pytest.mark.parametrize("is_copied_before", [False, True])
def test_what_is_over_and_copied_is_not_remembered(
    copies: JournalCopies, tmp_path: Path, is_copied_before: bool
) -> None:
    record = new_call(tmp_path)
    copies.follow(record)
    assert flushed(copies)
    record.event(1.0, HungUp())
    if is_copied_before:
        assert flushed(copies)
    record.close()
    assert flushed(copies)
    remembered = weakref.ref(record)
    _open.remove(record)
    del record
    gc.collect()
    assert remembered() is None


# Going on elsewhere.


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.parent.name)
@hypothesis(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_wherever_a_gateway_is_killed_another_goes_on_with_what_was_copied(
    golden: Path,
    data: st.DataObject,
    database: Database,
    open_copies: Callable[..., JournalCopies],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    here, there = tmp_path_factory.mktemp("killed"), tmp_path_factory.mktemp("goes-on")
    header, entries = read_record(golden)
    killed_at = data.draw(st.integers(2, len(entries) - 2))
    flushed_at = data.draw(st.sets(st.integers(0, killed_at), max_size=3))
    copies = open_copies(database)
    record = new_call(here, conversation=header.conversation)
    copies.follow(record)
    safe = b""
    for number, entry in enumerate(entries[:killed_at]):
        write(record, [entry])
        if number in flushed_at:
            assert flushed(copies, call_of(record))
            safe = content(record)

    found = fetched(copies, record)

    if found is None:
        assert safe == b""
        return
    assert found.startswith(safe)
    assert content(record).startswith(found)
    assert found.endswith(b"\n")
    path = materialise(there, found)
    assert path.read_bytes() == found
    if found.count(b"\n") == 1:  # nothing had happened yet: such a call is begun anew
        return
    goes_on = run(resume_call(there, call_of(record), datetime.now(UTC), audio=False))
    assert goes_on is not None
    assert goes_on.conversation.phase is Phase.RESUMING
    other = open_copies(database)
    other.follow(kept_open(goes_on.record))
    write(record, entries[killed_at:])  # it was not dead, only cut off
    assert flushed(copies)
    for event in (LineResumed(), HungUp()):
        goes_on.record.event(goes_on.since, event)
        for action in goes_on.conversation.handle(event, goes_on.since):
            goes_on.record.action(goes_on.since, action)
    goes_on.record.close()
    assert flushed(other)
    write(record, entries[-1:])
    assert flushed(copies)
    assert fetched(copies, record) == path.read_bytes()
    assert replay(path, heart_of).difference is None
    journal = find_journal(there, call_of(record))
    assert journal is not None
    assert journal.is_over


def begun(record: FlightRecord, gateway: str) -> FlightRecord:
    record.event(0.0, CallAnswered())
    record.fact(0.1, "held by", gateway=gateway)
    return record


def taken_over(copies: JournalCopies, record: FlightRecord, folder: Path, gateway: str) -> FlightRecord:
    """Another gateway goes on with the call, from what is in the database."""
    found = fetched(copies, record)
    assert found is not None
    other = resumed(materialise(folder, found))
    other.event(5.0, LineLost())
    other.fact(5.1, "held by", gateway=gateway)
    return other


def test_a_gateway_that_was_cut_off_does_not_spoil_what_another_writes_of_its_call(
    shaky: Shaky,
    database: Database,
    copies: JournalCopies,
    open_copies: Callable[..., JournalCopies],
    tmp_path: Path,
) -> None:
    record = begun(new_call(tmp_path / "a"), "a")
    copies.follow(record)
    assert flushed(copies)
    shaky.is_away = True
    record.fact(4.0, "held by", gateway="a")
    others = open_copies(database)
    other = taken_over(others, record, tmp_path / "b", "b")
    others.follow(other)
    assert flushed(others)
    shaky.is_away = False
    for number in range(5):
        record.fact(6.0 + number, "held by", gateway="a")
        assert flushed(copies)
        other.fact(6.5 + number, "held by", gateway="b")
        assert flushed(others)
    assert fetched(copies, record) == content(other)


def test_a_gateway_that_was_cut_off_from_the_beginning_does_not_either(
    shaky: Shaky,
    database: Database,
    copies: JournalCopies,
    open_copies: Callable[..., JournalCopies],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shaky.is_away = True
    record = begun(new_call(tmp_path / "a"), "a")
    copies.follow(record)
    find_it_away(copies)
    others = open_copies(database)
    other = begun(new_call(tmp_path / "b", call_of(record), second=20), "b")  # nothing is found: the call begins anew
    others.follow(other)
    assert flushed(others)
    shaky.is_away = False
    assert flushed(copies)
    assert fetched(copies, record) == content(other)
    assert "a call has gone on elsewhere, and is not copied from here" in warnings(caplog)


def test_nor_does_one_that_begins_to_copy_when_the_database_is_just_back(
    shaky: Shaky,
    database: Database,
    open_copies: Callable[..., JournalCopies],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = open_copies(database)
    for pause in ("_GATHER_S", "_LONGEST_PAUSE_S"):  # so that the database is tried only when somebody waits
        monkeypatch.setattr(copying, pause, 600.0)
    copies = open_copies(shaky)
    copies.follow(new_call(tmp_path / "a"))
    shaky.is_away = True
    find_it_away(copies)
    record = begun(new_call(tmp_path / "a"), "a")
    copies.follow(record)
    other = begun(new_call(tmp_path / "b", call_of(record), second=20), "b")
    others.follow(other)
    assert flushed(others)
    shaky.is_away = False
    assert flushed(copies)
    assert fetched(copies, record) == content(other)


def test_nor_does_one_that_took_a_call_up_and_was_cut_off_before_it_could_say_so(
    shaky: Shaky, database: Database, copies: JournalCopies, open_copies: Callable[..., JournalCopies], tmp_path: Path
) -> None:
    others = open_copies(database)
    record = begun(new_call(tmp_path / "a"), "a")
    others.follow(record)
    assert flushed(others)
    cut_off = taken_over(others, record, tmp_path / "b", "b")
    shaky.is_away = True
    copies.follow(cut_off)
    find_it_away(copies)
    other = taken_over(others, record, tmp_path / "c", "c")
    others.follow(other)
    assert flushed(others)
    shaky.is_away = False
    assert flushed(copies)
    assert fetched(copies, record) == content(other)


def test_one_that_was_cut_off_copies_what_nobody_else_has(
    shaky: Shaky, database: Database, copies: JournalCopies, open_copies: Callable[..., JournalCopies], tmp_path: Path
) -> None:
    others = open_copies(database)
    older = begun(new_call(tmp_path / "a"), "a")
    others.follow(older)
    assert flushed(others)
    goes_on = taken_over(others, older, tmp_path / "b", "b")
    begins_anew = begun(new_call(tmp_path / "b", second=30), "b")
    others.follow(begun(new_call(tmp_path / "a", call_of(begins_anew), second=10), "a"))
    assert flushed(others)
    shaky.is_away = True
    copies.follow(goes_on)
    copies.follow(begins_anew)
    find_it_away(copies)
    shaky.is_away = False
    assert flushed(copies)
    assert fetched(copies, goes_on) == content(goes_on)
    assert fetched(copies, begins_anew) == content(begins_anew)


# A database that is not always there.


def test_while_the_database_is_away_calls_go_on_and_all_is_copied_when_it_is_back(
    shaky: Shaky, copies: JournalCopies, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record, second = new_call(tmp_path), new_call(tmp_path)
    copies.follow(record)
    assert flushed(copies)
    assert not copies.is_away
    shaky.is_away = True
    copies.follow(second)
    for number in range(100):
        record.fact(number / 10, "first token", reply=number)
    find_it_away(copies)
    with pytest.raises(LedgerFailed, match="away"):
        fetched(copies, record)
    second.event(0.0, HungUp())
    second.close()
    shaky.is_away = False
    assert flushed(copies)
    assert not copies.is_away
    assert [fetched(copies, each) for each in (record, second)] == [content(record), content(second)]
    assert warnings(caplog) == [
        "journals are not copied: the database is away",
        "journals are copied again: the database is back",
    ]


def test_a_server_that_is_stopped_and_started_again_has_everything(
    postgres: PrivatePostgres, open_copies: Callable[..., JournalCopies], tmp_path: Path
) -> None:
    database = open_database(postgres.empty_database())
    try:
        copies = open_copies(database)
        record = new_call(tmp_path)
        copies.follow(record)
        assert flushed(copies)
        postgres.stop()
        try:
            record.event(1.0, CallAnswered())
            find_it_away(copies)
        finally:
            postgres.start()
        record.event(2.0, HungUp())
        assert flushed(copies)
        assert fetched(copies, record) == content(record)
        asyncio.run(copies.close())
    finally:
        database.close()


@hypothesis(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    written=st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["", "all", "answer"])), min_size=1, max_size=8),
    resumed_after=st.integers(0, 8),
)
def test_whatever_a_database_loses_the_copy_is_whole_in_the_end(
    written: list[tuple[int, str]],
    resumed_after: int,
    database: Database,
    open_copies: Callable[..., JournalCopies],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copying, "_GATHER_S", 0.001)
    shaky = Shaky(database)
    copies = open_copies(shaky)
    record = new_call(tmp_path_factory.mktemp("calls"))
    copies.follow(record)
    for step, (number, lost) in enumerate(written):
        shaky.loses.append(lost)
        if step == resumed_after:
            record.close()
            record = resumed(record.path)
            copies.follow(record)
        for _ in range(number):
            record.fact(float(step), "step", number=step)
        assert flushed(copies)
        assert fetched(copies, record) == content(record)


def test_a_database_that_neither_answers_nor_refuses_delays_no_call(
    shaky: Shaky, copies: JournalCopies, tmp_path: Path
) -> None:
    shaky.answers.clear()
    record = new_call(tmp_path)
    copies.follow(record)
    assert shaky.is_asked.wait(30)
    for number in range(1_000):
        record.fact(number / 10, "first token", reply=number)
    copies.follow(new_call(tmp_path))
    assert content(record).count(b"\n") == 1_001  # all of it was written while nobody answered
    assert not flushed(copies, within_s=0.0)
    shaky.answers.set()
    assert flushed(copies)
    assert fetched(copies, record) == content(record)


def test_memory_does_not_grow_with_what_waits_for_the_database(
    shaky: Shaky, copies: JournalCopies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty calls write a thousand lines a second for twenty seconds: five megabytes."""
    monkeypatch.setattr(copying, "_AT_ONCE", 100_000)
    records = [new_call(tmp_path) for _ in range(50)]
    for record in records:
        copies.follow(record)
    assert flushed(copies)
    shaky.is_away = True
    words = "word " * 40
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(400):
            for record in records:
                record.fact(number / 20, "said", text=words)
        find_it_away(copies)
        tracemalloc.reset_peak()
        while_away = tracemalloc.get_traced_memory()[0] - before
        shaky.is_away = False
        shaky.transactions = 0
        assert flushed(copies)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    written = sum(len(content(record)) for record in records)
    assert written > 4_500_000
    assert shaky.transactions > written / 250_000  # a batch is ended by what exceeds it, here by up to one record
    assert while_away < 500_000
    assert peak < 2_000_000
    assert [fetched(copies, record) for record in records] == [content(record) for record in records]


def test_of_too_many_calls_that_wait_the_oldest_are_given_up(
    shaky: Shaky,
    copies: JournalCopies,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(copying, "_MOST", 20)
    shaky.is_away = True
    records = [new_call(tmp_path) for _ in range(21)]
    for record in records:
        copies.follow(record)
    shaky.is_away = False
    assert flushed(copies)
    kept = [fetched(copies, record) for record in records]
    assert kept == [None, None, *(content(record) for record in records[2:])]
    [told] = [each for each in caplog.records if each.message.startswith("too many calls")]
    assert told.count == 2  # type: ignore[attr-defined]


# What must not trouble anybody.


def test_a_record_that_no_database_takes_keeps_no_other_from_being_copied(
    copies: JournalCopies, shaky: Shaky, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shaky.answers.clear()
    path = tmp_path / "20261123T140000123456-CA\udc80" / "record.jsonl"  # a name that is no text
    bad, good = kept_open(FlightRecord(path, Header("CA", "2026-11-23T14:00:00Z", "Anna"))), new_call(tmp_path)
    copies.follow(bad)
    copies.follow(good)
    shaky.answers.set()
    assert flushed(copies)
    assert fetched(copies, good) == content(good)
    bad.event(1.0, HungUp())
    assert flushed(copies)
    assert warnings(caplog) == ["a record cannot be copied"]


def test_a_record_that_is_gone_is_not_copied_any_more(
    copies: JournalCopies, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone, good = new_call(tmp_path), new_call(tmp_path)
    for record in (gone, good):
        copies.follow(record)
    assert flushed(copies)
    shutil.rmtree(gone.folder)
    for record in (gone, good):
        record.event(1.0, HungUp())
    assert flushed(copies)
    assert fetched(copies, good) == content(good)
    assert warnings(caplog) == ["a record cannot be copied"]


def test_what_is_not_written_is_not_copied(copies: JournalCopies, caplog: pytest.LogCaptureFixture) -> None:
    for path in (None, Path("/dev/full")):
        record = kept_open(FlightRecord(path, Header("CA1", "", "")))
        caplog.clear()
        copies.follow(record)
        record.event(1.0, HungUp())
        assert flushed(copies)
        assert warnings(caplog) == []


def test_closing_copies_what_is_left(shaky: Shaky, copies: JournalCopies, tmp_path: Path) -> None:
    record = new_call(tmp_path)
    copies.follow(record)
    record.event(1.0, HungUp())
    asyncio.run(copies.close())
    assert shaky.transactions == 1
    asyncio.run(copies.close())
    record.event(2.0, HungUp())
    copies.follow(new_call(tmp_path))
    assert flushed(copies, "CA0", 0.0)


def test_closing_without_a_database_tells_how_many_calls_are_not_copied(
    shaky: Shaky, copies: JournalCopies, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shaky.is_away = True
    for _ in range(3):
        copies.follow(new_call(tmp_path))
    asyncio.run(copies.close())
    assert not flushed(copies)
    [told] = [each for each in caplog.records if each.message == "calls were not copied to their end"]
    assert told.count == 3  # type: ignore[attr-defined]


# Putting a record in place.


def record_bytes(second: int = 0, more: int = 0, call: str = "CA1", gateway: str = "a") -> bytes:
    header = b'{"header":{"call":"%s","started":"2026-11-23T14:00:%02dZ","agent":"Anna"}}\n' % (call.encode(), second)
    return header + b'{"t":0.0,"event":"CallAnswered"}\n' + b'{"t":1.0,"fact":"%s"}\n' % gateway.encode() * more


def newest(folder: Path) -> bytes:
    journal = find_journal(folder, "CA1")
    assert journal is not None
    return journal.path.read_bytes()


def keep(folder: Path, second: int, kept: bytes, call: str = "CA1") -> Path:
    path = folder / f"20261123T1400{second:02}654321-{call}" / "record.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(kept)
    return path


def test_a_record_from_elsewhere_is_found_under_the_name_that_a_house_would_give_it(tmp_path: Path) -> None:
    path = materialise(tmp_path / "calls", record_bytes(7))
    assert path == tmp_path / "calls" / "20261123T140007000000-CA1" / "record.jsonl"
    assert newest(tmp_path / "calls") == record_bytes(7)
    assert [each.name for each in path.parent.iterdir()] == ["record.jsonl"]


def test_it_replaces_what_is_here_of_the_same_conversation(tmp_path: Path) -> None:
    path = keep(tmp_path, 7, record_bytes(7, more=1))
    other = keep(tmp_path, 7, record_bytes(7, call="x-CA1"), call="x-CA1")
    assert materialise(tmp_path, record_bytes(7, more=3, gateway="b")) == path
    assert newest(tmp_path) == record_bytes(7, more=3, gateway="b")
    assert other.read_bytes() == record_bytes(7, call="x-CA1")


@pytest.mark.parametrize("more", [2, 5])
def test_what_is_here_is_left_if_it_lacks_nothing(tmp_path: Path, more: int) -> None:
    path = keep(tmp_path, 7, record_bytes(7, more=more))
    inode = path.stat().st_ino
    assert materialise(tmp_path, record_bytes(7, more=2)) == path
    assert path.stat().st_ino == inode
    assert newest(tmp_path) == record_bytes(7, more=more)


def test_an_older_conversation_is_kept_beside_it(tmp_path: Path) -> None:
    path = keep(tmp_path, 7, record_bytes(7))
    assert materialise(tmp_path, record_bytes(30)).parent.name == "20261123T140030000000-CA1"
    assert path.read_bytes() == record_bytes(7)
    assert newest(tmp_path) == record_bytes(30)


def test_a_later_one_gives_its_place_to_it_for_only_the_newest_is_looked_at(tmp_path: Path) -> None:
    keep(tmp_path, 3, record_bytes(3))
    path = keep(tmp_path, 30, record_bytes(30))
    assert materialise(tmp_path, record_bytes(7)) == path
    assert newest(tmp_path) == record_bytes(7)


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"nonsense\n",
        record_bytes(call="../CA1"),
        record_bytes(call=""),
        record_bytes().replace(b"2026-11", b"about 2026"),
        record_bytes().replace(b'"agent"', b'"format":9,"agent"'),
    ],
)
def test_what_is_no_record_is_put_nowhere(tmp_path: Path, wrong: bytes) -> None:
    with pytest.raises(ConfigError):
        materialise(tmp_path / "calls" / "here", wrong)
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_a_disk_that_refuses_leaves_what_was_there(tmp_path: Path) -> None:
    path = keep(tmp_path, 7, record_bytes(7))
    path.with_name("record.fetched").mkdir()
    with pytest.raises(OSError, match="fetched"):
        materialise(tmp_path, record_bytes(7, more=1))
    assert newest(tmp_path) == record_bytes(7)
