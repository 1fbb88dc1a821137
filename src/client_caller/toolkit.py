"""The tools of agents: made once for the process as far as they can be, and put into a box for each call.

In:   an agent and what is known of the call.     Out: its toolbox.
Rule: what an agent file gets wrong about its tools is told before the first call, by `offers`.
"""

from collections.abc import Callable, Mapping
from copy import copy
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from client_caller.agent import Agent, is_open
from client_caller.settings import ThinkingSettings
from client_caller.tools.built_in import Target, built_in_tools
from client_caller.tools.function_files import load_functions
from client_caller.tools.function_tool import CallContext, FunctionTool
from client_caller.tools.http_tool import HttpTools
from client_caller.tools.look_up import LookUp
from client_caller.tools.protocol import Desk, Tool
from client_caller.tools.toolbox import Offer, Toolbox

_FRONT_DESK: Final = "a colleague"
"""How the agent calls whoever `transfer_to` of its file reaches."""

_ANY_REASON: Final = "whoever wants to speak with a human"


class Toolkit:
    """Makes toolboxes.

    secrets: for declared tools, by name, as the settings have them;  model: who is to use them;  instead: given a tool
    of the operator's own, tells what is called in its place: itself, but where an agent is tried.

    The embedded model is too small for tools, and the worse for each that it is told of: it gets those that the agent
    file names, and no others.
    """

    def __init__(
        self,
        secrets: Mapping[str, SecretStr],
        model: ThinkingSettings,
        instead: Callable[[Tool], Tool] = lambda own: own,
    ) -> None:
        self._http = HttpTools(secrets)
        self._names_only = not model.base_url
        self._instead = instead

    def with_secrets(self, secrets: Mapping[str, SecretStr]) -> "Toolkit":
        """The same with other secrets, for calls that begin from now on; it is closed with this one."""
        other = copy(self)
        other._http = self._http.with_secrets(secrets)
        return other

    def offers(self, agent: Agent, now: datetime) -> tuple[Offer, ...]:
        """What would be on offer in a call of this agent now.

        Raises ConfigError for a tool that could not be called: a secret is missing, or a function, or a name is double.
        """
        return self.box(agent, CallContext("", "", {}), _Nobody(), now).offers

    def box(self, agent: Agent, context: CallContext, desk: Desk, now: datetime) -> Toolbox:
        """The toolbox for a call that begins now. Raises ConfigError."""
        known = {**context.variables, "caller_number": context.caller_number, "call_id": context.call_id}
        passages = _passages((*agent.facts, *agent.documents)) if agent.documents else None
        tools: list[Tool] = [self._http.tool(declared, known) for declared in agent.tools]
        tools += [tool.bound(context) for file in agent.functions for tool in _functions(Path(file))]
        tools = [self._instead(own) for own in tools]
        targets = targets_of(agent, now)
        offered = () if self._names_only and agent.built_in is None else agent.offered
        offered = tuple(name for name in offered if name != "transfer" or targets)
        tools += built_in_tools(offered, targets, desk, passages)
        return Toolbox(tools, context.call_id)

    async def close(self) -> None:
        """Close idle connections."""
        await self._http.close()


def targets_of(agent: Agent, now: datetime) -> tuple[Target, ...]:
    """Whom callers may be put through to now: some are there in opening hours only."""
    is_closed = agent.hours is not None and not is_open(agent.hours, now)
    others = [
        Target(one.name, one.to, one.when, one.briefly)
        for one in agent.transfers
        if not (one.in_hours_only and is_closed)
    ]
    if agent.transfer_to and all(one.name != _FRONT_DESK for one in others):
        others.append(Target(_FRONT_DESK, agent.transfer_to, _ANY_REASON, agent.transfer_briefly))
    return tuple(others)


@cache
def _functions(file: Path) -> tuple[FunctionTool, ...]:
    return tuple(load_functions(file))


@cache
def _passages(texts: tuple[str, ...]) -> LookUp:
    return LookUp(texts)


class _Nobody:
    """The desk of a box that is only looked at."""

    def take_message(self, message: str, name: str, number: str) -> None:
        raise NotImplementedError

    def schedule_callback(self, at: str, number: str, about: str) -> str:
        raise NotImplementedError
