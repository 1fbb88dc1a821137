"""CSM for all gateways, on machines with a card: the server of `client-caller engine csm`, a deployment of Ray Serve.

In:   a gateway's WebSocket, one a call, at /v1/calls; or POST /v1/audio/speech.     Out: speech as it is made.
Rule: the server is the same, and so are its settings: CLIENT_CALLER_BOX__WEIGHTS, __CSM_WEIGHTS, __CSM_RANDOM and
      __CSM_SLOTS, CLIENT_CALLER_SPEAKING__VOICES and __CSM_KEY. A replica whose engine has died or hangs is replaced.
"""

import asyncio
from functools import partial
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from starlette.types import ASGIApp

from client_caller.errors import EngineCrashed
from client_caller.settings import Settings, load_settings
from client_caller.speaking.csm.app import EngineOptions, Shelf, build_engine, engine_app
from client_caller.speaking.csm.prompts import VoiceShelf
from client_caller.speaking.csm.worker import Worker

_ALIVE_WITHIN_S: Final = 10.0


class Calls(BaseModel):
    """Arguments in the Serve config. calls: that may be open at once in one replica, as of `engine csm --calls`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    calls: int = Field(64, ge=1, le=4096)


@serve.deployment(name="Csm")
@serve.ingress()
class Csm:
    """One replica: one engine on its thread."""

    async def __init__(self, calls: Calls) -> None:
        settings = load_settings()
        self._settings = settings
        self._shelf: Shelf = VoiceShelf(settings.speaking.voices)
        clock = asyncio.get_running_loop().time  # as for the engine's own process: it reads the system's clock
        build = partial(build_engine, options_of(settings, calls.calls), self._shelf, clock)
        self._worker = Worker(build, clock, lambda: None, calls.calls)
        await self._worker.start()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return engine_app(self._worker, self._shelf.names, self._settings.speaking.csm_key)

    async def check_health(self) -> None:
        """Raises when the engine is over or its thread does not answer."""
        if not self._worker.is_alive:
            raise EngineCrashed("voice", "the engine is over")
        async with asyncio.timeout(_ALIVE_WITHIN_S):
            await self._worker.figures()

    async def __del__(self) -> None:
        if hasattr(self, "_worker"):
            await self._worker.stop()


def options_of(settings: Settings, calls: int) -> EngineOptions:
    """What is served, by the settings of a machine."""
    box = settings.box
    weights = None if box.csm_random else box.weights / box.csm_weights
    return EngineOptions(weights, box.csm_random or "tiny", settings.speaking.voices, "auto", box.csm_slots, calls)


def app(calls: Calls) -> serve.Application:
    """The application, for a Serve config file."""
    return Csm.bind(calls)
