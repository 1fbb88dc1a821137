"""Speech over HTTP, as OpenAI's API has it, and what operators ask of the server.

In:   POST /v1/audio/speech {"model": "csm-1b", "input": "Good morning.", "voice": "anna", "response_format": "wav"}.
Out:  the sound, 24 kHz mono in 16 bits, as it is made: `pcm` without a header, `wav` behind one of unknown length.
Rule: who closes the connection stops the voice at once. What is asked for and cannot be given is an error that names
      the field, never something else instead. No word of the text gets into the log or into an error.

    GET /v1/models      GET /v1/audio/voices      GET /health, 503 when the engine is over or hangs      GET /metrics

Source: https://platform.openai.com/docs/api-reference/audio/createSpeech; errors are of OpenAI's shape.
"""

import asyncio
import logging
import os
import re
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from client_caller.errors import ConfigError, EngineCrashed, EngineError, EngineOverloaded
from client_caller.speaking.csm.protocol import HZ, RANKS
from client_caller.speaking.csm.turns import Manner, Utterance
from client_caller.speaking.csm.wire import NO_VOICE, TEXT_CHARS, WARMEST, pcm_of
from client_caller.speaking.csm.worker import OpenCall, Worker

log = logging.getLogger("client_caller.csm")

MODEL: Final = "csm-1b"

_BODY_BYTES: Final = 65_536
"""The largest request: of the longest text each character may take twelve bytes in JSON."""

_ALIVE_WITHIN_S: Final = 10.0
"""How long the thread may take to answer: as long as a step of the full model on a slow CPU."""

_UTTERANCE: Final = "speech"
_KINDS: Final = {"pcm": "audio/pcm", "wav": "audio/wav"}
_UNKNOWN: Final = 0xFFFF_FFFF
_DEFAULT: Final = Manner()


class SpeechRequest(BaseModel):
    """OpenAI's fields, and `temperature`, `top_k` and `seed` of this model."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    model: str
    input: Annotated[str, StringConstraints(max_length=TEXT_CHARS, pattern=r"\S")]
    voice: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    response_format: Literal["pcm", "wav"] = "wav"
    speed: Literal[1] = 1
    stream_format: Literal["audio"] = "audio"
    temperature: Annotated[float, Field(ge=0, le=WARMEST)] = _DEFAULT.temperature
    top_k: Annotated[int, Field(ge=1, le=RANKS)] = _DEFAULT.top_k
    seed: Annotated[int, Field(ge=0, lt=2**63)] = _DEFAULT.seed


def speech_routes(worker: Worker, voices: Callable[[], Sequence[str]]) -> list[Route]:
    """All of them. voices: the names that `voice` may have."""
    routes = _Routes(worker, voices)
    return [
        Route("/v1/audio/speech", routes.speech, methods=["POST"]),
        Route("/v1/audio/voices", routes.voices),
        Route("/v1/models", routes.models),
        Route("/health", routes.health),
        Route("/metrics", routes.metrics),
    ]


def told_error(status: int, message: str, param: str | None = None, code: str | None = None) -> JSONResponse:
    """An error in OpenAI's shape. param: the field it is about."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {"Retry-After": "1"} if status == 503 else None
    return JSONResponse({"error": {"message": message, "type": kind, "param": param, "code": code}}, status, headers)


def wav_header() -> bytes:
    """The head of a WAV file whose length is not known yet: 0xFFFFFFFF, as ffmpeg writes it into a pipe."""
    form = struct.pack("<HHIIHH", 1, 1, HZ, 2 * HZ, 2, 16)  # PCM, channels, rate, bytes a second, a sample's, its bits
    head = struct.pack("<4sI4s", b"RIFF", _UNKNOWN, b"WAVE")
    return head + struct.pack("<4sI", b"fmt ", len(form)) + form + struct.pack("<4sI", b"data", _UNKNOWN)


