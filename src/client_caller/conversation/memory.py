"""What the caller has said, what the caller has heard of the agent, and what tools told. Nothing else is history."""

from collections.abc import Sequence
from dataclasses import replace

from client_caller.conversation.actions import CutBy, Speaker, Turn
from client_caller.conversation.tool_use import LOST, ToolUse


class Memory:
    """The settled part of a conversation: turns that alternate between the two speakers, and tools between them."""

    def __init__(self, turns: Sequence[Turn] = ()) -> None:
        self._turns = [*turns]
        self._running: dict[int, int] = {}  # where the turns of tools stand that have not answered, by their number

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All settled turns, oldest first."""
        return tuple(self._turns)

    @property
    def said_by_agent(self) -> str:
        """What the caller last heard of the agent; empty before that."""
        return self._last_of("agent")

    @property
    def said_by_caller(self) -> str:
        """What the caller last said; empty before that."""
        return self._last_of("caller")

    @property
    def ends_with_a_tool(self) -> bool:
        """Whether what a tool told is still to be said."""
        return bool(self._turns) and self._turns[-1].speaker == "tool"

    def _last_of(self, speaker: Speaker) -> str:
        return next((turn.text for turn in reversed(self._turns) if turn.speaker == speaker), "")

    def add(self, speaker: Speaker, text: str, cut_by: CutBy | None = None) -> Turn:
        """Settle what one speaker said; what follows a turn of the same speaker continues it. Returns the addition."""
        addition = Turn(speaker, text, cut_by)
        if self._turns and self._turns[-1].speaker == speaker:
            self._turns[-1] = Turn(speaker, f"{self._turns[-1].text} {text}", cut_by)
        else:
            self._turns.append(addition)
        return addition

    def add_tool(self, use: ToolUse) -> Turn | None:
        """Settle the use of a tool. Returns the addition; None while its result may yet come."""
        if use.is_open:
            self._running[use.number] = len(self._turns)
        self._turns.append(use.turn)
        return None if use.is_open else use.turn

    def answer(self, number: int, text: str) -> Turn | None:
        """A tool has answered after its reply was given up. Returns the addition; None when nobody knows of it."""
        place = self._running.pop(number, None)
        if place is None:
            return None
        self._turns[place] = turn = replace(self._turns[place], text=text)
        return turn

    def lose_tools(self) -> list[Turn]:
        """What is running will not be heard of. Returns the additions."""
        return [turn for number in list(self._running) if (turn := self.answer(number, LOST))]

    def with_caller(self, text: str) -> tuple[Turn, ...]:
        """The history as it would be if the caller had said `text` next, without settling it."""
        if self._turns and self._turns[-1].speaker == "caller":
            return (*self._turns[:-1], Turn("caller", f"{self._turns[-1].text} {text}"))
        return (*self._turns, Turn("caller", text))
