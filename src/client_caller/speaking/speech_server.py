"""The voice of any server that speaks OpenAI's speech protocol: vLLM-Omni, Kokoro-FastAPI, Speaches, and others.

In:   text.     Out: speech at 8 kHz as the server makes it, with the times of its words.
Rule: what was said before a piece is not told; the protocol has no words for it.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from client_caller.errors import ConfigError
from client_caller.settings import SpeakingSettings
from client_caller.speaking.finished import Finish
from client_caller.speaking.protocol import Speech, Talk
from client_caller.speaking.speech_client import SpeechClient


class SpeechServer:
    """Text to speech behind HTTP.

    settings: the server's address and model, and the rate of its sound;  voice: one of the server's.
    Raises ConfigError when the address is none, or no voice is named.
    """

    def __init__(self, settings: SpeakingSettings, voice: str) -> None:
        if not settings.server_url.startswith(("http://", "https://")):
            raise ConfigError(
                "CLIENT_CALLER_SPEAKING__ENGINE is server: set CLIENT_CALLER_SPEAKING__SERVER_URL to http://…/v1 or "
                f"https://…/v1 (it is {settings.server_url!r})"
            )
        if not voice:
            raise ConfigError(
                "CLIENT_CALLER_SPEAKING__ENGINE is server: name one of its voices in the agent file, [voice] prompt, "
                "or in CLIENT_CALLER_SPEAKING__SERVER_VOICE"
            )
        key = settings.server_api_key.get_secret_value()
        self._client = SpeechClient(settings.server_url, key, settings.server_model, voice)
        self._hz = settings.server_hz
        self._finish = Finish()

    async def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
        """The piece as it is made. Raises EngineError."""
        if not text.strip():
            return
        async with aclosing(self._finish.speech(text, self._client.sound(text), self._hz)) as speeches:
            async for speech in speeches:
                yield speech

    def leave(self, call_id: str) -> None:
        """Nothing is kept of a call."""

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.close()
