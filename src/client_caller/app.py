"""The composition root: builds the engines once, puts them into the house, and shuts everything down in order.

In:   settings and an agent.     Out: a FastAPI application that answers calls.
Rule: the only importer of leaves, so whatever can be exchanged is exchanged here.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np
from fastapi import FastAPI

from client_caller.afterwords import Afterwords
from client_caller.agent import Agent, AgentVoice, answering
from client_caller.agent.shelf import AgentShelf
from client_caller.book import wall_clock
from client_caller.dialler import Dialler, NotAllowedError
from client_caller.engines import Engines
from client_caller.errors import ConfigError, EngineError
from client_caller.hearing.moonshine import MoonshinePool
from client_caller.hearing.protocols import Transcriber, TurnModel
from client_caller.hearing.silero import SileroModel
from client_caller.hearing.smart_turn import SmartTurn
from client_caller.hearing.transcription_server import TranscriptionServer
from client_caller.hearing.whisper import WhisperBatches
from client_caller.house import House
from client_caller.keys import api_key
from client_caller.ledger.database import LedgerFailed
from client_caller.ledger.ledger import Ledger
from client_caller.ledger.orders import DoubleOrderError
from client_caller.line.telnyx import telnyx_router, telnyx_signature
from client_caller.line.telnyx_control import TelnyxControl
from client_caller.line.twilio import signature_check, twilio_router
from client_caller.line.twilio_control import TwilioControl
from client_caller.line.twilio_signature import SignatureCheck
from client_caller.metering import Meter
from client_caller.mind import offers_of, once_greeted, prompt_of
from client_caller.models.catalogue import EMBEDDED
from client_caller.models.progress import Progress
from client_caller.models.store import ModelStore
from client_caller.office import Office, law_of
from client_caller.outbound.numbers import NumberError
from client_caller.outbound.opening import MissingVariableError
from client_caller.settings import HearingSettings, Settings, SpeakingSettings, ThinkingSettings
from client_caller.speaking.csm_voice import CsmVoice
from client_caller.speaking.espeak import EspeakVoice
from client_caller.speaking.protocol import Voice
from client_caller.speaking.speech_server import SpeechServer
from client_caller.sturdy import SturdyModel, SturdyTranscriber, SturdyTurnModel, sturdy_activity
from client_caller.thinking.llamacpp import LlamaServer
from client_caller.thinking.openai_client import OpenAIModel
from client_caller.thinking.protocol import LanguageModel
from client_caller.toolkit import Toolkit
from client_caller.voices import Voices
from client_caller.warming import SlotWarmer
from client_caller.web.api import api_app, no_api
from client_caller.web.health import health_router

log = logging.getLogger("client_caller.app")

_LANGUAGE_MODEL: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MOONSHINE: Final = "moonshine-tiny-en/"
STATUSES: Final = {
    ConfigError: 422,
    NumberError: 422,
    MissingVariableError: 422,
    NotAllowedError: 409,
    DoubleOrderError: 409,
    LedgerFailed: 503,
}
"""With which HTTP status the API tells what it could not do."""

_AFTERWORD_TOKENS: Final = 6_000
_AFTERWORD_ASIDE: Final = 850
"""Tokens of a call's words that are read to sum it up; and those that the embedded model's slot keeps for the rest."""

_WARM_UP_SAMPLES: Final = 16_000  # a second
_WARM_UP_S: Final = 30.0  # for one slot


def pull_models(settings: Settings, progress: Progress) -> None:
    """Bring every embedded model file that is missing. Raises ModelUnavailable."""
    ModelStore(settings.models).pull([artefact.name for artefact in EMBEDDED], progress)


def embedded_voice(name: str, words_per_minute: int, pitch: int) -> Voice:
    """The voice that always works; the rehearsal's caller speaks with it, too. Raises ConfigError."""
    return EspeakVoice(name, words_per_minute, pitch)


def _voice_engines(settings: SpeakingSettings, how: AgentVoice, stack: AsyncExitStack) -> list[Voice]:
    """What the settings have an agent speak with, the first to be asked first; `stack` ends it. Raises ConfigError."""
    found: list[Voice] = []
    if settings.engine == "csm":
        key, prompt = settings.csm_key.get_secret_value(), how.prompt or settings.csm_voice
        csm = CsmVoice(settings.csm_url, key, prompt, hears_caller=settings.caller_sound)
        stack.push_async_callback(csm.close)
        found.append(csm)
    elif settings.engine == "server":
        server = SpeechServer(settings, how.prompt or settings.server_voice)
        stack.push_async_callback(server.close)
        found.append(server)
    if not found or settings.fallback:
        found.append(embedded_voice(how.name, how.words_per_minute, how.pitch))
    return found


