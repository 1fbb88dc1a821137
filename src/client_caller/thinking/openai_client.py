"""The client of any server that speaks OpenAI's chat completions: vLLM, llama.cpp, and many more.

In:   messages.     Out: text fragments as the server streams them.
Rule: closing a stream closes its connection, which is how such servers learn that a slot is free. Nothing is tried
      twice: a caller who waits is better served by the conversation's own fallback.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final

from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

from client_caller.errors import EngineCrashed, EngineError, EngineOverloaded, EngineTimeout
from client_caller.settings import ThinkingSettings
from client_caller.thinking.protocol import Message
from client_caller.thinking.slots import Slots

_ENGINE: Final = "language model"
_TEMPERATURE: Final = 0.0
"""The likeliest word. Small models wander off at anything above, and the same call can be replayed."""

_EMBEDDED: Final[dict[str, Any]] = {"cache_prompt": True, "repeat_penalty": 1.1, "repeat_last_n": 64}
"""What only llama.cpp takes. Without the penalty the embedded model answers all of a call with its first sentence."""

_TOO_BUSY: Final = frozenset({429, 503})


class OpenAIModel:
    """A language model behind HTTP.

    base_url: ends in /v1;  settings: the model's name and the time limits;
    embedded: it is our own llama.cpp server, which has options of its own.
    """

    def __init__(self, base_url: str, api_key: str, settings: ThinkingSettings, *, embedded: bool) -> None:
        self._client = AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=None)
        self._settings = settings
        self._slots = Slots(settings.slots) if embedded else None

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[str, None]:
        """Text fragments of the reply. Raises EngineTimeout, EngineOverloaded, EngineCrashed."""
        try:
            async with asyncio.timeout(self._settings.first_token_s):
                chunks = await self._ask(messages, max_tokens)
        except (TimeoutError, APIError) as wrong:
            raise _translated(wrong) from wrong
        within_s = self._settings.first_token_s
        try:
            while (chunk := await _next(chunks, within_s)) is not None:
                if text := chunk.choices[0].delta.content if chunk.choices else None:
                    within_s = self._settings.next_token_s
                    yield text
        except (TimeoutError, APIError) as wrong:
            raise _translated(wrong) from wrong
        finally:
            await chunks.close()

    async def warm(self, messages: Sequence[Message]) -> None:
        """Have the server read `messages`; costs it one token. Raises as `stream` does."""
        async with aclosing(self.stream(messages, max_tokens=1)) as stream:
            async for _ in stream:
                pass

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.close()

    async def _ask(self, messages: Sequence[Message], max_tokens: int) -> AsyncStream[ChatCompletionChunk]:
        said: list[Any] = [{"role": message.role, "content": message.content} for message in messages]
        return await self._client.chat.completions.create(
            model=self._settings.model,
            messages=said,
            max_tokens=max_tokens,
            temperature=_TEMPERATURE,
            stream=True,
            extra_body={**_EMBEDDED, "id_slot": self._slots.choose(messages)} if self._slots else {},
        )


async def _next(chunks: AsyncStream[ChatCompletionChunk], within_s: float) -> ChatCompletionChunk | None:
    """The next chunk; None at the end. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        return await anext(chunks, None)


def _translated(wrong: Exception) -> EngineError:
    """What went wrong, in our own terms."""
    if isinstance(wrong, TimeoutError):
        return EngineTimeout(_ENGINE, "no token in time; see CLIENT_CALLER_THINKING__FIRST_TOKEN_S and __NEXT_TOKEN_S")
    if isinstance(wrong, APIStatusError) and wrong.status_code in _TOO_BUSY:
        return EngineOverloaded(_ENGINE, f"the server refused, status {wrong.status_code}")
    if isinstance(wrong, APIStatusError):
        return EngineCrashed(_ENGINE, f"the server answered with status {wrong.status_code}")
    if isinstance(wrong, APIConnectionError):
        return EngineCrashed(_ENGINE, "the connection to the server failed")
    return EngineCrashed(_ENGINE, "the server reported an error in its stream")
