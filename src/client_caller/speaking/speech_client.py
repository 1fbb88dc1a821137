"""OpenAI's speech protocol, from the client's side.

In:   text.     Out: the server's sound as it comes.
Rule: one request a piece; whoever wants no more of it closes its connection. Nothing is tried twice: the next voice of
      the chain is sooner there. Words and keys are in no error and no log.

Source of the protocol: OpenAI's API reference, "Create speech": JSON with `model`, `input`, `voice` and
`response_format`, answered by the sound itself; "pcm" is signed 16 bits, little-endian, mono, without a header.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import httpx2
import numpy as np

from client_caller.audio.frame import Samples
from client_caller.errors import EngineCrashed, refusal

_ENGINE: Final = "voice"
_SAMPLE_BYTES: Final = 2
_KEPT_OPEN_S: Final = 3.0
"""Common servers drop an idle connection after 5 s; a request that meets the drop would be lost."""


class SpeechClient:
    """A server's POST {url}/audio/speech. key: may be empty;  model, voice: the server's names for them."""

    def __init__(self, url: str, key: str, model: str, voice: str) -> None:
        self._client = httpx2.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            limits=httpx2.Limits(keepalive_expiry=_KEPT_OPEN_S),
            timeout=None,
        )
        self._order = {"model": model, "voice": voice, "response_format": "pcm"}

    async def sound(self, text: str) -> AsyncGenerator[Samples, None]:
        """The text as sound, at the server's rate. Raises EngineError."""
        half = b""
        try:
            async with self._client.stream("POST", "/audio/speech", json={**self._order, "input": text}) as answer:
                if answer.is_error:
                    raise refusal(_ENGINE, answer.status_code)
                async with aclosing(answer.aiter_bytes()) as chunks:
                    async for chunk in chunks:
                        pcm = half + chunk
                        whole = len(pcm) - len(pcm) % _SAMPLE_BYTES
                        half = pcm[whole:]
                        yield np.frombuffer(pcm[:whole], "<i2").astype(np.float32) / np.float32(32_768)
        except httpx2.HTTPError as wrong:
            raise EngineCrashed(_ENGINE, "the connection to the speech server failed") from wrong
        if half:
            raise EngineCrashed(_ENGINE, "the speech server broke off within a sample")

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.aclose()
