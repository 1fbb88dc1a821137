"""The composition root of the engine's process: the model, the engine on its thread, and the server around it.

In:   options, and a socket.     Out: speech, until a signal; the exit status to end with.
Rule: torch is imported here only when the engine is built, on the thread that then runs it. A process whose engine has
      died or hangs ends with 1, for only another one can have a working GPU again; the supervisor starts that.
"""

import asyncio
import importlib.util
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from client_caller.errors import ConfigError, EngineError
from client_caller.speaking.csm.calls_ws import CallLimits, CallSocket
from client_caller.speaking.csm.gate import Gate
from client_caller.speaking.csm.prompts import VoicePrompt, VoiceShelf
from client_caller.speaking.csm.protocol import HZ
from client_caller.speaking.csm.speech_http import speech_routes
from client_caller.speaking.csm.wire import MESSAGE_BYTES
from client_caller.speaking.csm.worker import SpeechEngine, Worker

if TYPE_CHECKING:
    import torch

    from client_caller.speaking.csm.config import CsmConfig

log = logging.getLogger("client_caller.csm")

_BATCH: Final = 32
"""Frames made at once, at most: beyond that, a batch takes longer than it is worth."""

_SEED: Final = 7
"""Of random weights, and of their voice."""

NOISE: Final = "noise"

_WIDE: Final = 1_024
"""A backbone of this width is slower than real time on a CPU; the published one has twice that."""

_WATCH_S: Final = 5.0
_HANGS_S: Final = 60.0
"""How often the thread is asked how it does, and how long it may take to answer: many times the longest step."""

_GRACE_S: Final = 5
"""Seconds that answers in progress get when the process is told to stop."""

_NEEDS: Final = ("torch", "safetensors", "tokenizers")
MISSING: Final = "the engine needs {missing}, which is not installed: run `pip install 'client-caller[gpu]'`"


class Shelf(Protocol):
    """The voices that there are."""

    def names(self) -> Sequence[str]:
        """Of all of them."""

    def load(self, name: str) -> VoicePrompt:
        """Raises ConfigError."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What is served.

    weights: the folder with the published model; None: random weights of the size that `random` says;
    voices: the folder of voice prompts;  slots: sequences the cache holds, and so voices that can speak at once;
    calls: that may be open at once.
    """

    weights: Path | None
    random: Literal["tiny", "published"]
    voices: Path
    device: Literal["auto", "cuda", "cpu"] = "auto"
    slots: int = 16
    calls: int = 64


class _NoiseToo:
    """The voices of a folder, and one more, for a model to which all of them are alike: NOISE, ten seconds of it."""

    def __init__(self, others: Shelf) -> None:
        self._others = others

    def names(self) -> Sequence[str]:
        return [*self._others.names(), NOISE]

    def load(self, name: str) -> VoicePrompt:
        if name != NOISE:
            return self._others.load(name)
        sound = np.random.default_rng(_SEED).normal(0, 0.1, 10 * HZ).astype(np.float32)
        return VoicePrompt(NOISE, "Whatever is said with random weights, in whatever voice, is noise.", sound)


Build = Callable[[Callable[[], float]], SpeechEngine]
"""Makes the engine, given a clock."""


def check_torch() -> None:
    """Raises ConfigError that says what to install when something that the engine needs is missing."""
    if missing := [package for package in _NEEDS if importlib.util.find_spec(package) is None]:
        raise ConfigError(MISSING.format(missing=" and ".join(missing)))


def run_csm(
    options: EngineOptions,
    key: SecretStr,
    listener: socket.socket,
    announce: Callable[[], None],
    lifeline: int | None = None,
) -> int:
    """Serve CSM; see `run_engine`. Raises ConfigError for what is wrong with the model's files or the machine."""
    shelf: Shelf = VoiceShelf(options.voices)
    if options.weights is None:
        shelf = _NoiseToo(shelf)
    app = partial(engine_app, voices=shelf.names, key=key)
    return run_engine(partial(build_engine, options, shelf), app, options.calls, listener, announce, lifeline)


def run_engine(
    build: Build,
    app: Callable[[Worker], ASGIApp],
    calls: int,
    listener: socket.socket,
    announce: Callable[[], None] = lambda: None,
    lifeline: int | None = None,
) -> int:
    """Serve at `listener`, which listens once the engine is ready, until SIGTERM or SIGINT.

    build, calls: as of `Worker`;  announce: called then;  lifeline: a descriptor at whose end it stops, too, for its
    supervisor is gone. Gives the exit status: 1 when the engine has died, else 0. Raises what `build` raises.
    """
    return asyncio.run(_serve(build, app, calls, listener, announce, lifeline))


