"""The engine's server: speech over HTTP, calls over WebSockets, and who is let in."""

import asyncio
import io
import json
import logging
import os
import threading
import wave
from collections.abc import Coroutine
from typing import Any

import httpx2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from client_caller.audio import mulaw
from client_caller.errors import ConfigError, EngineOverloaded
from client_caller.listening import listening
from client_caller.speaking.csm.app import engine_app, run_engine, watch
from client_caller.speaking.csm.calls_ws import CallLimits
from client_caller.speaking.csm.turns import Manner, OwnTurn, Utterance
from client_caller.speaking.csm.wire import (
    MESSAGE_BYTES,
    TEXT_CHARS,
    Begun,
    Cancel,
    Ended,
    Failed,
    Heard,
    Open,
    Ready,
    Speak,
    encode,
    pcm_of,
    read_answer,
)
from speaking.csm.csm_fakes import VOICES, FakeEngine, Hold, MemoryClient, frame, served, until_free, working

SECRET = "alabaster"
ASKED: dict[str, Any] = {"model": "csm-1b", "input": f"Hello, {SECRET}.", "voice": "anna"}


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def sound(frames: int) -> bytes:
    return b"".join(pcm_of(frame(n)) for n in range(1, frames + 1))


async def allow(worker: Any, frames: float) -> None:
    """Let the engine make so many more."""
    await worker.ask(lambda engine: setattr(engine, "allowed", frames))


# Speech over HTTP.


def test_speech_comes_as_wav_or_as_bare_samples() -> None:
    async def main() -> None:
        engine = FakeEngine(frames=5)
        async with served(engine) as (address, worker), httpx2.AsyncClient(base_url=f"http://{address}") as client:
            wav = await client.post("/v1/audio/speech", json=ASKED)
            assert (wav.status_code, wav.headers["content-type"]) == (200, "audio/wav")
            assert wav.content[:4] + wav.content[8:16] == b"RIFFWAVEfmt "
            assert wav.content[4:8] == wav.content[40:44] == b"\xff\xff\xff\xff"  # the length is not known yet
            with wave.open(io.BytesIO(wav.content)) as read:
                assert (read.getnchannels(), read.getsampwidth(), read.getframerate()) == (1, 2, 24_000)
            assert wav.content[44:] == sound(5)
            pcm = await client.post("/v1/audio/speech", json=ASKED | {"response_format": "pcm", "speed": 1.0})
            assert (pcm.headers["content-type"], pcm.content) == ("audio/pcm", sound(5))
            await until_free(worker)

    run(main())


def test_the_engine_gets_the_text_and_the_manner() -> None:
    async def main() -> None:
        engine = FakeEngine()
        async with served(engine) as (address, _), httpx2.AsyncClient(base_url=f"http://{address}") as client:
            manner = {"temperature": 0.5, "top_k": 3, "seed": 11}
            await client.post("/v1/audio/speech", json=ASKED | manner)
            said = next(entry[2] for entry in engine.log if entry[0] == "speak")
            assert said.text == ASKED["input"]
            assert list(engine.manners.values()) == [("anna", Manner(0.5, 3, 11, paced=False))]

    run(main())


