"""What an agent takes into a call: its tools, the day and the hour.

In:   the agent, its variables filled in, and the call's book.     Out: a brief.
Rule: a call is held even if the agent's tools cannot be had; it then has none, and the log says why.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from client_caller.agent import Agent
from client_caller.book import CallBook
from client_caller.conversation.actions import Turn
from client_caller.desk import CallDesk, CallsBack
from client_caller.errors import ConfigError
from client_caller.mind import Brief
from client_caller.settings import ThinkingSettings
from client_caller.toolkit import Toolkit
from client_caller.tools.function_tool import CallContext
from client_caller.tools.toolbox import Toolbox

log = logging.getLogger("client_caller.house")


def brief_of(
    agent: Agent,
    book: CallBook,
    toolkit: Toolkit,
    calls_back: CallsBack | None,
    now: Callable[[], datetime],
    settings: ThinkingSettings,
    told: Sequence[Turn] = (),
) -> Brief:
    """The brief for a call. told: what its tools have told already, when it goes on on another line."""
    zone = zone_of(agent)
    variables = {name: variable.default for name, variable in agent.variables.items()}
    context = CallContext(book.call_id, book.their_number, variables)
    try:
        toolbox = toolkit.box(agent, context, CallDesk(book, agent, calls_back, now, zone), now())
    except ConfigError as wrong:
        log.error("an agent has no tools in a call", extra={"call": book.call_id, "why": str(wrong)})  # noqa: TRY400
        toolbox = Toolbox((), book.call_id)
    for turn in told:
        toolbox.recall(turn.tool, turn.arguments, turn.text)
    today = in_words(now().astimezone(zone))
    if settings.base_url:
        return Brief(agent, toolbox, today)
    return Brief(agent, toolbox, today, settings.context_tokens, condenses=False)  # the embedded model invents things


def zone_of(agent: Agent) -> tzinfo:
    """Where the agent's clock stands: where its opening hours are, or else in Greenwich."""
    return ZoneInfo(agent.hours.timezone) if agent.hours else UTC


def in_words(at: datetime) -> str:
    """The day and the hour as the agent is told of them, such as "Thursday, 26 November 2026, 10:05"."""
    return f"{at:%A}, {at.day} {at:%B %Y}, {at:%H:%M}"
