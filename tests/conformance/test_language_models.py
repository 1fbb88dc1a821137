"""What is asked of every language model, fake or real."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from signal import SIGKILL, SIGSTOP, Signals
from typing import Any

import httpx2
import pytest

from client_caller.errors import EngineCrashed
from client_caller.faults import Fault, Kind, every, faulty
from client_caller.settings import ThinkingSettings
from client_caller.sturdy import SturdyModel
from client_caller.thinking.llamacpp import LlamaServer
from client_caller.thinking.openai_client import OpenAIModel
from client_caller.thinking.protocol import LanguageModel, Message, ToolCall, ToolOffer
from client_caller.thinking.scripted import ScriptedModel

QUESTION = [Message("system", "You are kind."), Message("user", "Tell me a long story about a river.")]
SETTINGS = ThinkingSettings(slots=1, first_token_s=30, next_token_s=30, prefill_threads=1)


LOOK_UP = ToolOffer("look_up", "Finds prices.", {"type": "object", "properties": {"query": {"type": "string"}}})
"""The embedded model is too small to tell when a tool is needed, but does as it sees it done."""
CALLED = [Message("system", "Look up every price.")] + [
    message
    for thing, price in (("phone", "Ten euros."), ("cable", "Two euros."), ("router", "Forty euros."))
    for message in (
        Message("user", f"Look up {thing}."),
        Message("assistant", "", ToolCall("look_up", f'{{"query": "{thing}"}}')),
        Message("tool", price),
        Message("assistant", price),
    )
]
ASKED = Message("user", "Look up modem.")
SUMMARY = {
    "type": "object",
    "properties": {"outcome": {"enum": ["booked", "not booked"]}, "urgent": {"type": "boolean"}},
    "required": ["outcome", "urgent"],
    "additionalProperties": False,
}


def _scripted_reply(messages: Sequence[Message]) -> str | list[ToolCall]:
    if messages[-1] == ASKED:
        return [ToolCall("look_up", '{"query": "modem"}')]
    return "Once upon a time there was a river. " * 20


@asynccontextmanager
async def scripted(models: Callable[[str], Path]) -> AsyncIterator[LanguageModel]:
    yield ScriptedModel(_scripted_reply, writes=lambda messages: '{"outcome": "booked", "urgent": false}')


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


@pytest.mark.parametrize("running", MODELS)
def test_it_calls_a_tool_and_goes_on_with_what_that_told(running, request) -> None:
    models = request.getfixturevalue("models") if running is embedded else Path
    call = ToolCall("look_up", '{"query": "modem"}')

    async def ask() -> tuple[str | ToolCall | None, list[str | ToolCall]]:
        async with running(models) as model:
            history = [*CALLED, ASKED]
            await model.read_ahead(history, "CA1", (LOOK_UP,))
            async with aclosing(model.stream(history, "CA1", 40, (LOOK_UP,))) as stream:
                first = await anext((part async for part in stream if part), None)
            history += [Message("assistant", "", call), Message("tool", "Ninety euros.")]
            return first, [part async for part in model.stream(history, "CA1", 12, (LOOK_UP,)) if part]

    first, then = asyncio.run(ask())
    assert first == call
    assert "".join(part for part in then if isinstance(part, str)).strip()


@pytest.mark.parametrize("running", MODELS)
def test_it_writes_json_of_a_schema_while_a_reply_is_being_made(running, request) -> None:
    models = request.getfixturevalue("models") if running is embedded else Path

    async def write() -> str:
        async with running(models) as model, aclosing(model.stream(QUESTION, "CA1", 300)) as stream:
            assert await anext(stream)
            text = await model.write([Message("user", "The hour is booked. Sum up.")], "CA1", 60, SUMMARY)
            assert await anext(stream), "the reply has its place still"
            return text

    summary = json.loads(asyncio.run(write()))
    assert summary.keys() == {"outcome", "urgent"}
    assert summary["outcome"] in {"booked", "not booked"}
    assert isinstance(summary["urgent"], bool)


@pytest.mark.models
def test_a_closed_stream_frees_the_slot_of_the_embedded_server_at_once(models: Callable[[str], Path]) -> None:
    """In the server's own words: it had made a few tokens of hundreds when it stopped."""

    async def main() -> tuple[int, int]:
        server = LlamaServer(models("SmolLM2-135M-Instruct.Q4_1.gguf"), SETTINGS)
        await server.start()
        model = OpenAIModel(server.base_url, server.api_key, SETTINGS, embedded=True)
        headers = {"Authorization": f"Bearer {server.api_key}"}
        made, asks = 0, 0
        async with httpx2.AsyncClient(headers=headers, timeout=30) as client:

            async def slot() -> dict[str, Any]:
                answer = await client.get(f"{server.base_url.removesuffix('/v1')}/slots")
                return answer.json()[0]

            async with aclosing(model.stream(QUESTION, "CA1", 1_500)) as stream:
                assert await anext(stream)
                assert (await slot())["is_processing"]
            while (state := await slot())["is_processing"]:
                made, asks = state["next_token"][0]["n_decoded"], asks + 1
        await model.close()
        await server.stop()
        return made, asks

    made, asks = asyncio.run(main())
    assert made < 50, f"it went on after the connection was closed, for {asks} looks at it"


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
def test_what_was_read_ahead_is_not_read_again_although_something_was_written(models: Callable[[str], Path]) -> None:
    async def cached_tokens() -> tuple[int, int]:
        server = LlamaServer(models("SmolLM2-135M-Instruct.Q4_1.gguf"), SETTINGS)
        await server.start()
        model = OpenAIModel(server.base_url, server.api_key, SETTINGS, embedded=True)
        await model.read_ahead(QUESTION, "CA1")
        await model.write([Message("user", "Sum up.")], "CA1", 5)
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {server.api_key}"}, timeout=30) as client:
            said = [{"role": message.role, "content": message.content} for message in QUESTION]
            body = {"messages": said, "max_tokens": 1, "id_slot": 0}
            answer = await client.post(f"{server.base_url}/chat/completions", json=body)
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
