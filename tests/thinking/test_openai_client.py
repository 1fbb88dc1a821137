"""The client, against a server of a few lines that does as it is told."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from client_caller.errors import EngineCrashed, EngineError, EngineOverloaded, EngineTimeout
from client_caller.settings import ThinkingSettings
from client_caller.thinking.openai_client import OpenAIModel
from client_caller.thinking.protocol import Message

HELLO = [Message("user", "Hi.")]
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def chunk(text: str) -> bytes:
    body = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    body["choices"] = [{"index": 0, "delta": {"content": text}, "finish_reason": None}]
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def with_server(
    answer: Answer, use: Callable[[OpenAIModel], Awaitable[None]], *, embedded: bool = True, **limits: float
) -> list[dict]:
    """Run `use` with a model whose server does `answer`; returns the bodies of the requests."""
    bodies: list[dict] = []

    async def run() -> None:
        served = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length:")[2].split()[0])
            bodies.append(json.loads(await reader.readexactly(length)))
            await answer(reader, writer)
            writer.close()
            await writer.wait_closed()
            served.set()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            settings = ThinkingSettings(**limits)
            model = OpenAIModel(f"http://127.0.0.1:{port}/v1", "secret", settings, embedded=embedded)
            await use(model)
            async with asyncio.timeout(2):
                await served.wait()  # a connection left open would hold the server here
            await model.close()

    asyncio.run(run())
    return bodies


async def says_two_words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEADERS + chunk("Good") + chunk(" day") + b"data: [DONE]\n\n")
    await writer.drain()


def refuses(status: int) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()

    return answer


def says_then_waits(before: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(before)
        await writer.drain()
        await reader.read()  # until the client goes

    return answer


async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEADERS.replace(b"Connection: close", b"Transfer-Encoding: chunked") + b"ff\r\n")
    await writer.drain()


def error_of(answer: Answer, **limits: float) -> EngineError:
    caught: list[EngineError] = []

    async def use(model: OpenAIModel) -> None:
        with pytest.raises(EngineError) as failure:
            async for _ in model.stream(HELLO, "CA1", 5):
                pass
        caught.append(failure.value)

    with_server(answer, use, **limits)
    return caught[0]


def test_text_arrives_in_fragments_and_the_request_asks_for_the_likeliest_words() -> None:
    said: list[str] = []

    async def use(model: OpenAIModel) -> None:
        async for text in model.stream(HELLO, "CA1", 7):
            said.append(text)

    (body,) = with_server(says_two_words, use)
    assert said == ["Good", " day"]
    assert body["messages"] == [{"role": "user", "content": "Hi."}]
    assert (body["max_tokens"], body["temperature"], body["cache_prompt"]) == (7, 0.0, True)


def gives(body: dict) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + content)
        await writer.drain()

    return answer


LIKELIEST = [{"token": ".", "logprob": math.log(0.5)}, {"token": " and", "logprob": math.log(0.3)}]


def read_ahead(body: dict, messages: list[Message] = HELLO) -> tuple[float | None, dict]:
    """What a server that is not ours says of the caller's words, and what it was asked."""
    said: list[float | None] = []

    async def use(model: OpenAIModel) -> None:
        said.append(await model.read_ahead(messages, "CA1"))

    (asked,) = with_server(gives(body), use, embedded=False)
    return said[0], asked


def test_reading_ahead_tells_whether_a_sentence_may_end() -> None:
    p_end, asked = read_ahead({"choices": [{"logprobs": {"content": [{"top_logprobs": LIKELIEST}]}}]})
    assert p_end == pytest.approx(0.5)
    assert (asked["max_tokens"], asked["stream"], asked["top_logprobs"]) == (1, False, 20)
    assert (asked["add_generation_prompt"], asked["continue_final_message"]) == (False, True)
    assert asked["messages"] == [{"role": "user", "content": "Hi"}], (
        "the mark that a transcriber put there is not shown"
    )


def test_a_server_that_does_not_tell_has_no_verdict() -> None:
    assert read_ahead({"choices": [{"logprobs": None}]})[0] is None


def test_a_server_that_refuses_to_tell_is_asked_once() -> None:
    said: list[float | None] = []

    async def use(model: OpenAIModel) -> None:
        said.append(await model.read_ahead(HELLO, "CA1"))
        with pytest.raises(EngineCrashed):  # now it is only asked to read, which this server refuses, too
            await model.read_ahead(HELLO, "CA1")

    asked = with_server(refuses(400), use, embedded=False)
    assert said == [None]
    assert ["logprobs" in body for body in asked] == [True, False]


def test_what_does_not_end_with_words_of_the_caller_is_only_read() -> None:
    p_end, asked = read_ahead({"choices": []}, [Message("system", "You are Anna."), Message("assistant", "Hello.")])
    assert p_end is None
    assert "logprobs" not in asked


@pytest.mark.parametrize("body", [{"choices": 5}, {"choices": [{"logprobs": {"content": "?"}}]}])
def test_a_verdict_that_makes_no_sense_is_a_crash(body: dict) -> None:
    with pytest.raises(EngineCrashed):
        read_ahead(body)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_without_room_is_overloaded(status: int) -> None:
    assert isinstance(error_of(refuses(status)), EngineOverloaded)


def test_other_refusals_and_a_broken_connection_are_crashes() -> None:
    assert isinstance(error_of(refuses(500)), EngineCrashed)
    assert isinstance(error_of(breaks_off), EngineCrashed)


@pytest.mark.parametrize("before", [b"", HEADERS, HEADERS + chunk("Good")])
def test_silence_before_any_token_is_a_timeout(before: bytes) -> None:
    assert isinstance(error_of(says_then_waits(before), first_token_s=0.05, next_token_s=0.05), EngineTimeout)


def test_closing_the_stream_closes_the_connection() -> None:
    async def use(model: OpenAIModel) -> None:
        async with aclosing(model.stream(HELLO, "CA1", 5)) as stream:
            assert await anext(stream) == "Good"

    with_server(says_then_waits(HEADERS + chunk("Good")), use)
