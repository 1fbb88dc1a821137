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
from client_caller.thinking.openai_wire import conversation
from client_caller.thinking.protocol import Message, ToolCall, ToolOffer
from client_caller.thinking.tool_text import as_text

LOOK_UP = ToolOffer("look_up", "Looks up.", {"type": "object", "properties": {"query": {"type": "string"}}})
HELLO = [Message("user", "Hi.")]
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def event(finish: str | None = None, **delta: object) -> bytes:
    body = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    body["choices"] = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def chunk(text: str) -> bytes:
    return event(content=text)


def call(index: int | None, name: str | None = None, arguments: str | None = None) -> bytes:
    fragment = {"index": index, "id": None, "type": "function", "function": {"name": name, "arguments": arguments}}
    return event(content=None, tool_calls=[fragment])


DONE = b"data: [DONE]\n\n"


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


def answer_of(
    *events: bytes, tools: tuple[ToolOffer, ...] = (LOOK_UP,), messages: list[Message] = HELLO, **settings: object
) -> tuple[list[str | ToolCall], dict]:
    """What comes of a stream of these events, and what the server was asked."""
    told: list[str | ToolCall] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEADERS + b"".join(events) + DONE)
        await writer.drain()

    async def use(model: OpenAIModel) -> None:
        async for part in model.stream(messages, "CA1", 5, tools):
            told.append(part)

    (body,) = with_server(answer, use, embedded=bool(settings.pop("embedded", False)), **settings)
    return told, body


FOUND = ToolCall("look_up", '{"query": "hours"}')
QUERY = (call(0, "look_up", ""), call(0, None, '{"query":'), call(0, None, ' "hours"}'))
CALLED = [
    Message("system", "You are Anna."),
    Message("user", "When?"),
    Message("assistant", "Let me see.", FOUND),
    Message("tool", "At nine."),
    Message("assistant", "", ToolCall("look_up", "(query=")),
    Message("tool", "That was no call."),
]


def test_tools_are_offered_and_a_streamed_call_is_put_together() -> None:
    told, asked = answer_of(chunk("Let me see."), *QUERY, event("tool_calls"))
    assert [part for part in told if part] == ["Let me see.", FOUND]
    assert told.count("") == 3, "an empty fragment tells that the call goes on"
    parameters = {"type": "object", "properties": {"query": {"type": "string"}}}
    function = {"name": "look_up", "description": "Looks up.", "parameters": parameters}
    assert asked["tools"] == [{"type": "function", "function": function}]
    assert asked["tool_choice"] == "auto"


def test_without_tools_the_request_is_what_it_was_and_text_is_not_looked_at() -> None:
    told, asked = answer_of(chunk("[look_up("), chunk(")]"), tools=())
    assert told == ["[look_up(", ")]"]
    assert not {"tools", "tool_choice", "stop"} & asked.keys()


@pytest.mark.parametrize(
    ("events", "calls"),
    [
        ((*QUERY, call(1, "hang_up", "{}")), [FOUND, ToolCall("hang_up", "{}")]),
        ((call(0, "hang_up"), call(1, "look_up", "[]")), [ToolCall("hang_up", "{}"), ToolCall("look_up", "[]")]),
        ((call(0, "hang_up", ""), event("tool_calls")), [ToolCall("hang_up", "{}")]),
        ((call(0, "hang_up", ""), event("length")), [ToolCall("hang_up", "(cut off")]),
        ((call(0, "hang_up", ""),), [ToolCall("hang_up", "(cut off")]),
        ((*QUERY[:2], event("length")), [ToolCall("look_up", '{"query":')]),
        (QUERY, [FOUND]),
        ((call(0, "look_up", '{"query": '), call(0, "look_up", '"hours"}')), [FOUND]),
        ((call(None, "look_up", '{"query": '), call(None, None, '"hours"}')), [FOUND]),
        (
            (call(None, "hang_up", "{}"), call(None, "look_up", "{}")),
            [ToolCall("hang_up", "{}"), ToolCall("look_up", "{}")],
        ),
        ((chunk('Yes. [look_up(query="hours")]'), event("stop")), [FOUND]),
        ((chunk('[look_up(query="ho'), event("length")), [ToolCall("look_up", '(query="ho')]),
    ],
)
def test_no_call_of_a_known_name_is_lost(events: tuple[bytes, ...], calls: list[ToolCall]) -> None:
    told, _ = answer_of(*events)
    assert [part for part in told if isinstance(part, ToolCall)] == calls


