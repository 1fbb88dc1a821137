"""ONE call on one line: feeds what happens into the conversation and performs what it answers.

In:   a line, the engines, the agent's brief, a conversation: a new one, or one whose line was lost.
Out:  a call held until it is over or its line is lost; its flight record and recording.
Rule: the heart decides, this file obeys. It alone sees all rooms, and starts all tasks of a call: six in one TaskGroup,
      beside the coroutine that runs it and listens. Whatever happens goes through `_happen`, one event at a time.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from math import inf

from client_caller.audio.frame import LINE_HZ
from client_caller.conversation import actions as do
from client_caller.conversation import events as ev
from client_caller.conversation.machine import Conversation
from client_caller.conversation.transitions import Phase
from client_caller.engines import Engines, EngineWork
from client_caller.errors import EngineError, LineError, LineLost
from client_caller.hearing.listener import Listener
from client_caller.line.patience import Patience
from client_caller.line.protocol import CallerAudio, Errand, KeyTone, Line, MarkReturned
from client_caller.mind import Brief, Mind
from client_caller.mouth import Mouth
from client_caller.records.flight import FlightRecord, Plain
from client_caller.records.recording import Recording
from client_caller.settings import Settings
from client_caller.speaking.playout import Playout

log = logging.getLogger("client_caller.call")

_ROUNDING_S = 1e-6
"""Waited past an instant, so that call time has surely reached it when the loop's time has."""


class _CallOver(Exception):
    """Ends the task group of a call."""


_SETTLES_SPEECH = ev.SpeechStarted | ev.EngineFailed | ev.LineLost | ev.HungUp
"""What may end the agent's speech, so that the heart must first know, to the word, what was heard of it."""


