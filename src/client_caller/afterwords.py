"""Afterwords: once a call is over, what it came to is found in its words and kept.

In:   calls that are over, as the house tells, and at the start those that an earlier process left.
Out:  for each in which somebody spoke: an entry for the ledger, and summary.json beside its flight record.
Rule: one at a time, the first over first, where no running call has to wait for it. A failure touches no call and is
      tried again twice; what is given up, or lost in a crash, the next start takes up. No word of a caller is logged.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from client_caller.agent import Agent
from client_caller.agent.shelf import AgentShelf
from client_caller.book import wall_clock
from client_caller.conversation.actions import Remember, Turn
from client_caller.errors import ConfigError, EngineError
from client_caller.ledger.database import LedgerFailed
from client_caller.ledger.entries import CallSummed, Entry, KeptCall, Unsummed
from client_caller.records.flight import ActionEntry, read_record
from client_caller.records.summary import keep_summary
from client_caller.thinking.afterword import MAX_TOKENS, Afterword, FieldWanted, Wanted, messages, read, schema
from client_caller.thinking.protocol import LanguageModel

log = logging.getLogger("client_caller.afterwords")

_WAITING: Final = 1_000
"""Calls that may wait; of more the oldest is left to the next start."""

_TRIES: Final = 3
_PAUSE_S: Final = 30.0
"""Seconds after a failure: a server that is started again is back by then."""

_LOOK_S: Final = 1.0
"""Seconds after which it is looked again whether calls are running, and whether engines are there."""

_BACK: Final = timedelta(days=7)
"""How long ago a call may have ended that is taken up at the start."""


class Keeps(Protocol):
    """What of a ledger is needed here."""

    def note(self, entry: Entry) -> None: ...
    async def call(self, call_id: str) -> KeptCall | None: ...
    async def calls_without_summary(self, since: datetime) -> list[Unsummed]: ...


@dataclass(frozen=True, slots=True)
class _Ended:
    """A call that is over. agent: who spoke, or the name;  folder: of its flight record."""

    call_id: str
    agent: Agent | str
    folder: Path
    tries: int = 0


class Afterwords:
    """Sums up calls. Make one for a process, tell it of every call that is `over`, and have `run` run as a task.

    model_of: the language model, None while there is none yet;  shelf: where agents of earlier calls are found by name;
    is_idle: whether it may work now, for a model that shares its processor with calls;
    budget_tokens: for the words of a call in the prompt.
    """

    def __init__(
        self,
        ledger: Keeps,
        model_of: Callable[[], LanguageModel | None],
        shelf: AgentShelf,
        *,
        is_idle: Callable[[], bool] = lambda: True,
        budget_tokens: int = 6_000,
        now: Callable[[], datetime] = wall_clock,
    ) -> None:
        self._ledger = ledger
        self._model_of = model_of
        self._shelf = shelf
        self._is_idle = is_idle
        self._budget_tokens = budget_tokens
        self._now = now
        self._waiting: deque[_Ended] = deque()
        self._news = asyncio.Event()

    def over(self, call_id: str, agent: Agent, folder: Path) -> None:
        """A call is over and does not come back; its flight record, in this folder, is closed. Returns at once."""
        self._add(_Ended(call_id, agent, folder))

    async def run(self) -> None:
        """Take up what an earlier process left, then sum up whatever comes, until cancelled."""
        await self._take_up()
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            model = self._model_of()
            if model is None or not self._is_idle():
                await asyncio.sleep(_LOOK_S)
                continue
            ended = self._waiting.popleft()
            try:
                await self._sum_up(ended, model)
            except ConfigError as wrong:
                log.warning("a call cannot be summed up", extra={"call": ended.call_id, "why": str(wrong)})
            except (EngineError, LedgerFailed, ValueError) as failure:
                self._try_again(ended, failure)
                await asyncio.sleep(_PAUSE_S)

    async def _take_up(self) -> None:
        while True:
            try:
                left = await self._ledger.calls_without_summary(self._now() - _BACK)
            except LedgerFailed as away:
                log.warning("calls to be summed up are not known while the ledger is away", extra={"why": str(away)})
                await asyncio.sleep(_PAUSE_S)
                continue
            for call in left:
                self._add(_Ended(call.call_id, call.agent, Path(call.record)))
            return

    def _add(self, ended: _Ended) -> None:
        if any(known.call_id == ended.call_id for known in self._waiting):
            return
        if len(self._waiting) == _WAITING:
            left = self._waiting.popleft()
            log.warning("too many calls wait to be summed up", extra={"call": left.call_id})
        self._waiting.append(ended)
        self._news.set()

    def _try_again(self, ended: _Ended, failure: Exception) -> None:
        ended = replace(ended, tries=ended.tries + 1)
        why = {"call": ended.call_id, "tries": ended.tries, "why": str(failure)}
        if ended.tries < _TRIES:
            log.info("a call could not be summed up", extra=why)
            self._add(ended)
        else:
            log.warning("a call is not summed up before the next start", extra=why)

    async def _sum_up(self, ended: _Ended, model: LanguageModel) -> None:
        """Raises EngineError, LedgerFailed, ConfigError for a record that cannot be read, ValueError for an answer."""
        turns = await asyncio.to_thread(turns_of, ended.folder)
        if not any(turn.speaker == "caller" and turn.text.strip() for turn in turns):
            return
        kept = await self._ledger.call(ended.call_id)
        if kept is None:
            return  # deleted on request
        agent = self._agent_named(ended.agent) if isinstance(ended.agent, str) else ended.agent
        wanted = wanted_of(agent) if agent else Wanted()
        on = kept.began_at.astimezone(ZoneInfo(agent.hours.timezone) if agent and agent.hours else UTC).date()
        asked = messages(
            *(turns, wanted, kept.agent, agent.company if agent else "the company"),
            on=on,
            budget_tokens=self._budget_tokens,
        )
        written = await model.write(asked, ended.call_id, MAX_TOKENS, schema(wanted))
        found = await asyncio.to_thread(read, written, wanted, turns, on=on)
        if await self._ledger.call(ended.call_id) is None:
            return  # deleted meanwhile: a summary would bring it back
        at = self._now()
        self._ledger.note(CallSummed(ended.call_id, at, found.summary, found.outcome, _as_text(found.fields)))
        await asyncio.to_thread(keep_summary, ended.folder, _plain(found, ended.call_id, at))

    def _agent_named(self, name: str) -> Agent | None:
        """The agent that calls itself so. Of several the first, for the ledger knows their names only."""
        for file in self._shelf.names():
            try:
                agent = self._shelf.named(file)
            except ConfigError:
                continue
            if agent.name == name:
                return agent
        return None


def turns_of(folder: Path) -> tuple[Turn, ...]:
    """What was said in a call, as its flight record has it. Raises ConfigError if it cannot be read."""
    _, entries = read_record(folder / "record.jsonl")
    actions = (entry.action for entry in entries if isinstance(entry, ActionEntry))
    return tuple(action.turn for action in actions if isinstance(action, Remember))


def wanted_of(agent: Agent) -> Wanted:
    """What the agent file asks for in its table [summary]."""
    asked = agent.summary
    fields = (FieldWanted(one.name, one.type, one.description, tuple(one.choices)) for one in asked.fields)
    return Wanted(tuple(asked.outcomes), tuple(fields))


def _as_text(fields: Any) -> str:
    return json.dumps(dict(fields), ensure_ascii=False, sort_keys=True)


def _plain(found: Afterword, call_id: str, at: datetime) -> dict[str, Any]:
    return {
        "call": call_id,
        "at": at.isoformat(),
        "summary": found.summary,
        "outcome": found.outcome,
        "fields": dict(found.fields),
    }
