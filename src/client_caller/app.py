"""The composition root: builds the engines once, admits calls, and shuts everything down in order.

In:   settings and an agent.     Out: a FastAPI application that answers calls.
Rule: the only importer of leaves, so whatever can be exchanged is exchanged here.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from fastapi import FastAPI

from client_caller.agent import Agent
from client_caller.call import Call
from client_caller.conversation.machine import Conversation
from client_caller.conversation.policy import Manner
from client_caller.engines import Engines
from client_caller.hearing.moonshine import MoonshinePool
from client_caller.hearing.protocols import Transcriber
from client_caller.hearing.silero import SileroModel
from client_caller.hearing.smart_turn import SmartTurn
from client_caller.hearing.transcription_server import TranscriptionServer
from client_caller.hearing.whisper import WhisperBatches
from client_caller.line.protocol import Line
from client_caller.line.twilio import signature_check, twilio_router
from client_caller.models.catalogue import EMBEDDED
from client_caller.models.progress import Progress
from client_caller.models.store import ModelStore
from client_caller.records.flight import FlightRecord, Header
from client_caller.records.recording import Recording
from client_caller.settings import HearingSettings, Settings
from client_caller.speaking.espeak import EspeakVoice
from client_caller.speaking.protocol import Voice
from client_caller.thinking.llamacpp import LlamaServer
from client_caller.thinking.openai_client import OpenAIModel
from client_caller.thinking.prompt import Prompt
from client_caller.web.health import health_router

log = logging.getLogger("client_caller.app")

_LANGUAGE_MODEL: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MOONSHINE: Final = "moonshine-tiny-en/"
_WARM_UP_SAMPLES: Final = 16_000  # a second


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
    """The engines, loaded and warm; they are stopped, last started first, when the block is left.

    Raises ModelUnavailable when a model file is missing, EngineError when an engine does not start.
    """
    store = ModelStore(settings.models)
    async with AsyncExitStack() as stack:
        thinking = settings.thinking
        if thinking.base_url:
            base_url, api_key = thinking.base_url, thinking.api_key.get_secret_value()
        else:
            server = LlamaServer(store.path(_LANGUAGE_MODEL), thinking)
            await server.start()
            stack.push_async_callback(server.stop)
            watch = asyncio.create_task(server.keep_alive(), name="language model watch")
            stack.callback(watch.cancel)
            base_url, api_key = server.base_url, server.api_key
        language_model = OpenAIModel(base_url, api_key, thinking, embedded=not thinking.base_url)
        stack.push_async_callback(language_model.close)
        silero = SileroModel(store.path("silero_vad.onnx"))
        turn_model = SmartTurn(store.path("smart-turn-v3.2-cpu.onnx"))
        stack.callback(turn_model.close)
        transcriber = _transcriber(settings.hearing, agent, store, stack)
        voice = embedded_voice(agent.voice.name, agent.voice.words_per_minute, agent.voice.pitch)
        engines = Engines(silero.for_call, turn_model, transcriber, language_model, voice)
        await _warm_up(engines, agent, slots=0 if thinking.base_url else thinking.slots)
        yield engines


def _transcriber(settings: HearingSettings, agent: Agent, store: ModelStore, stack: AsyncExitStack) -> Transcriber:
    """The transcriber that the settings name; `stack` ends it."""
    if settings.engine == "whisper":
        whisper = WhisperBatches(settings, agent.language, agent.hints)
        stack.callback(whisper.close)
        return whisper
    if settings.engine == "server":
        server = TranscriptionServer(settings, agent.language, agent.hints)
        stack.push_async_callback(server.close)
        return server
    moonshine = MoonshinePool(_moonshine_folder(store), settings.workers)
    stack.callback(moonshine.close)
    return moonshine


def _moonshine_folder(store: ModelStore) -> Path:
    return {store.path(artefact.name).parent for artefact in EMBEDDED if artefact.name.startswith(_MOONSHINE)}.pop()


async def _warm_up(engines: Engines, agent: Agent, slots: int) -> None:
    """One throw-away run of what is slow the first time; every slot reads what all prompts of this agent begin with."""
    swelling = np.linspace(0, 1, _WARM_UP_SAMPLES, dtype=np.float32)  # silence or a steady tone would not be decoded
    sound = swelling * np.sin(np.arange(_WARM_UP_SAMPLES) / 25, dtype=np.float32)
    await engines.turn_model.p_done(sound)
    await engines.transcriber.transcribe(sound)
    for slot in range(slots):
        await engines.language_model.read_ahead(Prompt.of(agent).messages(()), f"warm-up {slot}")


class House:
    """Where calls are answered. It is the desk of every line."""

    def __init__(self, settings: Settings, agent: Agent, engines: Engines) -> None:
        self._settings = settings
        self._agent = agent
        self._engines = engines
        self._calls: set[str] = set()

    @property
    def busy_sentence(self) -> str:
        """What a caller hears when there is no room."""
        return self._agent.phrases.busy

    def has_room(self) -> bool:
        """Whether one more call can be held now."""
        return len(self._calls) < self._settings.server.calls_at_once

    async def answer(self, line: Line) -> None:
        """Hold one call to its end. Whatever goes wrong in it ends in the log, and touches no other call."""
        self._calls.add(line.call_id)
        log.info("a call began", extra={"call": line.call_id})
        try:
            await self._new_call(line).run()
        except Exception:
            log.exception("a call failed", extra={"call": line.call_id})
        finally:
            self._calls.discard(line.call_id)
            log.info("a call ended", extra={"call": line.call_id})

    def _new_call(self, line: Line) -> Call:
        began = datetime.now(UTC)
        folder = self._settings.records.folder / f"{began:%Y%m%dT%H%M%S%f}-{line.call_id}"
        manner = manner_of(self._agent, self._settings)
        header = Header(line.call_id, f"{began:%Y-%m-%dT%H:%M:%SZ}", self._agent.name, asdict(manner))
        return Call(
            line,
            self._engines,
            Conversation(manner),
            self._agent,
            self._settings,
            FlightRecord(folder / "record.jsonl", header),
            Recording(folder / "call.wav" if self._settings.records.audio else None),
        )


def manner_of(agent: Agent, settings: Settings) -> Manner:
    """How this agent converses, of agent file and settings."""
    return Manner(
        greeting=agent.greeting,
        repeat=agent.phrases.repeat,
        trouble=agent.phrases.trouble,
        goodbye=agent.phrases.goodbye,
        language=agent.language,
        quick_s=settings.turn.quick_s,
        patient_s=settings.turn.patient_s,
        max_call_s=agent.limits.max_call_s,
    )


def check_carrier(settings: Settings, *, insecure: bool) -> None:
    """Raises ConfigError when a setting that the carrier needs is missing; to be known before models are loaded."""
    signature_check(settings, insecure)


def web_app(settings: Settings, agent: Agent, engines: Engines, *, insecure: bool = False) -> FastAPI:
    """The application that answers calls. Raises ConfigError when a setting that the carrier needs is missing."""
    house = House(settings, agent, engines)
    app = FastAPI(title="Client Caller", openapi_url=None)
    app.include_router(twilio_router(settings, house, insecure=insecure))
    app.include_router(health_router(house.has_room))
    return app