class Call:
    """One call on one line. `run` holds it until it is over, or the line is lost.

    since: the call time at which this line opened; more than 0 when the call had a line before;  note: told of what
    must be kept of the call for ever;  errand: what the line is left for;  ended: once it is over, the reason for which
    we ended it, empty when the caller did; None while it may go on.
    """

    def __init__(
        self,
        line: Line,
        engines: Engines,
        conversation: Conversation,
        brief: Brief,
        settings: Settings,
        record: FlightRecord,
        recording: Recording,
        since: float = 0.0,
        note: Callable[[do.Noted], None] = lambda what: None,
    ) -> None:
        self._line = line
        self._record = record
        self._recording = recording
        self._conversation = conversation
        self._listener = Listener(engines.activity(), settings.hearing)
        self._playout = Playout(settings.speaking.lead_s, settings.speaking.mark_every_s, marks=line.has_marks)
        self._wake = asyncio.Event()
        self._work = EngineWork(
            line.call_id, engines, self._listener, self._playout, self._wake.set, self._happen, self._fact
        )
        self._mind = Mind(line.call_id, engines.language_model, brief, self._happen, self._fact)
        self._mouth = Mouth(line, self._playout, engines.fillers, recording, self._listener)
        self._note = note
        self.ended: str | None = None
        self.errand: Errand | None = None
        self._sounding = self._to_hang_up = False
        self._clock = asyncio.get_running_loop().time  # to ask for the loop each time is dear (line/patience.py)
        self._since, self._zero_at = since, 0.0  # call time of this line's beginning; loop time of call time 0
        self._media_began_at: float | None = None  # call time of the caller's first sample

    async def run(self) -> None:
        """Hold the call until either side hangs up or the line is lost. Every task ends before this returns."""
        self._zero_at = self._clock() - self._since
        end: ev.Event = ev.LineLost()  # whatever happens but a hang-up: the call may go on on another line
        try:
            async with asyncio.TaskGroup() as tasks:
                for task in (self._keep_time, *self._work.tasks, *self._mind.tasks):
                    tasks.create_task(task(), name=f"{self._line.call_id} {task.__name__}")
                self._happen(ev.LineResumed(self._line.back_from) if self._since else ev.CallAnswered())
                await self._listen()
        except* _CallOver:
            end, self.ended = ev.HungUp(), self.ended or ""
        except* LineLost as lost:
            self._fact("line lost", why=str(lost.exceptions[0]))
            if not self.errand:
                log.warning("the line was lost", extra={"call": self._line.call_id})
        finally:
            if isinstance(end, ev.HungUp) or self._conversation.phase is not Phase.RESUMING:  # the line was not left
                self._happen(end)
            self._record.close()
            self._recording.close(self._now())

    def tell(self, news: ev.OutsideNews) -> None:
        """Take in what does not come over the line."""
        self._happen(news)

    def _now(self) -> float:
        """Call time in seconds."""
        return self._clock() - self._zero_at

    # The heart, and what it asks for.

    def _happen(self, event: ev.Event) -> None:
        now = self._now()
        if isinstance(event, _SETTLES_SPEECH):
            self._learn_progress(now)
        self._step(event, now)
        self._wake.set()

    def _learn_progress(self, now: float) -> None:
        """Tell the heart what the caller has heard by now."""
        for progress in self._playout.progress(now):
            self._step(progress, now)

    def _fact(self, name: str, **fields: Plain) -> None:
        self._record.fact(self._now(), name, **fields)

    def _step(self, event: ev.Event, now: float) -> None:
        self._record.event(now, event)
        self._perform(self._conversation.handle(event, now), now)

    def _meet_deadline(self, now: float) -> None:
        if (deadline := self._conversation.deadline) is not None and now >= deadline:
            self._learn_progress(now)
            self._record.deadline(now)
            self._perform(self._conversation.handle_deadline(now), now)

    def _perform(self, actions: list[do.Action], now: float) -> None:
        for action in actions:
            self._record.action(now, action)
            match action:
                case do.Transcribe() | do.ScoreTurn() | do.CloseTurn() | do.Say():
                    self._work.order(action)
                case do.StartReply() | do.ReadAhead() | do.RunTool():
                    self._mind.order(action)
                case do.PlayFiller(reply=reply, piece=piece, text=text):
                    if not self._mouth.interject(action):
                        self._work.order(do.Say(reply, piece, text))
                case do.Release(reply=reply):
                    self._playout.release(reply)
                case do.CancelReply(reply=reply):
                    self._mind.cancel_reply()
                    self._work.cancel_reply()
                    self._playout.drop(reply)
                case do.Hush():
                    self._mouth.hush(now)
                case do.GoOn():
                    self._playout.go_on()
                case do.ClearPlayout():
                    self._mouth.clear(now)
                case do.StartRecording():
                    self._recording.start(now)
                case do.Note(what=what):
                    self._note(what)
                case do.SendKeys() | do.Transfer():
                    self.errand = action
                case do.HangUp(reason=reason):
                    self._to_hang_up, self.ended = True, reason

    # What runs beside it, one task each.

    async def _listen(self) -> None:
        """Everything from the carrier, until the call is over."""
        async for message in self._line.receive():
            now = self._now()
            match message:
                case CallerAudio(mulaw=mulaw, media_s=media_s):
                    self._record_caller(mulaw, media_s, now)
                    await self._hear(mulaw, media_s, now)
                case MarkReturned(name=name):
                    for heard in self._playout.mark_returned(name, now):
                        self._happen(heard)
                case KeyTone(key=key):
                    self._happen(ev.KeyPressed(key))
        raise _CallOver

    async def _hear(self, mulaw: bytes, media_s: float, now: float) -> None:
        try:
            events = await self._listener.feed(mulaw, media_s, now, beeps=self._conversation.phase is Phase.PROBING)
        except EngineError as failure:  # deaf for a moment; the call goes on
            self._fact("engine failed", what=str(failure))
            return
        for event in events:
            self._happen(event)
        if self._listener.interim_due():
            self._work.decode_interim()

    def _record_caller(self, mulaw: bytes, media_s: float, now: float) -> None:
        if self._media_began_at is None:
            self._media_began_at = now - media_s - len(mulaw) / LINE_HZ
            self._record.fact(self._media_began_at, "media started")
        self._recording.caller(self._media_began_at + media_s, mulaw)
        self._recording.advance(now)

    async def _keep_time(self) -> None:
        """Deadlines when they come, and the agent's voice as it is due."""
        patience = Patience()
        while True:
            self._wake.clear()
            now = self._now()
            for late in self._playout.overdue(now):
                self._happen(late)
            self._meet_deadline(now)
            await self._mouth.send_due(now)
            self._notice_sound(self._now())
            if self._to_hang_up:
                await self._line.hang_up()
                raise _CallOver
            if self.errand:
                await self._leave(self.errand)
            ends_at = self._playout.ends_at if self._sounding else None
            instants = [self._conversation.deadline, self._playout.next_due(self._now()), ends_at]
            next_at = min((at for at in instants if at is not None), default=inf)
            with suppress(TimeoutError):
                await patience.wait(self._wake.wait(), self._zero_at + next_at + _ROUNDING_S)

    def _notice_sound(self, now: float) -> None:
        if (sounding := self._playout.audible(now)) != self._sounding:
            self._sounding = sounding
            self._happen(ev.Sounding(sounding))

    async def _leave(self, errand: Errand) -> None:
        """Give the line to the carrier for an errand. If it will not have it, the call has come back already."""
        try:
            await self._line.leave(errand)
        except LineError as refusal:
            self.errand = None
            self._fact("errand refused", why=str(refusal))
            self._happen(ev.LineResumed("failed"))
        else:
            raise LineLost("it was left for an errand")
