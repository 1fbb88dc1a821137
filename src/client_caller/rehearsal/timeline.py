"""The timeline of a rehearsed call: what the caller's ear measured, joined with what the server wrote down.

In:   the turns as the caller heard them, in seconds from the caller's first frame; the server's flight record.
Out:  figures for each turn, marks for the picture and the conversation as text, all on the caller's clock.
Rule: the caller's ear decides when a turn ended and when the answer was heard. The record only explains the time
      between, and says nothing where it does not know.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from client_caller.conversation import actions as act
from client_caller.conversation import events as ev
from client_caller.conversation.actions import Speaker
from client_caller.errors import ConfigError
from client_caller.records.flight import ActionEntry, Entry, EventEntry, FactEntry
from client_caller.rehearsal.measure import TurnHeard

MEDIA_STARTED: Final = "media started"
FIRST_TOKEN: Final = "first token"
FIRST_AUDIO: Final = "first audio"

MarkKind = Literal["pause", "draft dropped", "draft voiced", "barge-in", "failure"]


@dataclass(frozen=True, slots=True)
class TurnFigures:
    """One turn of a rehearsed call.

    Instants are seconds from the caller's first frame. Every `_s` but the last counts from the end of the caller's
    voice, and is below zero for what had happened by then; None where there was no such thing.
    understood: the words the answer was made from;  agent_text: what the caller heard of the answer;
    agent_cut: what of it was said but never heard.
    """

    kind: str
    caller_text: str
    understood: str
    agent_text: str
    agent_cut: str
    started_at: float
    speech_ended_at: float
    noticed_s: float | None
    words_s: float | None
    first_token_s: float | None
    first_audio_s: float | None
    released_s: float | None
    voice_to_voice_s: float | None
    cut_off: bool
    barge_in_silence_s: float | None


@dataclass(frozen=True, slots=True)
class Mark:
    """Something to show at `at`, up to `until` where it lasted."""

    at: float
    until: float | None
    kind: MarkKind
    label: str


@dataclass(frozen=True, slots=True)
class Passage:
    """What one party said from `at` on.

    text: as the other heard it;  cut: what of it was said but never heard;  understood: the words the agent took the
    caller to have said.
    """

    at: float
    speaker: Speaker
    text: str
    cut: str = ""
    understood: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A rehearsed call on the caller's clock: seconds from the caller's first frame."""

    turns: tuple[TurnFigures, ...]
    marks: tuple[Mark, ...]
    conversation: tuple[Passage, ...]


def join(turns: Sequence[TurnHeard], entries: Sequence[Entry]) -> Timeline:
    """Lay what the caller heard beside the call's flight record.

    Raises ConfigError when the record does not say when the caller's first frame came.
    """
    aligned = _on_callers_clock(entries)
    ends = [turn.started_at for turn in turns[1:]] + [float("inf")]
    figures = tuple(_figures(turn, end, aligned) for turn, end in zip(turns, ends, strict=False))
    caller = [Passage(each.started_at, "caller", each.caller_text, understood=each.understood) for each in figures]
    agent = [Passage(t, "agent", *_heard_and_cut(reply, aligned)) for t, reply in _releases(aligned)]
    said = [passage for passage in agent if passage.text or passage.cut]
    conversation = sorted(caller + said, key=lambda passage: passage.at)
    return Timeline(figures, tuple(sorted(_marks(aligned), key=lambda mark: mark.at)), tuple(conversation))


def _on_callers_clock(entries: Sequence[Entry]) -> list[Entry]:
    for entry in entries:
        if isinstance(entry, FactEntry) and entry.name == MEDIA_STARTED:
            return [_earlier(each, entry.t) for each in entries]
    raise ConfigError(
        f'the flight record has no fact "{MEDIA_STARTED}"; it cannot be laid beside what the caller heard'
    )


def _earlier(entry: Entry, by_s: float) -> Entry:
    if isinstance(entry, EventEntry) and isinstance(entry.event, ev.SpeechStarted | ev.SpeechPaused):
        return EventEntry(entry.t - by_s, replace(entry.event, at=entry.event.at - by_s))
    return replace(entry, t=entry.t - by_s)


