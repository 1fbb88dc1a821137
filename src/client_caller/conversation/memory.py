"""What has been said by the caller, and what the caller has heard of the agent. Nothing else is history."""

from client_caller.conversation.actions import CutBy, Speaker, Turn


class Memory:
    """The settled part of a conversation: turns that alternate between the two speakers."""

    def __init__(self) -> None:
        self._turns: list[Turn] = []

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All settled turns, oldest first."""
        return tuple(self._turns)

    @property
    def said_by_agent(self) -> str:
        """What the caller last heard of the agent; empty before that."""
        return next((turn.text for turn in reversed(self._turns) if turn.speaker == "agent"), "")

    @property
    def said_by_caller(self) -> str:
        """What the caller last said; empty before that."""
        return next((turn.text for turn in reversed(self._turns) if turn.speaker == "caller"), "")

    def add(self, speaker: Speaker, text: str, cut_by: CutBy | None = None) -> Turn:
        """Settle what one speaker said; what follows a turn of the same speaker continues it. Returns the addition."""
        addition = Turn(speaker, text, cut_by)
        if self._turns and self._turns[-1].speaker == speaker:
            self._turns[-1] = Turn(speaker, f"{self._turns[-1].text} {text}", cut_by)
        else:
            self._turns.append(addition)
        return addition

    def if_cut(self, heard: str) -> tuple[Turn, ...]:
        """The history as it would be if the caller broke in now, having heard so much of the agent."""
        supposed = Memory()
        supposed._turns = [*self._turns]
        if heard:
            supposed.add("agent", heard, "caller")
        return supposed.with_caller("")

    def with_caller(self, text: str) -> tuple[Turn, ...]:
        """The history as it would be if the caller had said `text` next, without settling it."""
        if self._turns and self._turns[-1].speaker == "caller":
            return (*self._turns[:-1], Turn("caller", f"{self._turns[-1].text} {text}"))
        return (*self._turns, Turn("caller", text))
