"""Calls ordered by REST: how they ring, are answered, and end."""

import asyncio
from typing import Any

import httpx2
import pytest

from client_caller.twin.account import Twin
from client_caller.twin.carried import CarriedCall
from client_caller.twin.people import (
    Answerer,
    Fax,
    Human,
    Machine,
    Nobody,
    Outcome,
    Person,
    answering_machine,
    screened,
    talking,
)
from twin.far_end import ACCOUNT, OURS, PUBLIC, STREAM, THEIRS, TOKEN, FarEnd, document, held

BASE = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}"
ALL = {"StatusCallback": f"{PUBLIC}/status", "StatusCallbackEvent": "initiated ringing answered completed"}
HELLO = document("<Say>hello there</Say>")


async def post(twin: Twin, path: str, **form: str) -> dict[str, Any]:
    async with httpx2.AsyncClient(transport=twin.transport(), auth=(ACCOUNT, TOKEN)) as client:
        answer: dict[str, Any] = (await client.post(f"{BASE}/{path}.json", data=form)).json()
    return answer


async def order(twin: Twin, **more: str) -> dict[str, Any]:
    return await post(twin, "Calls", To=THEIRS, From=OURS, Url=f"{PUBLIC}/voice", **ALL, **more)


def placed(person: Person, end: FarEnd | None = None, **more: str) -> tuple[CarriedCall, FarEnd]:
    end = end or FarEnd({"/voice": HELLO})

    async def scene(twin: Twin) -> CarriedCall:
        await order(twin, **more)
        await twin.quiet()
        return twin.calls[0]

    return held(end, scene, people=lambda number: person), end


def told(end: FarEnd) -> list[str]:
    return [each["CallStatus"] for each in end.forms("/status")]


def test_an_answered_call_goes_through_all_states_and_tells_of_each() -> None:
    call, end = placed(Person(ring_s=4.0))
    assert [each.state for each in call.states] == ["queued", "initiated", "ringing", "in-progress", "completed"]
    at = {each.state: each.at for each in call.states}
    assert at["in-progress"] - at["ringing"] == pytest.approx(4.0, abs=0.01)
    assert at["completed"] - at["in-progress"] == pytest.approx(0.6, abs=0.01)
    assert told(end) == ["initiated", "ringing", "in-progress", "completed"]
    assert [each["SequenceNumber"] for each in end.forms("/status")] == ["0", "1", "2", "3"]
    voice = end.forms("/voice")[0]
    assert (voice["Direction"], voice["CallStatus"]) == ("outbound-api", "in-progress")
    assert call.hung_up_by == "document"


@pytest.mark.parametrize(
    ("outcome", "states", "code"),
    [("busy", ["busy"], "486"), ("failed", ["failed"], "404"), ("no-answer", ["ringing", "no-answer"], "487")],
)
def test_a_call_that_nobody_answers_says_why(outcome: Outcome, states: list[str], code: str) -> None:
    call, end = placed(Person(outcome=outcome), Timeout="20")
    assert told(end) == ["initiated", *states]
    assert end.forms("/status")[-1]["SipResponseCode"] == code
    assert end.forms("/voice") == []
    if outcome == "no-answer":
        assert call.states[-1].at == pytest.approx(20.0, abs=0.01)


def test_a_phone_that_rings_too_long_is_not_answered() -> None:
    call, _ = placed(Person(ring_s=31.0), Timeout="30")
    assert call.state == "no-answer"


def test_calls_are_dialled_one_a_second_and_a_waiting_one_can_be_canceled() -> None:
    async def scene(twin: Twin) -> list[CarriedCall]:
        for _ in range(4):
            answer = await order(twin)
            assert answer["status"] == "queued"
        await post(twin, f"Calls/{twin.calls[2].call_sid}", Status="canceled")
        await twin.quiet()
        return twin.calls

    end = FarEnd({"/voice": HELLO})
    calls = held(end, scene, people=lambda number: Person())
    dialled = [each.states[1].at for each in calls if each.state != "canceled"]
    assert dialled == pytest.approx([0.0, 1.0, 3.0], abs=0.01)
    assert [each.state for each in calls[2].states] == ["queued", "canceled"]
    assert "canceled" in told(end)
    faster = held(FarEnd({"/voice": HELLO}), scene, people=lambda number: Person(), calls_per_second=10.0)
    assert faster[3].states[1].at == pytest.approx(0.3, abs=0.01)


def test_a_ringing_call_is_canceled_and_a_running_one_completed() -> None:
    async def scene(twin: Twin) -> list[CarriedCall]:
        for after_s, status in ((1.0, "canceled"), (5.0, "completed")):
            await order(twin)
            await asyncio.sleep(after_s)
            await post(twin, f"Calls/{twin.calls[-1].call_sid}", Status=status)
        await twin.quiet()
        return twin.calls

    end = FarEnd({"/voice": document(f"<Connect>{STREAM}</Connect>")})
    ringing, running = held(end, scene, people=lambda number: Person(ring_s=2.0))
    assert (ringing.state, running.state) == ("canceled", "completed")
    assert running.hung_up_by == "request"
    assert [each["event"] for each in end.streams[0].messages] == ["connected", "start", "stop"]


def test_canceling_does_not_touch_a_call_in_progress() -> None:
    async def scene(twin: Twin) -> CarriedCall:
        await order(twin)
        await asyncio.sleep(4.0)
        await post(twin, f"Calls/{twin.calls[0].call_sid}", Status="canceled")
        await twin.quiet()
        return twin.calls[0]

    end = FarEnd({"/voice": document('<Pause length="10"/>')})
    call = held(end, scene, people=lambda number: Person())
    assert call.hung_up_by == "document"


