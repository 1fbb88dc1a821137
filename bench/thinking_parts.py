"""The parts of the benchmark of thinking, each of which asks a server and gives its samples back.

In:   a server, agents.     Out: samples, in seconds.
Rule: two ways that are compared take turns, in an order that is drawn anew each time, and find the server in the same
      state: it has read all of the prompt that is to be found read, and nothing else is running.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any, Final

from client_caller.agent import Agent
from client_caller.conversation.actions import Turn
from client_caller.mind import Brief, offers_of, prompt_of
from client_caller.speaking.pronounce import Pronouncer
from client_caller.sturdy import SturdyModel
from client_caller.thinking.guard import Guard
from client_caller.thinking.prompt import Prompt
from client_caller.thinking.protocol import Message, ToolOffer
from client_caller.toolkit import Toolkit
from thinking_judging import made_after, words_whole_at
from thinking_server import Asked, Server
from thinking_talk import SAID, Heard, OwnPath, histories

TOGETHER: Final = 4
_BARE_FRAGMENTS: Final = 24
"""Taken of a bare answer: more than any first piece has."""

_STORY: Final = "Tell me a very long story about a river."
_STORY_TOKENS: Final = 400
_TAKEN: Final = 6
"""Fragments after which a draft is cancelled."""

_IDLE_S: Final = 0.3
_USAGE: Final = {"stream_options": {"include_usage": True}}

_WRITTEN: Final = (
    *(answer for _, answer in SAID),
    "Your appointment is on 3/04 at 10:30 a.m., at 14 Harbour St.",
    "That comes to $45.50, or 12% less if you pay by 12/31/2026.",
    "You can reach us at +1 212 555 0102 or at info@brightline.example.",
    "The doctor's name is Nguyen, and it takes 2-3 hrs.",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One turn, asked for by both. turn: counted from 1;  ours: our own path;  bare, bare_piece_s: the bare server's
    answer, and when it held as many words as our first piece.
    """

    turn: int
    ours: Heard
    bare_token_s: float | None
    bare_piece_s: float | None


def _call_of(server: Server, number: int) -> tuple[str, int | None]:
    """A call's name, and its slot in the embedded server, which gives each new call the one that has rested longest."""
    call = f"measured {number}"
    return call, server.model._slots.of(call) if server.model._slots else None


def _body(server: Server, messages: Sequence[Message], call: str, tokens: int, tools: Sequence[ToolOffer] = ()) -> Any:
    """The body that our client would send: the bare server is to be asked with the same bytes."""
    return server.model._body(messages, call, tokens, tools)


async def overhead(server: Server, agent: Agent, repeats: int, turns: int) -> list[Pair]:
    """First token and first piece, ours against bare, at each of the caller's turns, which were read ahead."""
    call, slot = _call_of(server, 0)
    model = SturdyModel([server.model], server.settings.first_token_s, server.settings.next_token_s)
    own, prompt = OwnPath(model, _brief(server, agent), call), Prompt.of(agent)
    pairs: list[Pair] = []
    for turn, history in enumerate(histories(agent)[:turns], start=1):
        messages = prompt.messages(history)
        body = _body(server, messages, call, agent.limits.max_reply_tokens)
        ways: list[Callable[[], Awaitable[Any]]] = [partial(own.ask, history), partial(_bare, server, body)]
        for _ in range(repeats):
            heard: dict[int, Any] = {}
            for way in random.sample(range(2), 2):
                await server.model.read_ahead(messages, call)
                await server.free(slot)
                heard[way] = await ways[way]()
                await server.free(slot)
            ours, bare = heard[0], heard[1]
            words = len(ours.piece.split())
            pairs.append(Pair(turn, ours, bare.first_token_s, words_whole_at(bare.fragments, bare.ended_s, words)))
    return pairs


async def _bare(server: Server, body: Mapping[str, Any]) -> Asked:
    return await server.ask(body, _BARE_FRAGMENTS)


def _brief(server: Server, agent: Agent) -> Brief:
    return Brief(agent, room_tokens=server.settings.context_tokens if server.embedded else 1_000_000, condenses=False)


@dataclass(frozen=True, slots=True)
class Read:
    """One answer's first token, and how much of the prompt the server says it had read before."""

    turn: int
    first_token_s: float | None
    prompt_tokens: int | None
    cached_tokens: int | None


