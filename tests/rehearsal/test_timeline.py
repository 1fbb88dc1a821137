"""The timeline explains what the caller heard by what the server wrote down, and never the other way round."""

from pathlib import Path

import pytest
from rehearsed import TURNS, write_record

from client_caller.conversation.events import HungUp
from client_caller.errors import ConfigError
from client_caller.records.flight import EventEntry, read_record
from client_caller.rehearsal.timeline import Mark, Passage, Timeline, TurnFigures, join


@pytest.fixture
def timeline(tmp_path: Path) -> Timeline:
    return join(TURNS, read_record(write_record(tmp_path / "record.jsonl"))[1])


def stages(turn: TurnFigures) -> list[float | None]:
    found = (turn.noticed_s, turn.words_s, turn.first_token_s, turn.first_audio_s, turn.released_s)
    return [None if stage is None else round(stage, 6) for stage in found]


def test_the_stages_count_from_the_callers_last_sound(timeline: Timeline) -> None:
    assert stages(timeline.turns[0]) == [0.07, 0.2, 0.32, 0.44, 0.46]


def test_a_pause_and_a_draft_inside_the_turn_do_not_count_as_its_answer(timeline: Timeline) -> None:
    turn = timeline.turns[1]
    assert stages(turn) == [0.07, 0.3, 0.5, 0.7, 0.65]
    assert turn.understood == "For four and um at eight"


def test_a_turn_without_an_answer_says_only_what_is_known(timeline: Timeline) -> None:
    assert stages(timeline.turns[2]) == [0.07, None, None, None, None]
    assert timeline.turns[2].agent_text == ""


def test_what_the_caller_heard_is_told_from_what_was_cut(timeline: Timeline) -> None:
    assert (timeline.turns[1].agent_text, timeline.turns[1].agent_cut) == ("A table for", "four at eight, thank you.")


def test_what_the_ear_measured_is_taken_over(timeline: Timeline) -> None:
    heard = [(turn.voice_to_voice_s, turn.cut_off, turn.barge_in_silence_s) for turn in timeline.turns]
    assert heard == [(0.512, False, None), (0.75, False, None), (None, False, 0.31), (None, True, None)]


def test_every_voiced_passage_is_in_the_conversation_and_no_dropped_draft(timeline: Timeline) -> None:
    assert [(round(each.at, 6), each.speaker, each.text, each.cut) for each in timeline.conversation] == [
        (-0.5, "agent", "Good afternoon.", ""),
        (4.0, "caller", "Hi, a table for Saturday, please.", ""),
        (6.46, "agent", "For how many?", ""),
        (12.0, "caller", "For four, and, um, at eight.", ""),
        (17.65, "agent", "A table for", "four at eight, thank you."),
        (19.0, "caller", "Sorry, make it nine.", ""),
        (25.0, "caller", "Hello? Are you there?", ""),
    ]
    assert isinstance(timeline.conversation[0], Passage)


def test_pauses_drafts_barge_ins_and_failures_are_marked_where_they_were(timeline: Timeline) -> None:
    def place(mark: Mark) -> tuple[float, float | None, str]:
        return round(mark.at, 6), None if mark.until is None else round(mark.until, 6), mark.kind

    assert [place(mark) for mark in timeline.marks] == [
        (6.2, 6.46, "draft voiced"),
        (13.5, 15.05, "pause"),
        (13.7, 15.1, "draft dropped"),
        (17.3, 17.65, "draft voiced"),
        (19.1, None, "barge-in"),
        (20.8, None, "failure"),
    ]


def test_a_record_that_cannot_be_aligned_is_refused() -> None:
    with pytest.raises(ConfigError, match="media started"):
        join(TURNS, [EventEntry(1.0, HungUp())])
