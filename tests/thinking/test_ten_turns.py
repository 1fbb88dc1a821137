"""Conversations of twelve turns on the embedded model: what it is given to read, what is said, what is remembered.

The heart, the mind, the prompt, the client and the server are the real ones; what a call has beside them is in the last
test only. The embedded model cannot tell a caller's name ten turns later, whatever it is given to read, so that it can
is checked on the prompt; the answers are only looked at for what may not be said.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from agent_files import AGENTS
from calls import heart_of
from client_caller.agent import Agent, answering, load_agent
from client_caller.app import speech_samples
from client_caller.conversation.actions import Remember, StartReply, Turn
from client_caller.demo import render_with_espeak
from client_caller.manner import manner_of
from client_caller.mind import Brief, history_tokens, offers_of, prompt_of
from client_caller.records.flight import ActionEntry, read_record
from client_caller.records.replay import replay
from client_caller.rehearsal.caller import rehearse
from client_caller.rehearsal.cast import GOODBYE, HUMAN_SENTENCES, QUESTIONS, SHORT_ANSWERS, recorded, spoken
from client_caller.rehearsal.script import HangUp, Say
from client_caller.rehearsal.stage import ACCOUNT_SID, serving
from client_caller.settings import Settings, ThinkingSettings, load_settings
from client_caller.speaking.pronounce import Pronouncer
from client_caller.sturdy import SturdyModel
from client_caller.thinking.condensing import estimate_tokens
from client_caller.thinking.llamacpp import LlamaServer
from client_caller.thinking.openai_client import OpenAIModel
from client_caller.thinking.protocol import Message, ToolCall, ToolOffer
from client_caller.toolkit import Toolkit
from client_caller.tools.function_tool import CallContext
from client_caller.tools.toolbox import Toolbox
from client_caller.typed import Happened, TypedCall

pytestmark = pytest.mark.models

THINKING: Final = ThinkingSettings(slots=1, first_token_s=60, next_token_s=60)
SETTINGS: Final = Settings(_env_file=None, thinking=THINKING)

NAME, NUMBER, DAY = "Margaret Hale", "555 0147", "Thursday"
SAID: Final = (
    f"Hello, my name is {NAME}. My number is {NUMBER}, and somebody should come on {DAY}.",
    "The router is blinking red.",
    "I plugged it in again.",
    "What is the price?",
    "Is that for everybody?",
    "When do you open?",
    "And when do you close?",
    "My neighbour has the same trouble.",
    "Is there anything else that I can do?",
    "I see.",
    "Do you remember what I am called?",
    "And which day did we say?",
)
"""What is typed. Nothing that ends a call or puts it through: those do not get as far as ten turns."""

MESSAGE: Final = ToolCall("take_message", f'{{"message": "Somebody should come on {DAY}.", "name": "{NAME}"}}')
LOOK_UP: Final = ToolCall("look_up", '{"query": "opening hours"}')

_FRAMED: Final = 6
"""Tokens by which a template frames a message."""

_REREAD: Final = 12
"""Tokens at the end of a prompt that may be read anew: the marks around the answer, and where it was cut."""

_FRAMES: Final = 70
"""Tokens that no budget counts: the brackets around what is told in short, and the line with the day and the hour."""

_UNSPEAKABLE: Final = re.compile(r"[*#`_|<>{}\[\]~\\]|\d\.\s|https?:|[\U0001F300-\U0001FAFF\u2600-\u27BF]")


@dataclass
class Reading:
    """The real client, and what it was given to read. asks: tools that it is made to ask for, by the caller's turn.

    prompts: of each reply;  cached: tokens of it that the server had read before, and how many it has in all.
    """

    model: OpenAIModel
    server: LlamaServer
    asks: Mapping[int, ToolCall]
    prompts: list[list[Message]] = field(default_factory=list)
    cached: list[tuple[int, int]] = field(default_factory=list)
    turn: int = 0

    async def stream(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, tools: Sequence[ToolOffer] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        self.prompts.append(list(messages))
        parts = self.model.stream(messages, call_id, max_tokens, tools)
        wanted = self.asks.get(self.turn) if messages[-1].role == "user" else None
        async with aclosing(parts):
            async for part in parts:
                if len(self.cached) < len(self.prompts):
                    self.cached.append(await self._read_before())
                if wanted:
                    break
                yield part
        if wanted:
            yield wanted

    async def _read_before(self) -> tuple[int, int]:
        headers = {"Authorization": f"Bearer {self.server.api_key}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as client:
            slot = (await client.get(f"{self.server.base_url.removesuffix('/v1')}/slots")).json()[0]
        return slot["n_prompt_tokens_cache"], slot["n_prompt_tokens_cache"] + slot["n_prompt_tokens_processed"]

    async def read_ahead(
        self, messages: Sequence[Message], call_id: str, tools: Sequence[ToolOffer] = ()
    ) -> float | None:
        return await self.model.read_ahead(messages, call_id, tools)

    async def write(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> str:
        return await self.model.write(messages, call_id, max_tokens, schema)


@dataclass(frozen=True)
class Talk:
    """A conversation that was held: with which agent, on which brief, what was read, and what happened."""

    brief: Brief
    reading: Reading
    happened: list[Happened]
    opening: list[Message]
    again: list[Message]

    @property
    def own(self) -> list[list[Message]]:
        """Of each prompt what belongs to this call, without the examples that are shown again behind its greeting."""
        own = [prompt[len(self.opening) :] for prompt in self.reading.prompts]
        shown = slice(2, 2 + len(self.again))
        return [[*it[:2], *it[shown.stop :]] if self.again and it[shown] == self.again else it for it in own]

    def those(self, kind: str) -> list[Happened]:
        return [each for each in self.happened if each.kind == kind]


class Pad:
    """A desk that takes messages and promises no call."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []

    def take_message(self, message: str, name: str, number: str) -> None:
        self.messages.append((message, name, number))

    def schedule_callback(self, at: str, number: str, about: str) -> str:
        return "They will be called back."


