"""What a conversation needs of a language model."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """A tool as the language model is told of it. parameters: a JSON schema of type "object"."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the language model wants called. arguments: JSON text as the model wrote it, right or wrong."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat: who and what.

    An assistant's message may end in a tool call; the message after it is then the "tool"'s, and tells what came of it.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    call: ToolCall | None = None


class LanguageModel(Protocol):
    """Streams a reply, reads ahead for one, and writes what nobody waits for."""

    def stream(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, tools: Sequence[ToolOffer] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        """The next assistant message as it is made: text fragments, and tools that it wants called before it goes on.

        call_id: whose conversation it is, for a server that keeps what it has read of each;  tools: those on offer, the
        same and in the same order throughout a call. An empty fragment is a sign of life: a tool call is being written.
        Closing the generator frees the server's slot at once. Raises EngineError.
        """

    async def read_ahead(
        self, messages: Sequence[Message], call_id: str, tools: Sequence[ToolOffer] = ()
    ) -> float | None:
        """Have the server read `messages` ahead, so that a reply to them begins sooner.

        When the last of them holds a caller's words so far: P(a sentence may end after them) in [0, 1], or None when
        the server does not tell. Raises EngineError.
        """

    async def write(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> str:
        """A whole assistant message that nobody waits for: a summary; with a JSON schema, JSON text that keeps to it.

        Raises EngineError.
        """
