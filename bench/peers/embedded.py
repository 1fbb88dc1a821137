"""Pipecat with the embedded models, on a stage that a rehearsal can call.

In:   the default agent, the model files.     Out: a server that answers, while the block lasts.
Rule: the same words are spoken and read by the same models: greeting, prompt with its examples, voice, and what
      llama.cpp is asked besides. It runs in a process of its own for Pipecat, too.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from client_caller.agent import answering, load_agent
from client_caller.mind import once_greeted, prompt_of
from client_caller.models.store import ModelStore
from client_caller.rehearsal.stage import Stage
from client_caller.settings import Settings, load_settings
from client_caller.thinking.llamacpp import LlamaServer
from client_caller.thinking.openai_client import EMBEDDED_OPTIONS, TEMPERATURE
from peers.pipecat_process import WIRING, pipecat_server, versions
from thinking_server import EMBEDDED_MODEL

_MOONSHINE: Final = "moonshine-tiny-en/tokenizer.bin"

_REPLY_TOKENS: Final = 30
"""Of an answer: two sentences or three. Ours ends after the agent's one; Pipecat knows no such limit, and with the
agent's sixty tokens it speaks for longer than a caller listens."""


@dataclass(frozen=True, slots=True)
class Models:
    """What Pipecat's server is told of them. messages: what the language model has read when the caller speaks;
    options: of llama.cpp's own;  moonshine: the folder with its files.
    """

    base_url: str
    api_key: str
    model: str
    temperature: float
    max_tokens: int
    options: dict[str, Any]
    messages: list[dict[str, str]]
    greeting: str
    moonshine: str
    voice: str
    words_per_minute: int
    pitch: int


def wiring() -> dict[str, str]:
    """What is as it is. Raises ConfigError when Pipecat is not installed."""
    return {
        "server": WIRING,
        "voice activity": "SileroVADAnalyzer",
        "turns": "its default strategies, with the Smart Turn v3 that it ships",
        "transcript": "Moonshine tiny as we call it, in its SegmentedSTTService; one thread",
        "language model": "SmolLM2-135M on our llama.cpp server, by its OpenAILLMService; "
        f"an answer has {_REPLY_TOKENS} tokens at most",
        "voice": "eSpeak NG as we call it, in its TTSService",
        "does not": "check signatures, record, hang up over REST, send marks; logs warnings only",
        **versions(),
    }


@asynccontextmanager
async def embedded_pipecat(folder: Path) -> AsyncIterator[Stage]:
    """Start both processes; stop them at the end of the block. folder: for Pipecat's log.

    Raises ModelUnavailable, EngineCrashed or ConfigError when something of it is missing or does not start.
    """
    settings = load_settings()
    store = ModelStore(settings.models)
    server = LlamaServer(store.path(EMBEDDED_MODEL), settings.thinking)
    await server.start()
    try:
        told = models_of(settings, server.base_url, server.api_key, store.path(_MOONSHINE).parent)
        async with pipecat_server("pipecat_embedded.py", asdict(told), folder) as stage:
            yield stage
    finally:
        await server.stop()


def models_of(settings: Settings, base_url: str, api_key: str, moonshine: Path) -> Models:
    """What our own server would say, read and ask with these settings. moonshine: the folder with its files."""
    agent = answering(load_agent(settings.agent))
    greeting, _ = once_greeted(agent)
    read = prompt_of(agent, ()).messages((greeting,))
    return Models(
        base_url=base_url,
        api_key=api_key,
        model=settings.thinking.model,
        temperature=TEMPERATURE,
        max_tokens=_REPLY_TOKENS,
        options=EMBEDDED_OPTIONS,
        messages=[{"role": message.role, "content": message.content} for message in read],
        greeting=greeting.text,
        moonshine=str(moonshine),
        voice=agent.voice.name,
        words_per_minute=agent.voice.words_per_minute,
        pitch=agent.voice.pitch,
    )
