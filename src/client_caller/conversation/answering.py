"""The agent's side of the conversation: the reply in the making or in the ear, and what becomes of it.

In:   orders of the heart; what was heard, and whether the voice sounds.     Out: actions that carry the orders out.
Rule: one reply at a time. What the caller heard of it becomes history when it ends, however it ends; what nobody heard
      leaves no trace. Who has the floor is not decided here.
"""

from math import inf

from client_caller.conversation.actions import (
    Action,
    CancelReply,
    CutBy,
    GoOn,
    PlayFiller,
    Release,
    Remember,
    Say,
    StartReply,
    Turn,
)
from client_caller.conversation.caller_words import CallerWords
from client_caller.conversation.events import PlayedOut
from client_caller.conversation.memory import Memory
from client_caller.conversation.policy import Manner
from client_caller.conversation.reply import Reply


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
        return [Release(reply.number), *bridges]

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
        if not text:
            text = self._manner.fillers[self._fillers % len(self._manner.fillers)]
            self._fillers += 1
        self.reply.awaited_since = now
        return [PlayFiller(self.reply.number, self.reply.add(text, filler=True), text)]

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

    def drop(self, cut_by: CutBy) -> list[Action]:
        """Stop the reply, if there is one; what the caller heard of it is history, the rest never was."""
        reply, self.reply = self.reply, None
        if reply is None:
            return []
        actions: list[Action] = [CancelReply(reply.number)]
        if reply.heard_text:
            whole = reply.ended and not reply.unheard_words
            actions.append(Remember(self._memory.add("agent", reply.heard_text, None if whole else cut_by)))
        return actions

    def finish(self) -> list[Action]:
        """All of it was heard."""
        reply, self.reply = self.reply, None
        assert reply is not None
        return [Remember(self._memory.add("agent", reply.heard_text))] if reply.heard_text else []

    # Silence, and failure.

    @property
    def filler_at(self) -> float:
        """When the caller will have waited in silence for too long; infinite while something sounds."""
        if self.reply is None or self._quiet_since is None or not self._manner.fillers:
            return inf
        return max(self._quiet_since, self.reply.awaited_since) + self._manner.filler_after_s

    @property
    def stuck_at(self) -> float:
        """When a reply that comes no step nearer to its end is given up; fillers are no step."""
        if self.reply is None or self._quiet_since is None:
            return inf
        return max(self._quiet_since, self.reply.moved_at + self._manner.think_within_s)

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
            return [StartReply(reply.number, reply.history)]
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
