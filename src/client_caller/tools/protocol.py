"""What a tool is.

In:   arguments that were checked.     Out: a sentence or data for the language model; perhaps an order to the call.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from client_caller.conversation.events import Then


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a tool. text: for the language model;  then, to, briefing: as in `ToolAnswered`."""

    text: str
    then: Then = ""
    to: str = ""
    briefing: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """Something an agent can do.

    parameters: what its arguments must be, and the JSON schema that the model is shown;
    run: given the checked arguments and an idempotency key, does it. Raises ToolFailed with a sentence for the model;
    reads_only: it changes nothing, so it may be done for an answer that nobody will hear, and again;
    repeatable: done anew although it was done with the same arguments before; otherwise the first result is given back;
    within_s: seconds it may take;  bridge: said when it keeps the caller waiting; empty: a filler of the agent's.
    """

    name: str
    description: str
    parameters: type[BaseModel]
    run: Callable[[Mapping[str, Any], str], Awaitable[Done]]
    reads_only: bool = False
    repeatable: bool = False
    within_s: float = 5.0
    bridge: str = ""


class Desk(Protocol):
    """Who keeps, on behalf of one call, what a caller leaves."""

    def take_message(self, message: str, name: str, number: str) -> None:
        """Keep a message for the company."""

    def schedule_callback(self, at: str, number: str, about: str) -> str:
        """Promise a call back.

        at: ISO 8601 with or without a zone, empty for soon;  number: empty for the caller's own.
        Gives a sentence that says what was promised. Raises ToolFailed with one that says why it cannot be.
        """
