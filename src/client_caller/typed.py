"""A call held by typing: the same heart, prompt, tools and memory as on the telephone, without ear and voice.

In:   what the caller types.     Out: what is said, done and noted, each as it happens.
Rule: call time stands still while a model or a tool works, and jumps where the heart waits, so what comes of a text
      does not depend on the machine. Whatever is said is heard to its end.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from client_caller.conversation import actions as do
from client_caller.conversation import events as ev
from client_caller.conversation.machine import Conversation
from client_caller.conversation.policy import Manner
from client_caller.conversation.transitions import Phase
from client_caller.mind import Brief, Mind
from client_caller.records.flight import Plain
from client_caller.thinking.protocol import LanguageModel

_SPEAKS_S: Final = 1.0
_AT_ONCE_S: Final = 2.75
"""What is due sooner than that is not waited for by a caller who types: the end of a call after a goodbye, and that
all keys were pressed. The silence after which an agent asks whether anybody is there is 3 s at least."""

_P_DONE: Final = 0.95
"""Whoever has pressed Enter has finished."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that a caller, or who looks on, learns of.

    kind: "said" by the agent; a "tool" was called, or has "told" something; "noted" for ever; the call is "left" to the
    carrier, for a transfer, or for keys and until they are pressed; it is "over"; an engine "failed";
    text: the words, the result, what was noted, the briefing of a transfer, the reason;
    name: of the tool, or "transfer" or "keys";  arguments: of the tool, JSON text; or the number, or the keys.
    """

    kind: Literal["said", "tool", "told", "noted", "left", "over", "failed"]
    text: str
    name: str = ""
    arguments: str = ""


class TypedCall:
    """One call. tell: given everything that happens, at once."""

    def __init__(
        self, call_id: str, model: LanguageModel, brief: Brief, manner: Manner, tell: Callable[[Happened], None]
    ) -> None:
        self._mind = Mind(call_id, model, brief, self._happen, self._fact)
        self._heart = Conversation(manner)
        self._manner = manner
        self._tell = tell
        self._now = 0.0
        self._events: deque[ev.Event | None] = deque()  # None: the deadline has come
        self._work: deque[do.StartReply | do.RunTool] = deque()
        self._unheard: dict[int, list[tuple[int, str]]] = {}  # pieces by reply, in the order in which they sound
        self._audible = 0  # the reply that may be heard
        self._tools: dict[int, do.RunTool] = {}
        self._typed = ""
        self.turns: list[do.Turn] = []

    @property
    def is_over(self) -> bool:
        """Whether the call has ended, or is with somebody else: whether there is nobody to speak to."""
        return self._heart.phase in (Phase.ENDED, Phase.RESUMING)

    @property
    def is_left(self) -> bool:
        """Whether the caller was put through to somebody, and may come back."""
        return self._heart.phase is Phase.RESUMING

    async def begin(self) -> None:
        """The line is open, and a human is there."""
        self._happen(ev.CallAnswered())
        if self._manner.outbound:
            self._happen(ev.AnswererFound("human"))
        await self._settle()

    async def say(self, text: str) -> None:
        """The caller says this, and waits for what comes of it."""
        if self.is_over:
            return
        self._typed = text
        self._happen(ev.SpeechStarted(self._now))
        self._now += _SPEAKS_S
        self._happen(ev.SpeechPaused(self._now, _SPEAKS_S))
        await self._settle()

    async def press(self, keys: str) -> None:
        """The caller presses keys, one after the other: each one of 0-9, *, #."""
        for key in keys:
            if not self.is_over:
                self._happen(ev.KeyPressed(key))
        await self._settle()

    async def be_silent(self) -> None:
        """The caller says nothing, for as long as the agent bears it."""
        if self._heart.deadline is not None:
            self._pass_time(self._heart.deadline)
        await self._settle()

    async def come_back(self, why: str = "no-answer") -> None:
        """Nobody took the transfer: the caller is with the agent again."""
        if self.is_left:
            self._happen(ev.LineResumed(why))
        await self._settle()

    def hang_up(self) -> None:
        """The caller has had enough."""
        if self._heart.phase is not Phase.ENDED:
            self._happen(ev.HungUp())
            self._tell(Happened("over", "the caller hung up"))

    # The heart, and what it asks for.

    def _happen(self, event: ev.Event | None) -> None:
        """Events that come of others wait for them."""
        self._events.append(event)
        if len(self._events) > 1:
            return
        while self._events:
            self._handle(self._events[0])
            self._events.popleft()

    def _handle(self, event: ev.Event | None) -> None:
        if isinstance(event, ev.ToolAnswered):
            run = self._tools[event.number]
            self._tell(Happened("told", event.text, run.tool, run.arguments))
        heart = self._heart
        self._perform(heart.handle_deadline(self._now) if event is None else heart.handle(event, self._now))

    def _fact(self, name: str, **fields: Plain) -> None:
        if name == "engine failed":
            self._tell(Happened("failed", str(fields.get("what", ""))))

    async def _settle(self) -> None:
        """Until nothing is left to be done, and the caller has the floor."""
        while True:
            while self._work:
                work = self._work.popleft()
                await (self._mind.reply(work) if isinstance(work, do.StartReply) else self._mind.run_errand(work))
            deadline, phase = self._heart.deadline, self._heart.phase
            if deadline is None or (phase is Phase.LISTENING and deadline - self._now >= _AT_ONCE_S):
                break
            self._pass_time(deadline)
        await self._mind.catch_up()

    def _pass_time(self, until: float) -> None:
        self._now = max(self._now, until)
        self._happen(None)

    def _perform(self, actions: list[do.Action]) -> None:
        for action in actions:
            match action:
                case do.Transcribe(pause=pause):
                    self._events.append(ev.Transcript(pause, self._typed))
                case do.ScoreTurn(pause=pause):
                    self._events.append(ev.TurnScored(pause, _P_DONE))
                case do.StartReply():
                    self._work.append(action)
                case do.RunTool(number=number, tool=tool, arguments=arguments):
                    self._tools[number] = action
                    self._tell(Happened("tool", "", tool, arguments))
                    self._work.append(action)
                case do.CancelReply(reply=reply):
                    self._work = deque(work for work in self._work if not _makes(work, reply))
                    self._unheard.pop(reply, None)
                case do.Say(reply=reply, piece=piece, text=text):
                    self._unheard.setdefault(reply, []).append((piece, text))
                case do.PlayFiller(reply=reply, piece=piece, text=text):
                    self._unheard.setdefault(reply, []).insert(0, (piece, text))
                case do.Release(reply=reply):
                    self._audible = reply
                case do.Remember(turn=turn):
                    self.turns.append(turn)
                case do.Note(what=what):
                    self._tell(Happened("noted", what))
                case do.SendKeys(keys=keys):
                    self._tell(Happened("left", "", "keys", keys))
                    self._events.append(ev.LineResumed("keys"))
                case do.Transfer(to=to, briefing=briefing):
                    self._tell(Happened("left", briefing, "transfer", to))
                case do.HangUp(reason=reason):
                    self._tell(Happened("over", reason))
        self._sound()

    def _sound(self) -> None:
        """Whatever may be heard is heard to its end."""
        for piece, text in self._unheard.pop(self._audible, ()):
            self._tell(Happened("said", text))
            self._events.append(ev.PlayedOut(self._audible, piece, len(text.split()), done=True))


def _makes(work: do.StartReply | do.RunTool, reply: int) -> bool:
    return isinstance(work, do.StartReply) and work.reply == reply
