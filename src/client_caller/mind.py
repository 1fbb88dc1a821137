"""What the agent thinks with in one call: the language model, what it remembers, and its tools.

In:   orders to answer, to read ahead and to call a tool.     Out: events for the heart.
Rule: an engine's failure becomes an event. What a withdrawn order still yields is not reported; a tool that was called
      is never withdrawn.
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from client_caller.agent import Agent, spoken
from client_caller.conversation.actions import ReadAhead, RunTool, StartReply, Turn
from client_caller.conversation.events import Event, ReplyEnded, ReplyText, ToolAnswered, ToolAsked, WordsScored
from client_caller.errors import EngineError
from client_caller.mailbox import Mailbox
from client_caller.reporting import Fact, Task, reporting
from client_caller.thinking.condensing import (
    Condensed,
    Older,
    Recollection,
    accepted,
    condense_messages,
    estimate_tokens,
)
from client_caller.thinking.guard import Guard
from client_caller.thinking.prompt import Prompt
from client_caller.thinking.protocol import LanguageModel, ToolCall, ToolOffer
from client_caller.thinking.reply import reply_pieces
from client_caller.tools.toolbox import Offer, Toolbox

_ERRANDS_AT_MOST: Final = 16
"""Tools waiting to be called, and turns waiting to be condensed; a reply calls six tools at most."""

_SUMMARY_TOKENS: Final = 160
_CALL_TOKENS: Final = 200
"""Added to a reply's tokens when tools are on offer: a call with its arguments takes them, and is not spoken."""

_LEAST_HISTORY: Final = 300
"""Tokens of history without which nobody could follow a conversation."""


@dataclass(frozen=True, slots=True)
class Brief:
    """What an agent takes into a call.

    agent: its variables filled in;  today: the day and the hour, in words;
    room_tokens: what the server can read at once, with the answer;  condenses: whether the model is able to sum up.
    """

    agent: Agent
    toolbox: Toolbox = field(default_factory=lambda: Toolbox((), ""))
    today: str = ""
    room_tokens: int = 1_000_000
    condenses: bool = True


def prompt_of(agent: Agent, offers: Sequence[Offer], today: str = "") -> Prompt:
    """What the language model reads before a call of this agent.

    An agent that may use no tool is one for a small model, which does worse with whatever else it is told.
    """
    if not offers:
        return Prompt.of(agent)
    return Prompt.of(agent, opening_hours=spoken(agent.hours) if agent.hours else "", plain=False, today=today)


def offers_of(offers: Sequence[Offer]) -> tuple[ToolOffer, ...]:
    """The same, as a language model is told of them."""
    return tuple(ToolOffer(offer.name, offer.description, offer.schema) for offer in offers)


