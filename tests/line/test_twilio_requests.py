"""Requests: forgers fill no log, and what is tried again has its effect once."""

import asyncio
import logging

import pytest
from exchange import ACCOUNT, CALL, ListeningDesk, Wire, exchange, sign, stop
from hypothesis import given, settings
from hypothesis import strategies as st

from client_caller.line.protocol import AnswererFound, CallBackWanted, Phrases
from client_caller.line.twilio_requests import resume_url
from virtual import run


def test_of_a_thousand_forged_attempts_there_is_a_line_a_second_and_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        wire = Wire(ListeningDesk())
        for _ in range(500):
            await asyncio.sleep(0.01)
            assert (await wire.post("/twilio/voice", signed_by="guessed")).status == 403
            assert not await wire.socket("guessed", signed_by="guessed").accepted()
        await asyncio.sleep(1.0)
        await wire.post("/twilio/voice", signed_by="guessed")
        await wire.settle()

    run(main())
    lines = [record for record in caplog.records if record.name.startswith(("client_caller", "uvicorn", "starlette"))]
    assert all(record.exc_info is None for record in lines)
    assert len(lines) == 6
    assert len(lines) + sum(record.unlogged for record in lines) == 1_001  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "path",
    [
        *("voice", "voice/o1", "voice/o1/status", "voice/o1/machine", "resume", "resume?back=keys", "fallback"),
        *("wait", "queue", "dialled", "held", "status", "recording", "stream"),
        *("colleague/c-1", "colleague/c-1/choice", "colleague/c-1/status"),
    ],
)
def test_every_webhook_wants_twilio_s_signature_and_has_no_effect_without(path: str) -> None:
    desk = ListeningDesk()
    with exchange(desk) as line:
        assert line.post(f"/twilio/{path}", signed_by="guessed", CallStatus="completed").status_code == 403
        assert line.post(f"/twilio/{path}", AccountSid="AC7", CallStatus="completed").status_code == 403
        assert line.client.get(f"/twilio/{path}").status_code == 405
        assert desk.news == []
        assert "<Stream" in line.post("/twilio/voice").text


@pytest.mark.parametrize("order", ["a b", "a%0Ab", "x" * 65, "é"])
def test_an_order_that_cannot_be_one_is_not_found(order: str) -> None:
    with exchange() as line:
        assert line.client.post(f"/twilio/voice/{order}", data={"CallSid": CALL}).status_code == 404


@pytest.mark.parametrize("host", ["[", "a b", "evil.example", "evil.example:99999", ""])
def test_whatever_a_request_says_of_its_host_the_answer_names_ours(host: str) -> None:
    with exchange() as line:
        form = {"AccountSid": ACCOUNT, "CallSid": CALL}
        headers = {"X-Twilio-Signature": sign("https://voice.example.com/twilio/voice", form), "Host": host}
        reply = line.client.post("/twilio/voice", data=form, headers=headers)
        assert "wss://voice.example.com/twilio/media/" in reply.text


def test_a_callback_that_names_no_account_is_believed_by_its_signature() -> None:
    with exchange() as line:
        path, form = "/twilio/voice/o1/machine", {"CallSid": CALL, "AnsweredBy": "human"}
        headers = {"X-Twilio-Signature": sign("https://voice.example.com" + path, form)}
        assert line.client.post(path, data=form, headers=headers).status_code == 204
        assert line.desk.news == [AnswererFound(CALL, "human")]


def test_ten_copies_of_a_webhook_have_one_answer_and_one_effect() -> None:
    async def main() -> None:
        desk = ListeningDesk(places=0)
        desk.phrases = Phrases("We are busy.", "", "", when_full="call back")
        wire = Wire(desk)
        replies = await asyncio.gather(*(wire.post("/twilio/voice", retry="T1") for _ in range(10)))
        assert len({reply.text for reply in replies}) == 1
        assert desk.news == [CallBackWanted(CALL, desk.news[0].parties)]  # type: ignore[union-attr]
        desk.places = 1  # one who asks anew gets what there is now, and a copy what there was
        assert "<Stream" in (await wire.post("/twilio/voice", retry="T2")).text
        assert (await wire.post("/twilio/voice", retry="T1")).text == replies[0].text

    run(main())


def test_ten_copies_of_a_resume_count_as_one_though_the_old_stream_has_to_be_let_go_of() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk(), resume_attempts=1)
        await wire.stream()
        replies = await asyncio.gather(*(wire.post("/twilio/resume", retry="T1") for _ in range(10)))
        assert len({reply.text for reply in replies}) == 1
        assert "<Stream" in replies[0].text
        assert "<Stream" not in (await wire.post("/twilio/resume", retry="T2")).text

    run(main())


def test_a_late_copy_does_not_break_the_stream_that_the_first_one_led_to() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk())
        (await wire.stream()).cut()
        await asyncio.sleep(0.01)
        first = await wire.post("/twilio/resume", retry="T1")
        socket = wire.socket(first.text.partition("/media/")[2].partition('"')[0])
        await socket.begin()
        await asyncio.sleep(0.01)
        assert (await wire.post("/twilio/resume", retry="T1")).text == first.text
        assert len(wire.desk.lines) == 1
        socket.say(stop())
        assert await socket.closing_code() == 1011

    run(main())


def test_copies_of_requests_about_different_calls_or_addresses_are_no_copies() -> None:
    with exchange() as line:
        first = line.post("/twilio/voice", retry="T1").text
        assert line.post("/twilio/voice", retry="T1", CallSid="CA2").text != first
        assert line.post("/twilio/status", retry="T1", CallStatus="completed").status_code == 204


def test_a_slow_desk_and_a_call_in_progress_delay_no_webhook() -> None:
    class Sleepy(ListeningDesk):
        async def answer(self, line: object) -> None:
            await asyncio.sleep(3_600.0)

    async def main() -> None:
        wire = Wire(Sleepy())
        await wire.stream()
        for path in ("voice", "voice/o1", "status", "recording", "stream", "wait", "voice/o1/machine", "fallback"):
            reply = await wire.post(f"/twilio/{path}", CallSid="CA2")
            assert reply.told_s < 0.1, path
        assert (await wire.post("/twilio/resume")).told_s < 2.1  # the old stream has so long to end

    run(main())


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=8), st.booleans())
def test_no_signed_form_makes_a_traceback(fields: dict[str, str], over: bool) -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk())
        more = {name: value for name, value in fields.items() if name.isidentifier() and name != "self"}
        more |= {"CallStatus": "completed"} if over else {}
        for path in ("voice", "wait", "queue", "dialled", "held", "status", "recording", "stream", "resume?back=x"):
            assert (await wire.post(f"/twilio/{path}", **more)).status in (200, 204, 400)
        await wire.settle()

    run(main())


def test_what_must_outlast_this_process_stands_in_the_address() -> None:
    assert resume_url("https://a", "") == "https://a/twilio/resume"
    assert resume_url("https://a", "o1", "busy") == "https://a/twilio/resume?order=o1&back=busy"