def test_speech_is_streamed_while_it_is_made_and_who_leaves_stops_it() -> None:
    async def main() -> None:
        engine = FakeEngine(frames=1_000, allowed=2)
        async with served(engine) as (address, worker), httpx2.AsyncClient(base_url=f"http://{address}") as client:
            async with client.stream("POST", "/v1/audio/speech", json=ASKED | {"response_format": "pcm"}) as answer:
                assert answer.status_code == 200
                chunks, got = answer.aiter_raw(), b""
                while len(got) < len(sound(2)):
                    got += await anext(chunks)
                assert got == sound(2)
                await allow(worker, 1)
                while len(got) < len(sound(3)):
                    got += await anext(chunks)
                assert got == sound(3)
            await until_free(worker)  # though nothing is made any more, that could not be sent

    run(main())


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"response_format": "mp3"}, 400, "response_format"),
        ({"speed": 1.5}, 400, "speed"),
        ({"stream_format": "sse"}, 400, "stream_format"),
        ({"voice": "carl"}, 400, "voice"),
        ({"voice": {"id": SECRET}}, 400, "voice"),
        ({"model": "tts-1"}, 404, "model"),
        ({"input": " "}, 400, "input"),
        ({"input": 7}, 400, "input"),
        ({"input": SECRET * TEXT_CHARS}, 400, "input"),
        ({"instructions": SECRET}, 400, "instructions"),
        ({"temperature": -1}, 400, "temperature"),
        ({"top_k": 0}, 400, "top_k"),
    ],
)
def test_what_cannot_be_given_is_refused_by_its_field(
    changes: dict[str, Any], status: int, param: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with working(FakeEngine()) as worker:
            transport = httpx2.ASGITransport(engine_app(worker, lambda: VOICES, SecretStr("")))
            async with httpx2.AsyncClient(transport=transport, base_url="http://engine") as client:
                answer = await client.post("/v1/audio/speech", json=ASKED | changes)
                assert answer.status_code == status
                error = answer.json()["error"]
                assert (error["type"], error["param"]) == ("invalid_request_error", param)
                assert error["message"].startswith(f"{param}: ")
                assert SECRET not in answer.text
            await until_free(worker)

    caplog.set_level(logging.DEBUG, "client_caller")
    run(main())
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"alabaster", 400), (b'{"input": "alabaster', 400), (b"[]", 400), (b"\xff", 400), (b" " * 70_000, 413)],
)
def test_a_body_that_is_none_is_refused(body: bytes, status: int) -> None:
    async def main() -> None:
        async with working(FakeEngine()) as worker:
            transport = httpx2.ASGITransport(engine_app(worker, lambda: VOICES, SecretStr("")))
            async with httpx2.AsyncClient(transport=transport, base_url="http://engine") as client:
                answer = await client.post("/v1/audio/speech", content=body)
                assert answer.status_code == status
                assert SECRET not in answer.text
                assert answer.json()["error"]["message"]

    run(main())


def test_no_room_is_told_and_leaves_nothing_behind() -> None:
    async def main() -> None:
        engine = FakeEngine()
        async with (
            served(engine, calls=1) as (address, worker),
            httpx2.AsyncClient(base_url=f"http://{address}") as web,
        ):
            engine.refusal = EngineOverloaded("voice", "16 voices are all that can speak at once")
            full = await web.post("/v1/audio/speech", json=ASKED)
            assert (full.status_code, full.json()["error"]["code"], full.headers["retry-after"]) == (
                *(503, "overloaded"),
                "1",
            )
            await until_free(worker)
            other = await worker.open("anna", Manner())
            assert (await web.post("/v1/audio/speech", json=ASKED)).status_code == 503
            other.close()
            assert (await web.post("/v1/audio/speech", json=ASKED)).status_code == 200

    run(main())


