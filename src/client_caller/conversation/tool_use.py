"""One use of a tool: asked for, running, answered.

In:   what the language model asked for, and what came of it.     Out: the turn that it is in the history.
Rule: a tool is run once, whatever becomes of the reply that wanted it. As long as nothing is known of it, the history
      says so.
"""

from dataclasses import dataclass
from typing import Final

from client_caller.conversation.actions import Turn
from client_caller.conversation.events import Then

RUNNING: Final = "This is still being done."
LATE: Final = "This took too long. It is not known whether it was done."
LOST: Final = "The call broke off while this was being done. It is not known whether it was."
NOT_DONE: Final = "This was not done, for the caller broke in."
"""What the language model is told in place of a result."""

AT_MOST: Final = 6
"""Tools that one reply may use; a model that wants more is going round in circles."""


@dataclass(slots=True)
class ToolUse:
    """One use of a tool by a reply."""

    tool: str
    arguments: str  # JSON text
    reads_only: bool
    number: int = 0  # among the tools of the call; 0: not run yet
    result: str | None = None
    then: Then = ""  # what is to be done with the call once the reply was heard
    to: str = ""
    briefing: str = ""
    behind: int | None = None  # pieces of the reply that stand before it; None: all that come before it has answered
    bridged: bool = False  # a silence while it ran was filled
    given_up: bool = False  # its reply has gone on without its result, which may yet come

    @property
    def is_running(self) -> bool:
        """Whether its result is awaited."""
        return self.number > 0 and self.result is None

    @property
    def is_open(self) -> bool:
        """Whether its result may yet come."""
        return self.is_running or self.given_up

    @property
    def turn(self) -> Turn:
        """What it is in the history."""
        return Turn("tool", RUNNING if self.result is None else self.result, None, self.tool, self.arguments)
