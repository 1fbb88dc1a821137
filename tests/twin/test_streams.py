"""The media stream of a call, on the virtual clock."""

import asyncio
import base64
from typing import Any

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect

from client_caller.twin.account import Twin
from client_caller.twin.carried import CarriedCall
from client_caller.twin.orders import Step
from client_caller.twin.people import TALK, KeyPress, Person, talking
from twin.far_end import ACCOUNT, OURS, QUIET, STREAM, FarEnd, Stream, Talk, document, held

CONNECT = document(f'<Connect action="/next">{STREAM}</Connect><Say>none</Say>')
TOLD = document(f'<Connect action="/next">{STREAM[:-2]} statusCallback="/stream"/></Connect>')


def called(talk: Talk | None, person: Person | None = None, voice: str = CONNECT, **options: Any) -> Any:
    end = FarEnd({"/voice": voice}, talk)
    who = person or Person(next_frame=talking(1.0))
    return held(end, lambda twin: twin.call_in(who, OURS), **options), end


async def play(stream: Stream, mulaw: bytes) -> None:
    await stream.send("media", media={"payload": base64.b64encode(mulaw).decode()})


def test_a_stream_begins_and_ends_as_twilio_says() -> None:
    parameters = '<Parameter name="order" value="7"/><Parameter name="who" value="me &amp; you"/>'
    call, end = called(None, voice=document(f"<Connect>{STREAM[:-2]}>{parameters}</Stream></Connect>"))
    (stream,) = end.streams
    assert [each["event"] for each in stream.messages] == ["connected", "start", "stop"]
    assert stream.messages[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert stream.start == {
        "accountSid": ACCOUNT,
        "streamSid": stream.sid,
        "callSid": call.call_sid,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"order": "7", "who": "me & you"},
    }
    assert stream.messages[1]["sequenceNumber"] == "1"
    assert stream.messages[2]["sequenceNumber"] == "52"
    assert stream.media == [20 * n for n in range(50)]
    assert stream.media_at == pytest.approx([stream.media_at[0] + 0.02 * n for n in range(50)])
    assert call.hung_up_by_caller
    assert call.errors == []
    assert call.lateness_s < 1e-6


def test_both_channels_lie_on_one_timeline() -> None:
    async def talk(stream: Stream) -> None:
        await stream.after(10)
        await play(stream, TALK * 5)
        await stream.to_the_end()

    call, _ = called(talk)
    assert bytes(call.sent) == TALK * 50
    assert bytes(call.played) == QUIET * 11 + TALK * 5 + QUIET * 34  # the slot in which it was sent had begun


def test_a_mark_comes_back_when_the_sound_before_it_was_played_or_dropped() -> None:
    marks_at: dict[str, float] = {}

    async def talk(stream: Stream) -> None:
        loop = asyncio.get_running_loop()

        async def until(name: str) -> None:
            while (message := await stream.next())["event"] != "mark":
                pass
            assert message["mark"]["name"] == name
            marks_at[name] = loop.time() - stream.media_at[0] + 0.02

        await stream.after(10)
        await stream.send("mark", mark={"name": "nothing waits"})
        await until("nothing waits")
        await play(stream, TALK * 5)
        await stream.send("mark", mark={"name": "played"})
        await until("played")
        await play(stream, TALK * 50)
        await stream.send("mark", mark={"name": "dropped"})
        await stream.after(5)
        await stream.send("clear")
        await until("dropped")
        await stream.to_the_end()

    call, _ = called(talk)
    assert marks_at["nothing waits"] == pytest.approx(0.2, abs=0.021)
    assert marks_at["played"] == pytest.approx(0.3, abs=0.041)
    assert marks_at["dropped"] == pytest.approx(0.4, abs=0.061)
    assert bytes(call.played).count(TALK) == 5 + 5
    assert call.violations == []


def test_keys_arrive_as_messages() -> None:
    _, end = called(None, Person(next_frame=talking(1.0), keys=(KeyPress(0.5, "5"), KeyPress(0.5, "#"))))
    assert [each["dtmf"] for each in end.streams[0].events("dtmf")] == [
        {"track": "inbound_track", "digit": "5"},
        {"track": "inbound_track", "digit": "#"},
    ]


def test_what_twilio_would_reject_is_kept_and_warned_of_once() -> None:
    async def talk(stream: Stream) -> None:
        await stream.after(1)
        await stream.socket.send_text("{")
        await stream.socket.send_bytes(b"{}")
        await stream.send("media", media={"payload": "%"})
        await stream.send("media", media={"payload": "//8=", "track": "outbound"})
        await stream.send("mark", mark={})
        await stream.send("clear", extra=1)
        await stream.send("stop")
        stream.sid = "MZ another"
        await stream.send("clear")
        await stream.to_the_end()

    call, _ = called(talk)
    assert len(call.violations) == 8
    assert call.codes == [31951]


