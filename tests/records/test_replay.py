"""Replay tells whether the heart still decides as it did, and where it first does not."""

from pathlib import Path
from typing import Any

import pytest

from client_caller.conversation.actions import Action, ClearPlayout, Release, Say
from client_caller.conversation.events import Event, HungUp, SpeechStarted
from client_caller.errors import ConfigError
from client_caller.records.flight import FlightRecord, Header
from client_caller.records.replay import Difference, Replay, Step, replay


class Parrot:
    """A heart as small as can be: it greets at its deadline and is silenced by speech."""

    def __init__(self, conversation: dict[str, Any]) -> None:
        self._greeting = conversation["greeting"]

    def handle(self, event: Event, now: float) -> list[Action]:
        return [ClearPlayout()] if isinstance(event, SpeechStarted) else []

    def handle_deadline(self, now: float) -> list[Action]:
        return [Say(1, 0, f"{self._greeting} at {now!r}"), Release(1)]


def record_of_a_call(path: Path, hangs_up: bool = True) -> Path:
    record = FlightRecord(path, Header("CA7", "2026-11-23T14:00:00Z", "parrot", {"greeting": "Hello"}))
    heart = Parrot({"greeting": "Hello"})
    record.event(0.5, SpeechStarted(0.4))
    record.action(0.5, ClearPlayout())
    record.fact(0.6, "media started")
    record.deadline(1 / 3)
    for action in heart.handle_deadline(1 / 3):
        record.action(1 / 3, action)
    if hangs_up:
        record.event(2.0, HungUp())
    record.close()
    return path


def test_the_same_heart_does_the_same(tmp_path: Path) -> None:
    assert replay(record_of_a_call(tmp_path / "r.jsonl"), Parrot) == Replay(steps=3, actions=3, difference=None)


def test_the_first_difference_is_told_with_both_answers(tmp_path: Path) -> None:
    path = record_of_a_call(tmp_path / "r.jsonl")
    recorded: list[Action] = [Say(1, 0, "Hello at 0.3333333333333333"), Release(1)]
    outcome = replay(path, lambda conversation: Parrot({"greeting": "Ahoy"}))
    assert outcome == Replay(
        steps=1,
        actions=1,
        difference=Difference(2, Step(1 / 3, None, recorded), [Say(1, 0, "Ahoy at 0.3333333333333333"), Release(1)]),
    )


def test_a_kill_between_two_answers_is_no_difference(tmp_path: Path) -> None:
    path = record_of_a_call(tmp_path / "r.jsonl", hangs_up=False)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert replay(path, Parrot) == Replay(steps=2, actions=2, difference=None, missing=[Release(1)])


def test_an_answer_missing_before_the_end_is_a_difference(tmp_path: Path) -> None:
    path = record_of_a_call(tmp_path / "r.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b"Release" not in line))
    difference = replay(path, Parrot).difference
    assert difference is not None
    assert difference.number == 2


def test_an_action_without_a_cause_cannot_be_replayed(tmp_path: Path) -> None:
    record = FlightRecord(tmp_path / "r.jsonl", Header("CA7", "2026-11-23T14:00:00Z", "parrot", {"greeting": ""}))
    record.action(0.5, ClearPlayout())
    record.close()
    with pytest.raises(ConfigError, match=r"ClearPlayout.* before any event"):
        replay(tmp_path / "r.jsonl", Parrot)
