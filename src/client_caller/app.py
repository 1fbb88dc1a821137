"""The composition root: builds the engines once, puts them into the house, and shuts everything down in order.

In:   settings and an agent.     Out: a FastAPI application that answers calls.
Rule: the only importer of leaves, so whatever can be exchanged is exchanged here.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np
from fastapi import FastAPI

from client_caller.agent import Agent
from client_caller.engines import Engines
from client_caller.errors import EngineError
from client_caller.hearing.moonshine import MoonshinePool
from client_caller.hearing.protocols import Transcriber, TurnModel
from client_caller.hearing.silero import SileroModel
from client_caller.hearing.smart_turn import SmartTurn
from client_caller.hearing.transcription_server import TranscriptionServer
from client_caller.hearing.whisper import WhisperBatches
from client_caller.house import House
from client_caller.line.twilio import signature_check, twilio_router
from client_caller.models.catalogue import EMBEDDED
from client_caller.models.progress import Progress
from client_caller.models.store import ModelStore
from client_caller.settings import HearingSettings, Settings, ThinkingSettings
from client_caller.speaking.espeak import EspeakVoice
from client_caller.speaking.fillers import rendered
from client_caller.speaking.protocol import Voice
from client_caller.sturdy import SturdyModel, SturdyTranscriber, SturdyTurnModel, SturdyVoice, sturdy_activity
from client_caller.thinking.llamacpp import LlamaServer
from client_caller.thinking.openai_client import OpenAIModel
from client_caller.thinking.prompt import Prompt
from client_caller.thinking.protocol import LanguageModel
from client_caller.web.health import health_router

log = logging.getLogger("client_caller.app")

_LANGUAGE_MODEL: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MOONSHINE: Final = "moonshine-tiny-en/"
_WARM_UP_SAMPLES: Final = 16_000  # a second
_WARM_UP_S: Final = 30.0  # for one slot


def pull_models(settings: Settings, progress: Progress) -> None:
    """Bring every embedded model file that is missing. Raises ModelUnavailable."""
    ModelStore(settings.models).pull([artefact.name for artefact in EMBEDDED], progress)


def embedded_voice(name: str, words_per_minute: int, pitch: int) -> Voice:
    """The voice that always works; the rehearsal's caller speaks with it, too. Raises ConfigError."""
    return EspeakVoice(name, words_per_minute, pitch)


def speech_samples(settings: Settings) -> Path:
    """The folder with the human recordings that a rehearsal's caller may play. Raises ModelUnavailable."""
    return ModelStore(settings.models).path("two_cities.wav").parent


@asynccontextmanager
async def running_engines(settings: Settings, agent: Agent) -> AsyncIterator[Engines]:
    """The engines, loaded, warm and watched; they are stopped, last started first, when the block is left.

    Raises ModelUnavailable when a model file is missing, EngineError when an engine does not start.
    """
    store, hearing, speaking = ModelStore(settings.models), settings.hearing, settings.speaking
    async with AsyncExitStack() as stack:
        warm = asyncio.Event()
        models = await _language_models(settings.thinking, agent, store, stack, warm)
        silero = SileroModel(store.path("silero_vad.onnx"))
        turn_model = SmartTurn(store.path("smart-turn-v3.2-cpu.onnx"))
        stack.callback(turn_model.close)
        transcribers = _transcribers(hearing, agent, store, stack)
        voices = [embedded_voice(agent.voice.name, agent.voice.words_per_minute, agent.voice.pitch)]
        await _warm_up(turn_model, transcribers)
        voice = SturdyVoice(voices, speaking.first_sound_s, speaking.next_sound_s)
        yield Engines(
            sturdy_activity(silero.for_call),
            SturdyTurnModel(turn_model),
            SturdyTranscriber(transcribers, hearing.words_within_s),
            SturdyModel(models, settings.thinking.first_token_s, settings.thinking.next_token_s),
            voice,
            await rendered(voice, _known_phrases(agent)),
            warm,
        )


def _known_phrases(agent: Agent) -> list[str]:
    """What will be said word for word, whatever the call."""
    phrases = agent.phrases
    when_unwell = (phrases.repeat, phrases.trouble, phrases.offer, phrases.goodbye)
    when_resumed = (phrases.dropped, phrases.as_i_said, phrases.so_far, phrases.go_on)
    return [agent.greeting, *phrases.fillers, *when_unwell, *when_resumed]


async def _language_models(
    settings: ThinkingSettings, agent: Agent, store: ModelStore, stack: AsyncExitStack, is_warm: asyncio.Event
) -> list[LanguageModel]:
    """The language models that the settings name, the first to be asked first; `stack` ends them.

    is_warm: set when all that is to be read before a call was read.
    """
    models: list[LanguageModel] = []

    def add(base_url: str, api_key: str, settings: ThinkingSettings, *, embedded: bool = False) -> None:
        model = OpenAIModel(base_url, api_key, settings, embedded=embedded)
        stack.push_async_callback(model.close)
        models.append(model)

    if settings.base_url:
        add(settings.base_url, settings.api_key.get_secret_value(), settings)
    if not settings.base_url or settings.fallback == "embedded":
        server = LlamaServer(store.path(_LANGUAGE_MODEL), settings)
        await server.start()
        stack.push_async_callback(server.stop)
        warmer = _SlotWarmer(server, settings, agent)
        stack.push_async_callback(warmer.close)
        await warmer.next_slot()  # enough for one caller, who may be waiting; the others are read meanwhile
        watch = asyncio.create_task(_warm_and_watch(server, warmer, is_warm), name="language model watch")
        stack.callback(watch.cancel)
        add(server.base_url, server.api_key, settings, embedded=True)
    else:
        is_warm.set()
    if settings.fallback == "server":
        named = settings.model_copy(update={"model": settings.fallback_model or settings.model})
        add(settings.fallback_base_url, settings.fallback_api_key.get_secret_value(), named)
    return models