def test_a_server_that_closes_is_asked_what_is_next() -> None:
    async def talk(stream: Stream) -> None:
        await stream.after(10)
        await stream.socket.close()

    call, end = called(talk, voice=TOLD)
    assert call.codes == [31921]
    assert [each.path for each in end.seen if each.path == "/next"] == ["/next"]
    assert [each["StreamEvent"] for each in end.forms("/stream")] == [
        *("stream-started", "stream-error", "stream-stopped")
    ]
    assert end.forms("/stream")[1]["StreamError"].startswith("31921")
    assert end.forms("/stream")[0]["StreamSid"] == end.streams[0].sid


def test_without_an_action_the_next_verb_follows() -> None:
    async def talk(stream: Stream) -> None:
        await stream.socket.close()

    call, _ = called(talk, Person(next_frame=talking(9.0)), document(f"<Connect>{STREAM}</Connect><Say>none</Say>"))
    assert call.announcements == ["none"]


def test_a_server_whose_application_breaks_is_a_broken_pipe() -> None:
    async def talk(stream: Stream) -> None:
        await stream.after(3)
        raise ValueError("on purpose")

    call, _ = called(talk)
    assert call.codes == [31903]


def test_an_upgrade_may_be_refused_or_never_answered() -> None:
    end = FarEnd({"/voice": document('<Connect action="/next"><Stream url="wss://voice.example.com/none"/></Connect>')})
    call = held(end, lambda twin: twin.call_in(Person(), OURS))
    assert call.codes == [31920]
    assert call.errors[0].status == 403
    assert call.streams == 0
    for url, code in {"https://a.example.com/x": 31922, "wss://a.example.com/x?y=1": 31920}.items():
        end = FarEnd({"/voice": document(f'<Connect><Stream url="{url}"/></Connect>')})
        assert held(end, lambda twin: twin.call_in(Person(), OURS)).codes == [code]

    class Slow(FarEnd):
        async def _media(self, socket: WebSocket) -> None:
            await asyncio.sleep(60)

    end = Slow({"/voice": CONNECT})
    assert held(end, lambda twin: twin.call_in(Person(), OURS)).codes == [31901]


def test_the_upgrade_may_be_signed_with_a_slash() -> None:
    async def talk(stream: Stream) -> None:
        signature = stream.socket.headers["x-twilio-signature"]
        url = "wss://voice.example.com/media/one/"
        assert end.validator.validate(url, {}, signature)
        end.forged.clear()
        await stream.socket.close()

    end = FarEnd({"/voice": CONNECT}, talk)
    held(end, lambda twin: twin.call_in(Person(), OURS), signs_slash=True)
    assert len(end.streams) == 1


@pytest.mark.parametrize("step", [Step("https://voice.example.com/there"), Step(twiml=document("<Say>none</Say>"))])
def test_a_call_led_elsewhere_leaves_its_stream_with_a_stop(step: Step) -> None:
    end = FarEnd({"/voice": CONNECT, "/there": document("<Say>none</Say>")})

    async def scene(twin: Twin) -> CarriedCall:
        leg = twin.begin_call_in(Person(), OURS)
        await asyncio.sleep(2.0)
        leg.interrupt(step)
        await leg.over.wait()
        return leg.record

    call = held(end, scene)
    assert [each["event"] for each in end.streams[0].messages] == ["connected", "start", "stop"]
    assert call.announcements == ["none"]
    assert end.forms("/next") == []
    assert call.errors == []


def test_who_lives_between_two_streams_speaks_to_nobody() -> None:
    async def talk(stream: Stream) -> None:
        await stream.after(25)
        if len(end.streams) == 1:
            await stream.socket.close()
        await stream.to_the_end()

    async def later(_: Any = None) -> str:
        await asyncio.sleep(0.5)
        return CONNECT

    frames = iter(bytes([n]) * 160 for n in range(1, 101))
    end = FarEnd({"/voice": CONNECT, "/next": lambda form: later()}, talk)
    call = held(end, lambda twin: twin.call_in(Person(next_frame=lambda heard: next(frames, None)), OURS))
    assert call.streams == 2
    assert bytes(call.sent) == b"".join(bytes([n]) * 160 for n in range(1, 101))
    assert len(end.streams[0].media) + len(end.streams[1].media) == pytest.approx(75, abs=2)
    assert end.streams[1].media[0] == 0


def test_a_far_end_reads_until_the_carrier_has_closed() -> None:
    ended: list[int] = []

    async def talk(stream: Stream) -> None:
        try:
            await stream.to_the_end()
        except WebSocketDisconnect as gone:
            ended.append(gone.code)

    called(talk)
    assert ended == [1000]


def test_a_key_may_be_pressed_at_any_moment_and_sound_need_not_be_kept() -> None:
    end = FarEnd({"/voice": CONNECT})

    async def scene(twin: Twin) -> CarriedCall:
        leg = twin.begin_call_in(Person(next_frame=talking(2.0)), OURS)
        await asyncio.sleep(1.0)
        leg.handset.press("7")
        await leg.over.wait()
        return leg.record

    call = held(end, scene, keeps_sound=False)
    assert [each["dtmf"]["digit"] for each in end.streams[0].events("dtmf")] == ["7"]
    assert len(end.streams[0].media) == 100
    assert call.sent == call.played == b""