async def talk(agent: Agent, weights: Path, asks: Mapping[int, ToolCall] | None = None) -> Talk:
    """Hold the conversation by typing."""
    toolkit = Toolkit({}, THINKING)
    at = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    toolbox = toolkit.box(agent, CallContext("CA1", "", {}), Pad(), at) if asks else Toolbox((), "CA1")
    brief = Brief(agent, toolbox, "Monday, 23 November 2026, 15:00", THINKING.context_tokens, condenses=False)
    server = LlamaServer(weights, THINKING)
    await server.start()
    client = OpenAIModel(server.base_url, server.api_key, THINKING, embedded=True)
    try:
        reading = Reading(client, server, asks or {})
        model = SturdyModel([reading], THINKING.first_token_s, THINKING.next_token_s)
        happened: list[Happened] = []
        call = TypedCall("CA1", model, brief, manner_of(agent, SETTINGS, toolbox), happened.append)
        await call.begin()
        for turn, text in enumerate(SAID, start=1):
            reading.turn = turn
            await call.say(text)
            assert not call.is_over, f"the call was over after turn {turn}"
    finally:
        await toolkit.close()
        await client.close()
        await server.stop()
    prompt = prompt_of(agent, toolbox.offers, brief.today)
    opening = prompt.messages(())
    again = prompt.messages((Turn("agent", "Hello."),))[len(opening) + 2 :]
    return Talk(brief, reading, happened, opening, again)


def shipped(name: str, **changes: Any) -> Agent:
    return answering(load_agent(AGENTS / f"{name}.toml")).model_copy(update=changes)


def _receptionist(model: Path) -> Talk:
    return asyncio.run(talk(shipped("receptionist"), model))


def _forgetful(model: Path) -> Talk:
    """One whose prompt may hold a few turns only."""
    agent = shipped("receptionist")
    return asyncio.run(talk(agent.model_copy(update={"limits": agent.limits.model_copy(update=SHORT)}), model))


def _with_tools(model: Path) -> Talk:
    """The clinic's, whose prompt with all its tools leaves room for a few turns only; of the tools those which leave
    the caller where they are, because this model would call the others for no reason."""
    agent = shipped("clinic_reception", built_in=("take_message", "look_up"))
    return asyncio.run(talk(agent, model, {2: MESSAGE, 6: LOOK_UP}))


pytestmark = pytest.mark.long

SHORT: Final = {"history_tokens": 300}
HELD: Final = {"receptionist": _receptionist, "forgetful": _forgetful, "with tools": _with_tools}


class Held(dict[str, Talk]):
    """Each conversation, held when it is asked for, and once."""

    def __init__(self, model: Path) -> None:
        self._model = model

    def __missing__(self, name: str) -> Talk:
        self[name] = HELD[name](self._model)
        return self[name]


@pytest.fixture(scope="module")
def held(models: Callable[[str], Path]) -> Held:
    return Held(models("SmolLM2-135M-Instruct.Q4_1.gguf"))


every = pytest.mark.parametrize("name", sorted(HELD))


@every
def test_every_turn_is_answered_by_the_model(held: Held, name: str) -> None:
    reading, happened = held[name].reading, held[name]
    assert happened.those("failed") == []
    assert len([own for own in happened.own if own[-1].role == "user"]) == len(SAID)
    assert len(reading.cached) == len(reading.prompts)


