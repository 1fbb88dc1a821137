"""A language model server to be measured: the embedded one, or any at an address; and how to ask it without our client.

In:   request bodies.     Out: when each fragment came, and what the server says of itself.
Rule: asking it bare is the least a program can do: send the bytes, split lines, take the text out of the JSON.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from client_caller.models.store import ModelStore
from client_caller.settings import Settings, ThinkingSettings
from client_caller.thinking.llamacpp import LlamaServer
from client_caller.thinking.openai_client import OpenAIModel

EMBEDDED_MODEL: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_PATIENCE_S: Final = 60.0
_FREE_WITHIN_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.002
_GAUGE: Final = re.compile(r"^vllm:(num_requests_running|generation_tokens_total)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Asked:
    """One answer, asked for bare. fragments: seconds from asking to each, and its text;  ended_s: to the end;
    prompt_tokens, cached_tokens: as the server tells when it is asked to, or None.
    """

    fragments: list[tuple[float, str]]
    ended_s: float
    prompt_tokens: int | None = None
    cached_tokens: int | None = None

    @property
    def first_token_s(self) -> float | None:
        return self.fragments[0][0] if self.fragments else None


@dataclass(frozen=True, slots=True)
class Busy:
    """What a server says it is doing. made: tokens of the reply it is at, or of all that it ever made."""

    is_busy: bool
    made: int


class Server:
    """A server, and a bare connection to it. embedded: it is our own llama.cpp, whose slots can be looked at."""

    def __init__(self, base_url: str, api_key: str, settings: ThinkingSettings, *, embedded: bool) -> None:
        self.settings = settings.model_copy(update={"first_token_s": _PATIENCE_S, "next_token_s": _PATIENCE_S})
        self.embedded = embedded
        self.model = OpenAIModel(base_url, api_key, self.settings, embedded=embedded)
        # As our client: llama.cpp drops kept connections, so that each request needs one of its own.
        close = {"Connection": "close"} if embedded else {}
        self._client = httpx2.AsyncClient(headers={"Authorization": f"Bearer {api_key}", **close}, timeout=_PATIENCE_S)
        self._api = base_url.rstrip("/")
        self._root = self._api.removesuffix("/v1")

    async def ask(self, body: Mapping[str, Any], fragments: int = 1_000) -> Asked:
        """Ask, take at most so many fragments of text, and close the connection."""
        came: list[tuple[float, str]] = []
        usage: dict[str, Any] = {}
        began = time.perf_counter()
        async with self._client.stream("POST", f"{self._api}/chat/completions", json=body) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                chunk = json.loads(line[6:])
                usage = chunk.get("usage") or usage
                text = "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])
                if text:
                    came.append((time.perf_counter() - began, text))
                if len(came) >= fragments:
                    break
            ended_s = time.perf_counter() - began
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
        return Asked(came, ended_s, usage.get("prompt_tokens"), cached)

    async def doing(self, slot: int | None) -> Busy | None:
        """What it does now, in this slot if it has slots; None when it does not tell."""
        if self.embedded:
            state = (await self._client.get(f"{self._root}/slots")).json()[slot or 0]
            return slot_of(state)
        return busy_of((await self._client.get(f"{self._root}/metrics")).text)

    async def free(self, slot: int | None) -> list[Busy]:
        """Wait until it is free, and tell what was seen meanwhile, the last time being free."""
        seen: list[Busy] = []
        async with asyncio.timeout(_FREE_WITHIN_S):
            while (state := await self.doing(slot)) is not None:
                seen.append(state)
                if not state.is_busy:
                    break
                await asyncio.sleep(_LOOK_EVERY_S)
        return seen

    async def close(self) -> None:
        await self.model.close()
        await self._client.aclose()


def slot_of(state: Mapping[str, Any]) -> Busy:
    """What llama.cpp tells of a slot. One that was never used has made nothing, and says nothing of it."""
    return Busy(state["is_processing"], sum(each["n_decoded"] for each in state.get("next_token", ())))


def busy_of(metrics: str) -> Busy | None:
    """The same from vLLM's page of metrics; None when there is nothing of the kind on it."""
    found = {name: float(value) for name, value in _GAUGE.findall(metrics)}
    if "num_requests_running" not in found:
        return None
    return Busy(found["num_requests_running"] > 0, round(found.get("generation_tokens_total", 0)))


@asynccontextmanager
async def serving(settings: Settings, url: str, model: str, api_key: str) -> AsyncIterator[Server]:
    """The server at this address, or the embedded one, started for the purpose."""
    if url:
        named = settings.thinking.model_copy(update={"base_url": url, "model": model or settings.thinking.model})
        server = Server(url, api_key or "none", named, embedded=False)
        try:
            yield server
        finally:
            await server.close()
        return
    llama = LlamaServer(ModelStore(settings.models).path(EMBEDDED_MODEL), settings.thinking)
    await llama.start()
    try:
        server = Server(llama.base_url, llama.api_key, settings.thinking, embedded=True)
        yield server
        await server.close()
    finally:
        await llama.stop()