def test_a_call_lasts_no_longer_than_its_limit() -> None:
    call, _ = placed(Person(), FarEnd({"/voice": document('<Pause length="100"/>')}), TimeLimit="30")
    assert call.hung_up_by == "time limit"
    assert call.states[-1].at - call.states[-2].at == pytest.approx(30.0, abs=0.01)


def test_a_call_may_be_ordered_with_its_document() -> None:
    async def scene(twin: Twin) -> CarriedCall:
        await post(twin, "Calls", To=THEIRS, From=OURS, Twiml=HELLO)
        await twin.quiet()
        return twin.calls[0]

    call = held(FarEnd(), scene, people=lambda number: Person())
    assert call.announcements == ["hello there"]
    assert call.webhooks == []


def test_keys_are_sent_before_the_document_is_asked_for() -> None:
    call, end = placed(Person(), SendDigits="ww1#", MachineDetection="Enable", AsyncAmd="true")
    assert call.keys_heard == "1#"
    assert end.seen[-2].path == "/voice"
    assert call.asked("voice")[0].at - call.states[3].at == pytest.approx(1.4, abs=0.01)
    assert call.answered_by is None


LONG = document('<Pause length="40"/>')
AMD = {"AsyncAmd": "true", "AsyncAmdStatusCallback": f"{PUBLIC}/machine"}


@pytest.mark.parametrize(
    ("mode", "answerer", "verdict", "after_ms"),
    [
        ("Enable", Human(0.8), "human", 2_000),
        ("Enable", Human(3.0), "machine_start", 2_400),
        ("DetectMessageEnd", Human(0.8), "human", 2_000),
        ("Enable", Machine(6.0), "machine_start", 2_400),
        ("DetectMessageEnd", Machine(6.0), "machine_end_beep", 6_300),
        ("DetectMessageEnd", Machine(6.0, beeps=False), "machine_end_silence", 7_200),
        ("DetectMessageEnd", Machine(50.0), "unknown", 30_000),
        ("Enable", Machine(2.0, beeps=False), "human", 3_200),
        ("Enable", Fax(), "fax", 3_000),
        ("Enable", Nobody(), "unknown", 5_000),
    ],
)
def test_who_answered_is_found_out_while_the_call_goes_on(
    mode: str, answerer: Answerer, verdict: str, after_ms: int
) -> None:
    call, end = placed(Person(answerer=answerer), FarEnd({"/voice": LONG}), MachineDetection=mode, **AMD)
    (found,) = end.forms("/machine")
    assert found == {
        "CallSid": call.call_sid,
        "AccountSid": ACCOUNT,
        "AnsweredBy": verdict,
        "MachineDetectionDuration": str(after_ms),
    }
    answered_at = call.states[3].at
    assert end.seen[[each.path for each in end.seen].index("/machine")].at - answered_at == pytest.approx(
        after_ms / 1_000, abs=0.01
    )
    assert call.answered_by == verdict


def test_detection_may_err_and_a_screened_telephone_cannot_be_told() -> None:
    wrong = Person(answerer=Human(), verdict="machine_start")
    assert placed(wrong, FarEnd({"/voice": LONG}), MachineDetection="Enable", **AMD)[0].answered_by == "machine_start"
    screen = screened(Person(next_frame=talking(3.0)), 4.0)
    call, _ = placed(screen, FarEnd({"/voice": LONG}), MachineDetection="Enable", **AMD)
    assert call.answered_by == "unknown"
    assert call.states[-1].at - call.states[-2].at == pytest.approx(7.0, abs=0.11)
    call, _ = placed(screened(Person(), 4.0, takes=False), FarEnd({"/voice": LONG}))
    assert call.hung_up_by_caller
    assert call.states[-1].at - call.states[-2].at == pytest.approx(4.0, abs=0.11)


def test_detection_that_is_not_asynchronous_holds_up_the_document() -> None:
    call, end = placed(Person(answerer=Machine(6.0)), MachineDetection="Enable")
    assert call.asked("voice")[0].at - call.states[3].at == pytest.approx(2.4, abs=0.01)
    assert end.forms("/voice")[0]["AnsweredBy"] == "machine_start"


def test_an_answering_machine_greets_beeps_and_records() -> None:
    call, _ = placed(answering_machine(5.0, records_s=20.0), FarEnd({"/voice": LONG}))
    sound = bytes(call.sent)
    assert len(sound) == pytest.approx(160 * 50 * 25.5, abs=160 * 6)
    assert sound[: 160 * 250] != sound[160 * 250 : 160 * 275] != b"\xff" * 160 * 25


def test_a_recorded_call_tells_of_its_recording() -> None:
    events = "in-progress completed"
    hook = {"RecordingStatusCallback": f"{PUBLIC}/recording", "RecordingStatusCallbackEvent": events}
    call, end = placed(Person(), Record="true", RecordingChannels="dual", **hook)
    begun, done = end.forms("/recording")
    assert (begun["RecordingStatus"], done["RecordingStatus"]) == ("in-progress", "completed")
    assert done["RecordingChannels"] == "2"
    assert done["RecordingSource"] == "OutboundAPI"
    assert done["RecordingDuration"] == "1"
    assert end.forms("/status")[-1]["RecordingSid"] == done["RecordingSid"]
    assert done["CallSid"] == call.call_sid
