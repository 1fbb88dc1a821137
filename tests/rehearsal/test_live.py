"""The live view shows the turn in the making, and leaves a plain transcript behind."""

import io
import re
from pathlib import Path

from rehearsed import TURNS, write_record
from rich.console import Console

from client_caller.conversation.actions import CancelReply, ClearPlayout, Release, Remember, Say, Turn
from client_caller.conversation.events import EngineFailed, Interim, PlayedOut, SpeechPaused, SpeechStarted, Transcript
from client_caller.records.flight import ActionEntry, Entry, EventEntry, read_record
from client_caller.rehearsal.live import LiveView, turn_table
from client_caller.rehearsal.timeline import join

CALLER_SPEAKS: list[Entry] = [EventEntry(65.0, SpeechStarted(64.9))]
DRAFT: list[Entry] = [
    EventEntry(66.0, SpeechPaused(65.9, 1.0)),
    EventEntry(66.1, Transcript(1, "a table [bold]please")),
    ActionEntry(66.2, Say(2, 0, "For how many?")),
]
ANSWER: list[Entry] = [ActionEntry(66.3, Release(2)), EventEntry(66.8, PlayedOut(2, 0, 2, False))]
HISTORY: list[Entry] = [
    ActionEntry(66.8, Remember(Turn("caller", "a table [bold]please"))),
    ActionEntry(67.0, ClearPlayout()),
    ActionEntry(67.0, CancelReply(2)),
    ActionEntry(67.0, Remember(Turn("agent", "For how", cut_by="caller"))),
]


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def drawn_on_a_terminal(*batches: list[Entry]) -> str:
    """All that is drawn for the last batch."""
    console = Console(file=io.StringIO(), force_terminal=True, width=90, color_system=None)
    with LiveView(console) as view:
        for batch in batches:
            before = len(console.file.getvalue())
            view.show(batch)
            shown = console.file.getvalue()[before:]
    return plain(shown)


def test_elsewhere_than_on_a_terminal_each_turn_is_one_line() -> None:
    console = Console(file=io.StringIO(), width=90)
    with LiveView(console) as view:
        view.show([*CALLER_SPEAKS, *DRAFT, *ANSWER])
        view.show([*HISTORY, EventEntry(68.0, EngineFailed("voice", 2))])
    assert [line.split() for line in console.file.getvalue().splitlines()] == [
        ["1:05.0", "caller", "a", "table", "[bold]please"],
        ["1:06.3", "agent", "For", "how", "✂", "the", "caller", "broke", "in"],
        ["1:08.0", "trouble", "the", "voice", "failed;", "the", "call", "goes", "on"],
    ]


def test_the_terminal_shows_who_speaks() -> None:
    assert "● the caller speaks" in drawn_on_a_terminal(CALLER_SPEAKS)
    assert "○ the caller pauses" in drawn_on_a_terminal(CALLER_SPEAKS, DRAFT)
    assert "● the agent speaks" in drawn_on_a_terminal(CALLER_SPEAKS, DRAFT, ANSWER)
    assert "○ nobody speaks" in drawn_on_a_terminal(CALLER_SPEAKS, DRAFT, ANSWER, HISTORY)


def test_the_callers_words_grow_while_they_are_spoken_the_unsettled_ones_dimmed() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=90, color_system="standard")
    with LiveView(console) as view:
        view.show([*CALLER_SPEAKS, EventEntry(65.5, Interim("a table [bold]for", 2))])
    assert "a table \x1b[2m[bold]for\x1b[0m …" in re.sub(r"(\x1b\[0m) (\x1b\[2m)", " ", console.file.getvalue())


def test_a_draft_is_called_one_until_it_is_released() -> None:
    assert re.search(r"draft +For how many\?", drawn_on_a_terminal(CALLER_SPEAKS, DRAFT))
    answered = drawn_on_a_terminal(CALLER_SPEAKS, DRAFT, ANSWER)
    assert re.search(r"agent +For how many\?", answered)
    assert "draft" not in answered


def test_a_dropped_draft_leaves_no_trace() -> None:
    assert "For how many" not in drawn_on_a_terminal(CALLER_SPEAKS, DRAFT, [ActionEntry(66.4, CancelReply(2))])


def test_a_reply_that_was_heard_out_is_not_taken_for_a_draft_again() -> None:
    heard_out: list[Entry] = [ActionEntry(67.0, Remember(Turn("agent", "For how many?")))]
    drawn_after = drawn_on_a_terminal(CALLER_SPEAKS, DRAFT, ANSWER, heard_out, [EventEntry(68.0, SpeechStarted(67.9))])
    assert "For how many" not in drawn_after


def test_the_table_has_a_row_for_every_turn(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(turn_table(join(TURNS, read_record(write_record(tmp_path / "r.jsonl"))[1]).turns))
    rows = [line.split() for line in console.file.getvalue().splitlines() if re.match(r" +\d ", line)]
    assert rows[0][-6:] == ["70", "200", "320", "440", "460", "512"]
    assert rows[2][-6:] == ["70", "–", "–", "–", "–", "–"]
    assert rows[3][-2:] == ["cut", "off"]
