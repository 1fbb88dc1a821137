"""What goes wrong on demand."""

import asyncio
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from client_caller.twin.account import Twin
from client_caller.twin.carried import CarriedCall
from client_caller.twin.faults import Break, Faults, RestFault, WebhookFault
from client_caller.twin.people import Person, talking
from twin.far_end import ACCOUNT, OURS, STREAM, THEIRS, TOKEN, FarEnd, Stream, Talk, document, held

CONNECT = document(f'<Connect action="/next">{STREAM}</Connect>')
CALLS = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Calls.json"


def called(faults: Faults, talk: Talk | None = None, talks_s: float = 2.0) -> tuple[CarriedCall, FarEnd]:
    end = FarEnd({"/voice": CONNECT, "/next": CONNECT}, talk)
    call = held(end, lambda twin: twin.call_in(Person(next_frame=talking(talks_s)), OURS), faults=faults)
    return call, end


@pytest.mark.parametrize("fault", ["reset", "close", "silence"])
def test_a_broken_stream_is_followed_by_the_next(fault: Break) -> None:
    left = iter([fault])
    faults = Faults(break_at=lambda at: next(left, None) if at >= 0.5 else None, silence_s=0.4)
    call, end = called(faults)
    assert call.streams == 2
    assert end.streams[0].events("stop") == []
    in_flight = 1 if fault == "reset" else 0
    assert end.streams[0].media == [20 * n for n in range(25 - in_flight)]
    assert call.codes == [31903]
    assert len(call.sent) == 160 * 100
    lost = 20 if fault == "silence" else 0
    assert len(end.streams[1].media) == pytest.approx(75 - lost, abs=1)


def test_lost_media_is_a_jump_of_the_timestamp() -> None:
    _, end = called(Faults(gaps=((0.2, 0.5), (1.0, 1.1))))
    assert end.streams[0].media == [20 * n for n in range(100) if not (10 <= n < 25 or 50 <= n < 55)]
    assert end.streams[0].events("stop")[0]["sequenceNumber"] == str(1 + 80 + 1)


def test_held_media_comes_in_a_burst_with_its_own_timestamps() -> None:
    _, end = called(Faults(bursts=((0.2, 0.6),)))
    (stream,) = end.streams
    assert stream.media == [20 * n for n in range(100)]
    began_at = stream.media_at[0] - 0.02
    assert stream.media_at[10:30] == pytest.approx([began_at + 0.62] * 20, abs=0.021)


def test_late_frames_stay_in_order() -> None:
    _, end = called(Faults(late_s=lambda slot: 0.1 if slot % 10 == 5 else 0.0))
    (stream,) = end.streams
    assert stream.media == sorted(stream.media)
    began_at = stream.media_at[0] - 0.02
    assert stream.media_at[5] == pytest.approx(began_at + 0.12 + 0.1, abs=0.021)
    assert stream.media_at[6] == pytest.approx(stream.media_at[5], abs=0.001)


def test_marks_may_be_lost() -> None:
    async def talk(stream: Stream) -> None:
        await stream.send("mark", mark={"name": "lost"})
        await stream.to_the_end()

    _, end = called(Faults(lose_marks=True), talk)
    assert end.streams[0].events("mark") == []


def test_a_carrier_that_does_not_read_holds_the_server_up() -> None:
    sent_at: list[float] = []

    async def talk(stream: Stream) -> None:
        for _ in range(400):
            await stream.send("media", media={"payload": "//8="})
            sent_at.append(asyncio.get_running_loop().time())
        await stream.to_the_end()

    called(Faults(slow=((0.0, 1.0),)), talk)
    assert len([at for at in sent_at if at < 0.9]) < 300
    assert len(sent_at) == 400


def test_a_server_that_does_not_read_loses_media() -> None:
    async def talk(stream: Stream) -> None:
        await asyncio.sleep(8.0)
        await stream.to_the_end()

    call, end = called(Faults(), talk, talks_s=10.0)
    assert call.codes == [31930]
    media = end.streams[0].media
    assert len(media) < 500
    assert max(late - early for early, late in pairwise(media)) > 1_000


def test_callbacks_come_out_of_order_twice_or_never() -> None:
    def webhook(kind: str, form: Mapping[str, str]) -> WebhookFault:
        match kind, form.get("CallStatus"):
            case "status", "ringing":
                return WebhookFault(late_s=20.0)
            case "status", "in-progress":
                return WebhookFault(lost=True)
            case "status", "completed":
                return WebhookFault(twice=True)
        return WebhookFault()

    end = FarEnd({"/voice": document("<Say>one</Say>")})
    events = ["initiated", "ringing", "answered", "completed"]
    held(end, lambda twin: ordered(twin, events), people=lambda number: Person(), faults=Faults(webhook=webhook))
    told = [(each["CallStatus"], each["SequenceNumber"]) for each in end.forms("/status")]
    assert told == [("initiated", "0"), ("completed", "3"), ("completed", "3"), ("ringing", "1")]
    tokens = [each.token for each in end.seen if each.form["CallStatus"] == "completed"]
    assert tokens[0] == tokens[1] != ""


def test_a_lost_request_for_a_document_ends_the_call() -> None:
    lost = Faults(webhook=lambda kind, form: WebhookFault(lost=kind == "voice"))
    call, _ = called(lost)
    assert call.codes == [11200]
    assert call.states[-1].at == pytest.approx(15.0)
    assert call.states[-1].state == "failed"


async def ordered(twin: Twin, events: list[str]) -> Any:
    form = {"To": THEIRS, "From": OURS, "Url": "https://voice.example.com/voice"}
    form |= {"StatusCallback": "https://voice.example.com/status", "StatusCallbackEvent": " ".join(events)}
    async with httpx2.AsyncClient(transport=twin.transport(), auth=(ACCOUNT, TOKEN)) as client:
        return await client.post(CALLS, data=form)


@pytest.mark.parametrize(
    ("fault", "status"),
    [(RestFault(503), 503), (RestFault(429, 20429), 429), (RestFault(500, done=True), 500)],
)
def test_rest_fails_before_or_after_the_call_was_placed(fault: RestFault, status: int) -> None:
    faults = Faults(rest=lambda method, path: fault if method == "POST" else None)

    async def scene(twin: Twin) -> tuple[int, int, int]:
        answer = await ordered(twin, [])
        return answer.status_code, answer.json()["code"], len(twin.calls)

    outcome = held(FarEnd(), scene, people=lambda number: Person(), faults=faults)
    assert outcome == (status, fault.code, int(fault.done))


def test_rest_may_not_answer_though_the_call_was_placed() -> None:
    faults = Faults(rest=lambda method, path: RestFault(None, done=True))

    async def scene(twin: Twin) -> int:
        with pytest.raises(httpx2.ReadTimeout):
            await ordered(twin, [])
        return len(twin.calls)

    assert held(FarEnd(), scene, people=lambda number: Person(), faults=faults) == 1
