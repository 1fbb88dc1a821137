"""The caller's turns as spans: from the end of the caller's voice to the answer's first sound, told by the record.

In:   the entries of one call's record, in order, from one beginning of its line to its end.
Out:  spans, each once it is over: one for the line, one for each turn and each draft that was dropped, one for each
      stage in them and for each tool.
Rule: nothing of what was said gets out of here, and no name or number of anybody: call times, counters, and words of
      our own.

A turn was answered by the reply that was released in the step in which the turn was closed. What the agent says
otherwise, such as a greeting, answers no turn. How an answer ends is known only later, so its turn is told with the
next release, or at the end.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

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
    SendKeys,
    StartReply,
    Transcribe,
    Transfer,
)
from client_caller.conversation.events import (
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
from client_caller.records.flight import ActionEntry, Entry, EventEntry, FactEntry

LINE: Final = 0
"""The number of the span of the line, which all others are in."""

_LONGEST_S: Final = 10.0
"""No pause is waited through for longer: what is said after that answers something else."""

_MOMENTS: Final = 100
"""Kept of one span, so that a call that lasts does not grow."""

Facts = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened within a span."""

    name: str
    at: float
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of call time. number: of its own;  of: that of the span it is in, None for the line."""

    number: int
    of: int | None
    name: str
    begins: float
    ends: float
    facts: Facts = field(default_factory=dict)
    moments: tuple[Moment, ...] = ()


@dataclass(slots=True)
class _Pause:
    """A silence of the caller, and how far we came with it."""

    silent_at: float
    voiced_s: float
    noticed_at: float
    number: int = 0
    asked_at: float | None = None
    words_at: float | None = None
    judged_at: float | None = None
    moments: list[Moment] = field(default_factory=list)


@dataclass(slots=True)
class _Reply:
    """pause: the one that it answers, as far as is known;  span: its turn's, once that is known."""

    number: int
    pause: _Pause | None = None
    span: int | None = None
    begun_at: float | None = None
    token_at: float | None = None
    piece_at: float | None = None
    said_at: float | None = None
    audio_at: float | None = None
    released_at: float | None = None
    sounded_at: float | None = None
    outcome: str = "answered"
    moments: list[Moment] = field(default_factory=list)
    tools: list[Span] = field(default_factory=list)  # that have told before the turn was known