class Mind:
    """The thinking of one call. Run its `tasks` for as long as the call lasts.

    happen: told of every event;  fact: told of what is worth recording, as `fact(name, **fields)`.
    """

    def __init__(
        self, call_id: str, model: LanguageModel, brief: Brief, happen: Callable[[Event], None], fact: Fact
    ) -> None:
        agent = brief.agent
        self._to_answer: Mailbox[StartReply | ReadAhead] = Mailbox()
        self._errands: Mailbox[RunTool | Older] = Mailbox(_ERRANDS_AT_MOST)
        self._replying = False  # and not reading ahead, which is better finished than begun anew
        self._call_id = call_id
        self._model = model
        self._toolbox = brief.toolbox
        self._offers = offers_of(brief.toolbox.offers)
        self._prompt = prompt_of(agent, brief.toolbox.offers, brief.today)
        self._greeted = once_greeted(agent)
        self._limits = agent.limits
        self._max_tokens = agent.limits.max_reply_tokens + (_CALL_TOKENS if self._offers else 0)
        self._check_back = agent.phrases.check_back
        self._guard = Guard(agent.language, "\n".join((agent.persona, *agent.goals)), agent.name)
        reading = [offer.name for offer in self._offers if brief.toolbox.reads_only(offer.name)]
        budget = history_tokens(brief, self._prompt, self._offers, self._max_tokens)
        self._memory = Recollection(budget, language=agent.language, reads_only=reading)
        self._condenses = brief.condenses
        self._condensing = False  # a summary is wanted
        self._summing = False  # it is being written
        self._happen = happen
        self._fact = fact
        self._reporting = partial(reporting, call_id, happen, fact)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What is to be run beside the call."""
        return self.think, self.run_errands

    def order(self, action: StartReply | ReadAhead | RunTool) -> None:
        """Have this done. A reply takes the place of one that is being made."""
        if isinstance(action, RunTool):
            if self._summing:  # nobody waits for that; it is due again after the next reply
                self._errands.withdraw()
                self._summing = self._condensing = False
            self._errands.put(action)
            return
        if self._replying and isinstance(action, StartReply):
            self._to_answer.withdraw()
        self._to_answer.put(action)

    def cancel_reply(self) -> None:
        """Make no more of the reply."""
        self._to_answer.withdraw()

    async def think(self) -> None:
        """Make the replies, and read ahead for them."""
        await self._read(self._greeted)  # what every prompt of this call begins with
        while True:
            async with self._to_answer.take() as order:
                if isinstance(order, ReadAhead):
                    await self._read(order.history)
                else:
                    self._replying = True
                    try:
                        await self.reply(order)
                    finally:
                        self._replying = False

    async def _read(self, history: Sequence[Turn]) -> None:
        with self._reporting("language model", 0):
            condensed, turns = self._memory.view(history)
            messages = self._prompt.messages(turns, condensed)
            p_end = await self._model.read_ahead(messages, self._call_id, self._offers)
            if history and history[-1].speaker == "caller" and history[-1].text:
                self._happen(WordsScored(history[-1].text, p_end))

    async def reply(self, order: StartReply) -> None:
        """Make one reply; its pieces, its wishes for tools and its end are events."""
        with self._reporting("language model", order.reply):
            condensed, turns = self._memory.view(order.history)
            pieces = reply_pieces(
                self._model,
                self._prompt.messages(turns, condensed),
                self._call_id,
                self._max_tokens,
                self._limits.max_reply_sentences,
                partial(self._fact, "first token", reply=order.reply),
                self._offers,
                "" if _has_asked(turns, self._check_back) else self._check_back,
                self._guard,
            )
            has_asked = False
            async with aclosing(pieces):
                async for piece in pieces:
                    if has_asked and isinstance(piece, str):
                        break  # a small model goes on with what it thinks the tool will tell
                    has_asked = isinstance(piece, ToolCall)
                    self._happen(self._news(order.reply, piece))
            self._happen(ReplyEnded(order.reply))
        self._condense_if_due(order.history)

    def _news(self, reply: int, piece: str | ToolCall) -> Event:
        if isinstance(piece, ToolCall):
            return ToolAsked(reply, piece.name, piece.arguments, self._toolbox.reads_only(piece.name))
        return ReplyText(reply, piece)

    # What nobody waits for, or not in silence.

    async def run_errands(self) -> None:
        """Call tools, and condense what was said long ago."""
        while True:
            async with self._errands.take() as errand:
                await self.run_errand(errand)

    async def catch_up(self) -> None:
        """Do at once whatever errand nobody has begun: for a call in which no task runs them."""
        for errand in self._errands.withdraw():
            await self.run_errand(errand)

    async def run_errand(self, errand: RunTool | Older) -> None:
        """One of them; what a tool has told is an event."""
        if isinstance(errand, RunTool):
            await self._run_tool(errand)
        else:
            await self._condense(errand)

    async def _run_tool(self, run: RunTool) -> None:
        done = await self._toolbox.run(run.number, run.tool, run.arguments)
        self._fact("tool answered", number=run.number, tool=run.tool)
        self._happen(ToolAnswered(run.number, done.text, done.then, done.to, done.briefing))

    def _condense_if_due(self, history: Sequence[Turn]) -> None:
        if not self._condensing and (older := self._memory.due(history)):
            self._condensing = True
            self._errands.put(older)

    async def _condense(self, older: Older) -> None:
        self._summing = True
        try:
            text = await self._summary(older) if self._condenses else ""
            self._memory.take(Condensed(older.upto, accepted(text, older)))
            self._fact("older turns condensed", upto=older.upto)
        finally:
            self._summing = self._condensing = False

    async def _summary(self, older: Older) -> str:
        """What a language model writes; empty when it fails."""
        try:
            messages = condense_messages(older.turns, older.before, older.pins)
            return await self._model.write(messages, self._call_id, _SUMMARY_TOKENS)
        except EngineError as failure:
            self._fact("engine failed", what=str(failure))
            return ""


def once_greeted(agent: Agent) -> tuple[Turn, ...]:
    """The history once the caller has heard the greeting; empty for who calls, and has to see first who is there."""
    greeting = " ".join(filter(None, (agent.identity, agent.greeting)))
    return () if agent.outbound else (Turn("agent", greeting), Turn("caller", ""))


def _has_asked(turns: Sequence[Turn], check_back: str) -> bool:
    """Whether the agent has just asked if it should go on: who is asked every time feels examined."""
    last = next((turn.text for turn in reversed(turns) if turn.speaker == "agent"), "")
    return bool(check_back) and last.endswith(check_back)


def history_tokens(brief: Brief, prompt: Prompt, offers: Sequence[ToolOffer], max_tokens: int) -> int:
    """How much of the conversation the prompt may hold: what the agent file allows, as far as there is room for it."""
    begun = prompt.messages((Turn("agent", ""),))  # with the day and the hour, and what is shown behind the greeting
    before = [message.content for message in begun]
    before += [f"{offer.name} {offer.description} {offer.parameters}" for offer in offers]
    room = brief.room_tokens - sum(map(estimate_tokens, before)) - max_tokens
    return max(_LEAST_HISTORY, min(brief.agent.limits.history_tokens, room))
