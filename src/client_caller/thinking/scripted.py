"""The scripted model: says what it was told to say, at a pace it was told.

In:   messages.     Out: the reply its script has for the last of them, word by word.
Rule: no randomness and no threads; it waits only by `asyncio.sleep`, so it also runs in virtual time.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

from client_caller.thinking.protocol import Message

Script = Mapping[str, str] | Callable[[Sequence[Message]], str]
"""A reply for each thing a caller may say, or a function of all messages."""


class ScriptedModel:
    """A language model for tests and rehearsals.

    first_token_s: seconds to the first word;  token_s: seconds between words.
    `open_streams` counts replies being made; `asked` and `warmed` keep what was sent.
    """

    def __init__(self, script: Script, first_token_s: float = 0.0, token_s: float = 0.0) -> None:
        self._script = script
        self._first_token_s = first_token_s
        self._token_s = token_s
        self.open_streams = 0
        self.asked: list[tuple[Message, ...]] = []
        self.warmed: list[tuple[Message, ...]] = []

    async def stream(self, messages: Sequence[Message], call_id: str, max_tokens: int) -> AsyncGenerator[str, None]:
        """The scripted reply, at most `max_tokens` words. A message that the script lacks raises KeyError."""
        reply = self._script(messages) if callable(self._script) else self._script[messages[-1].content]
        self.asked.append(tuple(messages))
        self.open_streams += 1
        try:
            await asyncio.sleep(self._first_token_s)
            for index, word in enumerate(reply.split()[:max_tokens]):
                if index:
                    await asyncio.sleep(self._token_s)
                yield f" {word}" if index else word
        finally:
            self.open_streams -= 1

    async def read_ahead(self, messages: Sequence[Message], call_id: str) -> float | None:
        """Keep what was to be read ahead; a scripted model has no opinion of it."""
        self.warmed.append(tuple(messages))
        return None
