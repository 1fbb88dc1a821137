"""Stages: what a record tells of an answer's way, and what it counts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.conversation.actions import (
    Action,
    CancelReply,
    GoOn,
    Release,
    Remember,
    StartReply,
    Transcribe,
    Turn,
)
from client_caller.conversation.events import (
    EngineFailed,
    Event,
    HungUp,
    LineLost,
    LineResumed,
    ReplyText,
    Sounding,
    SpeechPaused,
    SpeechStarted,
    Transcript,
)
from client_caller.records.flight import ActionEntry, Entry, EventEntry, FactEntry, read_record
from client_caller.records.stages import Felt, Happened, Stages, Told, Took

GOLDEN = Path(__file__).parents[1] / "golden"
STAGES = ["pause noticed", "words", "first token", "first piece", "first audio", "answer"]


def told_by(entries: list[Entry]) -> list[Told]:
    stages = Stages()
    return [told for entry in entries for told in stages.take(entry)]


def events(*told: tuple[float, Event | Action]) -> list[Entry]:
    """Entries of events and actions with their times."""
    return [EventEntry(t, what) if isinstance(what, Event) else ActionEntry(t, what) for t, what in told]


def of_golden(name: str) -> list[Told]:
    return told_by(read_record(GOLDEN / name / "record.jsonl")[1])


def answers(told: list[Told]) -> list[float]:
    return [each.seconds for each in told if isinstance(each, Took) and each.stage == "answer"]


@pytest.mark.parametrize(
    ("name", "turns", "happened"),
    [
        ("plain_question", 1, []),
        ("two_turns", 2, []),
        ("three_second_pause", 1, ["draft dropped"]),
        ("barge_in", 2, ["barge-in"]),
        ("noise", 1, []),
    ],
)
def test_a_recorded_call_tells_its_answers_and_what_happened(name: str, turns: int, happened: list[str]) -> None:
    told = of_golden(name)
    assert [each.stage for each in told if isinstance(each, Took)] == STAGES * turns
    assert [each.what for each in told if isinstance(each, Happened)] == happened
    assert all(0.3 < seconds < 0.4 for seconds in answers(told))


@pytest.mark.parametrize("name", ["plain_question", "two_turns", "three_second_pause", "barge_in", "noise"])
def test_an_answer_passes_its_stages_one_after_the_other(name: str) -> None:
    seconds = [each.seconds for each in of_golden(name) if isinstance(each, Took)]
    for first in range(0, len(seconds), len(STAGES)):
        turn = seconds[first : first + len(STAGES)]
        assert turn == sorted(turn)


QUESTION = [
    (1.1, SpeechPaused(1.0, 0.8)),
    (1.1, Transcribe(1)),
    (1.2, Transcript(1, "When?")),
    (1.2, StartReply(2, ())),
]


def test_a_filler_is_an_answer_and_what_comes_after_it_is_told_as_it_comes() -> None:
    told = told_by(
        [
            *events(*QUESTION, (1.9, Release(2)), (2.0, Sounding(True)), (2.4, Sounding(False))),
            FactEntry(3.0, "first token", {"reply": 2}),
            *events((3.2, ReplyText(2, "At nine.")), (3.3, ReplyText(2, "Or ten."))),
            FactEntry(3.5, "first audio", {"reply": 2, "piece": 1}),
            *events((3.5, Sounding(True))),
        ]
    )
    assert [(each.stage, round(each.seconds, 3)) for each in told if isinstance(each, Took)] == [
        *(("pause noticed", 0.1), ("words", 0.2), ("answer", 1.0)),
        *(("first token", 2.0), ("first piece", 2.2), ("first audio", 2.5)),
    ]


def test_a_greeting_and_the_rest_of_an_answer_are_no_answers() -> None:
    greeting = events((0.0, Release(1)), (0.0, Sounding(True)), (0.8, Sounding(False)))
    answered = events(
        *QUESTION, (1.4, Release(2)), (1.5, Sounding(True)), (1.8, Sounding(False)), (2.2, Sounding(True))
    )
    assert answers(told_by(greeting)) == []
    assert answers(told_by([*greeting, *answered])) == [0.5]


def test_a_cough_is_no_turn() -> None:
    coughed = events((2.0, SpeechStarted(1.9)), (2.3, SpeechPaused(2.2, 0.3)), (2.4, GoOn(2)), (2.5, Sounding(True)))
    later = events((9.0, StartReply(3, ())), (9.1, Release(3)), (9.2, Sounding(True)))
    before = events(*QUESTION, (1.4, Release(2)), (1.5, Sounding(True)))
    assert answers(told_by([*before, *coughed, *later])) == [0.5]


def test_what_was_drafted_before_the_last_pause_took_no_time() -> None:
    told = told_by(
        [
            FactEntry(0.9, "first token", {"reply": 2}),  # of a reply that nobody has begun: it is not counted
            *events((0.5, StartReply(2, ()))),
            FactEntry(0.9, "first token", {"reply": 2}),
            *events((1.1, SpeechPaused(1.0, 0.1)), (1.3, Release(2)), (1.3, Sounding(True))),
        ]
    )
    assert Took("first token", 0.0) in told


def test_a_reply_that_was_heard_is_no_dropped_draft() -> None:
    heard = events(*QUESTION, (1.4, Release(2)), (1.5, Sounding(True)), (2.0, CancelReply(2)))
    assert Happened("draft dropped") not in told_by(heard)
    released = events(*QUESTION, (1.4, Release(2)), (1.41, CancelReply(2)))
    assert Happened("draft dropped") not in told_by(released)


def test_the_end_of_a_call_is_no_barge_in_and_drops_no_draft() -> None:
    cut = Remember(Turn("agent", "We are", "caller"))
    assert told_by(events((1.0, cut))) == [Happened("barge-in")]
    assert told_by(events(*QUESTION, (2.0, HungUp()), (2.0, CancelReply(2)), (2.0, cut))) == []


def test_lines_and_engines_that_fail_are_told() -> None:
    entries = events(
        (1.0, LineLost()), (2.0, LineResumed()), (3.0, LineResumed("busy")), (4.0, EngineFailed("voice", 2))
    )
    assert told_by([*entries, FactEntry(5.0, "interim dropped", {"so_far": 3})]) == [
        *(Happened("line lost"), Happened("call resumed"), Happened("back from an errand"), Felt("voice")),
        Happened("interim dropped"),
    ]


def test_what_was_not_read_ahead_is_felt_by_nobody() -> None:
    assert told_by(events((1.0, EngineFailed("language model", 0)), (2.0, EngineFailed("language model", 1)))) == [
        Felt("language model")
    ]


MOMENTS = st.one_of(
    st.builds(SpeechStarted, st.floats(0, 10)),
    st.builds(SpeechPaused, st.floats(0, 10), st.just(1.0)),
    st.builds(Sounding, st.booleans()),
    st.builds(Transcript, st.integers(0, 3), st.just("words")),
    st.builds(ReplyText, st.integers(1, 3), st.just("words")),
    st.just(HungUp()),
    st.builds(StartReply, st.integers(1, 3), st.just(())),
    st.builds(Transcribe, st.integers(0, 3)),
    st.builds(Release, st.integers(1, 3)),
    st.builds(CancelReply, st.integers(1, 3)),
    st.builds(GoOn, st.integers(1, 3)),
)


@given(st.lists(st.tuples(st.floats(0, 10), MOMENTS), max_size=40))
def test_whatever_happens_each_answer_is_told_once_and_no_time_is_negative(moments: list[tuple[float, Event]]) -> None:
    told = told_by(events(*moments))
    assert all(each.seconds >= 0 for each in told if isinstance(each, Took))
    pauses = sum(isinstance(moment, SpeechPaused) for _, moment in moments)
    assert len(answers(told)) <= pauses
