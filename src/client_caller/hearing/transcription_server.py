"""The client of any server that speaks OpenAI's transcription protocol: vLLM, Speaches, and others.

In:   samples at 16 kHz, one stretch of speech.     Out: its words.
Rule: one request a stretch; a cancelled one closes its connection. Nothing is tried twice: a caller who waits is better
      served by the conversation's own fallback. Words and keys are in no error and no log.

Source of the protocol: OpenAI's API reference, "Create transcription": a multipart form with `file`, `model`,
`language`, `prompt`, `response_format` and `temperature`, answered by {"text": "…"}.
"""

import asyncio
import io
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httpx2
import msgspec
import numpy as np

from client_caller.audio.frame import Samples
from client_caller.audio.levels import at_level
from client_caller.errors import ConfigError, EngineCrashed, EngineError, EngineTimeout, refusal
from client_caller.hearing.plausible import LEVEL_DBFS, believed, holds_voice
from client_caller.settings import HearingSettings

_ENGINE: Final = "transcriber"
_HZ: Final = 16_000
_KEPT_OPEN_S: Final = 3.0
"""Common servers drop an idle connection after 5 s; a request that meets the drop would be lost."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What of an answer matters here; the rest is passed over."""

    text: str


class TranscriptionServer:
    """Speech to text behind HTTP.

    settings: the server's address and model, and the time limit;  language: of the callers, e.g. "en";
    hints: words they may say. Raises ConfigError when the address is none.
    """

    def __init__(self, settings: HearingSettings, language: str, hints: Sequence[str] = ()) -> None:
        if not settings.server_url.startswith(("http://", "https://")):
            raise ConfigError(
                "CLIENT_CALLER_HEARING__ENGINE is server: set CLIENT_CALLER_HEARING__SERVER_URL to http://…/v1 or "
                f"https://…/v1 (it is {settings.server_url!r})"
            )
        self._client = httpx2.AsyncClient(
            base_url=settings.server_url,
            headers={"Authorization": f"Bearer {settings.server_api_key.get_secret_value()}"},
            limits=httpx2.Limits(keepalive_expiry=_KEPT_OPEN_S),
            timeout=None,
        )
        self._within_s = settings.server_within_s
        self._form = {
            "model": settings.server_model,
            "language": language,
            "response_format": "json",
            "temperature": "0",
        }
        if hints:
            self._form["prompt"] = ", ".join(hints)

    async def transcribe(self, samples: Samples) -> str:
        """The words in `samples` (shape (n,), 16 kHz, [-1, 1]), or "" when there are none. Raises EngineError."""
        if not holds_voice(samples, _HZ):
            return ""
        sound = {"file": ("speech.wav", _wav(at_level(samples, LEVEL_DBFS)), "audio/wav")}
        try:
            async with asyncio.timeout(self._within_s):
                answer = await self._client.post("/audio/transcriptions", data=self._form, files=sound)
            answer.raise_for_status()
            return believed(msgspec.json.decode(answer.content, type=_Answer).text)
        except (TimeoutError, httpx2.HTTPError, msgspec.MsgspecError, UnicodeDecodeError) as wrong:
            raise _translated(wrong) from wrong

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.aclose()


def _wav(samples: Samples) -> bytes:
    """16-bit mono; what is louder than full scale is clipped."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_HZ)
        sound.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return file.getvalue()


def _translated(wrong: Exception) -> EngineError:
    """What went wrong, in our own terms."""
    if isinstance(wrong, TimeoutError):
        return EngineTimeout(_ENGINE, "no words in time; see CLIENT_CALLER_HEARING__SERVER_WITHIN_S")
    if isinstance(wrong, httpx2.HTTPStatusError):
        return refusal(_ENGINE, wrong.response.status_code)
    if isinstance(wrong, httpx2.HTTPError):
        return EngineCrashed(_ENGINE, "the connection to the server failed")
    return EngineCrashed(_ENGINE, "the server's answer is not what the protocol says")