def _transcribers(
    settings: HearingSettings, agent: Agent, store: ModelStore, stack: AsyncExitStack
) -> list[Transcriber]:
    """The transcribers that the settings name, the first to be asked first; `stack` ends them."""
    found: list[Transcriber] = []
    if settings.engine == "whisper":
        whisper = WhisperBatches(settings, agent.language, agent.hints)
        stack.callback(whisper.close)
        found.append(whisper)
    elif settings.engine == "server":
        server = TranscriptionServer(settings, agent.language, agent.hints)
        stack.push_async_callback(server.close)
        found.append(server)
    if not found or settings.fallback:
        moonshine = MoonshinePool(_moonshine_folder(store), settings.workers)
        stack.callback(moonshine.close)
        found.append(moonshine)
    return found


def _moonshine_folder(store: ModelStore) -> Path:
    return {store.path(artefact.name).parent for artefact in EMBEDDED if artefact.name.startswith(_MOONSHINE)}.pop()


async def _warm_up(turn_model: TurnModel, transcribers: Sequence[Transcriber]) -> None:
    """One throw-away run of what is slow the first time. Raises EngineError when no transcriber works."""
    swelling = np.linspace(0, 1, _WARM_UP_SAMPLES, dtype=np.float32)  # silence or a steady tone would not be decoded
    sound = swelling * np.sin(np.arange(_WARM_UP_SAMPLES) / 25, dtype=np.float32)
    await turn_model.p_done(sound)
    for place, transcriber in enumerate(transcribers, 1):
        try:
            await transcriber.transcribe(sound)
        except EngineError as failure:
            if place == len(transcribers):
                raise
            log.warning("a transcriber fails at its warm-up", extra={"place": place, "why": str(failure)})


class _SlotWarmer:
    """Has every slot read what all prompts of this agent begin with, which in a call would take too long."""

    def __init__(self, server: LlamaServer, settings: ThinkingSettings, agent: Agent) -> None:
        patient = settings.model_copy(update={"first_token_s": _WARM_UP_S})
        self._model = OpenAIModel(server.base_url, server.api_key, patient, embedded=True)
        self._slots = settings.slots
        self._messages = Prompt.of(agent).messages(())
        self._warmed = 0

    async def next_slot(self) -> None:
        """Warm one slot. Raises EngineError."""
        await self._model.read_ahead(self._messages, f"warm-up {self._warmed % self._slots}")
        self._warmed += 1

    async def rest(self) -> None:
        """Warm those that are not warm yet."""
        while self._warmed < self._slots:
            await self.next_slot()

    async def anew(self) -> None:
        """Warm all of them, for the server has forgotten everything."""
        self._warmed = 0
        await self.rest()

    async def close(self) -> None:
        """Close idle connections."""
        await self._model.close()


async def _warm_and_watch(server: LlamaServer, warmer: _SlotWarmer, is_warm: asyncio.Event) -> None:
    """Warm the slots that are left, then restart the server whenever it ends or hangs, until cancelled."""
    try:
        await warmer.rest()
    except EngineError as failure:
        log.warning("a slot of the language model could not be warmed", extra={"why": str(failure)})
    is_warm.set()
    await server.keep_alive(warmer.anew)


@asynccontextmanager
async def furnished(house: House, is_open: Callable[[], None], is_closed: Callable[[], None]) -> AsyncIterator[None]:
    """Load the house's engines while the block already runs, and keep them until it is left.

    is_open: called when lines are taken and all is warm;  is_closed: called when the engines are gone, be it that they
    did not start.
    Raises, at the end of the block, what `running_engines` raises.
    """
    to_close, has_opened = asyncio.Event(), False

    async def furnish() -> None:
        async with running_engines(house.settings, house.agent) as engines:
            nonlocal has_opened
            house.open(engines)  # for who is waiting; all others are told when nothing competes with a call any more
            await engines.warm.wait()
            has_opened = True
            is_open()
            await to_close.wait()

    furnishing = asyncio.create_task(furnish(), name="engines")
    furnishing.add_done_callback(lambda _: is_closed())
    try:
        yield
    finally:
        to_close.set()
        if not has_opened:
            furnishing.cancel()
        with suppress(asyncio.CancelledError):
            await furnishing


def check_carrier(settings: Settings, *, insecure: bool) -> None:
    """Raises ConfigError when a setting that the carrier needs is missing; to be known before models are loaded."""
    signature_check(settings, insecure)


def web_app(house: House, *, insecure: bool = False) -> FastAPI:
    """The application that answers calls. Raises ConfigError when a setting that the carrier needs is missing."""
    app = FastAPI(title="Client Caller", openapi_url=None)
    app.include_router(twilio_router(house.settings, house, insecure=insecure))
    app.include_router(health_router(house.has_room))
    return app
