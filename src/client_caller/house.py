"""The house where calls are answered: admits them, holds each with its record, and hands them over when it must leave.

In:   lines, in turn; engines, once they are loaded.     Out: calls held; records and recordings.
Rule: knows no model and no carrier. A call that fails touches no other; one whose line was lost is gone on with.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from client_caller.agent import Agent, answering
from client_caller.book import LOST, TRANSFERRED, CallBook, Keep, wall_clock
from client_caller.briefing import brief_of
from client_caller.call import Call
from client_caller.conversation import events as ev
from client_caller.conversation.actions import Transfer, Turn
from client_caller.conversation.events import HungUp
from client_caller.conversation.machine import Conversation
from client_caller.conversation.transitions import Phase
from client_caller.engines import Engines
from client_caller.errors import ConfigError
from client_caller.fleet.gateways import State
from client_caller.ledger.entries import CallNoted, CallReached
from client_caller.line.protocol import (
    OVER,
    AnswererFound,
    CallBackWanted,
    Line,
    News,
    Past,
    Phrases,
    RecordingKept,
    StateReached,
)
from client_caller.logs import about_call
from client_caller.manner import manner_of
from client_caller.mind import Brief
from client_caller.records.flight import FlightRecord, Header
from client_caller.records.journal import find_journal
from client_caller.records.recording import Recording
from client_caller.resumption import gap_s, resume_call
from client_caller.settings import Settings
from client_caller.thinking.protocol import LanguageModel
from client_caller.toolkit import Toolkit

log = logging.getLogger("client_caller.house")

_LOADING_S: Final = 1
_NEXT_PROCESS_S: Final = 3
"""Seconds after which a caller asks again: for engines, and for a process that has yet to be started."""

_LINGER_S: Final = 1.0
"""Seconds after a hand-over in which whoever asks for the next step is told when to come back, and is not refused."""


_AWAY: Final = 1_000
"""Calls without a line whose end is waited for; of more, the oldest is forgotten."""


@dataclass(frozen=True, slots=True)
class _Away:
    """A call without a line. agent: who has spoken in it;  keep_outcome: to be called if it does not come back."""

    agent: Agent
    keep_outcome: Callable[[], None]


class Orders(Protocol):
    """Where it stands what our own calls are about."""

    def agent_of(self, order_id: str) -> Agent | None:
        """The agent that speaks in this call, its variables filled in; None when nobody knows of the order."""

    def hear_of(self, news: News) -> None:
        """Take note of what a carrier tells; returns at once, and never raises."""

    def ended(self, order_id: str, outcome: str) -> None:
        """A call was held, and this is how it went."""

    def may_be_recorded(self, call_id: str) -> None:
        """A call may be recorded from now on; have the carrier do so, too."""

    def can_call_back(self) -> bool:
        """Whether the agent that answers could call somebody back."""

    def call_back(self, call_id: str, number: str, at: datetime | None) -> None:
        """Have the other side of a call called back, not before `at`; returns at once."""


class House:
    """Where calls are answered. It is the desk of every line. Without engines it takes no lines yet.

    keep: the ledger's;  orders: None when we place no calls;  now: the wall clock, UTC;  toolkit: makes the tools.
    on_over: told of every call that is over, with its agent and the folder of its record;
    followers: given the record of every call that begins or goes on, to follow it;
    on_change: told when `state` is another;  admits: whether there may be so many calls, asked before each more.
    Raises ConfigError when the agent's tools cannot be had.
    """

    def __init__(
        self,
        settings: Settings,
        agent: Agent,
        engines: Engines | None = None,
        keep: Keep = lambda entry: None,
        orders: Orders | None = None,
        now: Callable[[], datetime] = wall_clock,
        toolkit: Toolkit | None = None,
    ) -> None:
        self.settings = settings
        self.agent = agent
        self._answering = answering(agent)
        self.orders = orders
        self.now = now
        self.on_over: Callable[[str, Agent, Path], None] = lambda call_id, agent, folder: None
        self.followers: list[Callable[[FlightRecord], None]] = []
        self.on_change: Callable[[], None] = lambda: None
        self.admits: Callable[[int], bool] = lambda calls: True
        self._toolkit = toolkit or Toolkit(settings.tool_secrets, settings.thinking)
        self._toolkit.offers(self._answering, now())  # what is wrong with them is known before the first call
        self._keep = keep
        self._engines = engines
        self._lines: dict[str, Line] = {}  # of running calls, by call
        self._calls: dict[str, Call] = {}
        self._away: dict[str, _Away] = {}  # calls that have no line and may come back
        self._over: set[str] = set()  # calls that the carrier knows to be over, and we not yet
        self._when_empty: Callable[[], None] | None = None  # set while no new call is taken
        self._is_leaving = False
        self._linger_s = 0.0

    @property
    def phrases(self) -> Phrases:
        """What a caller hears who cannot be helped."""
        agent, phrases = self.agent, self.agent.phrases
        return Phrases(
            phrases.busy, phrases.wait, phrases.dropped_for_good, agent.transfer_to, agent.when_full, phrases.queued
        )

    @property
    def ask_again_s(self) -> int:
        """Seconds after which a line may be asked for, while engines are loaded or calls are handed over; 0: now."""
        if self._is_leaving:
            return _NEXT_PROCESS_S
        return _LOADING_S if self._engines is None else 0

    @property
    def language_model(self) -> LanguageModel | None:
        """What thinks in all calls; None while it is loaded."""
        return self._engines.language_model if self._engines else None

    @property
    def state(self) -> State:
        """What is done with calls."""
        if self._is_leaving:
            return "leaving"
        if self._when_empty is not None:
            return "retiring"
        return "loading" if self._engines is None else "open"

    @property
    def running(self) -> int:
        """How many calls run."""
        return len(self._lines)

    @property
    def room(self) -> int:
        """For how many more calls there is room."""
        free = max(0, self.settings.server.calls_at_once - self.running)
        return next((more for more in range(free) if not self.has_room(more)), free)

    def is_idle(self) -> bool:
        """Whether no call runs."""
        return not self._lines

    def has_room(self, promised: int = 0) -> bool:
        """Whether one more call can be held now, beside those running and those promised."""
        is_open, calls = self.ask_again_s == 0 and self._when_empty is None, len(self._lines) + promised + 1
        return self.admits(calls) and is_open and calls <= self.settings.server.calls_at_once

    def hear_of(self, news: News) -> None:
        """Take note of what a carrier tells."""
        match news:
            case StateReached(call_id=call_id, state=state, duration_s=duration_s, why=why):
                self._keep(CallReached(call_id, self.now(), state, duration_s, why))
                if state in OVER:
                    self._give_up(call_id)
            case RecordingKept(call_id=call_id, recording_id=recording_id):
                self._keep(CallNoted(call_id, self.now(), "the carrier kept a recording", recording_id))
            case AnswererFound(call_id=call_id, who=who):
                self._keep(CallNoted(call_id, self.now(), "the carrier's verdict on who answered", who))
                self.tell(call_id, ev.AnswererFound(who))
            case CallBackWanted(call_id=call_id):
                self._keep(CallNoted(call_id, self.now(), "a call back was promised"))
        if self.orders:
            self.orders.hear_of(news)

    def tell(self, call_id: str, news: ev.OutsideNews) -> bool:
        """Have a running call take in what does not come over its line. Whether there is such a call."""
        call = self._calls.get(call_id)
        if call:
            call.tell(news)
        return call is not None

    async def rehearse(self, agent: Agent) -> None:
        """Have this agent's voice and phrases made, so that its first caller need not wait. Raises ConfigError."""
        if self._engines:
            await self._engines.speaking_as(answering(agent))

    def adopt(self, settings: Settings, agent: Agent, toolkit: Toolkit) -> None:
        """Hold calls that begin from now on by these. Running ones keep what they have, lost lines or not."""
        self.settings, self.agent, self._answering, self._toolkit = settings, agent, answering(agent), toolkit
        self.on_change()

    def open(self, engines: Engines) -> None:
        """Take lines from now on."""
        self._engines = engines
        self.on_change()

    def retire(self, when_empty: Callable[[], None]) -> None:
        """Take no new call, let those that run end, and then call `when_empty`.

        Those that still run after `drain_s`, or when this is asked for a second time, are handed over: their lines are
        given up, and the carrier asks whoever answers next to go on with them.
        """
        if self._when_empty is not None:
            self._hand_over()
            return
        self._when_empty = when_empty
        self.on_change()
        log.info("no new call is taken", extra={"running": len(self._lines)})
        if self._lines:
            asyncio.get_running_loop().call_later(self.settings.server.drain_s, self._hand_over)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        self._is_leaving = True
        self.on_change()
        for call_id, line in self._lines.items():
            log.info("a call is handed over", extra={"call": call_id})
            line.break_off()
            self._linger_s = _LINGER_S
        self._leave_if_empty()

    def _leave_if_empty(self) -> None:
        if self._when_empty and not self._lines:
            self._is_leaving = True
            asyncio.get_running_loop().call_later(self._linger_s, self._when_empty)

    async def answer(self, line: Line) -> None:
        """Hold one call to its end, or to that of its line. Whatever goes wrong in it touches no other call."""
        self._lines[line.call_id] = line
        away = self._away.pop(line.call_id, None)
        try:
            with about_call(line.call_id):
                await self._hold(line, away.agent if away else None)
        except Exception:
            log.exception("a call failed", extra={"call": line.call_id})
        finally:
            del self._lines[line.call_id]
            self._over.discard(line.call_id)
            log.info("a call ended", extra={"call": line.call_id})
            self._leave_if_empty()

    def past(self, call_id: str) -> Past | None:
        """What the records tell of a call; None when they tell nothing, or cannot be read."""
        try:
            journal = find_journal(self.settings.records.folder, call_id)
            if journal is None:
                return None
            ended_s_ago = gap_s(journal, self.now())
        except (ConfigError, ValueError) as wrong:
            log.warning("a record cannot be read", extra={"call": call_id, "why": str(wrong)})
            return None
        lost_at = journal.lost_at[:-1] if journal.is_lost else journal.lost_at  # the last loss is the one of now
        return Past(journal.is_over, tuple(ended_s_ago + journal.ends_at - at for at in lost_at))

    async def _hold(self, line: Line, agent: Agent | None) -> None:
        """agent: who has spoken in this call, if it has had a line here."""
        now, records = self.now(), self.settings.records
        resumed = await resume_call(records.folder, line.call_id, now, audio=records.audio)
        if resumed is None:
            log.info("a call began", extra={"call": line.call_id})
            await self._new_call(line, now)
        elif resumed.conversation.phase is Phase.ENDED:  # it was lost in the instant of being hung up
            self._have_followed(resumed.record)
            resumed.record.event(resumed.since, HungUp())
            resumed.record.close()
            resumed.recording.close(resumed.since)
            await line.hang_up()
            book, folder = self._book_of(line, resumed.noted), resumed.record.folder
            self._keep_outcome(line, book, agent or self._agent_of(line), folder, resumed.ended)
        else:
            log.info("a call goes on", extra={"call": line.call_id, "at_s": round(resumed.since, 1)})
            book = self._book_of(line, resumed.noted)
            brief = self._brief(agent or self._agent_of(line), book, resumed.told)
            old = resumed.conversation, resumed.record, resumed.recording
            await self._run(line, brief, book, *old, resumed.since)

    async def _new_call(self, line: Line, began: datetime) -> None:
        agent, outbound, book = self._agent_of(line), bool(line.parties.order), self._book_of(line)
        brief = self._brief(agent, book)
        folder = self.settings.records.folder / f"{began:%Y%m%dT%H%M%S%f}-{line.call_id}"
        manner = manner_of(agent, self.settings, brief.toolbox, outbound=outbound)
        header = Header(line.call_id, f"{began:%Y-%m-%dT%H:%M:%SZ}", agent.name, asdict(manner))
        record = FlightRecord(folder / "record.jsonl", header)
        begun = partial(self._have_recorded, line.call_id)
        recording = Recording(folder / "call.wav" if self.settings.records.audio else None, begun)
        if not line.has_marks:
            record.fact(0.0, "this carrier returns no marks: what was heard is told by the clock")
        book.begin(agent.name, str(folder))
        await self._run(line, brief, book, Conversation(manner), record, recording)

    def _brief(self, agent: Agent, book: CallBook, told: Sequence[Turn] = ()) -> Brief:
        return brief_of(agent, book, self._toolkit, self.orders, self.now, self.settings.thinking, told)

    def _have_followed(self, record: FlightRecord) -> None:
        for follow in self.followers:
            follow(record)

    def _have_recorded(self, call_id: str) -> None:
        if self.settings.records.carrier and self.orders:
            self.orders.may_be_recorded(call_id)

    def _book_of(self, line: Line, noted: Sequence[str] = ()) -> CallBook:
        return CallBook(self._keep, line.call_id, line.parties, noted, self.now)

    def _agent_of(self, line: Line) -> Agent:
        """Who speaks. Raises ConfigError for a call of ours that nobody knows of."""
        order = line.parties.order
        if not order:
            return self._answering
        if self.orders and (agent := self.orders.agent_of(order)):
            return agent
        raise ConfigError(f"the order {order} is not known here: it was not placed by this installation")

    async def _run(
        self,
        line: Line,
        brief: Brief,
        book: CallBook,
        heart: Conversation,
        record: FlightRecord,
        recording: Recording,
        since: float = 0.0,
    ) -> None:
        assert self._engines is not None  # otherwise no line is taken
        engines = await self._engines.speaking_as(brief.agent)
        self._have_followed(record)
        call = Call(line, engines, heart, brief, self.settings, record, recording, since, book.note)
        self._calls[line.call_id] = call
        try:
            await call.run()
        finally:
            del self._calls[line.call_id]
            self._conclude(line, call, brief.agent, partial(self._keep_outcome, line, book, brief.agent, record.folder))

    def _conclude(self, line: Line, call: Call, agent: Agent, keep_outcome: Callable[[str], None]) -> None:
        """Keep how the call went; if it may go on on another line, once it is known that it does not."""
        if call.ended is not None:
            keep_outcome(call.ended)
            return
        if len(self._away) == _AWAY:
            del self._away[next(iter(self._away))]
        reason = TRANSFERRED if isinstance(call.errand, Transfer) else LOST
        self._away[line.call_id] = _Away(agent, partial(keep_outcome, reason))
        if line.call_id in self._over:
            self._give_up(line.call_id)

    def _keep_outcome(self, line: Line, book: CallBook, agent: Agent, folder: Path, reason: str) -> None:
        outcome = book.end(reason)
        self.on_over(line.call_id, agent, folder)
        if self.orders and line.parties.order:
            self.orders.ended(line.parties.order, outcome)

    def _give_up(self, call_id: str) -> None:
        """The carrier says that this call is over: it does not come back."""
        if call_id in self._lines:
            self._over.add(call_id)
        if away := self._away.pop(call_id, None):
            away.keep_outcome()
