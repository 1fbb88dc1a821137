"""Of all epochs of a call the newest that has its beginning counts, whoever else still writes."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import Connection, create_engine, func, select, text, update

from client_caller.fleet.journals import Part, begin, forget, forget_older, newest, next_epoch, store
from client_caller.ledger.database import Database
from client_caller.ledger.schema import journals, metadata

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def lines(first: int, count: int, writer: str = "a") -> bytes:
    return b"".join(f'{{"t":{number}.0,"by":"{writer}"}}\n'.encode() for number in range(first, first + count))


def rows(connection: Connection, call_id: str) -> int:
    found: int = connection.execute(select(func.count()).where(journals.c.call_id == call_id)).scalar_one()
    return found


def grow_old(connection: Connection, call_id: str, first: int, at: datetime) -> None:
    row = (journals.c.call_id == call_id) & (journals.c.first == first)
    assert connection.execute(update(journals).where(row).values(at=at)).rowcount == 1


def test_what_was_stored_in_parts_is_one_record(database: Database) -> None:
    with database.writing() as connection:
        epoch = begin(connection, "CA1", lines(0, 3))
        store(connection, [Part("CA1", epoch, 3, lines(3, 1)), Part("CA1", epoch, 4, lines(4, 20))])
        store(connection, [Part("CA1", epoch, 24, b'{"fact":"\x00\xff"}\n')])
    with database.reading() as connection:
        assert newest(connection, "CA1") == (1, lines(0, 24) + b'{"fact":"\x00\xff"}\n')
        assert newest(connection, "CA11") is None


def test_a_new_epoch_counts_from_when_it_begins_and_what_is_written_into_the_old_one_is_not_read(
    database: Database,
) -> None:
    with database.writing() as connection:
        assert begin(connection, "CA1", lines(0, 3, "cut off")) == 1
        assert begin(connection, "CA1", lines(0, 2, "goes on")) == 2
        store(connection, [Part("CA1", 1, 3, lines(3, 9, "cut off"))])
        assert newest(connection, "CA1") == (2, lines(0, 2, "goes on"))
        store(connection, [Part("CA1", 2, 2, lines(2, 1, "goes on"))])
        assert newest(connection, "CA1") == (2, lines(0, 3, "goes on"))
        assert next_epoch(connection, "CA1") == 3
        assert next_epoch(connection, "CA2") == 1


def test_behind_a_gap_nothing_is_read(database: Database) -> None:
    with database.writing() as connection:
        epoch = begin(connection, "CA1", lines(0, 3))
        store(connection, [Part("CA1", epoch, 5, lines(5, 2))])
        assert newest(connection, "CA1") == (1, lines(0, 3))
        store(connection, [Part("CA1", epoch, 3, lines(3, 2))])
        assert newest(connection, "CA1") == (1, lines(0, 7))


def test_an_epoch_without_its_beginning_does_not_count(database: Database) -> None:
    with database.writing() as connection:
        begin(connection, "CA1", lines(0, 3))
        store(connection, [Part("CA1", 7, 40, lines(40, 2))])
        assert newest(connection, "CA1") == (1, lines(0, 3))


def test_a_line_without_its_end_is_not_read(database: Database) -> None:
    with database.writing() as connection:
        begin(connection, "CA1", lines(0, 3) + b'{"t":3.0,"ev')
        assert newest(connection, "CA1") == (1, lines(0, 3))


def test_a_part_that_is_stored_again_with_more_lines_is_there_once(database: Database) -> None:
    with database.writing() as connection:
        epoch = begin(connection, "CA1", lines(0, 1))
        store(connection, [Part("CA1", epoch, 1, lines(1, 2))])
    with database.writing() as connection:
        store(connection, [Part("CA1", epoch, 1, lines(1, 5))])
        store(connection, [Part("CA1", epoch, 6, lines(6, 1))])
        assert newest(connection, "CA1") == (1, lines(0, 7))


def test_two_who_begin_at_once_have_an_epoch_each(database: Database) -> None:
    began: list[int] = []

    def second() -> None:
        with database.writing() as connection:
            began.append(begin(connection, "CA1", lines(0, 1, "second")))

    other = threading.Thread(target=second)
    with database.writing() as connection:
        began.append(begin(connection, "CA1", lines(0, 1, "first")))
        other.start()
        if connection.dialect.name == "postgresql":  # until the other has chosen the same, and waits for this to end
            while not connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar():
                pass
    other.join(30)
    assert began == [1, 2]
    with database.reading() as connection:
        assert newest(connection, "CA1") == (2, lines(0, 1, "second"))


def test_a_call_is_forgotten_with_all_its_epochs(database: Database) -> None:
    with database.writing() as connection:
        for call_id in ("CA1", "CA1", "CA2"):
            begin(connection, call_id, lines(0, 1))
        forget(connection, "CA1")
        assert newest(connection, "CA1") is None
        assert rows(connection, "CA1") == 0
        assert newest(connection, "CA2") is not None


def test_only_calls_to_which_nothing_was_added_for_long_are_forgotten(database: Database) -> None:
    with database.writing() as connection:
        for call_id in ("over", "long", "new"):
            epoch = begin(connection, call_id, lines(0, 1))
            store(connection, [Part(call_id, epoch, 1, lines(1, 1))])
        for first in (0, 1):
            grow_old(connection, "over", first, NOON - timedelta(seconds=2 - first))
        grow_old(connection, "long", 0, NOON - timedelta(hours=5))  # it began long ago, and goes on
        grow_old(connection, "long", 1, NOON)
        forget_older(connection, NOON)
        assert [rows(connection, call_id) for call_id in ("over", "long", "new")] == [0, 2, 2]
        assert newest(connection, "long") == (1, lines(0, 2))


@dataclass
class Gateway:
    """Who took the call up once, and may not know that it has gone on elsewhere."""

    epoch: int
    written: bytes
    has_gap: bool = False
    last: Part | None = None
    tail: bytes = b""  # of what was written, the lines that nobody can read

    @property
    def count(self) -> int:
        return (self.written + self.tail).count(b"\n")


class OneCall(RuleBasedStateMachine):
    """Gateways take one call up after another; all that ever did go on writing, also when they should not."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = create_engine("sqlite://")
        self.connection = self.engine.connect()
        metadata.create_all(self.connection)
        self.gateways: list[Gateway] = []

    def teardown(self) -> None:
        self.connection.close()
        self.engine.dispose()

    @rule(count=st.integers(1, 5), from_nothing=st.booleans())
    def take_up(self, count: int, from_nothing: bool) -> None:
        found = None if from_nothing else newest(self.connection, "CA1")
        fetched = found[1] if found else b""
        writer = f"gateway {len(self.gateways)}"
        written = fetched + lines(fetched.count(b"\n"), count, writer)
        epoch = begin(self.connection, "CA1", written)
        assert epoch > max((gateway.epoch for gateway in self.gateways), default=0)
        self.gateways.append(Gateway(epoch, written))

    @precondition(lambda self: self.gateways)
    @rule(count=st.integers(1, 5), data=st.data(), skipped=st.sampled_from([0, 0, 0, 2]))
    def write(self, count: int, data: st.DataObject, skipped: int) -> None:
        gateway = data.draw(st.sampled_from(self.gateways))
        if skipped:
            gateway.has_gap = True
            gateway.tail += lines(gateway.count, skipped)
        gateway.last = Part("CA1", gateway.epoch, gateway.count, lines(gateway.count, count, "more"))
        store(self.connection, [gateway.last])
        if gateway.has_gap:
            gateway.tail += gateway.last.lines
        else:
            gateway.written += gateway.last.lines

    @precondition(lambda self: any(gateway.last and not gateway.has_gap for gateway in self.gateways))
    @rule(count=st.integers(0, 3), data=st.data())
    def try_again_with_more(self, count: int, data: st.DataObject) -> None:
        gateway = data.draw(st.sampled_from([each for each in self.gateways if each.last and not each.has_gap]))
        assert gateway.last is not None
        more = lines(gateway.count, count, "again")
        gateway.last = Part("CA1", gateway.epoch, gateway.last.first, gateway.last.lines + more)
        store(self.connection, [gateway.last])
        gateway.written += more

    @invariant()
    def who_took_it_up_last_counts_and_is_whole(self) -> None:
        expected = (self.gateways[-1].epoch, self.gateways[-1].written) if self.gateways else None
        assert newest(self.connection, "CA1") == expected


OneCall.TestCase.settings = settings(max_examples=25, stateful_step_count=20)
TestWhateverWhoWrites = OneCall.TestCase
