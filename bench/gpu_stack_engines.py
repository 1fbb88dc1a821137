"""The three engines, resident together and started as `client-caller up` starts them; on a machine without GPU, small.

In:   a folder for what is made up.     Out: the engines, warm, and how much of the card each of them took.
Rule: nothing here is a stand-in where there is a GPU: Whisper in this process, as the server has it, vLLM by its launch
      file, csm as a process of its own; on a card that is shared as `up` would share it.
"""

import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from client_caller.box.card import cards
from client_caller.box.keeper import Keeper
from client_caller.box.mps import shared_card
from client_caller.box.plan import BoxPlan, plan_of
from client_caller.box.services import engines_of
from client_caller.errors import ConfigError
from client_caller.hearing.whisper import WhisperBatches
from client_caller.settings import Settings, load_settings
from client_caller.speaking.csm_voice import CsmVoice
from client_caller.thinking.openai_client import OpenAIModel
from gpu_stack_calls import SENTENCE, Engines, conversation, speech
from gpu_stack_models import TINY, TURBO, dummy_launch_file, make_gemma, make_whisper
from thinking_server import serving
from thinking_talk import SAID

PROFILE: Final = "a100"
_WORDS: Final = 1_500
_WORDS_SMALL: Final = 100
"""All that two cores read in a bearable time."""

_NOISE: Final = "noise"


@dataclass(frozen=True, slots=True)
class Stack:
    """The engines, and what was found while they were started. used_gib: of the card, after each start."""

    engines: Engines
    plan: BoxPlan
    kinds: dict[str, str]
    sharing: str
    used_gib: dict[str, float]


@asynccontextmanager
async def stack(folder: Path, *, small: bool, mps: str, calls: int) -> AsyncIterator[Stack]:
    """Everything, until the end of the block. calls: at once, at most; the voice has a slot for each, or the plan's.

    Raises ConfigError, ServiceFailed.
    """
    settings = _settings(folder, small=small, mps=mps, calls=calls)
    plan = plan_of(settings)
    used: dict[str, float] = {}
    async with AsyncExitStack() as undo:
        _note(used, "before", small=small)
        card = None if small else await shared_card(settings.box)
        if card:
            undo.push_async_callback(card.stop)
        services = {service.name: service for service in engines_of(plan, "", card)}
        if small:
            mind = (await undo.enter_async_context(serving(load_settings(), "", "", ""))).model
            del services["vllm"]
            one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # tiny layers lose by sharing
            services["csm"] = replace(services["csm"], environment={**services["csm"].environment, **one})
        else:
            _check_vllm()
            key = settings.thinking.api_key.get_secret_value()
            mind = OpenAIModel(f"{plan.launch.url}/v1", key, settings.thinking, embedded=False)
            undo.push_async_callback(mind.close)
        for name, service in services.items():
            keeper = Keeper(service)
            undo.push_async_callback(keeper.stop)
            await keeper.start()
            _note(used, name, small=small)
        ears = WhisperBatches(settings.hearing, "en")
        undo.callback(ears.close)
        await ears.transcribe(speech())  # the first words take seconds: kernels are loaded, as they are before calls
        _note(used, "whisper", small=small)
        voice = CsmVoice(plan.csm_url, settings.speaking.csm_key.get_secret_value(), _NOISE)
        undo.push_async_callback(voice.close)
        engines = Engines(ears, mind, voice, _WORDS_SMALL if small else _WORDS)
        sharing = "no card" if small else "MPS" if card else "time slices"
        yield Stack(engines, plan, _kinds(small=small), sharing, used)


def _settings(folder: Path, *, small: bool, mps: str, calls: int) -> Settings:
    """Those of the profile, with models that are made up."""
    settings = load_settings(PROFILE)
    assert settings.box.vllm is not None
    whisper = make_whisper(folder / "whisper", TINY if small else TURBO)
    hearing = {"whisper_model": str(whisper), "workers": 1}
    box: dict[str, object] = {"csm_random": "tiny", "logs": folder / "logs", "weights": folder, "mps": mps}
    if small:
        hearing |= {"whisper_device": "cpu", "whisper_compute": "float32"}
    else:
        launch = dummy_launch_file(settings.box.vllm, folder / settings.box.vllm.name)
        make_gemma(folder / plan_of(settings).launch.model, _words())
        box |= {"csm_random": "published", "vllm": launch, "csm_slots": max(calls, settings.box.csm_slots)}
    speaking = {"csm_url": f"http://127.0.0.1:{_free_port()}", "csm_voice": _NOISE}
    return settings.model_copy(
        update={
            "hearing": settings.hearing.model_copy(update=hearing),
            "speaking": settings.speaking.model_copy(update=speaking),
            "box": settings.box.model_copy(update=box),
        }
    )


def _words() -> set[str]:
    """All that prompts have."""
    texts = [*(text for pair in SAID for text in pair), SENTENCE, *(message.content for message in conversation(0, 0))]
    return {word for text in texts for word in text.split()}


def _kinds(*, small: bool) -> dict[str, str]:
    if small:
        return {
            "hearing": "Whisper, tiny, random weights, CPU",
            "thinking": "SmolLM2-135M on llama.cpp, CPU",
            "speaking": "CSM, tiny, random weights, CPU",
        }
    return {
        "hearing": "Whisper of large-v3-turbo's size, random weights",
        "thinking": "Gemma 3 27B's text model in 4 bits, weights made up by vLLM",
        "speaking": "CSM-1B's size, random weights",
    }


def _check_vllm() -> None:
    if shutil.which("vllm") is None:
        raise ConfigError("vllm is not on the PATH: run scripts/vllm.sh, and put .vllm/bin behind what is on it")


def _note(used: dict[str, float], what: str, *, small: bool) -> None:
    if not small:
        card = cards()[0]
        used[what] = round(card.usable_gib - card.free_gib, 2)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
