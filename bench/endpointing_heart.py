"""Our policy in the endpointing benchmark: the real heart, fed with recorded events on virtual time.

In:   what the ears made of a take; what the engines cost in time.     Out: when a reply was drafted, decided, heard.
Rule: the one place of the benchmark that knows the heart's events and actions. Actions it does not know are left
      undone. Everything that is said is heard word by word, until the heart silences it.
"""

import heapq
from dataclasses import dataclass, field, replace
from itertools import count, takewhile
from math import inf
from typing import Final

from client_caller.conversation import actions as do
from client_caller.conversation.events import (
    CallAnswered,
    Event,
    PlayedOut,
    ReplyEnded,
    ReplyText,
    Sounding,
    SpeechPaused,
    SpeechStarted,
    Transcript,
    TurnScored,
    WordsScored,
)
from client_caller.conversation.machine import Conversation
from client_caller.conversation.policy import Manner
from client_caller.hearing.endpointing import WINDOW_S
from endpointing_records import Fire, Heard, Pause

_REPLY: Final = "That is no trouble at all, let me have a look at it for you now."
_WORD_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds from an order to its result: a turn's words, the language model's verdict on them, Smart Turn's on the
    sound, a reply's first piece, its sound."""

    words_s: float
    verdict_s: float
    score_s: float
    reply_s: float
    sound_s: float


MEASURED: Final = Costs(words_s=0.06, verdict_s=0.045, score_s=0.06, reply_s=0.14, sound_s=0.01)
"""Of the embedded engines on two cores with one call: medians of bench/results/first_call.json; the time of the verdict
alone is from its flight records."""

FREE: Final = Costs(0.0, 0.0, 0.0, 0.0, 0.0)
"""Leaves the silence that the policy chooses to wait, and nothing else."""


@dataclass(slots=True)
class Ran:
    """What became of one take: instants of drafts, and of what the caller heard."""

    drafts: list[float] = field(default_factory=list)
    fires: list[Fire] = field(default_factory=list)


def run_heart(heard: Heard, manner: Manner, costs: Costs) -> Ran:
    """The take, held by a conversation that has just greeted the caller, or asked what the take answers."""
    return _Run(heard, replace(manner, greeting=heard.asked or manner.greeting), costs).run()


@dataclass(slots=True)
class _Saying:
    """What the agent says: its pieces, as (number of words, instant at which the sound is there)."""

    pieces: list[tuple[int, float]] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)  # words of each
    released: bool = False
    hushed: bool = False
    played: int = 0  # pieces given to the caller
    free_at: float = 0.0  # when the piece that is being heard ends


