"""The media socket: whom it admits, and what it survives."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from exchange import ACCOUNT, CALL, STREAM, Exchange, ListeningDesk, connected, exchange, media, start, stop
from starlette.testclient import WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from client_caller.errors import LineLost
from client_caller.line.codec import Started
from client_caller.line.media_line import MediaLine
from client_caller.line.protocol import CallerAudio, Clear, KeyTone, Line, Mark, MarkReturned, Play
from client_caller.line.twilio_messages import TwilioCodec
from client_caller.settings import ServerSettings
from line.memory_socket import MemorySocket
from virtual import run

AUDIO = CallerAudio(b"\xff" * 160, 0.0)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the line's log says, as message and reason; a traceback in it fails."""
    records = [record for record in caplog.records if record.name == "client_caller.line"]
    assert all(record.levelno == logging.WARNING and record.exc_info is None for record in records)
    return [f"{record.message}: {getattr(record, 'why', '')}" for record in records]


def begin(socket: WebSocketTestSession) -> None:
    socket.send_text(connected())
    socket.send_text(start())


def assert_turned_away(line: Exchange, token: str, **how: Any) -> None:
    with pytest.raises(WebSocketDisconnect), line.socket(token, **how):
        pytest.fail("the socket was accepted")
    assert line.desk.answered == []


def closing_code(socket: WebSocketTestSession) -> int:
    closing = socket.receive()
    assert closing["type"] == "websocket.close"
    return int(closing["code"])


def test_a_call_is_heard_from_its_start_to_its_stop() -> None:
    with exchange() as line:
        with line.socket(line.token()) as socket:
            begin(socket)
            socket.send_text(media(b"\x01" * 160, ms="20"))
            socket.send_text(json.dumps({"event": "mark", "streamSid": STREAM, "mark": {"name": "m1"}}))
            socket.send_text(json.dumps({"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": "#"}}))
            socket.send_text(stop())
            closing_code(socket)
        assert line.desk.answered == [CALL]
        assert line.desk.received == [CallerAudio(b"\x01" * 160, 0.02), MarkReturned("m1"), KeyTone("#")]
        assert "<Response><Hangup/></Response>" in line.post("/twilio/resume").text


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_signature_may_be_over_either_form_of_the_socket_s_address(slash: str) -> None:
    with exchange() as line, line.socket(line.token(), slash=slash) as socket:
        begin(socket)
        socket.send_text(stop())
        closing_code(socket)
        assert line.desk.answered == [CALL]


def test_a_forged_upgrade_is_turned_away_and_uses_up_no_ticket(caplog: pytest.LogCaptureFixture) -> None:
    with exchange() as line:
        token = line.token()
        assert_turned_away(line, token, signed_by="another token")
        with line.socket(token):
            pass
    assert warnings(caplog)[0] == "a media socket was turned away: its signature is not Twilio's"


def test_an_unknown_token_is_turned_away(caplog: pytest.LogCaptureFixture) -> None:
    with exchange() as line:
        assert_turned_away(line, "guessed")
    assert warnings(caplog) == ["a media socket was turned away: its token is unknown, used or expired"]


def test_a_token_admits_once() -> None:
    with exchange() as line:
        token = line.token()
        with line.socket(token):
            assert_turned_away(line, token)


def test_a_token_that_is_too_old_is_turned_away() -> None:
    with exchange(token_life_s=1e-6) as line:
        assert_turned_away(line, line.token())


def test_only_so_many_sockets_may_wait_for_their_start(caplog: pytest.LogCaptureFixture) -> None:
    with exchange(pending_sockets=1) as line, line.socket(line.token()) as first:
        second = line.token(CallSid="CA2")
        assert_turned_away(line, second)
        begin(first)
        first.send_text(stop())
        closing_code(first)
        with line.socket(second):
            pass
    assert warnings(caplog)[0] == "a media socket was turned away: too many wait for their start"


