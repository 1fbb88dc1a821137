"""The simulated carrier against a real server over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from trial_server import ACCOUNT, TOKEN, PunctualDesk, serving, tone
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from client_caller.audio.mulaw import encode
from client_caller.errors import LineLost, LineProtocolError
from client_caller.line.protocol import Line, Play
from client_caller.rehearsal.caller import rehearse
from client_caller.rehearsal.carrier import CarriedCall, Fault, place_call
from client_caller.rehearsal.clips import Clip
from client_caller.rehearsal.measure import HeardCall
from client_caller.rehearsal.script import HangUp, Interrupt, Say

pytestmark = pytest.mark.realtime

CLIP = Clip("tone", "hello", tone(0.3), 0.0, 0.3)
QUIET = b"\xff" * 160


def silent_for(frames: int) -> Callable[[bytes], bytes | None]:
    left = iter([QUIET] * frames)
    return lambda heard: next(left, None)


def call(desk: PunctualDesk, next_frame: Callable[[bytes], bytes | None], token: str = TOKEN) -> CarriedCall:
    async def main() -> CarriedCall:
        async with serving(desk) as url:
            return await place_call(url, ACCOUNT, token, next_frame)

    return asyncio.run(main())


def test_measured_times_are_those_of_the_agent_to_within_one_frame() -> None:
    async def main() -> HeardCall:
        async with serving(desk) as url:
            steps = [Say(CLIP, 0.1), Interrupt(CLIP, 0.3), HangUp(0.1)]
            return await rehearse(url, steps, account_sid=ACCOUNT, auth_token=TOKEN)

    desk = PunctualDesk()
    heard = asyncio.run(main())
    said, interrupted = heard.turns
    assert heard.greeting_at == pytest.approx(0.02, abs=0.021)
    assert said.voice_to_voice_s == pytest.approx(0.22, abs=0.021)  # 200 ms of quiet, then the next 20 ms slot
    assert interrupted.barge_in_silence_s == pytest.approx(0.04, abs=0.021)  # a frame to say it, a frame to hear it
    assert interrupted.voice_to_voice_s == pytest.approx(0.22, abs=0.021)
    assert not said.cut_off
    assert not interrupted.cut_off
    assert desk.marks == ["greeted"]
    assert desk.media_s == pytest.approx([n * 0.02 for n in range(len(desk.media_s))])
    assert len(heard.sent) == len(heard.played) == 160 * len(desk.media_s)


def test_a_broken_stream_is_followed_to_the_next() -> None:
    class Breaking(PunctualDesk):
        calls = 0

        async def answer(self, line: Line) -> None:
            self.calls += 1
            await line.send(Play(encode(tone(0.1))))
            if self.calls == 1:
                raise LineLost("on purpose")
            async for _ in line.receive():
                await line.hang_up()

    desk = Breaking()
    left = call(desk, lambda heard: QUIET)
    assert desk.calls == left.streams == 2
    assert not left.hung_up_by_caller
    assert left.violations == []


def test_a_caller_who_hangs_up_ends_the_call_for_both() -> None:
    left = call(PunctualDesk(), silent_for(5))
    assert left.hung_up_by_caller
    assert left.streams == 1
    assert len(left.sent) == len(left.played) == 5 * 160


def test_a_server_without_room_is_heard_saying_so() -> None:
    class Full(PunctualDesk):
        def has_room(self, promised: int = 0) -> bool:
            return False

    left = call(Full(), silent_for(5))
    assert left.announcements == ["All lines are taken."]
    assert left.streams == 0


def test_a_carrier_with_the_wrong_token_is_refused() -> None:
    with pytest.raises(LineProtocolError, match="403"):
        call(PunctualDesk(), silent_for(5), token="another token")


def test_a_forged_upgrade_gets_a_plain_403_and_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(PunctualDesk()) as url:
            media = "ws" + url.removeprefix("http").replace("voice", "media/guessed")
            with pytest.raises(InvalidStatus, match="403"):
                async with connect(media, proxy=None):
                    pytest.fail("the socket was accepted")

    asyncio.run(main())
    assert [record.name for record in caplog.records if record.levelname != "INFO"] == ["client_caller.line"]
    assert all(record.exc_info is None for record in caplog.records)


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(LineLost, match=r"127\.0\.0\.1:9/"):
        asyncio.run(place_call("http://127.0.0.1:9/twilio/voice", ACCOUNT, TOKEN, silent_for(1)))


def seconds(call: CarriedCall) -> list[float]:
    """Where the agent was heard, in seconds of the call, to the slot."""
    played = bytes(call.played)
    return [round(n / 50, 2) for n in range(len(played) // 160) if played[160 * n : 160 * (n + 1)] != QUIET]


@pytest.mark.parametrize("fault", ["reset", "close", "silence"])
def test_a_stream_broken_on_purpose_is_followed_to_the_next_on_one_timeline(
    fault: Fault,
) -> None:
    class Greeting(PunctualDesk):
        losses = 0

        async def answer(self, line: Line) -> None:
            await line.send(Play(encode(tone(0.1))))
            try:
                async for _ in line.receive():
                    pass
            except LineLost:
                self.losses += 1

    faults = iter([fault])
    frames = iter([bytes([n]) * 160 for n in range(1, 80)])

    async def main() -> tuple[CarriedCall, float]:
        async with serving(desk, media_silence_s=0.2) as url:
            began_at = asyncio.get_running_loop().time()
            call = await place_call(
                url,
                ACCOUNT,
                TOKEN,
                lambda heard: next(frames, None),
                lambda at: next(faults, None) if at >= 0.4 else None,
                silence_s=0.6,
            )
            return call, asyncio.get_running_loop().time() - began_at

    desk = Greeting()
    call, took_s = asyncio.run(main())
    assert call.streams == 2
    assert desk.losses == 1
    assert call.hung_up_by_caller
    assert call.violations == []
    assert bytes(call.sent) == b"".join(bytes([n]) * 160 for n in range(1, 80))
    assert len(call.played) == len(call.sent)
    assert took_s == pytest.approx(79 * 0.02, abs=0.3)
    first, again = [at for at in seconds(call) if at < 0.4], [at for at in seconds(call) if at > 0.4]
    assert first[0] == pytest.approx(0.02, abs=0.05)
    assert again[0] > 0.4 + (0.6 if fault == "silence" else 0.0)


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that gives these answers in order, one a connection, and what it was asked."""
    left = iter(answers)
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head)
        writer.write(next(left))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/voice", asked


OVER = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<Response><Dial>+15550100009</Dial><Hangup/></Response>"
BROKEN = b"HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def test_a_webhook_is_asked_as_often_as_its_address_says() -> None:
    async def main() -> None:
        async with answering(BROKEN, b"", OVER) as (url, asked):
            often = url + "#rc=5&rp=all&ct=5000&rt=15000"
            call = await place_call(often, ACCOUNT, TOKEN, silent_for(1), retry_after_s=0.01)
            assert call.dialled == ["+15550100009"]
            assert [head.split()[1] for head in asked] == ["/voice"] * 3
            tokens = {line for head in asked for line in head.splitlines() if "idempotency" in line}
            assert len(tokens) == 1
        async with answering(BROKEN, OVER) as (url, asked):
            with pytest.raises(LineProtocolError, match="503"):
                await place_call(url, ACCOUNT, TOKEN, silent_for(1))
        async with answering(BROKEN, BROKEN, OVER) as (url, asked):
            with pytest.raises(LineProtocolError, match="503"):
                await place_call(url + "#rc=1&rp=all", ACCOUNT, TOKEN, silent_for(1), retry_after_s=0.01)

    asyncio.run(main())
