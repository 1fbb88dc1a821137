"""The client of any server that speaks OpenAI's chat completions: vLLM, llama.cpp, and many more.

In:   messages.     Out: text fragments as the server streams them.
Rule: closing a stream closes its connection, which is how such servers learn that a slot is free. Nothing is tried
      twice: a caller who waits is better served by the conversation's own fallback.

Source of the protocol: OpenAI's API reference, "Create chat completion" with `stream: true`; the events are lines of
server-sent events, `data: {...}`, the last of them `data: [DONE]`.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import msgspec

from client_caller.errors import EngineCrashed, EngineError, EngineTimeout, refusal
from client_caller.settings import ThinkingSettings
from client_caller.thinking.protocol import Message
from client_caller.thinking.sentence_end import open_ended, p_end
from client_caller.thinking.slots import Slots

log = logging.getLogger("client_caller.thinking")

_ENGINE: Final = "language model"
_TEMPERATURE: Final = 0.0
"""The likeliest word. Small models wander off at anything above, and the same call can be replayed."""

_EMBEDDED: Final[dict[str, Any]] = {"cache_prompt": True, "repeat_penalty": 1.1, "repeat_last_n": 64}
"""What only llama.cpp takes. Without the penalty the embedded model answers all of a call with its first sentence."""

_LIKELIEST: Final = 20
"""Next tokens looked at to tell whether a sentence may end: as many as vLLM gives (`max_logprobs`). On the embedded
model 60 of them gave the same answers."""

_NOT_UNDERSTOOD: Final = frozenset({400, 422, 501})
"""How servers refuse options they do not know."""

_WRONG: Final = (TimeoutError, httpx.HTTPError, msgspec.MsgspecError, UnicodeDecodeError)
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


@dataclass(frozen=True, slots=True)
class _Token:
    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class _Position:
    """One token that was made, and what else it might have been."""

    top_logprobs: tuple[_Token, ...] = ()


@dataclass(frozen=True, slots=True)
class _Logprobs:
    content: tuple[_Position, ...] = ()


@dataclass(frozen=True, slots=True)
class _Continuation:
    """A choice of a chat completion that continues the caller's words."""

    logprobs: _Logprobs | None = None


@dataclass(frozen=True, slots=True)
class _Completion:
    """The answer to a request for one more token: `choices` by OpenAI's protocol, the other by llama.cpp's."""

    choices: tuple[_Continuation, ...] = ()
    completion_probabilities: tuple[_Position, ...] = ()

    @property
    def likeliest(self) -> list[tuple[str, float]]:
        positions = self.completion_probabilities or tuple(
            position for choice in self.choices if choice.logprobs for position in choice.logprobs.content
        )
        return [(token.token, token.logprob) for position in positions[:1] for token in position.top_logprobs]


@dataclass(frozen=True, slots=True)
class _Rendered:
    prompt: str


class OpenAIModel:
    """A language model behind HTTP.

    base_url: ends in /v1;  settings: the model's name and the time limits;
    embedded: it is our own llama.cpp server, which has options of its own.
    """

    def __init__(self, base_url: str, api_key: str, settings: ThinkingSettings, *, embedded: bool) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        if embedded:
            headers["Connection"] = "close"  # llama.cpp drops kept connections without a word
        self._client = httpx.AsyncClient(headers=headers, timeout=None)
        self._api = base_url.rstrip("/")
        self._llamacpp = self._api.removesuffix("/v1")  # its own interface lies beside OpenAI's
        self._settings = settings
        self._slots = Slots(settings.slots) if embedded else None
        self._tells = True
        self._rendered: tuple[list[Message], str] = ([], "")  # messages, and the prompt up to what follows them

    async def stream(self, messages: Sequence[Message], call_id: str, max_tokens: int) -> AsyncGenerator[str, None]:
        """Text fragments of the reply. Raises EngineTimeout, EngineOverloaded, EngineCrashed."""
        body = self._body(messages, call_id, max_tokens)
        request = self._client.build_request("POST", f"{self._api}/chat/completions", json=body)
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
        except _WRONG as wrong:
            raise _translated(wrong) from wrong
        finally:
            await response.aclose()

    async def read_ahead(self, messages: Sequence[Message], call_id: str) -> float | None:
        """Have the server read `messages`; costs it one token.

        The probability that the last message, the caller's words so far, may end there; None when the server does not
        say. Raises as `stream` does.
        """
        words = open_ended(messages[-1].content) if messages[-1].role == "user" else ""
        try:
            async with asyncio.timeout(self._settings.first_token_s):
                if words and self._tells:
                    return await self._verdict([*messages[:-1], Message("user", words)], call_id)
                await self._chat(self._body(messages, call_id, 1))
        except _WRONG as wrong:
            raise _translated(wrong) from wrong
        return None

    async def _verdict(self, messages: Sequence[Message], call_id: str) -> float | None:
        try:
            answer = await (self._extend_embedded if self._slots else self._extend)(messages, call_id)
        except httpx.HTTPStatusError as refusal:
            if refusal.response.status_code not in _NOT_UNDERSTOOD:
                raise
            self._tells = False
            log.warning("the language model server does not tell how likely a sentence may end; it is not asked again")
            return None
        likeliest = msgspec.json.decode(answer.content, type=_Completion).likeliest
        return p_end(likeliest) if likeliest else None

    async def _extend(self, messages: Sequence[Message], call_id: str) -> httpx.Response:
        """What may follow the last message, by OpenAI's protocol with vLLM's two flags for an unfinished message."""
        unfinished = {"add_generation_prompt": False, "continue_final_message": True}
        chances = {"logprobs": True, "top_logprobs": _LIKELIEST}
        return await self._chat(self._body(messages, call_id, 1) | unfinished | chances)

    async def _extend_embedded(self, messages: Sequence[Message], call_id: str) -> httpx.Response:
        """The same by llama.cpp's own: the rendered prompt, cut off behind the caller's last word."""
        if self._rendered[0] != messages[:-1]:
            answer = await self._post(f"{self._llamacpp}/apply-template", {"messages": _plain(messages)})
            prompt = msgspec.json.decode(answer.content, type=_Rendered).prompt
            self._rendered = (list(messages[:-1]), prompt[: prompt.rindex(messages[-1].content)])
        prompt = self._rendered[1] + messages[-1].content
        body = {"prompt": prompt, "n_predict": 1, "n_probs": _LIKELIEST}
        return await self._post(f"{self._llamacpp}/completion", body | self._own_options(call_id))

    async def _chat(self, body: dict[str, Any]) -> httpx.Response:
        return await self._post(f"{self._api}/chat/completions", body | {"stream": False})

    async def _post(self, url: str, body: dict[str, Any]) -> httpx.Response:
        response = await self._client.post(url, json=body)
        response.raise_for_status()
        return response

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.aclose()

    def _body(self, messages: Sequence[Message], call_id: str, max_tokens: int) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._settings.model,
            "messages": _plain(messages),
            "max_tokens": max_tokens,
            "temperature": _TEMPERATURE,
            "stream": True,
        }
        return body | self._own_options(call_id)

    def _own_options(self, call_id: str) -> dict[str, Any]:
        return {**_EMBEDDED, "id_slot": self._slots.of(call_id)} if self._slots else {}


def _plain(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


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
    if isinstance(wrong, httpx.HTTPStatusError):
        return refusal(_ENGINE, wrong.response.status_code)
    if isinstance(wrong, httpx.HTTPError):
        return EngineCrashed(_ENGINE, "the connection to the server failed")
    return EngineCrashed(_ENGINE, "what the server sends is not what the protocol says")