def test_a_socket_that_never_starts_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    with exchange(start_within_s=0.02) as line, line.socket(line.token()) as socket:
        socket.send_text(connected())
        assert closing_code(socket) == 1008
        assert line.desk.answered == []
    assert warnings(caplog) == ["a media socket was refused: no start within 0.02 s"]


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (start(call="CA" + "7" * 32), "start.callSid is not the call the token was given for"),
        (start(account="AC7"), "start.accountSid is not TWILIO_ACCOUNT_SID"),
        (start(sampleRate=16000), "mediaFormat.sampleRate is not 8000"),
        (media(), "a message came before start"),
        ("{", "the message is not JSON"),
        ("x" * 65_537, "the message is longer than 65536 characters"),
    ],
)
def test_a_stream_that_starts_wrongly_is_refused(first: str, why: str, caplog: pytest.LogCaptureFixture) -> None:
    with exchange() as line, line.socket(line.token()) as socket:
        socket.send_text(first)
        assert closing_code(socket) == 1008
        assert line.desk.answered == []
    assert warnings(caplog) == [f"a media socket was refused: {why}"]


def test_a_second_stream_of_a_live_call_is_refused_and_the_first_goes_on() -> None:
    with exchange(ListeningDesk(words=1)) as line, line.socket(line.token()) as first:
        begin(first)
        with line.socket(line.token()) as second:
            begin(second)
            assert closing_code(second) == 1008
        first.send_text(media())
        assert closing_code(first) == 1000
        assert line.desk.received == [AUDIO]
        assert line.desk.answered == [CALL]


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        '{"event": "media", "streamSid": "' + STREAM + '", "media": {"timestamp": "0", "payload": "?"}}',
        media(stream="MZ7"),
        "x" * 65_537,
        start(),
    ],
)
def test_a_bad_message_is_dropped_and_the_call_goes_on(bad: str, caplog: pytest.LogCaptureFixture) -> None:
    with exchange() as line:
        with line.socket(line.token()) as socket:
            begin(socket)
            for _ in range(49):
                socket.send_text(bad)
            socket.send_text(media())
            socket.send_text(stop())
            closing_code(socket)
        assert line.desk.received == [AUDIO]
        assert line.desk.losses == []
    assert len(warnings(caplog)) == 1


def test_a_binary_message_is_dropped_and_the_call_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    with exchange() as line:
        with line.socket(line.token()) as socket:
            begin(socket)
            socket.send_bytes(b"\x00")
            socket.send_text(media())
            socket.send_text(stop())
            closing_code(socket)
        assert line.desk.received == [AUDIO]
    assert warnings(caplog) == ["a media message was refused: the message is not text"]


def test_a_stream_of_nothing_but_nonsense_is_lost_at_the_fiftieth(caplog: pytest.LogCaptureFixture) -> None:
    with exchange() as line, line.socket(line.token()) as socket:
        begin(socket)
        for _ in range(50):
            socket.send_text("nonsense")
        assert closing_code(socket) == 1011
        assert line.desk.losses == ["50 messages were malformed"]
    assert warnings(caplog) == ["a media message was refused: the message is not JSON"]


def test_unknown_events_and_frames_of_odd_size_are_no_mistakes(caplog: pytest.LogCaptureFixture) -> None:
    with exchange() as line:
        with line.socket(line.token()) as socket:
            begin(socket)
            for _ in range(60):
                socket.send_text('{"event": "weather"}')
            socket.send_text(media(b"\x01"))
            socket.send_text(media(b"\x02" * 1_001))
            socket.send_text(stop())
            closing_code(socket)
        assert [len(m.mulaw) for m in line.desk.received if isinstance(m, CallerAudio)] == [1, 1_001]
    assert warnings(caplog) == []


def test_a_stream_that_breaks_is_given_another_and_the_desk_answers_anew() -> None:
    with exchange() as line:
        token = line.token()
        for _ in range(2):
            with line.socket(token) as socket:
                begin(socket)
                socket.send_text(media())
            token = line.token("/twilio/resume")
        assert line.desk.answered == [CALL, CALL]
        assert line.desk.received == [AUDIO, AUDIO]
        assert line.desk.losses == ["the carrier closed the stream"] * 2


