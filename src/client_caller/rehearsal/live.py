"""The live view of a call: who has the floor, what is said, and what is held back.

In:   entries of the call's flight record, as they come; a Rich console.
Out:  on a terminal, a view that moves with the call; elsewhere one plain line for each turn that has become history.
Rule: it shows what the record says. It reads no clock and draws only when it is fed.
"""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from client_caller.conversation import actions as act
from client_caller.conversation import events as ev
from client_caller.records.flight import ActionEntry, Entry, EventEntry
from client_caller.rehearsal.timeline import TurnFigures

_STYLE = {"caller": "bold cyan", "agent": "bold yellow", "draft": "dim", "trouble": "red"}

_CUT = {"caller": "the caller broke in", "line": "the line was lost", "voice": "the voice failed"}

_SAID_WIDTH = 18
"""Columns for what the caller said, so that the whole table fits into a terminal of eighty."""


class LiveView:
    """Shows one call on `console`, within `with`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._now = 0.0
        self._caller_speaks = False
        self._caller_since: float | None = None  # the caller's turn is not history yet
        self._words = Text()
        self._pieces: dict[int, list[str]] = {}  # by reply
        self._heard: dict[tuple[int, int], int] = {}  # words, by reply and piece
        self._agent_since: float | None = None  # nor is the agent's, perhaps
        self._audible: int | None = None  # the reply that the caller may hear

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def show(self, entries: Iterable[Entry]) -> None:
        """Take in what has happened since, and draw."""
        for entry in entries:
            self._now = entry.t
            if isinstance(entry, EventEntry):
                self._on_event(entry.event)
            elif isinstance(entry, ActionEntry):
                self._on_action(entry.action)
        if self._live:
            self._live.update(self._scene(), refresh=True)

    def _on_event(self, event: ev.Event) -> None:
        match event:
            case ev.SpeechStarted():
                self._caller_speaks = True
                self._caller_since = self._now if self._caller_since is None else self._caller_since
            case ev.SpeechPaused():
                self._caller_speaks = False
            case ev.Transcript(_, text):
                self._words = Text(text)
            case ev.Interim(text, stable):
                self._words = _with_rest_dimmed(text, stable)
            case ev.PlayedOut(reply, piece, words, _):
                self._heard[reply, piece] = words
            case ev.EngineFailed(engine):
                self._tell_trouble(f"the {engine} failed; the call goes on")
            case ev.LineLost():
                self._tell_trouble("the line was lost; the call waits for another")
            case ev.LineResumed():
                self._tell_trouble("the call goes on, on another line")
            case _:
                pass

    def _on_action(self, action: act.Action) -> None:
        match action:
            case act.Say(reply, _, text) | act.PlayFiller(reply, _, text):
                self._pieces.setdefault(reply, []).append(text)
            case act.Release(reply):
                self._agent_since, self._audible = self._now, reply
            case act.CancelReply(reply):
                self._pieces.pop(reply, None)
                self._audible = None if reply == self._audible else self._audible
            case act.Remember(turn):
                self._settle(turn)
            case _:
                pass

    def _tell_trouble(self, what: str) -> None:
        self._console.print(_row(self._now, "trouble", Text(what)))

    def _settle(self, turn: act.Turn) -> None:
        """A turn has become history: print it for good."""
        if turn.speaker == "caller":
            since, self._caller_since, self._words = self._caller_since, None, Text()
        else:
            self._pieces.pop(self._audible or 0, None)
            since, self._agent_since, self._audible = self._agent_since, None, None
        text = Text(turn.text)
        if turn.cut_by:
            text.append(f"  ✂ {_CUT[turn.cut_by]}", "red")
        self._console.print(_row(self._now if since is None else since, turn.speaker, text))

    def _scene(self) -> RenderableType:
        rows: list[tuple[float, RenderableType]] = []
        if (since := self._caller_since) is not None:
            more = Text(" …" if self._caller_speaks else "")
            rows.append((since, _row(since, "caller", self._words + more)))
        for reply, pieces in self._pieces.items():
            if reply == self._audible and (since := self._agent_since) is not None:
                rows.append((since, _row(since, "agent", self._spoken(reply))))
            elif reply > (self._audible or 0):
                rows.append((self._now, _row(self._now, "draft", Text(" ".join(pieces), "dim italic"))))
        rows.sort(key=lambda row: row[0])
        return Group(*(row for _, row in rows), _row(self._now, "", Text(self._floor(), "dim")))

    def _spoken(self, reply: int) -> Text:
        """A reply's words, those not yet heard dimmed."""
        pieces = enumerate(self._pieces[reply])
        return Text(" ").join(_with_rest_dimmed(said, self._heard.get((reply, piece), 0)) for piece, said in pieces)

    def _floor(self) -> str:
        if self._caller_speaks:
            return "● the caller speaks"
        if self._audible:
            return "● the agent speaks" if self._audible in self._pieces else "○ the agent thinks"
        return "○ nobody speaks" if self._caller_since is None else "○ the caller pauses"


def turn_table(turns: Sequence[TurnFigures]) -> Table:
    """The stages of every turn, in milliseconds after the caller's last sound."""
    table = Table(
        box=box.SIMPLE_HEAD, title="milliseconds after the caller's last sound, to the first of each", title_style="dim"
    )
    table.add_column("", style="dim")
    table.add_column("the caller said", max_width=_SAID_WIDTH, no_wrap=True, overflow="ellipsis")
    for name in ("noticed", "words", "token", "audio", "released"):
        table.add_column(name, justify="right", style="dim")
    table.add_column("heard", justify="right", style="bold")
    for number, turn in enumerate(turns, start=1):
        stages = (turn.noticed_s, turn.words_s, turn.first_token_s, turn.first_audio_s, turn.released_s)
        heard = Text("cut off", "red") if turn.cut_off else _milliseconds(turn.voice_to_voice_s)
        table.add_row(str(number), Text(turn.caller_text), *map(_milliseconds, stages), heard)
    return table


def _with_rest_dimmed(said: str, words: int) -> Text:
    """Plain are the first `words` words of it."""
    return Text(" ").join(Text(word, "" if index < words else "dim") for index, word in enumerate(said.split()))


def _milliseconds(duration_s: float | None) -> Text:
    return Text("–" if duration_s is None else f"{duration_s * 1000:.0f}")


def _row(at: float, who: str, text: Text) -> Table:
    row = Table.grid(padding=(0, 2))
    row.add_column(width=6, justify="right", style="dim")
    row.add_column(width=7, style=_STYLE.get(who, ""))
    row.add_column()
    row.add_row(f"{at // 60:.0f}:{at % 60:04.1f}", who, text)
    return row
