"""The agent's side of the conversation: the reply in the making or in the ear, and what becomes of it.

In:   orders of the heart; what was heard, and whether the voice sounds.     Out: actions that carry the orders out.
Rule: one reply at a time. What the caller heard of it becomes history when it ends, however it ends, and so does what
      its tools told; what nobody heard leaves no trace. Who has the floor is not decided here.
"""

from collections.abc import Sequence
from math import inf

from client_caller.conversation.actions import (
    Action,
    CancelReply,
    CutBy,
    GoOn,
    PlayFiller,
    Release,
    Remember,
    RunTool,
    Say,
    StartReply,
    Turn,
)
from client_caller.conversation.caller_words import CallerWords
from client_caller.conversation.events import PlayedOut, ToolAnswered, ToolAsked
from client_caller.conversation.memory import Memory
from client_caller.conversation.policy import Manner
from client_caller.conversation.reply import Reply
from client_caller.conversation.tool_use import AT_MOST, LATE, ToolUse


class Answering:
    """Makes the replies of one conversation, and keeps what was heard of them."""

    def __init__(self, manner: Manner, memory: Memory, words: CallerWords) -> None:
        self.reply: Reply | None = None
        self.first: list[str] = []  # phrases that must be heard before anything else is
        self._manner = manner
        self._memory = memory
        self._words = words
        self._replies = 0
        self._fillers = 0
        self._tools = 0  # run in this call
        self._troubles = 0  # answers in a row that came to nothing
        self._quiet_since: float | None = 0.0  # since when the voice does not sound

    @property
    def is_released(self) -> bool:
        """Whether there is a reply that the caller may hear."""
        return self.reply is not None and self.reply.released

    @property
    def is_making(self) -> bool:
        """Whether the language model has not ended the reply."""
        return self.reply is not None and not self.reply.ended

    # The making of a reply.

    def start(self, history: tuple[Turn, ...] = ()) -> list[Action]:
        """Have a reply made, to `history` or else to the caller's words; nobody hears it yet."""
        self._replies += 1
        self.reply = Reply(self._replies, self._words.turn, history or self._words.history())
        return [StartReply(self._replies, self.reply.history)]

    def say(self, phrases: list[str], now: float, awaited_since: float | None = None) -> list[Action]:
        """Let the caller hear phrases that need no language model, who has waited since then for another reply."""
        self._replies += 1
        self.reply = reply = Reply(self._replies, self._words.carried, ended=True)
        said: list[Action] = [Say(reply.number, reply.add(text), text) for text in phrases]
        released = self.release(now)
        if awaited_since is not None and not reply.fillers:
            reply.awaited_since = awaited_since
        return [*said, *released]

    def release(self, now: float, awaited_since: float | None = None) -> list[Action]:
        """Let the caller hear the reply, who has waited for it since then if it is not there yet."""
        reply = self.reply
        assert reply is not None
        reply.released, reply.moved_at = True, now
        reply.awaited_since = now if reply.pieces or awaited_since is None else awaited_since
        unsaid = [text for text in self.first if text not in reply.pieces]
        bridges = [action for text in reversed(unsaid) for action in self.bridge(now, text)]
        return [Release(reply.number), *bridges, *self._run_tools(now)]

    def go_on(self, now: float) -> list[Action]:
        """Let the caller hear it on."""
        assert self.reply is not None
        self.reply.moved_at = self.reply.awaited_since = now
        return [GoOn(self.reply.number)]

    def add(self, text: str, now: float) -> list[Action]:
        """The language model has found the next piece."""
        assert self.reply is not None
        self.reply.moved_at = now
        return [Say(self.reply.number, self.reply.add(text), text)]

    def bridge(self, now: float, text: str = "") -> list[Action]:
        """Fill a silence with a phrase: the next filler, if none is given."""
        assert self.reply is not None
        text = text or self._bridge_of_tool() or self._next_filler()
        self.reply.awaited_since = now
        return [PlayFiller(self.reply.number, self.reply.add(text, filler=True), text)]

    def _bridge_of_tool(self) -> str:
        """The phrase of the tool that keeps the caller waiting; empty when none does, or the first one did not help."""
        use = self.reply.awaits if self.reply else None
        if use is None or use.bridged:
            return ""
        use.bridged = True
        return self._manner.bridges.get(use.tool, "")

    def _next_filler(self) -> str:
        text = self._manner.fillers[self._fillers % len(self._manner.fillers)]
        self._fillers += 1
        return text

    # Its tools.

    def ask_tool(self, asked: ToolAsked, now: float) -> list[Action]:
        """The language model wants a tool. It is run as soon as nothing can take the reply back, or at once if it only
        reads."""
        assert self.reply is not None
        if len(self.reply.tools) == AT_MOST:
            return []
        self.reply.tools.append(ToolUse(asked.tool, asked.arguments, asked.reads_only))
        return self._run_tools(now)

    def _run_tools(self, now: float) -> list[Action]:
        assert self.reply is not None
        actions: list[Action] = []
        for use in self.reply.tools:
            if use.number or not (self.reply.released or use.reads_only):
                continue
            self._tools += 1
            use.number, self.reply.moved_at = self._tools, now
            actions.append(RunTool(use.number, self.reply.number, use.tool, use.arguments))
        return actions

    def awaits_tool(self, number: int) -> bool:
        """Whether the reply waits for this tool."""
        return any(use.number == number and use.is_running for use in (self.reply.tools if self.reply else ()))

    def answer_tool(self, answered: ToolAnswered, now: float) -> list[Action]:
        """A tool has answered; its reply, or what has become of it, takes the result."""
        for use in self.reply.tools if self.reply else ():
            if use.number == answered.number and use.is_open:
                assert self.reply is not None
                self.reply.moved_at = now if use.is_running else self.reply.moved_at
                use.result, use.given_up = answered.text, False
                use.then, use.to, use.briefing = answered.then, answered.to, answered.briefing
                return []
        turn = self._memory.answer(answered.number, answered.text)
        return [Remember(turn)] if turn else []

    def gives_up_tools(self, now: float) -> bool:
        """What is still running is not waited for any more; whether anything was."""
        running = [use for use in self.reply.tools if use.is_running] if self.reply else []
        for use in running:
            assert self.reply is not None
            use.result, use.given_up, self.reply.moved_at = LATE, True, now
        return bool(running)

    def next_stage(self, now: float) -> list[Action]:
        """Have the reply gone on with, from what the tools have told."""
        assert self.reply is not None
        self.reply.begin_stage()
        self.reply.moved_at = now
        return [StartReply(self.reply.number, self.reply.so_far())]

    # What the caller hears of it.

    def sounds(self, on: bool, now: float) -> None:
        """The voice has begun to sound, or has ceased to."""
        self._quiet_since = None if on else now

    def hear(self, event: PlayedOut, now: float) -> list[Action]:
        """The caller has heard more of the reply; the first word of it settles the words that it answers."""
        reply = self.reply
        assert reply is not None
        reply.heard[event.piece] = max(reply.heard[event.piece], event.words)
        reply.done += event.done
        if event.piece not in reply.fillers:
            reply.moved_at = now
            self._troubles = self._troubles if reply.is_excuse else 0
        return [Remember(self._words.settle())] if self._words.turn and reply.heard_text else []

    def drop(self, cut_by: CutBy, *, ends: bool = False) -> list[Action]:
        """Stop the reply, if there is one; what the caller heard of it is history, the rest never was.

        ends: the call is over, so nothing will be heard of tools that run, as when the line is lost.
        """
        reply, self.reply = self.reply, None
        stopped = [CancelReply(reply.number), *self._settle(reply, cut_by)] if reply else []
        lost = self._memory.lose_tools() if ends or cut_by == "line" else []
        return [*stopped, *(Remember(turn) for turn in lost)]

    def finish(self) -> list[Action]:
        """All of it was heard."""
        reply, self.reply = self.reply, None
        assert reply is not None
        return self._settle(reply, None)

    def _settle(self, reply: Reply, cut_by: CutBy | None) -> list[Action]:
        """It is over: history is what the caller heard of it, and what was done for it."""
        ran = [use for use in reply.tools if use.number] if reply.released else []
        said = [Remember(self._words.settle_carried())] if ran and self._words.carried else []
        return [*said, *(Remember(turn) for turn in _settled(reply, ran, self._memory, cut_by))]

    def if_cut(self) -> tuple[Turn, ...]:
        """The history as it would be if the caller broke in now, whatever they will say."""
        supposed = Memory(self._memory.turns)
        if self.reply:
            _settled(self.reply, self.reply.tools, supposed, "caller")
        return supposed.with_caller("")

    @property
    def due(self) -> tuple[Turn, ...]:
        """The history that an answer is due to if the reply is lost now."""
        assert self.reply is not None
        supposed = Memory(self.reply.history)
        if self.reply.tools:
            _settled(self.reply, self.reply.tools, supposed, "line")
            supposed.lose_tools()
        turns = list(supposed.turns)
        while turns and turns[-1].speaker == "agent":
            turns.pop()
        return tuple(turns)

    # Silence, and failure.

    @property
    def filler_at(self) -> float:
        """When the caller will have waited in silence for too long; infinite while something sounds."""
        if self.reply is None or self._quiet_since is None or not self._manner.fillers:
            return inf
        use = self.reply.awaits
        patience_s = self._manner.bridge_after_s if use and not use.bridged else self._manner.filler_after_s
        return max(self._quiet_since, self.reply.awaited_since) + patience_s

    @property
    def stuck_at(self) -> float:
        """When a reply that comes no step nearer to its end is given up; fillers are no step."""
        if self.reply is None or self._quiet_since is None:
            return inf
        within_s = self._manner.tool_within_s if self.reply.awaits else self._manner.think_within_s
        return max(self._quiet_since, self.reply.moved_at + within_s)

    def replace_failed(self, now: float) -> list[Action]:
        """The language model came to nothing: try once more, then say so. A draft is just given up.

        Whatever comes next is part of the same reply, behind the fillers that were said meanwhile.
        """
        reply = self.reply
        assert reply is not None
        if not reply.released:
            self.reply = None
            return [CancelReply(reply.number)]
        reply.moved_at = now
        if not reply.retried:
            reply.retried = True
            return [StartReply(reply.number, reply.so_far())]
        reply.ended = reply.is_excuse = True
        return self.add(self._excuse(), now)

    def excuse_voice(self, now: float) -> list[Action]:
        """The voice failed: what it could not say is given up, and the bank of fillers has a phrase for that."""
        actions = self.drop("voice")
        self._replies += 1
        self.reply = Reply(self._replies, self._words.carried, ended=True, is_excuse=True)
        return [*actions, *self.release(now), *self.bridge(now, self._excuse())]

    def _excuse(self) -> str:
        self._troubles += 1
        return self._manner.trouble if self._troubles == 1 else self._manner.offer


def _settled(reply: Reply, ran: Sequence[ToolUse], memory: Memory, cut_by: CutBy | None) -> list[Turn]:
    """Put into `memory` what was heard of the reply, and its tools where they stand between. Returns the additions."""
    added, place = [], 0
    for use in (*ran, None):
        end = len(reply.pieces) if use is None or use.behind is None else use.behind
        if heard := reply.heard_between(place, end):
            is_whole = not reply.unheard_between(place, end) and (use is not None or reply.ended)
            added.append(memory.add("agent", heard, None if is_whole else cut_by))
        if use and (turn := memory.add_tool(use)):
            added.append(turn)
        place = end
    return added
