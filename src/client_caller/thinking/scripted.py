"""The scripted model: says what it was told to say, at a pace it was told.

In:   messages.     Out: the reply its script has for the last of them, word by word, with the tools that it calls.
Rule: no randomness and no threads; it waits only by `asyncio.sleep`, so it also runs in virtual time.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from typing import Any

from client_caller.thinking.protocol import Message, ToolCall, ToolOffer

Reply = str | Sequence[str | ToolCall]
"""Text, or text and tool calls in the order in which they come."""

Script = Mapping[str, Reply] | Callable[[Sequence[Message]], Reply]
"""A reply for each thing a caller may say or a tool may tell, or a function of all messages."""

Writes = Mapping[str, str] | Callable[[Sequence[Message]], str]
"""The same for what is written aside."""


class ScriptedModel:
    """A language model for tests and rehearsals.

    first_token_s: seconds to the first word;  token_s: seconds between words;  writes: what it writes, at once.
    `open_streams` counts replies being made; `asked`, `warmed` and `to_write` keep what was sent, and `offered` the
    tools that came with the last of it.
    """

    def __init__(
        self, script: Script, first_token_s: float = 0.0, token_s: float = 0.0, writes: Writes | None = None
    ) -> None:
        self._script = script
        self._writes: Writes = {} if writes is None else writes
        self._first_token_s = first_token_s
        self._token_s = token_s
        self.open_streams = 0
        self.asked: list[tuple[Message, ...]] = []
        self.warmed: list[tuple[Message, ...]] = []
        self.to_write: list[tuple[Message, ...]] = []
        self.offered: tuple[ToolOffer, ...] = ()

    async def stream(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, tools: Sequence[ToolOffer] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        """The scripted reply, at most `max_tokens` words and calls. A message that the script lacks raises KeyError."""
        reply = self._script(messages) if callable(self._script) else self._script[messages[-1].content]
        self.asked.append(tuple(messages))
        self.offered = tuple(tools)
        self.open_streams += 1
        try:
            await asyncio.sleep(self._first_token_s)
            for index, part in enumerate(list(_tokens(reply))[:max_tokens]):
                if index:
                    await asyncio.sleep(self._token_s)
                yield f" {part}" if index and isinstance(part, str) else part
        finally:
            self.open_streams -= 1

    async def read_ahead(
        self, messages: Sequence[Message], call_id: str, tools: Sequence[ToolOffer] = ()
    ) -> float | None:
        """Keep what was to be read ahead; a scripted model has no opinion of it."""
        self.warmed.append(tuple(messages))
        self.offered = tuple(tools)
        return None

    async def write(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> str:
        """What the script of writings has for the last message. One that it lacks raises KeyError."""
        self.to_write.append(tuple(messages))
        return self._writes(messages) if callable(self._writes) else self._writes[messages[-1].content]


def _tokens(reply: Reply) -> Iterator[str | ToolCall]:
    for part in (reply,) if isinstance(reply, str) else reply:
        if isinstance(part, ToolCall):
            yield part
        else:
            yield from part.split()