class _Run:
    def __init__(self, heard: Heard, manner: Manner, costs: Costs) -> None:
        self._heard, self._costs = heard, costs
        self._conversation = Conversation(manner)
        self._agenda: list[tuple[float, int, Event]] = []
        self._order = count()
        self._now = 0.0
        self._pauses: list[Pause] = []  # those that have happened; the last is the heart's newest
        self._settled_words = 0  # of the recorded words, those that belong to turns the heart has closed
        self._sayings: dict[int, _Saying] = {}
        self._audible: int | None = None
        self._result = Ran()

    def run(self) -> Ran:
        self._handle(CallAnswered(), 0.0)
        self._greeted()
        for onset in self._heard.onsets:
            self._plan(onset.noticed_at, SpeechStarted(onset.at))
        for pause in self._heard.pauses:
            self._plan(pause.noticed_at, SpeechPaused(pause.at, pause.voiced_s))
        ends_at = len(self._heard.probabilities) * WINDOW_S
        while self._step(ends_at):
            pass
        return self._result

    def _step(self, ends_at: float) -> bool:
        """Let the next thing happen: an event, or the heart's deadline. False when there is none before `ends_at`."""
        event_at = self._agenda[0][0] if self._agenda else inf
        deadline = inf if self._conversation.deadline is None else self._conversation.deadline
        self._now = max(self._now, min(event_at, deadline))
        if self._now > ends_at:
            return False
        if event_at <= deadline:
            self._handle(heapq.heappop(self._agenda)[2], self._now)
        else:
            self._perform(self._conversation.handle_deadline(self._now), self._now)
        return True

    def _greeted(self) -> None:
        """The greeting was heard before the take begins: it is not part of the question."""
        self._agenda.clear()
        self._result.fires.clear()
        self._handle(Sounding(on=True), 0.0)
        for reply, saying in self._sayings.items():
            for piece, (words, _) in enumerate(saying.pieces):
                self._handle(PlayedOut(reply, piece, words, done=True), 0.0)
        self._handle(Sounding(on=False), 0.0)
        self._audible = None

    def _plan(self, at: float, event: Event) -> None:
        heapq.heappush(self._agenda, (at, next(self._order), event))

    def _handle(self, event: Event, now: float) -> None:
        if isinstance(event, SpeechPaused):
            self._pauses.append(next(pause for pause in self._heard.pauses if pause.at == event.at))
        if isinstance(event, PlayedOut):
            self._sayings[event.reply].heard[event.piece] = event.words
        self._perform(self._conversation.handle(event, now), now)

    def _perform(self, actions: list[do.Action], now: float) -> None:
        for action in actions:
            match action:
                case do.Transcribe(pause=number):
                    if (text := self._words()) is not None:
                        self._plan(now + self._costs.words_s, Transcript(number, text))
                case do.ScoreTurn(pause=number):
                    self._plan(now + self._costs.score_s, TurnScored(number, self._heard.p_done(now)))
                case do.ReadAhead(history=history):
                    self._judge_words(history, now)
                case do.CloseTurn():
                    self._settled_words = max(self._settled_words, self._decoded_words())
                case do.StartReply(reply=reply):
                    self._result.drafts.append(now)
                    self._plan(now + self._costs.reply_s, ReplyText(reply, _REPLY))
                    self._plan(now + self._costs.reply_s, ReplyEnded(reply))
                case do.Say(reply=reply, text=text):
                    self._add(reply, text, now + self._costs.sound_s, now)
                case do.PlayFiller(reply=reply, text=text):
                    self._add(reply, text, now, now)
                case do.Release(reply=reply):
                    self._sayings.setdefault(reply, _Saying()).released = True
                    self._play(reply, now)
                case do.CancelReply(reply=reply):
                    self._silence(reply, now)
                case do.Hush() if self._audible is not None:
                    self._sayings[self._audible].hushed = True
                    self._silence(self._audible, now)
                case do.GoOn(reply=reply):
                    self._go_on(reply, now)
                case _:
                    pass

    def _words(self) -> str | None:
        """The words at the newest pause, less those of turns already closed; None when it was too short for any."""
        text = self._pauses[-1].text if self._pauses else None
        return None if text is None else " ".join(text.split()[self._settled_words :])

    def _decoded_words(self) -> int:
        return len((self._pauses[-1].text or "").split()) if self._pauses else 0

    def _judge_words(self, history: tuple[do.Turn, ...], now: float) -> None:
        """The recorded verdict, when what is read ends with the words of the newest pause."""
        words = self._words()
        if words and history[-1].speaker == "caller" and history[-1].text.endswith(words):
            self._plan(now + self._costs.verdict_s, WordsScored(history[-1].text, self._pauses[-1].p_end))

    def _play(self, reply: int, now: float) -> None:
        saying = self._sayings[reply]
        if not saying.released or saying.hushed:
            return
        for piece, (words, ready_at) in list(enumerate(saying.pieces))[saying.played :]:
            begins_at = max(now, ready_at, saying.free_at)
            if self._audible != reply:
                self._audible = reply
                self._result.fires.append(Fire(begins_at))
            self._plan(begins_at, Sounding(on=True))
            heard = saying.heard[piece]
            for word in range(heard + 1, words + 1):
                at = begins_at + (word - heard) * _WORD_S
                self._plan(at, PlayedOut(reply, piece, word, done=word == words))
            saying.free_at = begins_at + (words - heard) * _WORD_S
            self._plan(saying.free_at, Sounding(on=False))
            saying.played = piece + 1

    def _add(self, reply: int, text: str, ready_at: float, now: float) -> None:
        saying = self._sayings.setdefault(reply, _Saying())
        saying.pieces.append((len(text.split()), ready_at))
        saying.heard.append(0)
        self._play(reply, now)

    def _go_on(self, reply: int, now: float) -> None:
        """What was not heard yet is heard from now on."""
        saying = self._sayings[reply]
        saying.hushed, saying.free_at = False, now
        done = (heard == words for heard, (words, _) in zip(saying.heard, saying.pieces, strict=True))
        saying.played = sum(takewhile(bool, done))
        self._play(reply, now)

    def _silence(self, reply: int, now: float) -> None:
        if self._audible != reply:
            return
        self._audible = None
        self._agenda = [
            planned for planned in self._agenda if not isinstance(planned[2], PlayedOut | Sounding) or planned[0] <= now
        ]
        heapq.heapify(self._agenda)
        self._plan(now, Sounding(on=False))
        fires = self._result.fires
        if fires[-1].at >= now:  # it was stopped before its sound was there
            fires.pop()
        elif now < self._sayings[reply].free_at:
            fires[-1] = Fire(fires[-1].at, now)
