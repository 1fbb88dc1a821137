"""What a conversation needs of a language model."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat: who and what."""

    role: Literal["system", "user", "assistant"]
    content: str


class LanguageModel(Protocol):
    """Streams a reply."""

    def stream(self, messages: Sequence[Message], call_id: str, max_tokens: int) -> AsyncGenerator[str, None]:
        """Text fragments of the next assistant message, as they are made.

        call_id: whose conversation it is, for a server that keeps what it has read of each.
        Closing the generator frees the server's slot at once. Raises EngineError.
        """

    async def read_ahead(self, messages: Sequence[Message], call_id: str) -> float | None:
        """Have the server read `messages` ahead, so that a reply to them begins sooner.

        When the last of them holds a caller's words so far: P(a sentence may end after them) in [0, 1], or None when
        the server does not tell. Raises EngineError.
        """