def test_a_stream_that_the_desk_gives_up_is_lost_and_the_call_goes_on_elsewhere() -> None:
    class Leaving(ListeningDesk):
        async def answer(self, line: Line) -> None:
            asyncio.get_running_loop().call_later(0.02, self.leave, line)
            await super().answer(line)

        def leave(self, line: Line) -> None:
            self.ask_again_s = 3
            line.break_off()
            line.break_off()

    with exchange(Leaving()) as line:
        with line.socket(line.token()) as socket:
            begin(socket)
            assert closing_code(socket) == 1012
        assert line.desk.losses == ["the stream was given up"]
        assert "<Pause" in line.post("/twilio/resume").text


def test_a_stream_whose_end_only_twilio_knows_of_makes_way_for_the_next() -> None:
    with exchange() as line, line.socket(line.token()) as dead:
        begin(dead)
        dead.send_text(media())
        with line.socket(line.token("/twilio/resume")) as socket:
            begin(socket)
            socket.send_text(media())
            socket.send_text(stop())
            closing_code(socket)
        assert line.desk.answered == [CALL, CALL]


def test_a_call_that_lost_its_room_while_it_connected_is_refused() -> None:
    with exchange() as line, line.socket(line.token()) as socket:
        line.desk.room = False
        begin(socket)
        assert closing_code(socket) == 1008
        assert "All lines are taken." in line.post("/twilio/resume").text


def test_what_the_agent_sends_reaches_the_carrier_in_order() -> None:
    class Talking(ListeningDesk):
        async def answer(self, line: Line) -> None:
            await line.send(Play(b"\x01\x02"))
            await line.send(Mark('a "b"'))
            await line.send(Clear())

    with exchange(Talking()) as line, line.socket(line.token()) as socket:
        begin(socket)
        assert [json.loads(socket.receive_text()) for _ in range(3)] == [
            {"event": "media", "streamSid": STREAM, "media": {"payload": "AQI="}},
            {"event": "mark", "streamSid": STREAM, "mark": {"name": 'a "b"'}},
            {"event": "clear", "streamSid": STREAM},
        ]
        assert closing_code(socket) == 1011  # the desk left without hanging up


def test_a_desk_that_leaves_without_hanging_up_has_not_ended_the_call() -> None:
    class Failing(ListeningDesk):
        async def answer(self, line: Line) -> None:
            return

    with exchange(Failing()) as line:
        with line.socket(line.token()) as socket:
            begin(socket)
            assert closing_code(socket) == 1011
        assert "<Stream" in line.post("/twilio/resume").text


def test_a_ticket_left_over_from_a_call_that_was_given_up_admits_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with exchange() as line:
        tokens = [line.token("/twilio/resume") for _ in range(3)]
        assert "<Hangup/>" in line.post("/twilio/resume").text
        with line.socket(tokens[-1]) as socket:
            begin(socket)
            assert closing_code(socket) == 1008
        assert line.desk.answered == []
    assert warnings(caplog)[-1] == "a media socket was refused: the call is over"


def test_a_stream_whose_start_is_not_among_its_first_messages_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with exchange() as line, line.socket(line.token()) as socket:
        for _ in range(10):
            socket.send_text('{"event": "weather"}')
        socket.send_text(start())
        assert closing_code(socket) == 1008
    assert warnings(caplog) == ["a media socket was refused: 10 messages came before start"]


def heard_of(script: Callable[[MemorySocket], Awaitable[None]], **limits: float) -> tuple[int, str]:
    """How many frames are heard of what a script sends, on virtual time, and why the line is lost."""

    async def main() -> tuple[int, str]:
        far = MemorySocket()
        started, heard = Started(STREAM, CALL, ACCOUNT), 0
        line = MediaLine(await far.accepted(), TwilioCodec(), started, ServerSettings(**limits))  # type: ignore[arg-type]
        sending = asyncio.create_task(script(far))
        try:
            async for _ in line.receive():
                heard += 1
        except LineLost as lost:
            return heard, str(lost)
        finally:
            await sending
        return heard, ""

    return run(main())