def speech_samples(settings: Settings) -> Path:
    """The folder with the human recordings that a rehearsal's caller may play. Raises ModelUnavailable."""
    return ModelStore(settings.models).path("two_cities.wav").parent


@asynccontextmanager
async def running_engines(settings: Settings, agent: Agent) -> AsyncIterator[Engines]:
    """The engines, loaded, warm and watched; they are stopped, last started first, when the block is left.

    Raises ModelUnavailable when a model file is missing, EngineError when an engine does not start.
    """
    store, hearing, thinking = ModelStore(settings.models), settings.hearing, settings.thinking
    async with AsyncExitStack() as stack:
        warm = asyncio.Event()
        models = await _language_models(settings, answering(agent), store, stack, warm)
        silero = SileroModel(store.path("silero_vad.onnx"))
        turn_model = SmartTurn(store.path("smart-turn-v3.2-cpu.onnx"))
        stack.callback(turn_model.close)
        transcribers = _transcribers(hearing, agent, store, stack)
        await _warm_up(turn_model, transcribers)
        voices = Voices(lambda how: _voice_engines(settings.speaking, how, stack), settings.speaking)
        voice, fillers = await voices.of(answering(agent))
        yield Engines(
            sturdy_activity(silero.for_call),
            SturdyTurnModel(turn_model),
            SturdyTranscriber(transcribers, hearing.words_within_s),
            SturdyModel(models, thinking.first_token_s, thinking.next_token_s, thinking.write_within_s),
            voice,
            fillers,
            warm,
            voices.of,
        )


@asynccontextmanager
async def language_model(settings: Settings, agent: Agent) -> AsyncIterator[LanguageModel]:
    """The language model alone, for calls that are typed; it is stopped when the block is left.

    agent: its variables filled in. Raises as `running_engines` does.
    """
    thinking = settings.thinking
    async with AsyncExitStack() as stack:
        models = await _language_models(settings, agent, ModelStore(settings.models), stack, asyncio.Event())
        yield SturdyModel(models, thinking.first_token_s, thinking.next_token_s, thinking.write_within_s)


async def _language_models(
    all_settings: Settings, agent: Agent, store: ModelStore, stack: AsyncExitStack, is_warm: asyncio.Event
) -> list[LanguageModel]:
    """The language models that the settings name, the first to be asked first; `stack` ends them.

    agent: its variables filled in;  is_warm: set when all that is to be read before a call was read.
    """
    settings, models = all_settings.thinking, list[LanguageModel]()

    def made(base_url: str, api_key: str, settings: ThinkingSettings, *, embedded: bool = False) -> OpenAIModel:
        model = OpenAIModel(base_url, api_key, settings, embedded=embedded)
        stack.push_async_callback(model.close)
        return model

    if settings.base_url:
        models.append(made(settings.base_url, settings.api_key.get_secret_value(), settings))
    if not settings.base_url or settings.fallback == "embedded":
        server = LlamaServer(store.path(_LANGUAGE_MODEL), settings)
        await server.start()
        stack.push_async_callback(server.stop)
        patient = settings.model_copy(update={"first_token_s": _WARM_UP_S})
        reader = made(server.base_url, server.api_key, patient, embedded=True)
        offers = Toolkit(all_settings.tool_secrets, settings).offers(agent, wall_clock())
        warmer = SlotWarmer(
            reader, settings.slots, prompt_of(agent, offers).messages(once_greeted(agent)), offers_of(offers)
        )
        await warmer.next_slot()  # enough for one caller, who may be waiting; the others are read meanwhile
        watch = asyncio.create_task(_warm_and_watch(server, warmer, is_warm), name="language model watch")
        stack.callback(watch.cancel)
        models.append(made(server.base_url, server.api_key, settings, embedded=True))
    else:
        is_warm.set()
    if settings.fallback == "server":
        named = settings.model_copy(update={"model": settings.fallback_model or settings.model})
        models.append(made(settings.fallback_base_url, settings.fallback_api_key.get_secret_value(), named))
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


async def _warm_and_watch(server: LlamaServer, warmer: SlotWarmer, is_warm: asyncio.Event) -> None:
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


def check_carrier(settings: Settings, *, insecure: bool) -> SignatureCheck | None:
    """How Twilio's requests are checked, None: not at all; to be known before models are loaded.

    Raises ConfigError when a setting that the carriers need is missing.
    """
    if settings.telnyx_api_key:
        telnyx_signature(settings, lambda: 0.0, insecure=insecure)
    return signature_check(settings, insecure) if _has_twilio(settings) else None


