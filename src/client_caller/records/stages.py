"""How long the stages of an answer took, and what else of a call is worth counting, told by its flight record.

In:   the entries of one call's record, in order, as they are written or read again.
Out:  for each answer how long after the caller's last word each stage was reached; and what happened, by its name.
Rule: nothing of what was said gets out of here, and no name or number of anybody: seconds, and words of our own.

A stage counts for an answer that was heard. What a draft took that nobody heard is told as one draft dropped.
"""

from dataclasses import dataclass, field
from typing import Literal

from client_caller.conversation.actions import Action, CancelReply, GoOn, Release, Remember, StartReply, Transcribe
from client_caller.conversation.events import (
    Engine,
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
from client_caller.records.flight import ActionEntry, Entry, EventEntry, FactEntry

Stage = Literal["pause noticed", "words", "first token", "first piece", "first audio", "answer"]
"""In the order in which an answer passes them; "answer" is the first sound of it that is sent, a filler's too."""

What = Literal["barge-in", "draft dropped", "interim dropped", "line lost", "call resumed", "back from an errand"]


@dataclass(frozen=True, slots=True)
class Took:
    """An answer reached this stage so many seconds after the end of the caller's voice; 0: before it, in a draft."""

    stage: Stage
    seconds: float


@dataclass(frozen=True, slots=True)
class Happened:
    """This happened once more."""

    what: What


@dataclass(frozen=True, slots=True)
class Felt:
    """A call had to do without something that this engine should have made."""

    engine: Engine


Told = Took | Happened | Felt


@dataclass(slots=True)
class _Turn:
    """What the caller said last. silent_at: when their voice ended;  reached: when an answer passed a stage."""

    silent_at: float
    pause: int = 0
    reached: dict[Stage, float] = field(default_factory=dict)

    def took(self, stage: Stage, at: float) -> Took:
        return Took(stage, max(0.0, at - self.silent_at))


class Stages:
    """Follows the record of one call: `take` every entry of it."""

    def __init__(self) -> None:
        self._turn: _Turn | None = None  # that has no answer yet
        self._begun: dict[int, dict[Stage, float]] = {}  # when replies that may yet be heard have reached what
        self._released: int | None = None  # the reply that will sound next
        self._heard: tuple[int, _Turn] | None = None  # the reply that sounds, with its turn
        self._is_over = False

    def take(self, entry: Entry) -> list[Told]:
        """What this entry tells."""
        match entry:
            case EventEntry(t, event):
                return self._happened(t, event)
            case ActionEntry(t, action):
                return self._done(action)
            case FactEntry(t, "first token", {"reply": int(reply)}):
                return self._reached(reply, "first token", t)
            case FactEntry(t, "first audio", {"reply": int(reply)}):
                return self._reached(reply, "first audio", t)
            case FactEntry(name="interim dropped"):
                return [Happened("interim dropped")]
        return []

    def _happened(self, t: float, event: Event) -> list[Told]:
        match event:
            case SpeechStarted():
                self._released = None
            case SpeechPaused(at=at):
                self._turn = _Turn(at, reached={"pause noticed": t})
            case Transcript(pause=pause) if self._turn and self._turn.pause == pause:
                self._turn.reached["words"] = t
            case ReplyText(reply=reply):
                return self._reached(reply, "first piece", t)
            case Sounding(on=True):
                return self._answered(t)
            case EngineFailed(engine="language model", number=0):
                return []  # it is read with the reply then, and a reply that comes late is told of itself
            case EngineFailed(engine=engine):
                return [Felt(engine)]
            case LineLost():
                return [Happened("line lost")]
            case LineResumed(back_from=errand):
                return [Happened("back from an errand" if errand else "call resumed")]
            case HungUp():
                self._is_over = True
        return []

    def _done(self, action: Action) -> list[Told]:
        match action:
            case Transcribe(pause=pause) if self._turn:
                self._turn.pause = pause
            case StartReply(reply=reply):
                self._begun[reply] = {}
            case GoOn():
                self._turn = None  # it was no turn, but a cough
            case Release(reply=reply) if reply in self._begun:
                self._released = reply
                self._begun = {reply: self._begun[reply]}
            case CancelReply(reply=reply):
                is_draft = self._begun.pop(reply, None) is not None and reply not in (self._released, self._heard_reply)
                self._released = None if self._released == reply else self._released
                return [Happened("draft dropped")] if is_draft and not self._is_over else []
            case Remember(turn=turn) if turn.speaker == "agent" and turn.cut_by == "caller" and not self._is_over:
                return [Happened("barge-in")]
        return []

    @property
    def _heard_reply(self) -> int | None:
        return self._heard[0] if self._heard else None

    def _reached(self, reply: int, stage: Stage, t: float) -> list[Told]:
        """A reply has come so far; one that is heard already, because of a filler, has nothing to wait for."""
        reached = self._begun.get(reply)
        if reached is None or stage in reached:
            return []
        reached[stage] = t
        if self._heard and self._heard[0] == reply:
            return [self._heard[1].took(stage, t)]
        return []

    def _answered(self, t: float) -> list[Told]:
        """The agent has begun to sound: an answer if one was due, else the rest of one, or a greeting."""
        reply, turn = self._released, self._turn
        if reply is None or turn is None:
            return []
        self._heard, self._released, self._turn = (reply, turn), None, None
        reached = {**turn.reached, **self._begun.get(reply, {}), "answer": t}
        return [turn.took(stage, at) for stage, at in reached.items()]
