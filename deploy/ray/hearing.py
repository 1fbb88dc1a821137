"""Ears for all gateways: speech to text behind OpenAI's protocol, as a deployment of Ray Serve.

In:   POST /v1/audio/transcriptions, a form with `file` (WAV, 16 kHz, mono, 16 bits) and `language`.
Out:  {"text": "…"}. 400: what is asked cannot be had;  503: no room, or the ears are broken.
Rule: the engine is the one that a gateway would have in its own process: Moonshine, or Whisper in batches, by
      CLIENT_CALLER_HEARING__ENGINE. No word of the caller's gets into a log.
"""

import asyncio
import io
import wave
from collections.abc import Sequence
from typing import Final

import numpy as np
from deploy.ray.telling import Waits, told, well
from pydantic import BaseModel, ConfigDict
from ray import serve
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from client_caller.audio.frame import Samples
from client_caller.errors import ConfigError, EngineError
from client_caller.hearing.moonshine import MoonshinePool
from client_caller.hearing.whisper import WhisperBatches
from client_caller.models.catalogue import EMBEDDED
from client_caller.models.store import ModelStore
from client_caller.settings import Settings, load_settings
from client_caller.speaking.csm.speech_http import told_error

_HZ: Final = 16_000
_LONGEST_BYTES: Final = 60 * 2 * _HZ
"""A minute; a gateway sends ten seconds at most, and some before them."""

_WELL_FOR_S: Final = 10.0
"""So long ears that have just worked are not asked to prove it."""

_MOONSHINE: Final = "moonshine-tiny-en/"


class Ears(BaseModel):
    """Arguments in the Serve config. language: of the callers;  hints: words that they may say, for Whisper."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    language: str = "en"
    hints: tuple[str, ...] = ()


@serve.deployment(name="Hearing")
@serve.ingress()
class Hearing:
    """One replica: one model."""

    async def __init__(self, ears: Ears) -> None:
        self._language = ears.language
        self._waits = Waits()
        self._transcriber = await asyncio.to_thread(transcriber_of, load_settings(), ears.language, ears.hints)
        await self._transcriber.transcribe(tone())  # the first time is slow
        self._well_at = asyncio.get_running_loop().time()

    def __serve_build_asgi_app__(self) -> Starlette:
        return Starlette(routes=[Route("/v1/audio/transcriptions", self.transcriptions, methods=["POST"])])

    async def transcriptions(self, request: Request) -> Response:
        """The words of one stretch."""
        try:
            async with request.form(max_files=1, max_fields=16) as form:
                file, language = form.get("file"), form.get("language", self._language)
                if not isinstance(file, UploadFile) or (file.size or 0) > _LONGEST_BYTES + 4_096:
                    return told_error(400, "file: a WAV file of at most a minute is wanted", "file")
                samples = samples_of(await file.read())
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except (wave.Error, EOFError, ConfigError) as wrong:
            return told_error(400, f"file: {wrong}", "file")
        if language != self._language:
            return told_error(400, f"language: these ears know {self._language} only", "language")
        try:
            with self._waits.noting():
                text = await self._transcriber.transcribe(samples)
        except EngineError as failed:
            return told(failed)
        self._well_at = asyncio.get_running_loop().time()
        return JSONResponse({"text": text})

    async def check_health(self) -> None:
        """Raises when this replica must be replaced: its library or its card does not do what it did at the start."""
        now = asyncio.get_running_loop().time()
        if now - self._well_at < _WELL_FOR_S:
            return
        try:
            await self._transcriber.transcribe(tone())
        except EngineError as failed:
            if not well(failed):
                raise
            return
        self._well_at = now

    def record_autoscaling_stats(self) -> dict[str, float]:
        """For the policy by latency."""
        return self._waits.figures()

    def __del__(self) -> None:
        if hasattr(self, "_transcriber"):
            self._transcriber.close()


def transcriber_of(settings: Settings, language: str, hints: Sequence[str]) -> MoonshinePool | WhisperBatches:
    """The engine that the settings name. Raises ConfigError for one that is none, ModelUnavailable."""
    hearing = settings.hearing
    if hearing.engine == "whisper":
        return WhisperBatches(hearing, language, hints)
    if hearing.engine == "moonshine" and language == "en":
        store = ModelStore(settings.models)
        files = [store.path(each.name) for each in EMBEDDED if each.name.startswith(_MOONSHINE)]
        return MoonshinePool(files[0].parent, hearing.workers)
    raise ConfigError(
        f"CLIENT_CALLER_HEARING__ENGINE of the ears on Ray is moonshine (English only) or whisper, and not "
        f"{hearing.engine} for {language!r}"
    )


def samples_of(file: bytes) -> Samples:
    """The sound in a WAV file, shape (n,), [-1, 1]. Raises wave.Error, EOFError, and ConfigError for another form."""
    with wave.open(io.BytesIO(file), "rb") as sound:
        form = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
        if form != (_HZ, 1, 2):
            raise ConfigError(f"16 kHz, mono, 16 bits are wanted, and not {form[0]} Hz, {form[1]} x {8 * form[2]} bits")
        pcm = sound.readframes(sound.getnframes())
    return np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float32) / np.float32(32_768)


def tone() -> Samples:
    """A second that swells, for silence or a steady tone would not be decoded."""
    swelling: Samples = np.linspace(0, 1, _HZ, dtype=np.float32)
    return swelling * np.sin(np.arange(_HZ) / 25, dtype=np.float32)


def app(ears: Ears) -> serve.Application:
    """The application, for a Serve config file."""
    return Hearing.bind(ears)
