"""Entries reach the database, however often it is away, and whatever they are noted into costs the caller nothing."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_scenes import THEIRS, Play, at
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DataError, OperationalError

from client_caller.ledger import writer as writer_module
from client_caller.ledger.database import LedgerFailed
from client_caller.ledger.encoding import decode, encode
from client_caller.ledger.entries import CallBegan, CallEnded, CallNoted, CallReached, Entry, Forbidden
from client_caller.ledger.ledger import Ledger, open_ledger
from client_caller.ledger.spill import Spill
from client_caller.ledger.writer import Writer
from private_postgres import PrivatePostgres


def note(number: int) -> CallNoted:
    return CallNoted("CA1", at(number), "said", f"word {number}")


class Shelf:
    """A database in memory, which can be away, refuse an entry, or keep whoever writes waiting."""

    def __init__(self) -> None:
        self.stored: list[Entry] = []
        self.is_away = False
        self.never: set[Entry] = set()
        self.tries: Iterator[bool] = iter(())  # whether each try finds it away
        self.answers = threading.Event()
        self.answers.set()
        self.is_asked = threading.Event()

    def store(self, entries: Sequence[Entry]) -> None:
        self.is_asked.set()
        assert self.answers.wait(30)
        if next(self.tries, self.is_away):
            raise OperationalError("INSERT", None, Exception("away"))
        if self.never & set(entries):
            raise DataError("INSERT", None, Exception("refused"))
        self.stored += entries


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def start(shelf: Shelf, spill: Path) -> Iterator[Callable[..., Writer]]:
    writers: list[Writer] = []

    def run(queued: int = 100) -> Writer:
        writers.append(Writer(shelf.store, Spill(spill), queued))
        writers[-1].start()
        return writers[-1]

    yield run
    shelf.answers.set()
    for writer in writers:
        writer.close()


def lines(path: Path) -> list[Entry]:
    return [decode(line) for line in path.read_bytes().splitlines()]


def test_entries_are_stored_in_the_order_in_which_they_were_noted(shelf: Shelf, start: Callable[..., Writer]) -> None:
    writer = start()
    for number in range(50):
        writer.note(note(number))
    writer.flush()
    assert shelf.stored == [note(number) for number in range(50)]


def test_what_waits_is_stored_in_one_batch(shelf: Shelf, start: Callable[..., Writer]) -> None:
    sizes: list[int] = []
    store = shelf.store
    shelf.store = lambda entries: (sizes.append(len(entries)), store(entries))[1]  # type: ignore[method-assign]
    shelf.answers.clear()
    writer = start()
    writer.note(note(0))
    assert shelf.is_asked.wait(30)
    for number in range(1, 31):
        writer.note(note(number))
    shelf.answers.set()
    writer.flush()
    assert sizes == [1, 30]


def test_while_the_database_is_away_entries_wait_in_the_spill_and_are_stored_when_it_is_back(
    shelf: Shelf, start: Callable[..., Writer], spill: Path
) -> None:
    writer = start()
    shelf.is_away = True
    writer.note(note(1))
    with pytest.raises(LedgerFailed, match="away"):
        writer.flush()
    assert lines(next(spill.parent.glob("ledger.spill*"))) == [note(1)]
    writer.note(note(2))
    shelf.is_away = False
    writer.flush()
    assert sorted(shelf.stored, key=lambda entry: entry.at) == [note(1), note(2)]
    assert not list(spill.parent.glob("ledger.spill*"))


def test_the_database_is_tried_again_without_being_asked(
    shelf: Shelf, start: Callable[..., Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_BEAT_S", 0.001)
    shelf.tries = iter([True, True, True])
    stored = threading.Event()
    store = shelf.store
    shelf.store = lambda entries: (store(entries), stored.set())[0]  # type: ignore[method-assign]
    start().note(note(1))
    assert stored.wait(30)
    assert shelf.stored == [note(1)]


def test_when_the_queue_is_full_entries_are_spilled_and_nobody_waits(
    shelf: Shelf, start: Callable[..., Writer], spill: Path
) -> None:
    shelf.answers.clear()  # it neither answers nor refuses
    writer = start(queued=3)
    writer.note(note(0))
    assert shelf.is_asked.wait(30)
    for number in range(1, 6):
        writer.note(note(number))
    assert lines(spill) == [note(4), note(5)]
    with pytest.raises(LedgerFailed, match="behind"):
        writer.flush()
    shelf.answers.set()
    writer.close()
    assert set(shelf.stored) == {note(number) for number in range(6)}
    assert not spill.exists()


def test_an_entry_the_database_will_never_take_keeps_no_other_from_it(
    shelf: Shelf, start: Callable[..., Writer], spill: Path
) -> None:
    shelf.never = {note(2)}
    shelf.answers.clear()
    writer = start()
    for number in range(1, 4):
        writer.note(note(number))
    shelf.answers.set()
    writer.flush()
    assert set(shelf.stored) == {note(1), note(3)}
    assert lines(spill.with_name(f"{spill.name}.refused")) == [note(2)]


def test_what_is_noted_after_the_end_is_stored_by_the_next_start(
    shelf: Shelf, start: Callable[..., Writer], spill: Path
) -> None:
    writer = start()
    writer.close()
    writer.close()
    writer.note(note(1))
    assert lines(spill) == [note(1)]
    with pytest.raises(LedgerFailed, match="closed"):
        writer.flush()
    start()
    assert shelf.stored == [note(1)]
    assert not spill.exists()


def test_a_database_that_never_answers_does_not_keep_the_end_waiting(
    shelf: Shelf, start: Callable[..., Writer], spill: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_CLOSE_S", 0.0)
    shelf.answers.clear()
    writer = start()
    writer.note(note(1))
    assert shelf.is_asked.wait(30)
    writer.note(note(2))
    writer.close()
    assert lines(spill) == [note(1), note(2)]


def test_to_note_never_raises_even_when_no_file_can_be_written(
    shelf: Shelf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    shelf.is_away = True
    writer = Writer(shelf.store, Spill(tmp_path / "file" / "spill.jsonl"), 5)
    writer.start()
    for number in range(20):
        writer.note(note(number))
    writer.close()
    writer.note(note(20))
    assert "entries can be neither stored nor spilled" in caplog.messages
    assert "word" not in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        CallNoted("CA1", datetime.min.replace(tzinfo=timezone(timedelta(hours=9))), "before all time"),
        CallNoted("CA1", at(1), "said", object()),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_entry_is_refused_at_the_door(shelf: Shelf, start: Callable[..., Writer], wrong: Entry) -> None:
    writer = start()
    writer.note(wrong)
    writer.note(note(1))
    writer.flush()
    assert shelf.stored == [note(1)]


def test_a_line_cut_short_by_a_kill_is_put_aside_and_takes_no_other_with_it(spill: Path) -> None:
    spill.write_bytes(encode(note(1)) + b"\n" + encode(note(2))[:-9])
    Spill(spill).append([note(3)])
    stored: list[Entry] = []
    Spill(spill).drain(stored.extend)
    assert stored == [note(1), note(3)]
    assert spill.with_name(f"{spill.name}.refused").read_bytes() == encode(note(2))[:-9] + b"\n"


def test_a_spill_that_an_earlier_process_had_begun_to_store_is_stored_again(spill: Path) -> None:
    def refuse(entries: Sequence[Entry]) -> None:
        raise OperationalError("INSERT", None, Exception("away"))

    Spill(spill).append([note(1)])
    with pytest.raises(OperationalError):
        Spill(spill).drain(refuse)
    Spill(spill).append([note(2)])
    assert not Spill(spill).is_empty
    stored: list[Entry] = []
    Spill(spill).drain(stored.extend)
    assert set(stored) == {note(1), note(2)}
    assert Spill(spill).is_empty


def test_many_may_append_while_others_drain(spill: Path) -> None:
    stored: list[Entry] = []

    def append(of: int) -> None:
        for number in range(60):
            Spill(spill).append([note(of + number)], sync=False)

    def drain() -> None:
        for _ in range(60):
            Spill(spill).drain(stored.extend)

    threads = [threading.Thread(target=append, args=(of,)) for of in (0, 60)]
    threads += [threading.Thread(target=drain) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drain()
    assert set(stored) == {note(number) for number in range(120)}


def test_a_process_that_forgets_to_close_its_ledger_loses_nothing(url: str, spill: Path, play: Play) -> None:
    program = (
        "import sys; from pathlib import Path; from client_caller.ledger.encoding import decode\n"
        "from client_caller.ledger.ledger import open_ledger\n"
        "ledger = open_ledger(sys.argv[1], Path(sys.argv[2]))\n"
        "for line in sys.argv[3:]: ledger.note(decode(line))\n"
    )
    told = [encode(note(number)).decode() for number in range(5)]
    subprocess.run([sys.executable, "-c", program, url, str(spill), *told], check=True)

    async def scene(ledger: Ledger) -> None:
        kept = await ledger.call("CA1")
        assert kept is not None
        assert kept.notes == tuple(note(number) for number in range(5))

    play(scene)


def test_a_server_that_is_killed_between_entries_costs_none_of_them(
    postgres: PrivatePostgres, spill: Path, tmp_path: Path
) -> None:
    url = postgres.empty_database()
    ledger = open_ledger(url, spill)
    try:
        ledger.note(note(1))
        ledger._writer.flush()
        postgres.stop()
        ledger.note(note(2))
        ledger.note(Forbidden(THEIRS, at(3), "caller said so", "CA1"))
        with pytest.raises(LedgerFailed):
            ledger._writer.flush()
        postgres.start()
        ledger._writer.flush()
        postgres.stop()
        ledger.note(note(4))
    finally:
        ledger._writer.close()
        ledger._executor.shutdown()
        ledger._database.close()
        assert [entry for path in tmp_path.glob("ledger.spill*") for entry in lines(path)] == [note(4)]
        postgres.start()
    again = open_ledger(url, spill)
    with again._database.reading() as connection:
        bodies = connection.execute(text("SELECT body FROM entries ORDER BY at")).scalars()
        assert [decode(body) for body in bodies] == [note(1), note(2), note(4)]
        assert connection.execute(text("SELECT number FROM do_not_call")).scalars().all() == [THEIRS]
    again._writer.close()
    again._executor.shutdown()
    again._database.close()


def test_a_table_that_is_gone_for_a_while_costs_no_entry(spill: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = open_ledger(url, spill)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE entries RENAME TO away"))
    ledger.note(note(1))
    with pytest.raises(LedgerFailed):
        ledger._writer.flush()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO entries"))
    ledger._writer.flush()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM entries")).scalar() == 1
    engine.dispose()
    ledger._writer.close()
    ledger._executor.shutdown()
    ledger._database.close()


@settings(max_examples=40)
@given(st.lists(st.booleans(), max_size=12), st.lists(st.sampled_from(["note", "flush", "again"]), max_size=20))
def test_nothing_is_lost_however_often_the_database_and_the_process_go_away(away: list[bool], steps: list[str]) -> None:
    with TemporaryDirectory() as folder:
        shelf, spill = Shelf(), Spill(Path(folder, "spill.jsonl"))
        shelf.tries = iter(away)
        writer, noted = Writer(shelf.store, spill, 4), 0
        writer.start()
        for step in steps:
            if step == "note":
                writer.note(note(noted))
                noted += 1
            elif step == "flush":
                try:
                    writer.flush()
                except LedgerFailed:
                    continue
                assert {note(number) for number in range(noted)} <= set(shelf.stored)
            else:
                writer.close()
                writer = Writer(shelf.store, spill, 4)
                writer.start()
        writer.close()
        spill.drain(shelf.stored.extend)
        assert set(shelf.stored) == {note(number) for number in range(noted)}


TEXTS = st.text()
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.timezones())
ANY_ENTRY = st.one_of(
    st.builds(CallBegan, TEXTS, TIMES, st.sampled_from(["inbound", "outbound"]), TEXTS, TEXTS, TEXTS, TEXTS, TEXTS),
    st.builds(CallReached, TEXTS, TIMES, TEXTS, st.none() | st.integers(0, 10**6), TEXTS),
    st.builds(CallNoted, TEXTS, TIMES, TEXTS, TEXTS),
    st.builds(CallEnded, TEXTS, TIMES, TEXTS),
    st.builds(Forbidden, TEXTS, TIMES, TEXTS, TEXTS),
)


@given(ANY_ENTRY)
def test_every_entry_becomes_a_line_that_reads_back_to_the_same_line(entry: Entry) -> None:
    line = encode(entry)
    assert b"\n" not in line
    assert type(decode(line)) is type(entry)
    assert encode(decode(line)) == line
    assert decode(line).at == entry.at.astimezone(UTC)


@pytest.mark.parametrize(
    "line", [b"{}", b'{"entry":"CallLost"}', b'{"entry":"CallNoted","call_id":1}', b"[]", b"\xff", b"nothing"]
)
def test_a_line_that_is_of_no_entry_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode(line)
