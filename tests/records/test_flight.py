"""A flight record gives back what was written, exactly, whatever becomes of the disk or the process."""

import logging
from dataclasses import astuple
from math import isfinite
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.conversation.actions import Action, Remember, Say, StartReply, Turn
from client_caller.conversation.events import (
    EngineFailed,
    Event,
    HungUp,
    PlayedOut,
    SpeechPaused,
    Transcript,
    TurnScored,
)
from client_caller.errors import ConfigError
from client_caller.records.flight import (
    ActionEntry,
    DeadlineEntry,
    EventEntry,
    FactEntry,
    FlightRecord,
    Header,
    RecordTail,
    read_record,
)

HEADER = Header("CA7", "2026-11-23T14:00:00Z", "receptionist", {"greeting": "Hello", "patient_s": 3.2})
LINE = b'{"t":1.5,"event":"HungUp"}\n'


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    record = FlightRecord(tmp_path / "calls" / "record.jsonl", HEADER)
    paused = SpeechPaused(0.1 + 0.2, 1.75)
    asked = StartReply(2, (Turn("caller", "Grüß Gott\n"), Turn("agent", "Hello", cut_by="caller")))
    record.event(1 / 3, paused)
    record.action(1 / 3, asked)
    record.deadline(2.0)
    record.action(2.0, Remember(Turn("agent", "Hello")))
    record.fact(2.1, "first token", reply=2)
    record.close()

    header, entries = read_record(tmp_path / "calls" / "record.jsonl")

    assert header == HEADER
    assert entries == [
        EventEntry(1 / 3, paused),
        ActionEntry(1 / 3, asked),
        DeadlineEntry(2.0),
        ActionEntry(2.0, Remember(Turn("agent", "Hello"))),
        FactEntry(2.1, "first token", {"reply": 2}),
    ]


def is_finite(moment: Event | Action) -> bool:
    return all(isfinite(value) for value in astuple(moment) if isinstance(value, float))


@given(moment=(st.from_type(Event) | st.from_type(Action)).filter(is_finite), t=st.floats(0, 1e5))
def test_every_event_and_action_survives_the_file_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, moment: Event | Action, t: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    record = FlightRecord(path, HEADER)
    if isinstance(moment, Event):
        record.event(t, moment)
    else:
        record.action(t, moment)
    record.close()
    [entry] = read_record(path)[1]
    assert entry == (EventEntry(t, moment) if isinstance(moment, Event) else ActionEntry(t, moment))


def test_a_number_out_of_numpy_is_a_number(tmp_path: Path) -> None:
    record = FlightRecord(tmp_path / "r.jsonl", HEADER)
    record.event(np.float64(1 / 3), TurnScored(1, np.float32(0.9)))
    record.close()
    assert read_record(tmp_path / "r.jsonl")[1] == [EventEntry(1 / 3, TurnScored(1, float(np.float32(0.9))))]


def test_a_line_is_on_disk_before_the_record_is_closed(tmp_path: Path) -> None:
    record = FlightRecord(tmp_path / "r.jsonl", HEADER)
    record.event(1.5, HungUp())
    assert (tmp_path / "r.jsonl").read_bytes().endswith(LINE)
    record.close()


def test_without_a_path_nothing_is_kept_and_nothing_fails() -> None:
    record = FlightRecord(None, HEADER)
    record.event(1.0, HungUp())
    record.close()
    assert not record.failed


def test_a_full_disk_ends_the_record_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    record = FlightRecord(Path("/dev/full"), HEADER)
    record.event(1.0, HungUp())
    record.fact(1.1, "first token", reply=1)
    record.close()
    assert record.failed
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    assert "space" in caplog.records[0].why


def test_a_folder_that_cannot_be_made_ends_the_record_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    record = FlightRecord(tmp_path / "file" / "r.jsonl", HEADER)
    record.event(1.0, HungUp())
    assert record.failed
    assert len(caplog.records) == 1


def test_a_last_line_cut_short_is_left_out_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "killed.jsonl"
    path.write_bytes(msgspec.json.encode({"header": HEADER}) + b"\n" + LINE + LINE[:-9])
    _, entries = read_record(path)
    assert entries == [EventEntry(1.5, HungUp())]
    assert caplog.records[0].line == 3


