"""The client of any server that speaks OpenAI's chat completions: vLLM, llama.cpp, and many more.

In:   messages, and the tools on offer.     Out: text fragments and tool calls, as the server streams them.
Rule: closing a stream closes its connection, which is how such servers learn that a slot is free. Nothing is tried
      twice: a caller who waits is better served by the conversation's own fallback.

Source of the protocol: OpenAI's API reference, "Create chat completion" with `stream: true`; the events are lines of
server-sent events, `data: {...}`, the last of them `data: [DONE]`.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, cast

import httpx2
import msgspec

from client_caller.errors import EngineCrashed, EngineError, EngineTimeout, refusal
from client_caller.settings import ThinkingSettings
from client_caller.thinking.openai_wire import (
    ENGINE,
    Chunk,
    Completion,
    Rendered,
    ReplyReader,
    Written,
    conversation,
    keeping_to,
    offer,
)
from client_caller.thinking.protocol import Message, ToolCall, ToolOffer
from client_caller.thinking.sentence_end import open_ended, p_end
from client_caller.thinking.slots import Slots
from client_caller.thinking.tool_text import RESULT, as_text

log = logging.getLogger("client_caller.thinking")

_KEPT_OPEN_S: Final = 3.0
"""Uvicorn, under vLLM and others, drops an idle connection after 5 s; a request that meets the drop is lost."""

TEMPERATURE: Final = 0.0
"""The likeliest word. Small models wander off at anything above, and the same call can be replayed."""

EMBEDDED_OPTIONS: Final[dict[str, Any]] = {"cache_prompt": True, "repeat_penalty": 1.1, "repeat_last_n": 64}
"""What only llama.cpp takes. Without the penalty the embedded model answers all of a call with its first sentence."""

_LIKELIEST: Final = 20
"""Next tokens looked at to tell whether a sentence may end: as many as vLLM gives (`max_logprobs`). On the embedded
model 60 of them gave the same answers."""

_NOT_UNDERSTOOD: Final = frozenset({400, 422, 501})
"""How servers refuse options they do not know."""

_WRONG: Final = (TimeoutError, httpx2.HTTPError, msgspec.MsgspecError, UnicodeDecodeError)
_DATA: Final = "data: "
_DONE: Final = "[DONE]"


class OpenAIModel:
    """A language model behind HTTP.

    base_url: ends in /v1;  settings: the model's name and the time limits;
    embedded: it is our own llama.cpp server, which has options of its own.
    """

    def __init__(self, base_url: str, api_key: str, settings: ThinkingSettings, *, embedded: bool) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        if embedded:
            headers["Connection"] = "close"  # llama.cpp drops kept connections without a word
        limits = httpx2.Limits(keepalive_expiry=_KEPT_OPEN_S)
        self._client = httpx2.AsyncClient(headers=headers, timeout=None, limits=limits)
        self._api = base_url.rstrip("/")
        self._llamacpp = self._api.removesuffix("/v1")  # its own interface lies beside OpenAI's
        self._settings = settings
        self._slots = Slots(settings.slots) if embedded else None
        self._in_text = embedded or settings.tool_calls == "text"
        self._tells = True
        self._rendered: tuple[list[Message], str] = ([], "")  # messages, and the prompt up to what follows them

    async def stream(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, tools: Sequence[ToolOffer] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        """Text fragments and tool calls of the reply. Raises EngineTimeout, EngineOverloaded, EngineCrashed.

        A fragment is empty when the model goes on and there is nothing to be said yet: it writes a tool call.
        """
        body = self._body(messages, call_id, max_tokens, tools)
        request = self._client.build_request("POST", f"{self._api}/chat/completions", json=body)
        within_s = self._settings.first_token_s
        try:
            async with asyncio.timeout(within_s):
                response = await self._client.send(request, stream=True)
        except (TimeoutError, httpx2.HTTPError) as wrong:
            raise _translated(wrong) from wrong
        try:
            response.raise_for_status()
            reader = ReplyReader(tools)
            async with aclosing(cast("AsyncGenerator[str, None]", response.aiter_lines())) as lines:
                while (chunk := await _next_chunk(lines, within_s)) is not None:
                    parts = list(reader.feed(chunk))
                    if chunk.has_news:
                        within_s = self._settings.next_token_s
                        parts = parts or [""]
                    for part in parts:
                        yield part
            for part in reader.finish():
                yield part
        except _WRONG as wrong:
            raise _translated(wrong) from wrong
        finally:
            await response.aclose()

    async def read_ahead(
        self, messages: Sequence[Message], call_id: str, tools: Sequence[ToolOffer] = ()
    ) -> float | None:
        """Have the server read `messages`; costs it one token.

        The probability that the last message, the caller's words so far, may end there; None when the server does not
        say. Raises as `stream` does.
        """
        words = open_ended(messages[-1].content) if messages[-1].role == "user" else ""
        try:
            async with asyncio.timeout(self._settings.first_token_s):
                if words and self._tells:
                    return await self._verdict([*messages[:-1], Message("user", words)], call_id, tools)
                await self._chat(self._body(messages, call_id, 1, tools))
        except _WRONG as wrong:
            raise _translated(wrong) from wrong
        return None

    async def write(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> str:
        """A whole message, written while the talk goes on. Raises as `stream` does, also when it is not what was asked.

        The embedded server writes for one call at a time, where no call's conversation is kept.
        """
        aside = {"id_slot": self._slots.aside} if self._slots else {}
        body = self._body(messages, call_id, max_tokens, ()) | keeping_to(schema) | aside
        try:
            async with asyncio.timeout(self._settings.write_within_s):
                text = msgspec.json.decode((await self._chat(body)).content, type=Written).text.strip()
            if schema is not None:
                msgspec.json.decode(text)
        except TimeoutError as late:
            raise EngineTimeout(ENGINE, "not written in time; see CLIENT_CALLER_THINKING__WRITE_WITHIN_S") from late
        except _WRONG as wrong:
            raise _translated(wrong) from wrong
        if not text:
            raise EngineCrashed(ENGINE, "it wrote nothing")
        return text

    async def _verdict(self, messages: Sequence[Message], call_id: str, tools: Sequence[ToolOffer]) -> float | None:
        try:
            answer = await (self._extend_embedded if self._slots else self._extend)(messages, call_id, tools)
        except httpx2.HTTPStatusError as refusal:
            if refusal.response.status_code not in _NOT_UNDERSTOOD:
                raise
            self._tells = False
            log.warning("the language model server does not tell how likely a sentence may end; it is not asked again")
            return None
        likeliest = msgspec.json.decode(answer.content, type=Completion).likeliest
        return p_end(likeliest) if likeliest else None

    async def _extend(self, messages: Sequence[Message], call_id: str, tools: Sequence[ToolOffer]) -> httpx2.Response:
        """What may follow the last message, by OpenAI's protocol with vLLM's two flags for an unfinished message."""
        unfinished = {"add_generation_prompt": False, "continue_final_message": True}
        chances = {"logprobs": True, "top_logprobs": _LIKELIEST}
        return await self._chat(self._body(messages, call_id, 1, tools) | unfinished | chances)

    async def _extend_embedded(
        self, messages: Sequence[Message], call_id: str, tools: Sequence[ToolOffer]
    ) -> httpx2.Response:
        """The same by llama.cpp's own: the rendered prompt, cut off behind the caller's last word."""
        told = as_text(messages, tools)
        if self._rendered[0] != told[:-1]:
            answer = await self._post(f"{self._llamacpp}/apply-template", {"messages": conversation(told)})
            prompt = msgspec.json.decode(answer.content, type=Rendered).prompt
            self._rendered = (told[:-1], prompt[: prompt.rindex(told[-1].content)])
        prompt = self._rendered[1] + told[-1].content
        body = {"prompt": prompt, "n_predict": 1, "n_probs": _LIKELIEST}
        return await self._post(f"{self._llamacpp}/completion", body | self._own_options(call_id))

    async def _chat(self, body: dict[str, Any]) -> httpx2.Response:
        return await self._post(f"{self._api}/chat/completions", body | {"stream": False})

    async def _post(self, url: str, body: dict[str, Any]) -> httpx2.Response:
        response = await self._client.post(url, json=body)
        response.raise_for_status()
        return response

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.aclose()

    def _body(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, tools: Sequence[ToolOffer]
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._settings.model,
            "messages": conversation(as_text(messages, tools) if self._in_text else messages),
            "max_tokens": max_tokens,
            "temperature": TEMPERATURE,
            "stream": True,
        }
        stop = {"stop": [RESULT]} if tools else {}
        return body | (stop if self._in_text else offer(tools)) | self._own_options(call_id)

    def _own_options(self, call_id: str) -> dict[str, Any]:
        return {**EMBEDDED_OPTIONS, "id_slot": self._slots.of(call_id)} if self._slots else {}


async def _next_chunk(lines: AsyncIterator[str], within_s: float) -> Chunk | None:
    """The next event of a stream; None at its end. Raises TimeoutError, EngineCrashed."""
    async with asyncio.timeout(within_s):
        async for line in lines:
            if not line.startswith(_DATA):
                continue
            if (data := line.removeprefix(_DATA)) == _DONE:
                return None
            chunk = msgspec.json.decode(data, type=Chunk)
            if chunk.error:
                raise EngineCrashed(ENGINE, "the server reported an error in its stream")
            return chunk
    return None


def _translated(wrong: Exception) -> EngineError:
    """What went wrong, in our own terms."""
    if isinstance(wrong, TimeoutError):
        return EngineTimeout(ENGINE, "no token in time; see CLIENT_CALLER_THINKING__FIRST_TOKEN_S and __NEXT_TOKEN_S")
    if isinstance(wrong, httpx2.HTTPStatusError):
        return refusal(ENGINE, wrong.response.status_code)
    if isinstance(wrong, httpx2.HTTPError):
        return EngineCrashed(ENGINE, "the connection to the server failed")
    return EngineCrashed(ENGINE, "what the server sends is not what the protocol says")