@every
def test_roles_alternate_in_every_prompt_and_it_ends_with_what_is_to_be_answered(held: Held, name: str) -> None:
    for prompt in held[name].reading.prompts:
        roles = ["user" if message.role == "tool" else message.role for message in prompt]
        assert roles[0] == "system"
        assert roles[1:] == ["user", "assistant"] * (len(roles) // 2 - 1) + ["user"]
        assert not any(message.role == "tool" and before.call is None for before, message in pairwise(prompt))


@every
def test_every_prompt_begins_with_the_one_before_unless_old_turns_gave_way(held: Held, name: str) -> None:
    prompts = held[name].reading.prompts
    anew = [later for earlier, later in pairwise(prompts) if later[: len(earlier)] != earlier]
    notes = {prompt[len(held[name].opening)].content for prompt in anew}
    assert len(notes) == len(anew), "what is told in short has changed each time"
    assert all("[Your notes on this call so far." in note for note in notes)
    assert len(anew) < len(prompts) / 2, "even where there is room for some three turns only"
    assert bool(anew) == (name != "receptionist")


@every
def test_the_history_keeps_to_its_budget(held: Held, name: str) -> None:
    brief, agent = held[name].brief, held[name].brief.agent
    offers = brief.toolbox.offers
    tokens = agent.limits.max_reply_tokens + (200 if offers else 0)
    budget = history_tokens(brief, prompt_of(agent, offers, brief.today), offers_of(offers), tokens)
    for own in held[name].own:
        costs = [estimate_tokens(f"{it.content} {it.call.arguments if it.call else ''}") + _FRAMED for it in own]
        assert sum(costs) <= budget + _FRAMES
    in_all = [tokens_read for _, tokens_read in held[name].reading.cached]
    assert min(in_all) > 0
    assert max(in_all) + tokens <= THINKING.context_tokens, "and the answer has room behind it, as the server counts"


@every
def test_what_the_caller_told_first_stands_word_for_word_in_every_prompt(held: Held, name: str) -> None:
    for own in held[name].own:
        text = "\n".join(message.content for message in own if message.role == "user")
        assert all(fact in text for fact in (NAME, NUMBER, DAY)), own
    if name != "receptionist":
        assert len(held[name].own[-1]) < 2 * 10, "and the turn itself is long gone"


@every
def test_the_server_reads_only_what_is_new(held: Held, name: str) -> None:
    reading = held[name].reading
    turns = list(zip(reading.prompts, reading.cached, strict=True))
    for (earlier, (_, before)), (later, (cached, _)) in pairwise(turns):
        if later[: len(earlier)] == earlier:
            assert cached >= before - _REREAD


@every
def test_nothing_that_is_said_has_markup_or_is_left_as_digits(held: Held, name: str) -> None:
    agent = held[name].brief.agent
    pronouncer = Pronouncer(agent.language, agent.pronounce)
    said = [each.text for each in held[name].those("said")]
    assert len(said) > len(SAID)
    for text in said:
        assert not _UNSPEAKABLE.search(text), text
        words = pronouncer.spoken(text).text
        assert re.search(r"\w", words)
        assert not re.search(r"[^\w\s,.;:!?'’—-]|\d", words), words


def test_what_tools_have_told_stays_in_the_talk(held: Held) -> None:
    tooled = held["with tools"]
    asked = [(each.name, each.arguments) for each in tooled.those("tool")]
    assert [(MESSAGE.name, MESSAGE.arguments), (LOOK_UP.name, LOOK_UP.arguments)] == [
        each for each in asked if each in ((MESSAGE.name, MESSAGE.arguments), (LOOK_UP.name, LOOK_UP.arguments))
    ]
    for call in (MESSAGE, LOOK_UP):
        after = next(own for own in tooled.own if own[-1].role == "tool" and own[-2].call == call)
        told = next(each.text for each in tooled.those("told") if each.name == call.name)
        assert after[-1].content == told
        assert after[-3].role == "user"
    done = "\n".join(message.content for message in tooled.own[-1])
    assert "take_message" in done or any(message.call == MESSAGE for message in tooled.own[-1])


@pytest.mark.realtime
def test_a_call_of_ten_turns_is_heard_and_answered_over_real_sockets(tmp_path: Path) -> None:
    """All engines, a server process, the path that Twilio uses, in real time."""

    async def call() -> tuple[int, int]:
        lines = (*QUESTIONS[:7], SHORT_ANSWERS[2], GOODBYE)
        clips = [await spoken(line, render_with_espeak) for line in lines]
        clips.insert(5, recorded(HUMAN_SENTENCES[0], speech_samples(load_settings())))
        async with serving(tmp_path) as stage:
            steps = [*(Say(clip) for clip in clips), HangUp()]
            heard = await rehearse(stage.voice_url, steps, account_sid=ACCOUNT_SID, auth_token=stage.auth_token)
        return len(heard.turns), sum(turn.agent_audible_at is not None for turn in heard.turns)

    turns, answered = asyncio.run(call())
    assert turns == 10
    assert answered >= 9  # an answer may be cut off by the caller's going on
    record = next((tmp_path / "calls").glob("*/record.jsonl"))
    acts = [entry.action for entry in read_record(record)[1] if isinstance(entry, ActionEntry)]
    asked = [action.history for action in acts if isinstance(action, StartReply)]
    assert all(later[: len(earlier) - 1] == earlier[:-1] for earlier, later in pairwise(asked))
    callers = [action.turn for action in acts if isinstance(action, Remember) and action.turn.speaker == "caller"]
    assert len(callers) >= 9  # two turns are one where the caller went on before an answer
    assert callers[0] in asked[-1], "the first turn is in the last history"
    outcome = replay(record, heart_of)
    assert outcome.difference is None
