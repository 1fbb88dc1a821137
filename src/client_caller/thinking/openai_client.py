"""The client of any server that speaks OpenAI's chat completions: vLLM, llama.cpp, and many more.

In:   messages.     Out: text fragments as the server streams them.
Rule: closing a stream closes its connection, which is how such servers learn that a slot is free. Nothing is tried
      twice: a caller who waits is better served by the conversation's own fallback.

Source of the protocol: OpenAI's API reference, "Create chat completion" with `stream: true`; the events are lines of
server-sent events, `data: {...}`, the last of them `data: [DONE]`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import msgspec

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
_DATA: Final = "data: "
_DONE: Final = "[DONE]"


@dataclass(frozen=True, slots=True)
class _Delta:
    content: str | None = None


@dataclass(frozen=True, slots=True)
class _Choice:
    delta: _Delta = _Delta()


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What of a chunk matters here; the rest is passed over."""

    choices: tuple[_Choice, ...] = ()
    error: dict[str, Any] = field(default_factory=dict)


class OpenAIModel:
    """A language model behind HTTP.

    base_url: ends in /v1;  settings: the model's name and the time limits;
    embedded: it is our own llama.cpp server, which has options of its own.
    """

    def __init__(self, base_url: str, api_key: str, settings: ThinkingSettings, *, embedded: bool) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        if embedded:
            headers["Connection"] = "close"  # llama.cpp drops kept connections without a word
        self._client = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=None)
        self._settings = settings
        self._slots = Slots(settings.slots) if embedded else None

    async def stream(self, messages: Sequence[Message], call_id: str, max_tokens: int) -> AsyncGenerator[str, None]:
        """Text fragments of the reply. Raises EngineTimeout, EngineOverloaded, EngineCrashed."""
        request = self._client.build_request(
            "POST", "/chat/completions", json=self._body(messages, call_id, max_tokens)
        )
        within_s = self._settings.first_token_s
        try:
            async with asyncio.timeout(within_s):
                response = await self._client.send(request, stream=True)
        except (TimeoutError, httpx.HTTPError) as wrong:
            raise _translated(wrong) from wrong
        try:
            response.raise_for_status()
            lines = response.aiter_lines()
            while (text := await _next_text(lines, within_s)) is not None:
                if text:
                    within_s = self._settings.next_token_s
                    yield text
        except (TimeoutError, httpx.HTTPError, msgspec.MsgspecError) as wrong:
            raise _translated(wrong) from wrong
        finally:
            await response.aclose()

    async def warm(self, messages: Sequence[Message], call_id: str) -> None:
        """Have the server read `messages`; costs it one token. Raises as `stream` does."""
        async with aclosing(self.stream(messages, call_id, max_tokens=1)) as stream:
            async for _ in stream:
                pass

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.aclose()

    def _body(self, messages: Sequence[Message], call_id: str, max_tokens: int) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._settings.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "max_tokens": max_tokens,
            "temperature": _TEMPERATURE,
            "stream": True,
        }
        return {**body, **_EMBEDDED, "id_slot": self._slots.of(call_id)} if self._slots else body


async def _next_text(lines: AsyncIterator[str], within_s: float) -> str | None:
    """The next chunk's text, empty when it has none; None at the end. Raises TimeoutError, EngineCrashed."""
    async with asyncio.timeout(within_s):
        async for line in lines:
            if not line.startswith(_DATA):
                continue
            if (data := line.removeprefix(_DATA)) == _DONE:
                return None
            chunk = msgspec.json.decode(data, type=_Chunk)
            if chunk.error:
                raise EngineCrashed(_ENGINE, "the server reported an error in its stream")
            return "".join(choice.delta.content or "" for choice in chunk.choices)
    return None


def _translated(wrong: Exception) -> EngineError:
    """What went wrong, in our own terms."""
    if isinstance(wrong, TimeoutError):
        return EngineTimeout(_ENGINE, "no token in time; see CLIENT_CALLER_THINKING__FIRST_TOKEN_S and __NEXT_TOKEN_S")
    if isinstance(wrong, httpx.HTTPStatusError) and wrong.response.status_code in _TOO_BUSY:
        return EngineOverloaded(_ENGINE, f"the server refused, status {wrong.response.status_code}")
    if isinstance(wrong, httpx.HTTPStatusError):
        return EngineCrashed(_ENGINE, f"the server answered with status {wrong.response.status_code}")
    if isinstance(wrong, httpx.HTTPError):
        return EngineCrashed(_ENGINE, "the connection to the server failed")
    return EngineCrashed(_ENGINE, "the server's stream is not what the protocol says")
