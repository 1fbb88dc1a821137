"""The small language model for all gateways on machines without a card: llama.cpp, a deployment of Ray Serve.

In:   POST /v1/chat/completions, as OpenAI has it, streamed or not.     Out: what llama.cpp answers, as it comes.
Rule: what the model needs and only llama.cpp takes is added here, so that a gateway asks as it would ask vLLM. What
      llama.cpp would misunderstand is refused with 501, and a gateway then does not ask for it again. No word of a
      conversation gets into a log.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
from deploy.ray.telling import Waits
from ray import serve
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from client_caller.errors import EngineCrashed
from client_caller.models.store import ModelStore
from client_caller.settings import load_settings
from client_caller.speaking.csm.speech_http import told_error
from client_caller.thinking.llamacpp import LlamaServer

_MODEL: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_NAME: Final = "SmolLM2-135M-Instruct"
_ADDED: Final[dict[str, Any]] = {"cache_prompt": True, "repeat_penalty": 1.1, "repeat_last_n": 64}
"""Without the penalty this model answers all of a call with its first sentence."""

_UNFINISHED: Final = "continue_final_message"
"""vLLM's flag for words that go on; llama.cpp ends the caller's message instead and then tells another probability."""

_BODY_BYTES: Final = 1_048_576
_ALIVE_WITHIN_S: Final = 3.0


@serve.deployment(name="Thinking")
@serve.ingress()
class Thinking:
    """One replica: one llama.cpp process, started again when it dies or hangs."""

    async def __init__(self) -> None:
        settings = load_settings()
        path = await asyncio.to_thread(ModelStore(settings.models).path, _MODEL)
        self._waits = Waits()
        self._llama = LlamaServer(path, settings.thinking)
        await self._llama.start()
        # llama.cpp drops kept connections without a word, so none is kept.
        headers = {"Authorization": f"Bearer {self._llama.api_key}", "Connection": "close"}
        self._client = httpx2.AsyncClient(headers=headers, timeout=None, trust_env=False)
        self._watch = asyncio.create_task(self._llama.keep_alive(), name="llama.cpp watch")

    def __serve_build_asgi_app__(self) -> Starlette:
        chat = Route("/v1/chat/completions", self.chat, methods=["POST"])
        return Starlette(routes=[chat, Route("/v1/models", self.models)])

    async def models(self, request: Request) -> Response:
        """The one model, as OpenAI lists models."""
        model = {"id": _NAME, "object": "model", "created": 0, "owned_by": "HuggingFaceTB"}
        return JSONResponse({"object": "list", "data": [model]})

    async def chat(self, request: Request) -> Response:
        """A reply. 400: the body is none;  413: it is too long;  501: it asks for what only vLLM can;  503: no room."""
        try:
            asked = await _asked(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except ValueError as wrong:
            return told_error(400, str(wrong))
        if asked is None:
            return told_error(413, f"a request has at most {_BODY_BYTES} bytes")
        if asked.get(_UNFINISHED):
            return told_error(501, f"{_UNFINISHED}: this server cannot", _UNFINISHED)
        began_at = asyncio.get_running_loop().time()
        order = self._client.build_request("POST", f"{self._llama.base_url}/chat/completions", json={**_ADDED, **asked})
        try:
            answer = await self._client.send(order, stream=True)
        except httpx2.HTTPError:
            return told_error(500, "llama.cpp is not there; it is being started again", code="engine")
        return StreamingResponse(
            self._passed_on(answer, began_at), answer.status_code, media_type=answer.headers.get("content-type")
        )

    async def _passed_on(self, answer: httpx2.Response, began_at: float) -> AsyncIterator[bytes]:
        """As it comes. When nobody reads on, the connection is closed, by which llama.cpp knows that a slot is free."""
        is_first = True
        try:
            async for chunk in answer.aiter_raw():
                if is_first:
                    self._waits.note(began_at)
                    is_first = False
                yield chunk
        except httpx2.HTTPError as broken:  # the answer is not ended in order, so nobody takes it for the whole
            raise EngineCrashed("language model", "llama.cpp broke off") from broken
        finally:
            await answer.aclose()

    async def check_health(self) -> None:
        """Raises while llama.cpp does not answer; when that lasts, Serve replaces the replica."""
        url = f"{self._llama.base_url.removesuffix('/v1')}/health"
        try:
            async with asyncio.timeout(_ALIVE_WITHIN_S):
                (await self._client.get(url)).raise_for_status()
        except (TimeoutError, httpx2.HTTPError) as wrong:
            raise EngineCrashed("language model", "llama.cpp does not answer") from wrong

    def record_autoscaling_stats(self) -> dict[str, float]:
        """For the policy by latency."""
        return self._waits.figures()

    async def __del__(self) -> None:
        if hasattr(self, "_watch"):
            self._watch.cancel()
            await self._client.aclose()
            await self._llama.stop()


async def _asked(request: Request) -> dict[str, Any] | None:
    """The body; None when it is too long. Raises ValueError when it is no JSON object, ClientDisconnect."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES:
            return None
    try:
        asked = json.loads(body)
    except ValueError:
        raise ValueError("the body is not JSON") from None
    if not isinstance(asked, dict):
        raise ValueError("the body must be an object")  # noqa: TRY004  (the client's mistake, as above)
    return asked


app: Final = Thinking.bind()