async def prefix(server: Server, agent: Agent, repeats: int, turns: int) -> dict[str, list[Read]]:
    """The first token of each turn: its words read ahead; the turn before it answered; nothing of it read at all."""
    call, slot = _call_of(server, 1)
    prompt, nonces = Prompt.of(agent), count(1)
    found: dict[str, list[Read]] = {"read ahead": [], "after the turn before": [], "cold": []}
    past: tuple[Turn, ...] = ()
    for turn, history in enumerate(histories(agent)[:turns], start=1):
        messages = prompt.messages(history)
        was_read = {"read ahead": messages, "after the turn before": prompt.messages(past)}
        for _ in range(repeats):
            for name in random.sample(list(found), len(found)):
                asked = messages
                if name == "cold":  # a new first line, so that no server knows what follows it
                    asked = [replace(messages[0], content=f"{next(nonces)}. {messages[0].content}"), *messages[1:]]
                else:
                    await server.model.read_ahead(was_read[name], call)
                    await server.free(slot)
                answer = await server.ask({**_body(server, asked, call, 2), **_USAGE})
                found[name].append(Read(turn, answer.first_token_s, answer.prompt_tokens, answer.cached_tokens))
                await server.free(slot)
        past = (*history, Turn("agent", SAID[turn - 1][1]))
    return found


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A draft that was cancelled after some tokens. closed_s: how long closing took;  free_s: from the beginning of
    that to the server's saying it is free;  made_after: tokens it made for nobody; both None when it does not say.
    """

    closed_s: float
    free_s: float | None
    made_after: int | None


async def cancel(server: Server, agent: Agent, repeats: int) -> tuple[list[Cancelled], dict[str, list[float | None]]]:
    """Cancelled drafts; and the first token of a request right behind one, and of the same to an idle server."""
    call, slot = _call_of(server, 2)
    messages = Prompt.of(agent).messages(histories(agent)[0])
    body = _body(server, messages, call, 2)
    rests_s = {"right after a cancel": 0.0, "idle": _IDLE_S}
    drafts: list[Cancelled] = []
    tokens_s: dict[str, list[float | None]] = {name: [] for name in rests_s}
    for _ in range(repeats):
        drafts.append(await _cancelled(server, call, slot))
        for name in random.sample(list(rests_s), 2):
            await server.model.read_ahead(messages, call)
            await server.free(slot)
            await server.ask({**body, "max_tokens": _STORY_TOKENS}, _TAKEN)
            if rests_s[name]:
                await server.free(slot)
                await asyncio.sleep(rests_s[name])
            tokens_s[name].append((await server.ask(body)).first_token_s)
            await server.free(slot)
    return drafts, tokens_s


async def _cancelled(server: Server, call: str, slot: int | None) -> Cancelled:
    at_rest = await server.doing(slot)
    before = at_rest.made if at_rest and not server.embedded else 0  # a slot counts each reply from 0
    model = SturdyModel([server.model], server.settings.first_token_s, server.settings.next_token_s)
    taken = 0
    async with aclosing(model.stream([Message("user", _STORY)], call, _STORY_TOKENS)) as stream:
        async for _ in stream:
            taken += 1
            if taken == _TAKEN:
                break
        began = time.perf_counter()
    closed_s = time.perf_counter() - began
    seen = await server.free(slot)
    free_s = time.perf_counter() - began
    if not seen:
        return Cancelled(closed_s, None, None)
    return Cancelled(closed_s, free_s, made_after(taken, before, max(state.made for state in seen)))


async def tools(server: Server, agent: Agent, now: datetime, repeats: int) -> dict[str, list[Read]]:
    """The prompt and the first token, warm, with the agent's tools on offer and with none."""
    offers = Toolkit({}, server.settings).offers(agent, now)
    history = histories(agent)[0]
    ways: dict[str, tuple[list[Message], Sequence[ToolOffer], str, int | None]] = {
        "with tools": (prompt_of(agent, offers).messages(history), offers_of(offers), *_call_of(server, 3)),
        "without": (prompt_of(agent, ()).messages(history), (), *_call_of(server, 4)),
    }
    found: dict[str, list[Read]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name in random.sample(list(ways), len(ways)):
            messages, offered, call, slot = ways[name]
            await server.model.read_ahead(messages, call, offered)
            await server.free(slot)
            answer = await server.ask({**_body(server, messages, call, 2, offered), **_USAGE})
            found[name].append(Read(1, answer.first_token_s, answer.prompt_tokens, answer.cached_tokens))
            await server.free(slot)
    return found


async def together(server: Server, agent: Agent, rounds: int) -> list[Heard]:
    """Four calls whose callers fall silent at the same moment."""
    model = SturdyModel([server.model], server.settings.first_token_s, server.settings.next_token_s)
    calls = [_call_of(server, 10 + number) for number in range(TOGETHER)]
    paths = [OwnPath(model, _brief(server, agent), call) for call, _ in calls]
    prompt, talk = Prompt.of(agent), histories(agent)
    heard: list[Heard] = []
    for turn in range(rounds):
        # Each call is at another turn, so that they are no copies of each other.
        asked = [talk[(turn + 3 * number) % len(talk)] for number in range(TOGETHER)]
        for (call, slot), history in zip(calls, asked, strict=True):
            await server.model.read_ahead(prompt.messages(history), call)
            await server.free(slot)
        heard += await asyncio.gather(*(path.ask(history) for path, history in zip(paths, asked, strict=True)))
        for _, slot in calls:
            await server.free(slot)
    return heard


def words(agent: Agent, repeats: int) -> dict[str, list[float]]:
    """Processor time in microseconds of each piece: to have it said as a person would, and to judge it."""
    pronouncer = Pronouncer(agent.language, agent.pronounce)
    guard = Guard(agent.language, "\n".join((agent.persona, *agent.goals)), agent.name)
    jobs: dict[str, Callable[[str], object]] = {"pronounced": pronouncer.spoken, "guarded": guard.judge}
    return {name: [_cost_us(partial(job, piece), repeats) for piece in _WRITTEN] for name, job in jobs.items()}


def _cost_us(job: Callable[[], object], repeats: int) -> float:
    job()
    began = time.process_time()
    for _ in range(repeats):
        job()
    return 1e6 * (time.process_time() - began) / repeats