async def frames(far: MemorySocket, count: int, every_s: float) -> None:
    for _ in range(count):
        far.text(media())
        await asyncio.sleep(every_s)


def test_a_stream_that_goes_silent_is_lost_though_other_messages_come() -> None:
    async def script(far: MemorySocket) -> None:
        far.text(media())
        for _ in range(10):
            await asyncio.sleep(0.5)
            far.text('{"event": "weather"}')

    assert heard_of(script) == (1, "no media for 3.0 s")


def test_all_that_was_held_up_in_a_stall_of_almost_three_seconds_is_let_through_time_and_again() -> None:
    async def script(far: MemorySocket) -> None:
        for _ in range(20):
            await asyncio.sleep(2.9)
            await frames(far, 145, 0)
        far.text(stop())

    assert heard_of(script, messages_per_s=100) == (2_900, "")


def test_twice_the_usual_number_of_messages_may_come_for_ever() -> None:
    async def script(far: MemorySocket) -> None:
        await frames(far, 2_000, 0.01)
        far.text(stop())

    assert heard_of(script, messages_per_s=100) == (2_000, "")


def test_a_stream_that_sends_faster_than_anybody_speaks_is_lost() -> None:
    async def flood(far: MemorySocket) -> None:
        await frames(far, 10_000, 0)

    assert heard_of(flood, messages_per_s=100) == (300, "more than 100 messages a second")


def test_messages_that_mean_nothing_are_counted_as_well() -> None:
    async def script(far: MemorySocket) -> None:
        for _ in range(10_000):
            far.text('{"event": "weather"}')

    assert heard_of(script) == (0, "more than 200 messages a second")


class StuckSocket:
    """A socket whose far end reads nothing."""

    async def send_text(self, text: str) -> None:
        await asyncio.Event().wait()

    async def close(self, code: int) -> None:
        await asyncio.Event().wait()


class GoneSocket:
    """A socket whose far end is gone. said: what it sent before, and was not read yet."""

    def __init__(self, *said: str) -> None:
        self._said = list(said)
        self.taken = 0

    async def send_text(self, text: str) -> None:
        self.taken += 1
        raise WebSocketDisconnect(1006)

    async def receive(self) -> dict[str, Any]:
        if self._said:
            return {"type": "websocket.receive", "text": self._said.pop(0)}
        return {"type": "websocket.disconnect", "code": 1006}

    async def close(self, code: int) -> None:
        raise RuntimeError("already closed")


@pytest.mark.parametrize("hung_up", [True, False])
def test_a_caller_who_hangs_up_while_the_agent_speaks_has_hung_up(hung_up: bool) -> None:
    """The socket may be found closed by who writes to it before the carrier's `stop` is read."""

    async def main() -> None:
        socket: Any = GoneSocket(media(), *([stop()] if hung_up else []))
        line = MediaLine(socket, TwilioCodec(), Started(STREAM, CALL, "AC1"), ServerSettings())
        for _ in range(3):
            await line.send(Play(b"\xff" * 160))
        assert socket.taken == 1, "nothing more is handed to a socket that is gone"
        if hung_up:
            assert [message async for message in line.receive()] == [AUDIO]
            assert line.over
        else:
            with pytest.raises(LineLost, match="the carrier closed the stream"):
                [message async for message in line.receive()]
            assert not line.over

    asyncio.run(main())


def test_a_message_that_is_not_taken_loses_the_line_and_hanging_up_still_ends() -> None:
    async def main() -> None:
        socket: Any = StuckSocket()
        line = MediaLine(socket, TwilioCodec(), Started(STREAM, CALL, "AC1"), ServerSettings(send_within_s=0.01))
        with pytest.raises(LineLost):
            await line.send(Clear())
        with pytest.raises(LineLost, match="over"):
            await line.send(Clear())
        await line.hang_up()
        await line.hang_up()

    asyncio.run(main())


def test_a_caller_who_is_gone_before_the_start_leaves_no_trace_but_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with exchange() as line, line.socket(line.token()), suppress(WebSocketDisconnect):
        pass
    assert warnings(caplog) == ["a media socket was refused: the carrier closed the stream"]