async def _serve(
    build: Build,
    app: Callable[[Worker], ASGIApp],
    calls: int,
    listener: socket.socket,
    announce: Callable[[], None],
    lifeline: int | None,
) -> int:
    clock = asyncio.get_running_loop().time  # asyncio's own loop reads the system's clock, which any thread may do
    has_died = False

    def end() -> None:
        nonlocal has_died
        has_died = server.should_exit = True

    worker = Worker(lambda: build(clock), clock, end, calls)
    server = web_server(app(worker))

    def abandoned(descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        server.should_exit = True

    if lifeline is not None:
        asyncio.get_running_loop().add_reader(lifeline, abandoned, lifeline)
    try:
        await worker.start()
        watching = asyncio.create_task(watch(worker, end), name="engine watch")
        try:
            listener.listen()
            announce()
            await server.serve(sockets=[listener])
        finally:
            watching.cancel()
    finally:
        await worker.stop()
    return int(has_died)


def engine_app(
    worker: Worker, voices: Callable[[], Sequence[str]], key: SecretStr, limits: CallLimits | None = None
) -> ASGIApp:
    """All routes, behind the key."""

    async def call(socket: WebSocket) -> None:
        held = CallSocket(socket, worker, limits or CallLimits())
        try:
            if await held.begin():
                await _until_one_is_over(held)
        finally:
            await held.end()

    return Gate(Starlette(routes=[*speech_routes(worker, voices), WebSocketRoute("/v1/calls", call)]), key)


async def _until_one_is_over(held: CallSocket) -> None:
    """Listen and tell beside each other."""
    async with asyncio.TaskGroup() as tasks:
        both = [tasks.create_task(held.listen()), tasks.create_task(held.tell())]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()


async def watch(
    worker: Worker, on_hang: Callable[[], None], every_s: float = _WATCH_S, within_s: float = _HANGS_S
) -> None:
    """Call `on_hang` once the engine's thread does not answer, as when its GPU hangs."""
    while True:
        await asyncio.sleep(every_s)
        try:
            async with asyncio.timeout(within_s):
                await worker.figures()
        except TimeoutError:
            log.critical("the engine hangs", extra={"silent_s": within_s})
            on_hang()
            return
        except EngineError:  # it is over, which is told elsewhere; or much is asked of it
            pass


def web_server(app: ASGIApp) -> uvicorn.Server:
    """Uvicorn around the routes."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="websockets-sansio",
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,  # sound hardly shrinks; it would only cost time
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = uvicorn.Server(config)

    def signalled(sig: int, frame: object) -> None:
        server.should_exit = True

    # Uvicorn's own would raise the signal again.
    server.handle_exit = signalled  # type: ignore[method-assign]
    return server


def build_engine(options: EngineOptions, shelf: Shelf, clock: Callable[[], float]) -> SpeechEngine:
    """The engine, warm, in the thread that is to run it. Raises ConfigError."""
    check_torch()
    config, take, tokenizer = _source(options)
    import torch

    from client_caller.speaking.csm.engine import Engine
    from client_caller.speaking.csm.model import CsmModel

    device = _device(options.device)
    language = torch.bfloat16 if device.type == "cuda" else torch.float32
    if device.type == "cpu" and config.backbone.width >= _WIDE:
        log.warning("a CPU speaks slower than real time with a model of this size: use a GPU for calls")
    batch = min(_BATCH, options.slots)
    try:
        model = CsmModel(config, take(device, language), take(device, torch.float32), options.slots, device, batch)
        model.warm_up()
    except torch.OutOfMemoryError as full:
        raise ConfigError(f"the model does not fit into memory with --slots {options.slots}: give fewer") from full
    engine = Engine(model, tokenizer, shelf, clock)
    engine.measure()
    return engine


def _device(wanted: str) -> "torch.device":
    import torch

    has_gpu = torch.cuda.is_available()
    if wanted == "cuda" and not has_gpu:
        raise ConfigError("--device cuda: torch finds no GPU; see `nvidia-smi`, or use --device cpu")
    return torch.device("cuda" if has_gpu and wanted != "cpu" else "cpu")


def _source(options: EngineOptions) -> "tuple[CsmConfig, Callable[..., Any], Any]":
    """The model's sizes, what gives its tensors on a device in a number format, and its tokenizer."""
    from client_caller.speaking.csm.tokenizer import ByteTokenizer, TextTokenizer

    if options.weights is not None:
        from client_caller.speaking.csm.weights import open_checkpoint

        checkpoint = open_checkpoint(options.weights)
        return checkpoint.config, checkpoint.take, TextTokenizer(options.weights)
    from client_caller.speaking.csm.random_weights import PUBLISHED, TINY, random_take

    config = TINY if options.random == "tiny" else PUBLISHED
    tokenizer = ByteTokenizer(config.bos, config.eos)
    return config, lambda device, dtype: random_take(config, device, dtype, _SEED), tokenizer