class Turns:
    """Follows the record of one call on one line: `take` every entry of it."""

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._moments: list[Moment] = []
        self._counted = dict.fromkeys(("answered", "barged in", "dropped draft", "not heard"), 0)
        self._resumed = self._is_leaving = self._is_over = False
        self._last = LINE  # number of a span
        self._pause: _Pause | None = None  # that has no answer yet
        self._replies: dict[int, _Reply] = {}  # that may yet be heard
        self._due: _Reply | None = None  # the answer that is released and does not sound yet
        self._heard: _Reply | None = None  # the one that sounded last
        self._tools: dict[int, tuple[_Reply, float]] = {}  # that run: for which reply, since when

    def take(self, entry: Entry) -> list[Span]:
        """The spans that are over with this entry."""
        if self._is_over:
            return []
        if self._began_at is None:
            self._began_at = entry.t
            self._resumed = isinstance(entry, EventEntry) and isinstance(entry.event, LineResumed)
        match entry:
            case EventEntry(t, event):
                return list(self._happened(t, event))
            case ActionEntry(t, action):
                return list(self._done(t, action))
            case FactEntry(t, "first token", {"reply": int(number)}):
                reply = self._reply(number)
                reply.token_at = t if reply.token_at is None else reply.token_at
            case FactEntry(t, "first audio", {"reply": int(number)}):
                reply = self._reply(number)
                reply.audio_at = t if reply.audio_at is None else reply.audio_at
            case FactEntry(t, "line lost") if self._is_leaving:  # no event says so, for the heart knows it
                return list(self._end(t, "left for an errand"))
        return []

    def _reply(self, number: int) -> _Reply:
        """What is known of this reply. One that is over and told of again is kept no longer than any other."""
        for reply in (self._heard, self._due):
            if reply and reply.number == number:
                return reply
        return self._replies.setdefault(number, _Reply(number))

    def _happened(self, t: float, event: Event) -> Iterator[Span]:
        match event:
            case SpeechPaused(at=at, voiced_s=voiced_s):
                self._pause = _Pause(at, voiced_s, t)
            case KeyPressed():
                self._pause = None  # whoever answers by keys has no voice to wait for
            case Transcript(pause=number) if self._pause and self._pause.number == number:
                self._pause.words_at = t
            case ReplyText(reply=number):
                reply = self._reply(number)
                reply.piece_at = t if reply.piece_at is None else reply.piece_at
            case Sounding(on=True) if self._due:
                self._due.sounded_at, self._heard, self._due = t, self._due, None
            case EngineFailed(engine=engine, number=number):
                _note(self._moments_of(engine, number), Moment("engine failed", t, {"engine": engine}))
            case ToolAnswered(number=number, then=then) if number in self._tools:
                reply, since = self._tools.pop(number)
                yield from self._tool(reply, number, since, t, then or "told")
            case LineResumed(back_from=errand) if t != self._began_at:
                self._is_leaving = False
                _note(self._moments, Moment("back from an errand" if errand else "line resumed", t))
            case LineLost():
                _note(self._moments, Moment("line lost", t))
                yield from self._end(t, "line lost")
            case HungUp():
                yield from self._end(t, "over")

    def _moments_of(self, engine: str, number: int) -> list[Moment]:
        """Where it is noted that an engine failed: at the turn that waits for it, if one does."""
        if engine in ("transcriber", "turn model"):
            return self._pause.moments if self._pause and self._pause.number == number else self._moments
        reply = self._due if self._due and self._due.number == number else self._replies.get(number)
        return reply.moments if reply and reply.span != LINE else self._moments

    def _done(self, t: float, action: Action) -> Iterator[Span]:
        match action:
            case Transcribe(pause=number) if self._pause:
                self._pause.number, self._pause.asked_at = number, t
            case CloseTurn() if self._pause:
                self._pause.judged_at = t
            case GoOn():
                self._pause = None  # it was no turn, but a cough
            case StartReply(reply=number):
                reply = self._reply(number)
                if reply.begun_at is None:
                    reply.begun_at, reply.pause = t, self._pause
            case Say(reply=number):
                reply = self._reply(number)
                reply.said_at = t if reply.said_at is None else reply.said_at
            case PlayFiller(reply=number):
                _note(self._reply(number).moments, Moment("filler", t))
            case Release(reply=number):
                yield from self._release(self._reply(number), t)
            case CancelReply(reply=number):
                yield from self._cancel(number, t)
            case RunTool(number=number, reply=of):
                self._tools[number] = self._reply(of), t
            case Remember(turn=turn) if turn.speaker == "agent" and self._heard:
                self._heard.outcome = {"caller": "barged in", "voice": "voice failed"}.get(
                    turn.cut_by or "", self._heard.outcome
                )
            case Transfer() | SendKeys():
                self._is_leaving = True
            case HangUp():
                _note(self._moments, Moment("hung up by the agent", t))

    def _release(self, reply: _Reply, t: float) -> Iterator[Span]:
        yield from self._conclude()
        self._replies = {}  # a draft is dropped before another reply is released
        pause, self._pause = self._pause, None
        if pause and pause.judged_at == t and t - pause.silent_at <= _LONGEST_S:
            reply.pause, reply.released_at, reply.span = pause, t, self._next()
            self._due = reply
        else:
            reply.span = LINE
            self._replies[reply.number] = reply
        yield from self._untold(reply)

    def _cancel(self, number: int, t: float) -> Iterator[Span]:
        if self._due and self._due.number == number:
            reply, self._due = self._due, None
            yield from self._turn(reply, t, "not heard")
        elif (dropped := self._replies.pop(number, None)) and dropped.pause and dropped.span is None:
            dropped.span = self._next()
            yield from self._turn(dropped, t, "dropped draft")
            yield from self._untold(dropped)

    def _conclude(self) -> Iterator[Span]:
        """The answer that sounded last is over."""
        heard, self._heard = self._heard, None
        if heard and heard.sounded_at is not None:
            yield from self._turn(heard, heard.sounded_at, heard.outcome)

    def _turn(self, reply: _Reply, ends: float, outcome: str) -> Iterator[Span]:
        """The span of a turn, and one for each stage that it has come to."""
        pause, number = reply.pause, reply.span
        assert pause is not None
        assert number is not None
        self._counted[outcome] = self._counted.get(outcome, 0) + 1
        facts: dict[str, str | int | float | bool] = {"reply": reply.number, "outcome": outcome, "pause": pause.number}
        facts |= {"voiced_s": round(pause.voiced_s, 3), "by": "phrase" if reply.begun_at is None else "model"}
        moments = sorted((*pause.moments, *reply.moments), key=lambda moment: moment.at)
        yield Span(number, LINE, "turn", pause.silent_at, ends, facts, tuple(moments))
        for name, begins, reached in (
            ("pause noticed", pause.silent_at, pause.noticed_at),
            ("words", pause.asked_at, pause.words_at),
            ("turn judged", pause.noticed_at, pause.judged_at),
            ("first token", reply.begun_at, reply.token_at),
            ("first piece", reply.begun_at if reply.token_at is None else reply.token_at, reply.piece_at),
            ("first audio", reply.said_at, reply.audio_at),
            ("sent", reply.released_at, reply.sounded_at),
        ):
            if begins is not None and reached is not None:
                yield Span(self._next(), number, name, begins, reached, {"reply": reply.number})

    def _tool(self, reply: _Reply, number: int, since: float, t: float, outcome: str) -> Iterator[Span]:
        facts: Facts = {"tool": number, "reply": reply.number, "outcome": outcome}
        span = Span(self._next(), reply.span, "tool", since, t, facts)
        if reply.span is None and not self._is_over:
            reply.tools.append(span)
        else:
            yield _within(span, reply.span)

    def _untold(self, reply: _Reply) -> Iterator[Span]:
        told, reply.tools = reply.tools, []
        yield from (_within(span, reply.span) for span in told)

    def _end(self, t: float, outcome: str) -> Iterator[Span]:
        """The line is gone, for now or for good."""
        self._is_over = True
        yield from self._conclude()
        if self._due:
            yield from self._turn(self._due, t, "not heard")
        for number, (reply, since) in self._tools.items():
            yield from self._tool(reply, number, since, t, "not told")
        for reply in self._replies.values():
            yield from self._untold(reply)
        assert self._began_at is not None
        counts = {name.replace(" ", "_"): count for name, count in self._counted.items()}
        facts: Facts = {"outcome": outcome, "resumed": self._resumed, **counts}
        yield Span(LINE, None, "call", self._began_at, t, facts, tuple(self._moments))

    def _next(self) -> int:
        self._last += 1
        return self._last


def _within(span: Span, number: int | None) -> Span:
    """The same in that span; in the line's, if its reply answers no turn."""
    return Span(span.number, number or LINE, span.name, span.begins, span.ends, span.facts, span.moments)


def _note(moments: list[Moment], moment: Moment) -> None:
    if len(moments) < _MOMENTS:
        moments.append(moment)