@pytest.mark.parametrize(
    "events", [(call(0, None, "{}"),), (call(0, "a", "{}"), call(1, "b", "{}"), call(0, None, "{}"))]
)
def test_fragments_that_make_no_call_are_a_crash(events: tuple[bytes, ...]) -> None:
    with pytest.raises(EngineCrashed):
        answer_of(*events)


def test_calls_and_results_are_sent_as_the_protocol_has_them() -> None:
    _, asked = answer_of(chunk("Yes."), messages=CALLED)
    assert asked["messages"][2:] == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": FOUND.arguments}}
            ],
        },
        {"role": "tool", "content": "At nine.", "tool_call_id": "call_1"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "call_2", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "That was no call.", "tool_call_id": "call_2"},
    ]


@pytest.mark.parametrize("settings", [{"tool_calls": "text"}, {"embedded": True}], ids=["text", "embedded"])
def test_where_calls_are_text_the_server_sees_only_text(settings: dict) -> None:
    told, asked = answer_of(chunk("Yes. [look_up("), chunk('query="hours")]'), messages=CALLED, **settings)
    assert told == ["Yes. ", FOUND]
    assert not {"tools", "tool_choice"} & asked.keys()
    system, *said = asked["messages"]
    assert "look_up(query: string = ...): Looks up." in system["content"]
    assert [message["role"] for message in said] == ["user", "assistant"] * 2 + ["user"]
    assert said[1] == {"role": "assistant", "content": 'Let me see.\n[look_up(query="hours")]'}


@pytest.mark.parametrize("render", [list, lambda messages: as_text(messages, (LOOK_UP,))], ids=["server", "text"])
def test_what_was_sent_is_sent_again_unchanged(render: Callable[[list[Message]], list[Message]]) -> None:
    whole = conversation(render(CALLED))
    for length in range(1, len(CALLED)):
        assert conversation(render(CALLED[:length])) == whole[:length]


def test_reading_ahead_reads_what_the_reply_will_be_made_of() -> None:
    """Prompt and tools are the same, or what was read would be of no use."""
    messages = [*CALLED, Message("assistant", "At nine."), Message("user", "Good")]

    async def use(model: OpenAIModel) -> None:
        await model.read_ahead(messages, "CA1", (LOOK_UP,))

    asked = with_server(gives({"choices": []}), use, embedded=False)
    _, replied = answer_of(chunk("Yes."), messages=messages)
    assert [asked[0][key] for key in ("messages", "tools")] == [replied[key] for key in ("messages", "tools")]


def written(body: dict, schema: dict | None = None, *, embedded: bool = False) -> tuple[str, dict]:
    """What a server with this answer writes, and what it was asked."""
    texts: list[str] = []

    async def use(model: OpenAIModel) -> None:
        texts.append(await model.write(HELLO, "CA1", 50, schema))

    (asked,) = with_server(gives(body), use, embedded=embedded, slots=3)
    return texts[0], asked


def message(text: str | None) -> dict:
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


def test_what_is_written_comes_whole_and_keeps_to_its_schema() -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    text, asked = written(message(' {"name": "Ann"}\n'), schema)
    assert text == '{"name": "Ann"}'
    form = {"name": "answer", "schema": schema, "strict": True}
    assert asked["response_format"] == {"type": "json_schema", "json_schema": form}
    assert (asked["stream"], asked["max_tokens"]) == (False, 50)
    text, asked = written(message("A refund."))
    assert text == "A refund."
    assert "response_format" not in asked


def test_the_embedded_server_writes_where_no_call_is_kept() -> None:
    assert written(message("Yes."), embedded=True)[1]["id_slot"] == 3, "calls have 0 to 2"


@pytest.mark.parametrize("text", ['{"name": "An', "Of course! {}", ""])
def test_what_is_no_json_where_json_was_wanted_is_a_crash(text: str) -> None:
    with pytest.raises(EngineCrashed):
        written(message(text), {"type": "object"})


@pytest.mark.parametrize("body", [message(""), message(None), {"choices": []}, {"choices": 3}])
def test_nothing_written_is_a_crash(body: dict) -> None:
    with pytest.raises(EngineCrashed):
        written(body)


def test_writing_has_a_time_limit_of_its_own() -> None:
    async def use(model: OpenAIModel) -> None:
        with pytest.raises(EngineTimeout, match="WRITE_WITHIN_S"):
            await model.write(HELLO, "CA1", 50)

    with_server(says_then_waits(b""), use, write_within_s=0.05)
