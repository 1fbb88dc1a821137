"""How an agent converses, as the heart needs it: made of its file and of the settings."""

from client_caller.agent import Agent
from client_caller.conversation.policy import Manner
from client_caller.settings import Settings


def manner_of(agent: Agent, settings: Settings, *, outbound: bool = False) -> Manner:
    """The manner of this agent, whose variables are filled in. outbound: in a call that we place; it must have the
    texts for one."""
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
        quick_s=settings.turn.quick_s,
        patient_s=settings.turn.patient_s,
        max_call_s=agent.limits.max_call_s,
        silence_s=agent.limits.silence_s,
    )
