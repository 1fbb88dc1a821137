"""Turns: what a record tells of each turn as spans."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.conversation.actions import (
    Action,
    CancelReply,
    CloseTurn,
    GoOn,
    HangUp,
    PlayFiller,
    Release,
    Remember,
    RunTool,
    Say,
    StartReply,
    Transcribe,
    Transfer,
    Turn,
)
from client_caller.conversation.events import (
    CallAnswered,
    EngineFailed,
    Event,
    HungUp,
    KeyPressed,
    LineLost,
    LineResumed,
    ReplyText,
    Sounding,
    SpeechPaused,
    ToolAnswered,
    Transcript,
)
from client_caller.records.flight import ActionEntry, Entry, EventEntry, FactEntry, read_record
from client_caller.records.turns import LINE, Span, Turns

GOLDEN = Path(__file__).parents[1] / "golden"
STAGES = ["pause noticed", "words", "turn judged", "first token", "first piece", "first audio", "sent"]
ANSWERED: list[tuple[float, Event | Action]] = [
    *((0.0, CallAnswered()), (1.1, SpeechPaused(1.0, 0.8)), (1.1, Transcribe(1)), (1.2, Transcript(1, "When?"))),
    *((1.2, StartReply(2, ())), (1.4, ReplyText(2, "At nine.")), (1.4, Say(2, 0, "At nine."))),
    *((1.5, CloseTurn()), (1.5, Release(2)), (1.6, Sounding(True))),
]


def spans_of(entries: list[Entry]) -> list[Span]:
    turns = Turns()
    return [span for entry in entries for span in turns.take(entry)]


def entries(*told: tuple[float, Event | Action]) -> list[Entry]:
    """Entries of events and actions with their times."""
    return [EventEntry(t, what) if isinstance(what, Event) else ActionEntry(t, what) for t, what in told]


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


def outcomes(spans: list[Span]) -> list[Any]:
    return [span.facts["outcome"] for span in named(spans, "turn")]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("plain_question", ["answered"]),
        ("two_turns", ["answered", "answered"]),
        ("three_second_pause", ["dropped draft", "answered"]),
        ("barge_in", ["barged in", "answered"]),
        ("noise", ["answered"]),
    ],
)
def test_a_recorded_call_is_a_tree_of_turns_and_their_stages(name: str, told: list[str]) -> None:
    spans = spans_of(read_record(GOLDEN / name / "record.jsonl")[1])
    assert outcomes(spans) == told
    (line,) = named(spans, "call")
    assert (line.number, line.of, line.begins, line.facts["resumed"]) == (LINE, None, 0.0, False)
    assert spans[-1] is line
    for turn in named(spans, "turn"):
        stages = [span for span in spans if span.of == turn.number]
        assert [stage.name for stage in stages] == [
            stage
            for stage in STAGES
            if turn.facts["outcome"] != "dropped draft" or stage not in ("turn judged", "sent")
        ]
        assert all(turn.begins <= stage.begins <= stage.ends <= turn.ends for stage in stages)
        assert stages[0].begins == turn.begins
        assert turn.facts["outcome"] == "dropped draft" or stages[-1].ends == turn.ends
    assert len({span.number for span in spans}) == len(spans)


def test_what_the_agent_says_by_itself_answers_no_turn() -> None:
    greeting = [(0.0, CallAnswered()), (0.0, Say(1, 0, "Hello.")), (0.0, Release(1)), (0.1, Sounding(True))]
    still_there = [(8.0, Say(2, 0, "Still there?")), (8.0, Release(2)), (8.1, Sounding(True)), (9.0, HungUp())]
    noise = [(2.0, SpeechPaused(1.9, 0.1)), (2.0, Transcribe(1)), (2.1, Transcript(1, ""))]
    assert outcomes(spans_of(entries(*greeting, *noise, *still_there))) == []
    farewell = [(70.0, CloseTurn()), (70.0, Release(3)), (70.1, Sounding(True)), (71.0, HungUp())]
    assert outcomes(spans_of(entries(*greeting, *noise, *farewell))) == []


def test_a_phrase_may_answer_a_turn() -> None:
    asked = [(0.0, CallAnswered()), (1.1, SpeechPaused(1.0, 0.8)), (1.1, Transcribe(1)), (1.2, Transcript(1, ""))]
    said = [(2.0, CloseTurn()), (2.0, Say(2, 0, "Again?")), (2.0, Release(2)), (2.1, Sounding(True)), (3.0, HungUp())]
    (turn,) = named(spans_of(entries(*asked, *said)), "turn")
    assert (turn.facts["by"], turn.begins, turn.ends) == ("phrase", 1.0, 2.1)


def test_keys_and_coughs_are_no_turns_of_a_voice() -> None:
    for settled in (KeyPressed("1"), GoOn(1)):
        told = [*ANSWERED[:4], (1.3, settled), (1.5, CloseTurn()), (1.5, Release(2)), (1.6, Sounding(True))]
        assert outcomes(spans_of(entries(*told, (2.0, HungUp())))) == []


def test_an_answer_that_never_sounded_was_not_heard() -> None:
    given_up = entries(*ANSWERED[:-1], (1.55, CancelReply(2)), (3.0, HungUp()))
    (turn,) = named(spans_of(given_up), "turn")
    assert (turn.facts["outcome"], turn.ends) == ("not heard", 1.55)
    cut_short = entries(*ANSWERED[:-1], (1.55, HungUp()))
    assert outcomes(spans_of(cut_short)) == ["not heard"]


def test_the_agent_is_barged_in_on_by_the_caller_and_not_by_the_end() -> None:
    cut = (2.0, Remember(Turn("agent", "At", "caller")))
    assert outcomes(spans_of(entries(*ANSWERED, cut, (3.0, HungUp())))) == ["barged in"]
    assert outcomes(spans_of(entries(*ANSWERED, (2.0, HungUp()), cut))) == ["answered"]
    failed = (2.0, Remember(Turn("agent", "At", "voice")))
    assert outcomes(spans_of(entries(*ANSWERED, failed, (3.0, HungUp())))) == ["voice failed"]


def test_a_failure_is_noted_where_it_was_waited_for() -> None:
    told = entries(
        *ANSWERED[:3],
        (1.15, EngineFailed("transcriber", 1)),
        *ANSWERED[3:5],
        (1.3, EngineFailed("language model", 2)),
        (1.35, PlayFiller(2, 0, "Well,")),
        *ANSWERED[5:],
        (2.5, EngineFailed("voice", 2)),
        (3.0, HungUp()),
    )
    spans = spans_of(told)
    (turn,), (line,) = named(spans, "turn"), named(spans, "call")
    assert [(moment.name, moment.at) for moment in turn.moments] == [
        *(("engine failed", 1.15), ("engine failed", 1.3), ("filler", 1.35)),
    ]
    assert [moment.facts for moment in line.moments] == [{"engine": "voice"}]


def test_a_tool_is_in_the_turn_of_its_reply_whenever_it_answers() -> None:
    for ran_at, told_at in ((1.25, 1.3), (1.25, 1.9), (1.55, 2.2)):
        ran = [(ran_at, RunTool(1, 2, "look_up", "{}")), (told_at, ToolAnswered(1, "Nine.", "transfer"))]
        spans = spans_of(entries(*sorted([*ANSWERED, *ran], key=lambda told: told[0]), (3.0, HungUp())))
        (turn,), (tool,) = named(spans, "turn"), named(spans, "tool")
        assert (tool.of, tool.begins, tool.ends) == (turn.number, ran_at, told_at)
        assert tool.facts == {"tool": 1, "reply": 2, "outcome": "transfer"}


def test_a_tool_of_a_dropped_draft_is_in_its_span_and_one_that_never_answers_is_told_of() -> None:
    ran = (1.3, RunTool(1, 2, "look_up", "{}"))
    dropped = spans_of(entries(*ANSWERED[:5], ran, (1.4, CancelReply(2)), (1.6, ToolAnswered(1, "Nine."))))
    assert named(dropped, "tool")[0].of == named(dropped, "turn")[0].number
    unheard = spans_of(entries(*ANSWERED, (1.7, RunTool(1, 2, "look_up", "{}")), (2.0, HungUp())))
    (tool,) = named(unheard, "tool")
    assert (tool.facts["outcome"], tool.ends, tool.of) == ("not told", 2.0, named(unheard, "turn")[0].number)


def test_a_line_is_lost_left_and_found() -> None:
    lost = spans_of(entries(*ANSWERED, (2.0, LineLost())))[-1]
    assert (lost.facts["outcome"], [moment.name for moment in lost.moments]) == ("line lost", ["line lost"])
    found = spans_of(entries((5.0, LineResumed()), (6.0, HangUp("bye")), (6.0, HungUp())))[-1]
    assert (found.begins, found.facts["resumed"], found.facts["outcome"]) == (5.0, True, "over")
    assert [moment.name for moment in found.moments] == ["hung up by the agent"]
    left = [*entries((0.0, CallAnswered()), (1.0, Transfer("+15550100002")))]
    gone = spans_of([*left, FactEntry(2.0, "line lost", {"why": "it was left for an errand"})])
    assert gone[-1].facts["outcome"] == "left for an errand"
    refused = spans_of([*left, *entries((1.1, LineResumed("failed")), (4.0, HungUp()))])[-1]
    assert (refused.facts["outcome"], [moment.name for moment in refused.moments]) == ("over", ["back from an errand"])


MOMENTS = st.one_of(
    st.builds(SpeechPaused, st.floats(0, 10), st.just(1.0)),
    st.builds(Sounding, st.booleans()),
    st.builds(Transcript, st.integers(0, 3), st.just("a secret")),
    st.builds(ReplyText, st.integers(1, 3), st.just("a secret")),
    st.builds(EngineFailed, st.sampled_from(("transcriber", "voice", "language model")), st.integers(0, 3)),
    st.builds(ToolAnswered, st.integers(1, 3), st.just("a secret")),
    st.builds(LineResumed, st.sampled_from(("", "busy"))),
    st.sampled_from((HungUp(), LineLost(), CloseTurn(), HangUp("a secret"), Transfer("a secret"), KeyPressed("5"))),
    st.builds(StartReply, st.integers(1, 3), st.just(())),
    st.builds(Transcribe, st.integers(0, 3)),
    st.builds(Say, st.integers(1, 3), st.just(0), st.just("a secret")),
    st.builds(Release, st.integers(1, 3)),
    st.builds(RunTool, st.integers(1, 3), st.integers(1, 3), st.just("a secret"), st.just("a secret")),
    st.builds(CancelReply, st.integers(1, 3)),
    st.builds(GoOn, st.integers(1, 3)),
    st.builds(lambda cut: Remember(Turn("agent", "a secret", cut)), st.sampled_from((None, "caller", "voice"))),
)


@given(st.lists(st.tuples(st.floats(0, 10), MOMENTS), max_size=60))
def test_whatever_happens_every_span_is_in_one_that_is_told_and_nothing_that_was_said_is(
    moments: list[tuple[float, Any]],
) -> None:
    spans = spans_of([*entries(*moments), *entries((11.0, HungUp()))])
    numbers = [span.number for span in spans]
    assert len(set(numbers)) == len(numbers)
    assert {span.of for span in spans} <= {None, *numbers}
    assert [span.of for span in spans].count(None) == 1
    assert "secret" not in repr(spans)