def test_an_engine_that_dies_breaks_what_it_was_saying_and_is_seen_to_be_dead(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        engine = FakeEngine(frames=1_000, allowed=1)
        async with served(engine) as (address, worker), httpx2.AsyncClient(base_url=f"http://{address}") as client:
            assert (await client.get("/health")).status_code == 200
            async with client.stream("POST", "/v1/audio/speech", json=ASKED) as answer:
                chunks = answer.aiter_raw()
                await anext(chunks)
                await worker.ask(lambda engine: setattr(engine, "failure", RuntimeError("CUDA error")))
                with pytest.raises(httpx2.RemoteProtocolError):
                    async for _ in chunks:
                        pass
            health = await client.get("/health")
            assert (health.status_code, "CUDA error" in health.json()["status"]) == (503, True)
            assert (await client.get("/metrics")).status_code == 503
            assert (await client.post("/v1/audio/speech", json=ASKED)).json()["error"]["code"] == "engine"

    run(main())
    assert SECRET not in caplog.text


def test_what_there_is_can_be_asked() -> None:
    async def main() -> None:
        async with (
            served(FakeEngine()) as (address, worker),
            httpx2.AsyncClient(base_url=f"http://{address}") as client,
        ):
            await worker.open("anna", Manner())
            assert (await client.get("/v1/audio/voices")).json() == {"voices": ["anna", "ben"]}
            assert [model["id"] for model in (await client.get("/v1/models")).json()["data"]] == ["csm-1b"]
            health = (await client.get("/health")).json()
            assert health == {
                "status": "alive",
                "process": os.getpid(),
                "figures": {"open_calls": 1.0, "slots in use": 1.0},
            }
            assert (await client.get("/metrics")).text == "csm_open_calls 1\ncsm_slots_in_use 1\n"

    run(main())


def test_with_a_key_only_who_has_it_is_let_in() -> None:
    async def main() -> None:
        async with served(FakeEngine(), key="k-1") as (address, _):
            async with httpx2.AsyncClient(base_url=f"http://{address}") as client:
                for headers in ({}, {"Authorization": "Bearer k-2"}, {"Authorization": "Basic k-1"}):
                    for path in ("/v1/models", "/metrics", "/nowhere"):
                        refused = await client.get(path, headers=headers)
                        assert refused.status_code == 401
                        assert refused.json()["error"]["code"] == "invalid_api_key"
                    with pytest.raises(InvalidStatus) as turned_away:
                        await connect(f"ws://{address}/v1/calls", additional_headers=headers)
                    assert turned_away.value.response.status_code == 403
                assert (await client.get("/health")).status_code == 200
                known = {"Authorization": "Bearer k-1"}
                assert (await client.get("/v1/models", headers=known)).status_code == 200
            async with connect(f"ws://{address}/v1/calls", additional_headers=known) as socket:
                await socket.send(encode(Open("anna")))
                assert read_answer(str(await socket.recv())) == Ready()

    run(main())


# Calls over WebSockets.


async def opened(socket: ClientConnection, voice: str = "anna") -> None:
    await socket.send(encode(Open(voice)))
    assert read_answer(str(await socket.recv())) == Ready()


async def answers(socket: ClientConnection, until: type) -> list[Any]:
    """What comes, texts read and sound as it is, up to the first of this kind."""
    got: list[Any] = []
    while not got or not isinstance(got[-1], until):
        message = await socket.recv()
        got.append(read_answer(message) if isinstance(message, str) else message)
    return got


def test_a_call_hears_and_speaks() -> None:
    async def main() -> None:
        engine = FakeEngine(frames=3)
        async with served(engine) as (address, worker):
            async with connect(f"ws://{address}/v1/calls") as socket:
                await socket.send(encode(Open("ben", 0.4, 7, 2)))
                assert await answers(socket, Ready) == [Ready(24_000, 0.08)]
                said = mulaw.encode(np.sin(np.arange(8_000, dtype=np.float32) / 5) * np.float32(0.5))
                await socket.send(encode(Heard("c1", "Who is it?", said)))
                turns = (OwnTurn("r0", 1.5, "Good mor"), "c1")
                await socket.send(encode(Speak("r1", "Anna.", turns)))
                pcm = [pcm_of(frame(n)) for n in (1, 2, 3)]
                assert await answers(socket, Ended) == [Begun("r1"), *pcm, Ended("r1", "finished")]
                _, heard, spoken = (entry for entry in engine.log if entry[0] != "step")
                assert (heard[2].id, heard[2].text, heard[2].sound.shape) == ("c1", "Who is it?", (24_000,))
                wanted = np.sin(np.arange(24_000) / 15) * 0.5
                assert np.abs(heard[2].sound - wanted)[100:-100].max() < 0.03  # mu-law's own error
                assert spoken[2] == Utterance("r1", "Anna.", turns)
                assert list(engine.manners.values()) == [("ben", Manner(0.4, 7, 2))]
            await until_free(worker)

    run(main())


def test_a_cancelled_utterance_ends_and_the_next_one_is_told_apart() -> None:
    async def main() -> None:
        engine = FakeEngine(frames=2, allowed=1)
        async with served(engine) as (address, worker), connect(f"ws://{address}/v1/calls") as socket:
            await opened(socket)
            for id in ("1", "2", "3"):
                await socket.send(encode(Speak(id, "Well.")))
            assert await answers(socket, bytes) == [Begun("1"), sound(1)]
            await socket.send(encode(Cancel("2")))
            assert await answers(socket, Ended) == [Ended("2", "cancelled")]
            await socket.send(encode(Cancel("1")))
            assert await answers(socket, Ended) == [Ended("1", "cancelled")]
            await allow(worker, 9)
            frames = [pcm_of(frame(n)) for n in (1, 2)]
            assert await answers(socket, Ended) == [Begun("3"), *frames, Ended("3", "finished")]

    run(main())


def test_bad_messages_are_told_and_the_call_goes_on() -> None:
    async def main() -> None:
        engine = FakeEngine()
        async with served(engine) as (address, _), connect(f"ws://{address}/v1/calls") as socket:

            async def refused(message: str | bytes) -> Failed:
                await socket.send(message)
                (failed,) = await answers(socket, Failed)
                assert failed.code == "bad_request"
                assert SECRET not in failed.message
                return failed

            early = await refused(encode(Speak("1", SECRET)))
            assert "open" in early.message
            assert early.id == "1"
            assert "voice" in (await refused(encode(Open("carl")))).message
            await opened(socket)
            assert "open already" in (await refused(encode(Open("anna")))).message
            assert "text" in (await refused(json.dumps({"type": "speak", "id": "4", "text": [SECRET]}))).message
            assert "text" in (await refused(SECRET.encode())).message
            assert "JSON" in (await refused(SECRET)).message
            engine.refusal = EngineOverloaded("voice", "no room")
            await socket.send(encode(Speak("5", "Hm.")))
            assert await answers(socket, Failed) == [Failed("overloaded", "voice: no room", "5")]
            await socket.send(encode(Speak("5", "Hm.")))
            assert (await answers(socket, Ended))[-1] == Ended("5", "finished")

    run(main())


def test_two_utterances_of_one_name_cannot_be_told_apart() -> None:
    async def main() -> None:
        engine = FakeEngine(allowed=0)
        async with served(engine) as (address, worker), connect(f"ws://{address}/v1/calls") as socket:
            await opened(socket)
            await socket.send(encode(Speak("1", "Hm.")))
            await socket.send(encode(Speak("1", "Hm.")))
            (failed,) = await answers(socket, Failed)
            assert (failed.code, failed.id, failed.message[:3]) == ("bad_request", "1", "id:")
            await allow(worker, 99)
            assert (await answers(socket, Ended))[-1] == Ended("1", "finished")
            await socket.send(encode(Speak("1", "Hm.")))
            assert (await answers(socket, Ended))[-1] == Ended("1", "finished")

    run(main())


async def closed_with(socket: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed):
        await socket.recv()
    return socket.close_code


def test_a_hopeless_connection_is_given_up() -> None:
    limits = CallLimits(open_within_s=0.05, messages=20, messages_per_s=0.001, bad_messages=5)

    async def main() -> None:
        async with served(FakeEngine(), limits=limits) as (address, worker):
            url = f"ws://{address}/v1/calls"
            async with connect(url) as silent:
                assert await answers(silent, Failed) == [Failed("bad_request", "no open came in time")]
                assert await closed_with(silent) == 1008
            async with connect(url) as babbler:
                await opened(babbler)
                for _ in range(5):
                    await babbler.send("{}")
                assert len([await answers(babbler, Failed) for _ in range(5)]) == 5
                assert await closed_with(babbler) == 1008
            async with connect(url) as flood:
                await opened(flood)
                for _ in range(20):
                    await flood.send(encode(Cancel("1")))
                (failed,) = await answers(flood, Failed)
                assert "messages a second" in failed.message
                assert await closed_with(flood) == 1008
            async with connect(url) as large:
                await opened(large)
                await large.send("x" * (MESSAGE_BYTES + 1))
                assert await closed_with(large) == 1009
            await until_free(worker)

    run(main())


def test_more_sound_than_anybody_says_is_refused() -> None:
    async def main() -> None:
        limits = CallLimits(heard_s=1.5, heard_per_s=0.001)
        async with served(FakeEngine(), limits=limits) as (address, _), connect(f"ws://{address}/v1/calls") as socket:
            await opened(socket)
            await socket.send(encode(Heard("c1", "", bytes(8_000))))
            await socket.send(encode(Heard("c2", "", bytes(8_000))))
            (failed,) = await answers(socket, Failed)
            assert (failed.code, failed.id) == ("overloaded", "c2")

    run(main())


def test_there_are_no_more_connections_than_allowed() -> None:
    async def main() -> None:
        async with served(FakeEngine(), calls=1) as (address, worker):
            url = f"ws://{address}/v1/calls"
            async with connect(url) as socket:
                await opened(socket)
                async with connect(url) as other:
                    await other.send(encode(Open("anna")))
                    (failed,) = await answers(other, Failed)
                    assert failed.code == "overloaded"
                    assert await closed_with(other) == 1013
            await until_free(worker)
            async with connect(url) as socket:
                await opened(socket)

    run(main())


def test_an_engine_that_dies_ends_the_call_and_says_so() -> None:
    async def main() -> None:
        async with served(FakeEngine()) as (address, worker), connect(f"ws://{address}/v1/calls") as socket:
            await opened(socket)
            await worker.ask(lambda engine: setattr(engine, "failure", RuntimeError("CUDA error")))
            (failed,) = await answers(socket, Failed)
            assert failed.code == "engine"
            assert await closed_with(socket) == 1011

    run(main())


def test_a_lost_connection_frees_its_call_while_it_speaks() -> None:
    async def main() -> None:
        async with served(FakeEngine(frames=100_000, allowed=3)) as (address, worker):
            socket = await connect(f"ws://{address}/v1/calls")
            await opened(socket)
            await socket.send(encode(Speak("1", "Well.")))
            await answers(socket, bytes)
            socket.transport.abort()
            await until_free(worker)

    run(main())


def test_a_client_that_takes_nothing_is_given_up() -> None:
    async def main() -> None:
        async with working(FakeEngine()) as worker:
            app = engine_app(worker, lambda: VOICES, SecretStr(""), CallLimits(send_within_s=0.01))
            client = MemoryClient([encode(Open("anna")), encode(Speak("1", "Hm."))], stays=True, takes=False)
            await client.calls(app)
            assert client.code == 1008
            await until_free(worker)

    run(main())


def test_who_takes_nothing_holds_up_nobody_else() -> None:
    async def main() -> None:
        async with working(FakeEngine(frames=50)) as worker:
            app = engine_app(worker, lambda: VOICES, SecretStr(""), CallLimits(send_within_s=60))
            messages = [encode(Open("anna")), encode(Speak("1", "Hm."))]
            stuck = asyncio.create_task(MemoryClient(messages, stays=True, takes=False).calls(app))
            other = MemoryClient(messages, stays=True)
            served_other = asyncio.create_task(other.calls(app))
            while encode(Ended("1", "finished")) not in other.sent:
                await worker.figures()
            for task in (stuck, served_other):
                task.cancel()
            await asyncio.gather(stuck, served_other, return_exceptions=True)
            await until_free(worker)

    run(main())


GOOD = [
    encode(Open("anna")),
    encode(Heard("c1", "Yes", b"\xff" * 400)),
    encode(Speak("1", "Hm.", ("c1", OwnTurn("0", 1.0, "x")))),
    encode(Cancel("1")),
]


@st.composite
def spoilt(draw: st.DrawFn) -> str | bytes:
    """A message with a piece of it replaced, or none at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=40))
    text = draw(st.sampled_from(GOOD))
    if draw(st.booleans()):
        return text
    fields = json.loads(text)
    fields[draw(st.sampled_from([*fields, "other"]))] = draw(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.text(max_size=3))
    )
    at = draw(st.integers(0, len(text)))
    return draw(st.sampled_from([json.dumps(fields), text[:at] + draw(st.text(max_size=3)) + text[at:], text[:at]]))


@settings(max_examples=150)
@given(st.lists(spoilt(), max_size=30))
def test_nothing_that_is_sent_breaks_the_handler_or_the_engine(messages: list[str | bytes]) -> None:
    async def main() -> None:
        async with working(FakeEngine()) as worker:
            app = engine_app(worker, lambda: VOICES, SecretStr(""))
            client = MemoryClient(messages)
            await client.calls(app)
            for answer in client.sent:
                if isinstance(answer, str):
                    read_answer(answer)
            assert worker.is_alive
            await until_free(worker)

    run(main())


# The process.


def test_a_process_whose_engine_dies_ends_with_one() -> None:
    ended: list[int] = []
    engine = FakeEngine(frames=1_000_000)
    engine.failure = RuntimeError("CUDA error")
    with listening("127.0.0.1", 0) as listener:
        app = lambda worker: engine_app(worker, lambda: VOICES, SecretStr(""))  # noqa: E731
        process = threading.Thread(target=lambda: ended.append(run_engine(lambda _: engine, app, 8, listener)))
        process.start()
        process.join(30)
    assert ended == [1]


def test_a_process_whose_model_cannot_be_had_says_why() -> None:
    def build(_: object) -> FakeEngine:
        raise ConfigError("there is no model")

    with listening("127.0.0.1", 0) as listener, pytest.raises(ConfigError, match="no model"):
        run_engine(build, lambda worker: engine_app(worker, lambda: (), SecretStr("")), 8, listener)


def test_an_engine_that_hangs_is_noticed() -> None:
    async def main() -> None:
        hold, hung = Hold(), asyncio.Event()
        async with working(FakeEngine()) as worker:
            worker.tell(hold)
            try:
                await watch(worker, hung.set, every_s=0, within_s=0.01)
            finally:
                hold.let_go()
            assert hung.is_set()

    run(main())
