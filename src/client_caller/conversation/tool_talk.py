"""Tools in a conversation: when they are run, and how the reply goes on that wanted them.

In:   what the language model asks for, what tools tell.     Out: actions.
Rule: nothing that changes the world is done for a draft. What a tool wants of the call itself is done when its reply
      was heard, and not at all when the caller has broken into that.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from client_caller.conversation import actions as do
from client_caller.conversation import events as ev
from client_caller.conversation.floor import Actions, Floor
from client_caller.conversation.policy import Manner
from client_caller.conversation.tool_use import NOT_DONE, ToolUse
from client_caller.conversation.transitions import Phase

Last = do.HangUp | do.Transfer | do.SendKeys


class ToolTalk:
    """Leads the replies of one conversation through their tools. when_heard: takes what is to be done then."""

    def __init__(self, manner: Manner, floor: Floor, when_heard: Callable[[Last, float], Actions]) -> None:
        self._manner = manner
        self._floor = floor
        self._when_heard = when_heard

    def on_event(self, event: ev.ToolAsked | ev.ToolAnswered, now: float) -> Actions:
        """What to do about it."""
        agent = self._floor.agent
        if isinstance(event, ev.ToolAsked):
            self._floor.pause.sound_by = 0.0
            return agent.ask_tool(event, now)
        if event.then and not (agent.is_released and agent.awaits_tool(event.number)):
            event = replace(event, text=NOT_DONE, then="")
        return [*agent.answer_tool(event, now), *self.go_on(now)]

    def go_on(self, now: float) -> Actions:
        """Go on with the reply if it waits for nothing more."""
        reply = self._floor.agent.reply
        if reply is None or not reply.may_go_on:
            return []
        order = next((use for use in reply.tools if use.then), None)
        if order is None:
            return self._floor.agent.next_stage(now)
        return self._conclude(order, now)

    def _conclude(self, order: ToolUse, now: float) -> Actions:
        """The reply is made; a phrase stands for it if it says nothing itself."""
        last, phrase = _ORDERS[order.then](self._manner, order)
        actions = self._when_heard(last, now)
        floor = self._floor
        reply = floor.agent.reply
        assert reply is not None
        actions += floor.agent.add(phrase, now) if phrase and reply.says_nothing_yet else []
        reply.ended, reply.moved_at = True, now
        if floor.phase is Phase.THINKING:
            floor.phase = Phase.SPEAKING
        return [*actions, *floor.finish_if_heard()]


_ORDERS: Final[dict[str, Callable[[Manner, ToolUse], tuple[Last, str]]]] = {
    "hang up": lambda manner, order: (do.HangUp("the agent ended the call"), manner.farewell),
    "transfer": lambda manner, order: (do.Transfer(order.to, order.briefing), manner.connecting),
    "keys": lambda manner, order: (do.SendKeys(order.to), ""),
}
"""What a tool wants done, and what is said before it if the reply says nothing."""