class _Routes:
    """One method a route."""

    def __init__(self, worker: Worker, voices: Callable[[], Sequence[str]]) -> None:
        self._worker = worker
        self._voices = voices

    async def speech(self, request: Request) -> ASGIApp:
        """The sound. 400: a field is wrong;  404: there is no such model;  503: no room, or the engine is over."""
        try:
            asked = SpeechRequest.model_validate_json(await _body(request))
        except ValidationError as wrong:
            return _unfit(wrong)
        except _TooLongError:
            return told_error(413, f"a request has at most {_BODY_BYTES} bytes")
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        if asked.model != MODEL:
            return told_error(404, f"model: there is {MODEL} here, and no other", "model", "model_not_found")
        try:
            manner = Manner(asked.temperature, asked.top_k, asked.seed, paced=False)
            call = await self._worker.open(asked.voice, manner)
        except ConfigError as unknown:
            log.warning("a voice could not be had", extra={"why": str(unknown)})
            return told_error(400, f"voice: {NO_VOICE}", "voice")
        except EngineError as failed:
            return _not_now(failed)
        return _Speech(call, asked)

    async def voices(self, request: Request) -> Response:
        """The names that `voice` may have."""
        return JSONResponse({"voices": list(self._voices())})

    async def models(self, request: Request) -> Response:
        """The one model, as OpenAI lists models."""
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "sesame"}
        return JSONResponse({"object": "list", "data": [model]})

    async def health(self, request: Request) -> Response:
        """Whether the engine's thread runs, and how it does."""
        try:
            async with asyncio.timeout(_ALIVE_WITHIN_S):
                figures = await self._worker.figures()
        except TimeoutError:
            return JSONResponse({"status": "the engine hangs"}, 503)
        except EngineError as failed:
            return JSONResponse({"status": str(failed)}, 503)
        return JSONResponse({"status": "alive", "process": os.getpid(), "figures": figures})

    async def metrics(self, request: Request) -> Response:
        """The figures as Prometheus reads them."""
        try:
            async with asyncio.timeout(_ALIVE_WITHIN_S):
                figures = await self._worker.figures()
        except (TimeoutError, EngineError):
            return PlainTextResponse("", 503)
        lines = (f"csm_{re.sub(r'[^a-zA-Z0-9_]', '_', name)} {value:g}\n" for name, value in sorted(figures.items()))
        return PlainTextResponse("".join(lines))


class _Speech:
    """The answer to a request for speech, as an ASGI application; its end, whatever it is, closes the call."""

    def __init__(self, call: OpenCall, asked: SpeechRequest) -> None:
        self._call = call
        self._asked = asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream it. What is refused is told by the status; an engine that breaks later breaks the connection."""
        try:
            await (await self._answer())(scope, receive, send)
        except EngineCrashed as broken:  # the server closes what is not complete, so nobody takes it for the whole
            log.warning("speech broke off", extra={"why": str(broken)})
        finally:
            self._call.close()

    async def _answer(self) -> Response:
        try:
            await self._call.speak(Utterance(_UTTERANCE, self._asked.input))
        except EngineError as failed:
            return _not_now(failed)
        # It is begun before there is sound: only then is it noticed that the client is gone.
        return StreamingResponse(self._sound(), media_type=_KINDS[self._asked.response_format])

    async def _sound(self) -> AsyncIterator[bytes]:
        if self._asked.response_format == "wav":
            yield wav_header()
        async for made in self._call.made():
            if len(made.sound):
                yield pcm_of(made.sound)
            if made.ended is not None:
                return


class _TooLongError(Exception):
    """A request is too long."""


async def _body(request: Request) -> bytes:
    """All of it. Raises _TooLongError, ClientDisconnect."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES:
            raise _TooLongError
    return bytes(body)


def _unfit(wrong: ValidationError) -> JSONResponse:
    """Which field is not as it must be, without what was in it."""
    error = wrong.errors(include_input=False, include_url=False, include_context=False)[0]
    if error["type"] == "json_invalid":
        return told_error(400, "the body is not JSON")
    field = ".".join(map(str, error["loc"]))
    return told_error(400, f"{field or 'the body'}: {error['msg']}", field or None)


def _not_now(failed: EngineError) -> JSONResponse:
    code = "overloaded" if isinstance(failed, EngineOverloaded) else "engine"
    return told_error(503, str(failed), code=code)