def _has_twilio(settings: Settings) -> bool:
    """Whether Twilio may call: when we have its token, and when no other carrier is named, for then it is missing."""
    return bool(settings.twilio_auth_tokens) or not settings.telnyx_api_key


Carrier = TwilioControl | TelnyxControl
"""What places calls, ends them and leads them elsewhere."""


def twilio_control(settings: Settings) -> TwilioControl:
    """What asks Twilio. Raises ConfigError when a credential is missing."""
    return TwilioControl.of(settings)


def carrier_of(settings: Settings) -> Carrier | None:
    """What asks the carrier that places our calls, Twilio if we have both; None when no settings say who we are to it.

    Raises ConfigError that names what is missing.
    """
    if settings.twilio_account_sid and settings.twilio_auth_tokens:
        return twilio_control(settings)
    return TelnyxControl.of(settings) if settings.telnyx_api_key else None


@asynccontextmanager
async def summing_up(house: House, ledger: Ledger) -> AsyncIterator[None]:
    """Have calls summed up once they are over, while the block runs."""
    thinking = house.settings.thinking
    afterwords = Afterwords(
        ledger,
        lambda: house.language_model,
        AgentShelf(house.settings.agent.parent),
        is_idle=(lambda: True) if thinking.base_url else house.is_idle,  # the embedded model shares our processor
        budget_tokens=_AFTERWORD_TOKENS if thinking.base_url else thinking.context_tokens - _AFTERWORD_ASIDE,
        now=house.now,
    )
    house.on_over = afterwords.over
    async with working(afterwords.run(), "afterwords"):
        yield


@asynccontextmanager
async def metered(meter: Meter, house: House, ledger: Ledger) -> AsyncIterator[None]:
    """Have this house, and the loop it runs in, measured while the block runs."""
    async with working(meter.lag.watch(), "meter of the loop"):
        with meter.watching(house, ledger):
            yield


@asynccontextmanager
async def working(work: Coroutine[None, None, None], name: str) -> AsyncIterator[None]:
    """Do this beside the block. That it fails is a bug, which is told at once and touches nothing else."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_mourn)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def staffed(
    house: House, ledger: Ledger, carrier: Carrier | None, on_duty: Callable[[], bool] = lambda: True
) -> AsyncIterator[Office | None]:
    """The office at work while the block runs, when it is on duty; None without a carrier.

    Raises ConfigError for settings that are there and wrong.
    """
    outbound = house.settings.outbound
    if house.agent.when_full == "call back" and (carrier is None or not outbound.from_number):
        raise ConfigError(
            f"the agent {house.agent.name!r} promises to call back (when_full), and no calls can be placed: set "
            "CLIENT_CALLER_OUTBOUND__FROM_NUMBER and the carrier's credentials, or change when_full"
        )
    if carrier is None:
        yield None
        return
    shelf = AgentShelf(house.settings.agent.parent)
    dialler = Dialler(outbound, ledger, carrier, carrier, law_of(outbound), shelf, house.has_room, house.now)
    stem = house.settings.agent.stem
    house.orders = office = Office(dialler, outbound.from_number, house.tell, stem, carrier, on_duty)
    async with working(office.run(), "office"):
        yield office


def _mourn(working: asyncio.Task[None]) -> None:
    if not working.cancelled() and (failure := working.exception()):
        log.critical("the %s has failed; calls are answered as before", working.get_name(), exc_info=failure)


def web_app(
    house: House, office: Office | None = None, carrier: Carrier | None = None, *, insecure: bool = False
) -> FastAPI:
    """The application that answers calls. Raises ConfigError when a setting that a carrier needs is missing."""
    settings = house.settings
    telnyx = carrier if isinstance(carrier, TelnyxControl) else None
    if settings.telnyx_api_key and telnyx is None:
        telnyx = TelnyxControl.of(settings)

    @asynccontextmanager
    async def closing(_: FastAPI) -> AsyncIterator[None]:
        yield
        if telnyx:
            await telnyx.close()

    app = FastAPI(title="Client Caller", openapi_url=None, lifespan=closing)
    if _has_twilio(settings):
        twilio = None if isinstance(carrier, TelnyxControl) else carrier
        app.include_router(twilio_router(settings, house, insecure=insecure, dials=twilio, steers=twilio))
    if telnyx:
        app.include_router(telnyx_router(settings, house, telnyx, lambda: house.now().timestamp(), insecure=insecure))
    app.mount("/api", api_app(office, api_key(settings), STATUSES) if office else no_api)
    app.include_router(health_router(house.has_room))
    return app
