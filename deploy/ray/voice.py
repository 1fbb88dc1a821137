"""A voice for all gateways on machines without a card: eSpeak NG behind OpenAI's protocol, a deployment of Ray Serve.

In:   POST /v1/audio/speech {"model": …, "input": "Good morning.", "voice": "en-us", "response_format": "pcm"}.
Out:  the sound as it is made, 8 kHz mono in 16 bits without a header. 400: a field is wrong;  503: no room.
Rule: as in csm's own server, who closes the connection stops the voice, and no word of the text gets into a log.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Final, Literal

import numpy as np
from deploy.ray.telling import Waits, well
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from ray import serve
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from client_caller.agent import AgentVoice
from client_caller.errors import ConfigError, EngineError
from client_caller.speaking.csm.speech_http import told_error
from client_caller.speaking.csm.wire import TEXT_CHARS
from client_caller.speaking.espeak import EspeakVoice

_BODY_BYTES: Final = 65_536
_VOICES: Final = 64
"""Ways of speaking that are kept; each is a name and a loudness."""

_WELL_FOR_S: Final = 10.0
_HOW: Final = AgentVoice()


class Wanted(BaseModel):
    """What a request may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    model: str
    input: Annotated[str, StringConstraints(max_length=TEXT_CHARS, pattern=r"\S")]
    voice: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    response_format: Literal["pcm"] = "pcm"


@serve.deployment(name="Voice")
@serve.ingress()
class Voice:
    """One replica: one library, which speaks piece after piece."""

    async def __init__(self) -> None:
        self._waits = Waits()
        self._voices: dict[str, EspeakVoice] = {}
        self._well_at = asyncio.get_running_loop().time()
        await self._voice(_HOW.name)

    def __serve_build_asgi_app__(self) -> Starlette:
        return Starlette(routes=[Route("/v1/audio/speech", self.speech, methods=["POST"])])

    async def speech(self, request: Request) -> Response:
        """The sound of a piece."""
        try:
            body = await _body(request)
            if body is None:
                return told_error(413, f"a request has at most {_BODY_BYTES} bytes")
            wanted = Wanted.model_validate_json(body)
            voice = await self._voice(wanted.voice)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except ValidationError as wrong:
            error = wrong.errors(include_input=False, include_url=False, include_context=False)[0]
            return told_error(400, f"{'.'.join(map(str, error['loc'])) or 'the body'}: {error['msg']}")
        except ConfigError:
            return told_error(400, "voice: eSpeak NG has none of this name", "voice")
        return StreamingResponse(self._sound(voice, wanted.input), media_type="audio/pcm")

    async def _sound(self, voice: EspeakVoice, text: str) -> AsyncIterator[bytes]:
        began_at, is_first = asyncio.get_running_loop().time(), True
        async with aclosing(voice.speak(text)) as speeches:
            async for speech in speeches:
                if is_first and len(speech.samples):
                    self._waits.note(began_at)
                    is_first = False
                yield (np.clip(speech.samples, -1, 1) * 32_767).astype("<i2").tobytes()
        self._well_at = asyncio.get_running_loop().time()

    async def _voice(self, name: str) -> EspeakVoice:
        """Raises ConfigError."""
        if name not in self._voices:
            made = await asyncio.to_thread(EspeakVoice, name, _HOW.words_per_minute, _HOW.pitch)
            while len(self._voices) >= _VOICES:
                del self._voices[next(iter(self._voices))]
            self._voices[name] = made
        return self._voices[name]

    async def check_health(self) -> None:
        """Raises when the library does not speak any more."""
        if asyncio.get_running_loop().time() - self._well_at < _WELL_FOR_S:
            return
        try:
            async for _ in self._sound(await self._voice(_HOW.name), "Yes."):
                pass
        except EngineError as failed:
            if not well(failed):
                raise

    def record_autoscaling_stats(self) -> dict[str, float]:
        """For the policy by latency."""
        return self._waits.figures()


async def _body(request: Request) -> bytes | None:
    """All of it; None when it is too long. Raises ClientDisconnect."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES:
            return None
    return bytes(body)


app: Final = Voice.bind()
