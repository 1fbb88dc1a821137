"""What is asked of every language model, fake or real."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from signal import SIGKILL, SIGSTOP, Signals

import httpx
import pytest

from client_caller.errors import EngineCrashed
from client_caller.faults import Fault, Kind, every, faulty
from client_caller.settings import ThinkingSettings
from client_caller.sturdy import SturdyModel
from client_caller.thinking.llamacpp import LlamaServer
from client_caller.thinking.openai_client import OpenAIModel
from client_caller.thinking.protocol import LanguageModel, Message
from client_caller.thinking.scripted import ScriptedModel

QUESTION = [Message("system", "You are kind."), Message("user", "Tell me a long story about a river.")]
SETTINGS = ThinkingSettings(slots=1, first_token_s=30, next_token_s=30, prefill_threads=1)


@asynccontextmanager
async def scripted(models: Callable[[str], Path]) -> AsyncIterator[LanguageModel]:
    yield ScriptedModel(lambda messages: "Once upon a time there was a river. " * 20)


@asynccontextmanager
async def embedded(models: Callable[[str], Path]) -> AsyncIterator[LanguageModel]:
    server = LlamaServer(models("SmolLM2-135M-Instruct.Q4_1.gguf"), SETTINGS)
    await server.start()
    model = OpenAIModel(server.base_url, server.api_key, SETTINGS, embedded=True)
    try:
        yield model
    finally:
        await model.close()
        await server.stop()


@asynccontextmanager
async def sturdy(models: Callable[[str], Path]) -> AsyncIterator[LanguageModel]:
    async with scripted(models) as model:
        yield SturdyModel([faulty(model, every(2, Fault(Kind.BUSY))), model], 2.0, 1.5)


MODELS = [
    pytest.param(scripted, id="scripted"),
    pytest.param(sturdy, id="sturdy"),
    pytest.param(embedded, id="embedded", marks=pytest.mark.models),
]


@pytest.mark.parametrize("running", MODELS)
def test_it_streams_within_the_limit_and_a_closed_stream_makes_room_for_the_next(running, request) -> None:
    models = request.getfixturevalue("models") if running is embedded else Path

    async def ask() -> None:
        async with running(models) as model:
            await model.read_ahead(QUESTION, "CA1")
            assert 2 <= len([text async for text in model.stream(QUESTION, "CA1", 8)]) <= 8
            for _ in range(3):  # there is one slot: a stream left open would starve the next
                async with aclosing(model.stream(QUESTION, "CA1", 200)) as stream:
                    assert await anext(stream)
            async with asyncio.timeout(5):
                assert [text async for text in model.stream(QUESTION, "CA1", 4)]

    asyncio.run(ask())


@pytest.mark.models
def test_the_embedded_model_tells_a_whole_sentence_from_a_broken_one(models: Callable[[str], Path]) -> None:
    async def verdicts() -> list[float | None]:
        async with embedded(models) as model:
            said = ("What are your opening hours?", "What are your?", "I have a question about my order.", "I have a.")
            asked = Message("assistant", "How can I help you?")
            return [await model.read_ahead([*QUESTION, asked, Message("user", text)], "CA1") for text in said]

    whole, broken, other_whole, other_broken = asyncio.run(verdicts())
    assert None not in (whole, broken, other_whole, other_broken)
    assert min(whole, other_whole) > 0.1 > 0.02 > max(broken, other_broken)


@pytest.mark.models
def test_what_was_read_ahead_is_not_read_again(models: Callable[[str], Path]) -> None:
    async def cached_tokens() -> tuple[int, int]:
        server = LlamaServer(models("SmolLM2-135M-Instruct.Q4_1.gguf"), SETTINGS)
        await server.start()
        model = OpenAIModel(server.base_url, server.api_key, SETTINGS, embedded=True)
        await model.read_ahead(QUESTION, "CA1")
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {server.api_key}"}, timeout=30) as client:
            said = [{"role": message.role, "content": message.content} for message in QUESTION]
            answer = await client.post(f"{server.base_url}/chat/completions", json={"messages": said, "max_tokens": 1})
        await model.close()
        await server.stop()
        usage = answer.json()["usage"]
        return usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]

    prompt, cached = asyncio.run(cached_tokens())
    assert prompt - cached <= 8  # the mark after the last word, and what stands between it and the answer


@pytest.mark.models
def test_the_embedded_server_starts_again_where_it_was(models: Callable[[str], Path]) -> None:
    async def crash_and_restart() -> None:
        server = LlamaServer(models("SmolLM2-135M-Instruct.Q4_1.gguf"), SETTINGS)
        await server.start()
        address = server.base_url
        await server.stop()
        assert await server.wait() != 0
        await server.start()
        assert server.base_url == address
        await server.stop()

    asyncio.run(crash_and_restart())


@pytest.mark.models
@pytest.mark.parametrize(("signal_sent", "logged"), [(SIGSTOP, "hangs"), (SIGKILL, "ended")])
def test_the_embedded_server_is_started_again_when_it_hangs_or_is_gone(
    signal_sent: Signals, logged: str, models: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        model = models("SmolLM2-135M-Instruct.Q4_1.gguf")
        server = LlamaServer(model, SETTINGS, check_every_s=0.2, check_within_s=0.5)
        await server.start()
        restarted = asyncio.Event()

        async def tell() -> None:
            restarted.set()

        watch = asyncio.create_task(server.keep_alive(tell))
        client = OpenAIModel(server.base_url, server.api_key, SETTINGS, embedded=True)
        await asyncio.sleep(0.5)
        assert not restarted.is_set()  # it is left alone while it is well
        before = server.pid
        os.kill(before, signal_sent)
        async with asyncio.timeout(20):
            await restarted.wait()
        assert server.pid != before
        assert [text async for text in client.stream(QUESTION, "CA1", 4)]
        watch.cancel()
        await client.close()
        await server.stop()

    asyncio.run(main())
    assert logged in caplog.text


def test_a_file_that_is_no_model_is_a_crash_that_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    with pytest.raises(EngineCrashed, match=r"(?s)did not start: .*broken\.gguf"):
        asyncio.run(LlamaServer(broken, SETTINGS).start())
