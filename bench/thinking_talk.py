"""The conversation that thinking is measured on, and our own path through it.

In:   a model, an agent, a history.     Out: when the first token and the first piece were there.
Rule: what was said is a script, so that every server reads the same prompts.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from client_caller.agent import Agent
from client_caller.conversation.actions import StartReply, Turn
from client_caller.conversation.events import Event, ReplyText
from client_caller.mind import Brief, Mind
from client_caller.thinking.protocol import LanguageModel

SAID: Final = (
    ("Hello, my name is Margaret Hale and I have a few questions.", "Of course, what is your question?"),
    ("When do you open in the morning?", "We are open Monday to Friday, from eight to six."),
    ("And what does it cost?", "The price is thirty euros a month."),
    ("My router is blinking red since yesterday.", "Please unplug the router and plug it in again after one minute."),
    ("I did that, and now it is green.", "Great, you are welcome!"),
    ("Could somebody come on Thursday at half past ten?", "I will gladly note Thursday at half past ten."),
    ("My number is five five five, zero one four seven.", "Thank you, I have noted your number."),
    ("Do I have to be at home for that?", "Yes, somebody should be at home to open the door."),
    ("How long will it take?", "It usually takes about half an hour."),
    ("Is that included in the price?", "Yes, a visit is included in the price."),
    ("What do I do if it happens again?", "Then call us again, and we will send you a new router."),
    ("Fine. What was the price again?", "The price is thirty euros a month."),
)


def histories(agent: Agent) -> list[tuple[Turn, ...]]:
    """The history at each of the caller's turns, that turn being the last."""
    turns = [Turn("agent", f"{agent.identity} {agent.greeting}".strip())]
    found = []
    for caller, answer in SAID:
        turns.append(Turn("caller", caller))
        found.append(tuple(turns))
        turns.append(Turn("agent", answer))
    return found


@dataclass(frozen=True, slots=True)
class Heard:
    """Seconds from the order to reply to its first token and its first piece; None when there was none."""

    first_token_s: float | None
    first_piece_s: float | None
    piece: str


class OwnPath:
    """One call's mind, asked for the beginnings of replies."""

    def __init__(self, model: LanguageModel, brief: Brief, call_id: str) -> None:
        self._mind = Mind(call_id, model, brief, self._happen, self._fact)
        self._began = 0.0
        self._token_s: float | None = None
        self._piece_s: float | None = None
        self._piece = ""
        self._is_there = asyncio.Event()

    async def ask(self, history: tuple[Turn, ...]) -> Heard:
        """Order a reply, and withdraw it once its first piece is there."""
        self._token_s = self._piece_s = None
        self._piece = ""
        self._is_there.clear()
        self._began = time.perf_counter()
        reply = asyncio.create_task(self._mind.reply(StartReply(1, history)))
        piece = asyncio.create_task(self._is_there.wait())
        await asyncio.wait((reply, piece), return_when=asyncio.FIRST_COMPLETED)
        for task in (reply, piece):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return Heard(self._token_s, self._piece_s, self._piece)

    def _happen(self, event: Event) -> None:
        if isinstance(event, ReplyText) and self._piece_s is None:
            self._piece_s, self._piece = time.perf_counter() - self._began, event.text
            self._is_there.set()

    def _fact(self, name: str, **_: Any) -> None:
        if name == "first token":
            self._token_s = time.perf_counter() - self._began
