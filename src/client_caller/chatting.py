"""Calls that are typed: an agent is tried with all that it has on the telephone, without ear, voice and carrier.

In:   an agent, a language model.     Out: a call, ready to begin.
Rule: nobody is called back, connected or put on a list. What a tool of the operator's own would do is done, unless
      something else is to be called instead.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from client_caller.agent import Agent, filled, needed
from client_caller.app import language_model
from client_caller.book import CallBook
from client_caller.briefing import brief_of
from client_caller.errors import ConfigError
from client_caller.line.protocol import Parties
from client_caller.manner import manner_of
from client_caller.outbound.opening import MissingVariableError
from client_caller.settings import Settings
from client_caller.thinking.protocol import LanguageModel
from client_caller.toolkit import Toolkit
from client_caller.typed import Happened, TypedCall

_CALLER: Final = "+12125550107"
"""Nobody's number, kept for stories: a call back can be promised to it. Source: NANPA, 555-0100 to 555-0199."""

_FIRST_TOKEN_S: Final = 60.0
_NEXT_TOKEN_S: Final = 30.0
"""Whoever types is patient, and what comes of a text is not to depend on how busy the machine is."""


def trying(settings: Settings, server: str = "", model: str = "") -> Settings:
    """The settings to try an agent with: one language model, and patience with it.

    server: an OpenAI-compatible one, and `model` its name there; empty: as the settings have it.
    """
    named = {"base_url": server or settings.thinking.base_url, "model": model or settings.thinking.model}
    limits = {"first_token_s": _FIRST_TOKEN_S, "next_token_s": _NEXT_TOKEN_S, "slots": 1, "fallback": "none"}
    return settings.model_copy(update={"thinking": settings.thinking.model_copy(update=named | limits)})


def keep_quiet() -> None:
    """Write no log: whatever goes wrong in a typed call is shown in it."""
    logging.getLogger("client_caller").addHandler(logging.NullHandler())


def agent_of_call(agent: Agent, variables: Mapping[str, str], *, outbound: bool) -> Agent:
    """The agent as it speaks in this call. Raises ConfigError for a variable that is missing, or that it has not."""
    if outbound and agent.outbound is None:
        raise ConfigError(f"the agent {agent.name!r} cannot place calls: its file has no table [outbound]")
    known = {*agent.variables, *needed(agent, outbound=True), *needed(agent, outbound=False)}
    if wrong := sorted(set(variables) - known):
        there = f"it has: {', '.join(sorted(known))}" if known else "it has none"
        raise ConfigError(f"the agent {agent.name!r} has no variable {wrong[0]!r}; {there}")
    try:
        return filled(agent, variables, outbound=outbound)
    except MissingVariableError as missing:
        variable = agent.variables.get(missing.name)
        told = f" ({variable.description})" if variable else ""
        raise ConfigError(f"the agent {agent.name!r} needs a value for its variable {missing.name}{told}") from missing


@asynccontextmanager
async def thinking_alone(settings: Settings, agent: Agent) -> AsyncIterator[LanguageModel]:
    """The language model for typed calls of this agent. Raises ModelUnavailable, EngineError."""
    bare = agent.model_copy(update={"tools": (), "functions": ()})  # what is read ahead need not have them
    async with language_model(settings, bare) as model:
        yield model


def typed_call(
    agent: Agent,
    model: LanguageModel,
    settings: Settings,
    toolkit: Toolkit,
    now: Callable[[], datetime],
    tell: Callable[[Happened], None],
    *,
    outbound: bool,
) -> TypedCall:
    """A call of this agent, its variables filled in.

    outbound: as if we had placed it;  now: the wall clock;  tell: given everything that happens.
    Raises ConfigError for a tool that could not be called.
    """
    toolkit.offers(agent, now())
    book = CallBook(lambda entry: None, "typed", Parties(theirs=_CALLER, order="typed" if outbound else ""), now=now)
    brief = brief_of(agent, book, toolkit, _Promises(), now, settings.thinking)
    return TypedCall("typed", model, brief, manner_of(agent, settings, brief.toolbox, outbound=outbound), tell)


class _Promises:
    """Promises calls back as an office does, and forgets them."""

    def can_call_back(self) -> bool:
        """As if."""
        return True

    def call_back(self, call_id: str, number: str, at: datetime | None) -> None:
        """Nobody is called."""