def _figures(turn: TurnHeard, end: float, entries: Sequence[Entry]) -> TurnFigures:
    window = [entry for entry in entries if turn.started_at <= entry.t < end]
    audible_at = -1.0 if turn.agent_audible_at is None else turn.agent_audible_at
    released_at, reply = next(((t, reply) for t, reply in reversed(_releases(window)) if t <= audible_at), (None, None))
    decided_at = end if released_at is None else released_at
    noticed_at, words_at, understood = None, None, ""
    for entry in window:
        match entry:
            case EventEntry(t, ev.SpeechPaused()) if t <= decided_at:
                noticed_at = t
            case EventEntry(t, ev.Transcript(_, text)) if t <= decided_at:
                words_at, understood = t, text
            case _:
                pass
    heard, cut = _heard_and_cut(reply, entries)

    def after_speech(at: float | None) -> float | None:
        return None if at is None else at - turn.speech_ended_at

    return TurnFigures(
        kind=turn.kind,
        caller_text=turn.text,
        understood=understood,
        agent_text=heard,
        agent_cut=cut,
        started_at=turn.started_at,
        speech_ended_at=turn.speech_ended_at,
        noticed_s=after_speech(noticed_at),
        words_s=after_speech(words_at),
        first_token_s=after_speech(_first(FIRST_TOKEN, reply, entries)),
        first_audio_s=after_speech(_first(FIRST_AUDIO, reply, entries)),
        released_s=after_speech(released_at),
        voice_to_voice_s=turn.voice_to_voice_s,
        cut_off=turn.cut_off,
        barge_in_silence_s=turn.barge_in_silence_s,
    )


def _releases(entries: Sequence[Entry]) -> list[tuple[float, int]]:
    return [
        (entry.t, entry.action.reply)
        for entry in entries
        if isinstance(entry, ActionEntry) and isinstance(entry.action, act.Release)
    ]


def _first(name: str, reply: int | None, entries: Sequence[Entry]) -> float | None:
    for entry in entries:
        if isinstance(entry, FactEntry) and entry.name == name and entry.fields.get("reply") == reply is not None:
            return entry.t
    return None


def _heard_and_cut(reply: int | None, entries: Sequence[Entry]) -> tuple[str, str]:
    """The words of a reply that the caller heard, and those that were said but never heard."""
    pieces: dict[int, list[str]] = {}
    heard: dict[int, int] = {}
    for entry in entries:
        match entry:
            case ActionEntry(_, act.Say(said, piece, text) | act.PlayFiller(said, piece, text)) if said == reply:
                pieces[piece] = text.split()
            case EventEntry(_, ev.PlayedOut(played, piece, words, _)) if played == reply:
                heard[piece] = words
            case _:
                pass
    return (
        " ".join(word for piece, words in sorted(pieces.items()) for word in words[: heard.get(piece, 0)]),
        " ".join(word for piece, words in sorted(pieces.items()) for word in words[heard.get(piece, 0) :]),
    )


def _marks(entries: Sequence[Entry]) -> Iterator[Mark]:
    """Pauses inside turns, drafts, barge-ins and failures, each when it is over."""
    paused_at: float | None = None
    hushed_at: float | None = None
    lost_at = 0.0
    drafts: dict[int, float] = {}
    for entry in entries:
        match entry:
            case EventEntry(_, ev.SpeechPaused(at)):
                paused_at = at
            case EventEntry(_, ev.SpeechStarted(at)) if paused_at is not None:
                yield Mark(paused_at, at, "pause", "the caller paused, then went on")
            case EventEntry(t, ev.EngineFailed(engine)):
                yield Mark(t, None, "failure", f"the {engine} failed")
            case ActionEntry(_, act.CloseTurn()):
                paused_at = None
            case ActionEntry(t, act.StartReply(reply)):
                drafts[reply] = t
            case ActionEntry(t, act.CancelReply(reply)) if reply in drafts:
                yield Mark(drafts.pop(reply), t, "draft dropped", "a draft that nobody heard")
            case ActionEntry(t, act.Release(reply)) if drafts.get(reply, t) < t:
                yield Mark(drafts.pop(reply), t, "draft voiced", "a draft, silent until the turn was over")
            case ActionEntry(t, act.Hush()):
                hushed_at = t
            case ActionEntry(t, act.GoOn()):
                yield Mark(t if hushed_at is None else hushed_at, t, "barge-in", "no interruption: the agent went on")
                hushed_at = None
            case ActionEntry(t, act.ClearPlayout()):
                yield Mark(t if hushed_at is None else hushed_at, None, "barge-in", "the agent was silenced")
                hushed_at = None
            case EventEntry(t, ev.LineLost()):
                lost_at = t
            case EventEntry(t, ev.LineResumed()):
                yield Mark(lost_at, t, "failure", "the line was lost, and found again")
            case _:
                pass
