"""The journal finds the newest record of a call, and tells how the call stands."""

import logging
from pathlib import Path

import pytest

from client_caller.conversation.actions import Action, HangUp
from client_caller.conversation.events import CallAnswered, Event, HungUp, LineLost, LineResumed
from client_caller.errors import ConfigError
from client_caller.records.flight import FlightRecord, Header
from client_caller.records.journal import find_journal


def keep(records: Path, began: str, call: str, *moments: Event | Action, agent: str = "Anna") -> Path:
    """A record with one moment every second, the first at 1 s."""
    path = records / f"{began}-{call}" / "record.jsonl"
    record = FlightRecord(path, Header(call, "2026-11-23T14:00:00Z", agent))
    for t, moment in enumerate(moments, start=1):
        if isinstance(moment, Event):
            record.event(float(t), moment)
        else:
            record.action(float(t), moment)
    record.close()
    return path


def test_a_call_is_found_by_its_name_among_others(tmp_path: Path) -> None:
    path = keep(tmp_path, "20261123T150000", "CA1", CallAnswered())
    keep(tmp_path, "20261123T150001", "CA11", CallAnswered())
    keep(tmp_path, "20261123T150002", "x-CA1", CallAnswered())
    (tmp_path / "notes.txt").write_text("of the operator")
    journal = find_journal(tmp_path, "CA1")
    assert journal is not None
    assert journal.path == path
    assert journal.header.call == "CA1"
    assert [step.event for step in journal.steps] == [CallAnswered()]
    assert journal.ends_at == 1.0


def test_of_two_records_of_a_call_the_newer_counts(tmp_path: Path) -> None:
    keep(tmp_path, "20261123T150000", "CA1", HungUp(), agent="old")
    keep(tmp_path, "20261123T150030", "CA1", CallAnswered(), agent="new")
    journal = find_journal(tmp_path, "CA1")
    assert journal is not None
    assert journal.header.agent == "new"
    assert not journal.is_over


def test_a_call_without_a_record_has_no_journal(tmp_path: Path) -> None:
    assert find_journal(tmp_path, "CA1") is None
    assert find_journal(tmp_path / "none", "CA1") is None


def test_where_a_record_should_be_and_is_not_is_the_callers_business(tmp_path: Path) -> None:
    (tmp_path / "20261123T150000-CA1").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        find_journal(tmp_path, "CA1")


@pytest.mark.parametrize(
    ("moments", "over", "lost", "lost_at"),
    [
        ([], False, False, []),
        ([CallAnswered()], False, False, []),
        ([CallAnswered(), LineLost()], False, True, [2.0]),
        ([CallAnswered(), LineLost(), LineResumed()], False, False, [2.0]),
        ([CallAnswered(), LineLost(), LineResumed(), LineLost()], False, True, [2.0, 4.0]),
        ([CallAnswered(), HungUp()], True, False, []),
        ([CallAnswered(), HangUp("the call lasted as long as it may")], True, False, []),
    ],
)
def test_how_a_call_stands(
    tmp_path: Path, moments: list[Event | Action], over: bool, lost: bool, lost_at: list[float]
) -> None:
    keep(tmp_path, "20261123T150000", "CA1", *moments)
    journal = find_journal(tmp_path, "CA1")
    assert journal is not None
    assert (journal.is_over, journal.is_lost, journal.lost_at) == (over, lost, lost_at)
    assert journal.ends_at == len(moments)


def test_a_torn_last_line_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = keep(tmp_path, "20261123T150000", "CA1", CallAnswered())
    with path.open("ab") as file:
        file.write(b'{"t":2.0,"ev')
    journal = find_journal(tmp_path, "CA1")
    assert journal is not None
    assert len(journal.steps) == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