@given(cut=st.integers(0))
def test_a_record_cut_anywhere_is_gone_on_with_and_loses_at_most_its_last_line(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.jsonl"
    header = msgspec.json.encode({"header": HEADER}) + b"\n"
    whole = header + b"".join(b'{"t":%d.0,"event":"HungUp"}\n' % n for n in range(5))
    left = whole[: len(header) + cut % (len(whole) - len(header) + 1)]
    path.write_bytes(left)

    record = FlightRecord.resume(path)
    record.event(9.0, HungUp())
    record.close()

    assert not record.failed
    kept = left.count(b"\n") - 1
    assert read_record(path) == (HEADER, [EventEntry(float(n), HungUp()) for n in [*range(kept), 9]])


def test_a_record_cut_within_its_header_is_gone_on_with_without_complaint(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    for left in (b"", b'{"header":'):
        path.write_bytes(left)
        record = FlightRecord.resume(path)
        record.event(1.5, HungUp())
        record.close()
        assert path.read_bytes() == LINE


def test_a_record_that_cannot_be_gone_on_with_ends_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = FlightRecord.resume(tmp_path)  # a folder
    record.event(1.0, HungUp())
    record.close()
    assert record.failed
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"nonsense", "malformed"),
        (b'{"event":"HungUp"}', "'t'"),
        (b'{"t":"soon","event":"HungUp"}', "Expected `float`"),
        (b'{"t":1.0,"event":"Sneezed"}', "'Sneezed'"),
        (b'{"t":1.0,"event":"SpeechStarted"}', "required field `at`"),
        (b'{"t":1.0,"action":"Say","reply":1,"piece":"one","text":""}', "Expected `int`"),
        (b'{"t":1.0,"whatever":1}', "neither"),
    ],
)
def test_any_other_bad_line_is_named_with_its_file(tmp_path: Path, line: bytes, complaint: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(msgspec.json.encode({"header": HEADER}) + b"\n" + LINE + line + b"\n" + LINE)
    with pytest.raises(ConfigError, match=f"bad.jsonl, line 3: .*{complaint}"):
        read_record(path)


@pytest.mark.parametrize("content", [b"", b'{"header":', LINE, b'{"header":{"call":1}}\n'])
def test_a_file_without_a_header_is_not_a_record(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.jsonl"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"other\.jsonl.*header"):
        read_record(path)


def test_a_record_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "newer.jsonl"
    FlightRecord(path, Header("CA7", "2030-01-01T00:00:00Z", "receptionist", format=2)).close()
    with pytest.raises(ConfigError, match="line 1: format 2 cannot be read; this version reads format 1"):
        read_record(path)


def test_a_missing_record_is_the_operators_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.jsonl: cannot be read \(No such file"):
        read_record(tmp_path / "none.jsonl")


def test_the_tail_gives_each_entry_once_and_waits_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "growing.jsonl"
    tail = RecordTail(path)
    assert tail.more() == []
    record = FlightRecord(path, HEADER)
    assert tail.more() == []
    record.event(1.0, Transcript(1, "two lines\r\nand more"))
    record.action(1.0, Say(1, 0, "Hello"))
    assert tail.more() == [
        EventEntry(1.0, Transcript(1, "two lines\r\nand more")),
        ActionEntry(1.0, Say(1, 0, "Hello")),
    ]
    record.event(1.2, PlayedOut(1, 0, 1, True))
    record.close()
    with path.open("ab") as file:
        file.write(LINE[:10])
        file.flush()
        assert tail.more() == [EventEntry(1.2, PlayedOut(1, 0, 1, True))]
        file.write(LINE[10:])
    assert tail.more() == [EventEntry(1.5, HungUp())]
    assert tail.more() == []


def test_a_bad_line_in_the_tail_is_named(tmp_path: Path) -> None:
    path = tmp_path / "growing.jsonl"
    record = FlightRecord(path, HEADER)
    record.event(1.0, EngineFailed("voice", 3))
    record.close()
    tail = RecordTail(path)
    tail.more()
    with path.open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(ConfigError, match="line 3"):
        tail.more()
