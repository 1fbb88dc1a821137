"""How an agent converses, as the heart needs it: made of its file and of the settings."""

from typing import Final

from client_caller.agent import Agent
from client_caller.conversation.policy import Manner
from client_caller.settings import Settings
from client_caller.tools.toolbox import Toolbox

_BEYOND_S: Final = 1.0
"""How much longer a tool is waited for than it may take: it gives up by itself, and knows better what it has done."""


def manner_of(agent: Agent, settings: Settings, toolbox: Toolbox | None = None, *, outbound: bool = False) -> Manner:
    """The manner of this agent, whose variables are filled in.

    toolbox: what it may do in this call;  outbound: in a call that we place; it must have the texts for one.
    """
    phrases, called = agent.phrases, agent.outbound if outbound else None
    return Manner(
        greeting=called.reason if called else agent.greeting,
        repeat=phrases.repeat,
        trouble=phrases.trouble,
        goodbye=phrases.goodbye,
        offer=phrases.offer,
        fillers=phrases.fillers,
        dropped=phrases.dropped,
        as_i_said=phrases.as_i_said,
        so_far=phrases.so_far,
        go_on=phrases.go_on,
        identity=agent.identity,
        recording=agent.recording.consent if settings.records.audio or settings.records.carrier else "free",
        recorded=agent.recording.phrase,
        outbound=called is not None,
        message=called.message if called else "",
        screened=(called.screened or called.reason) if called else "",
        menu_keys=called.menu_keys if called else "",
        still_there=phrases.still_there,
        farewell=phrases.farewell,
        opted_out=phrases.opted_out,
        connecting=phrases.connecting,
        not_reached=phrases.not_reached,
        transfer_to=agent.transfer_to or "",
        briefly=agent.transfer_briefly,
        opt_out_key=agent.keys.opt_out,
        human_key=agent.keys.human,
        language=agent.language,
        bridges=_bridges(agent, toolbox) if toolbox else {},
        tool_within_s=(toolbox.longest_s if toolbox else 0.0) + _BEYOND_S,
        quick_s=settings.turn.quick_s,
        patient_s=settings.turn.patient_s,
        max_call_s=agent.limits.max_call_s,
        silence_s=agent.limits.silence_s,
    )


def _bridges(agent: Agent, toolbox: Toolbox) -> dict[str, str]:
    """What is said when a tool keeps the caller waiting: its own phrase, or the agent's."""
    return {offer.name: toolbox.bridges.get(offer.name, agent.phrases.tool_bridge) for offer in toolbox.offers}
