"""Calls that are put through: to telephones, into rooms, out of lines."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from client_caller.twin.account import Twin
from client_caller.twin.carried import CarriedCall
from client_caller.twin.people import TALK, Outcome, Person, colleague, talking
from twin.far_end import COLLEAGUE, OURS, PUBLIC, THEIRS, FarEnd, document, held
from twin.test_outbound import post

Scene = tuple[list[CarriedCall], FarEnd]
WAITS_LONG = Person(next_frame=talking(0.0, 300.0))


def dialled(
    verb: str, other: Person, caller: Person = WAITS_LONG, more: Callable[[Twin], Any] | None = None, **documents: Any
) -> Scene:
    end = FarEnd({"/voice": document(verb + "<Say>next</Say>"), "/after": document("<Hangup/>")} | documents)

    async def scene(twin: Twin) -> list[CarriedCall]:
        leg = twin.begin_call_in(caller, OURS)
        if more is not None:
            await more(twin)
        await leg.over.wait()
        await twin.quiet()
        return twin.calls

    return held(end, scene, people=lambda number: other), end


def test_two_who_speak_hear_each_other_until_one_hangs_up() -> None:
    verb = f'<Dial action="/after" callerId="{OURS}">{COLLEAGUE}</Dial>'
    (call, child), end = dialled(verb, Person(next_frame=talking(5.0), ring_s=2.0))
    (after,) = end.forms("/after")
    assert after["DialCallStatus"] == "completed"
    assert after["DialBridged"] == "true"
    assert after["DialCallSid"] == child.call_sid
    assert after["DialCallDuration"] == "5"
    assert call.dialled == [COLLEAGUE]
    assert (child.to, child.from_, child.direction) == (COLLEAGUE, OURS, "outbound-dial")
    assert child.parent_sid == call.call_sid
    assert child.hung_up_by_caller
    assert bytes(call.played).count(TALK) > 200
    assert call.hung_up_by == "document"


@pytest.mark.parametrize("outcome", ["busy", "no-answer", "failed"])
def test_who_cannot_be_reached_is_told_to_the_action(outcome: Outcome) -> None:
    verb = f'<Dial action="/after" timeout="7">{COLLEAGUE}</Dial>'
    (call, child), end = dialled(verb, Person(outcome=outcome))
    (after,) = end.forms("/after")
    assert (after["DialCallStatus"], after["DialBridged"]) == (outcome, "false")
    assert child.state == outcome
    assert call.announcements == []
    if outcome == "no-answer":
        assert child.states[-1].at == pytest.approx(7.0, abs=0.01)


def test_without_an_action_the_next_verb_follows() -> None:
    (call, _), _ = dialled(f"<Dial>{COLLEAGUE}</Dial>", Person(outcome="busy"))
    assert call.announcements == ["next"]


def test_a_caller_who_hangs_up_ends_the_other_leg_and_asks_nothing() -> None:
    caller = Person(next_frame=talking(4.0))
    (call, child), end = dialled(f'<Dial action="/after">{COLLEAGUE}</Dial>', Person(ring_s=1.0), caller)
    assert call.hung_up_by_caller
    assert (child.state, child.hung_up_by) == ("completed", "document")
    assert end.forms("/after") == []
    (ringing, canceled), _ = dialled(f"<Dial>{COLLEAGUE}</Dial>", Person(ring_s=9.0), Person(next_frame=talking(2.0)))
    assert ringing.hung_up_by_caller
    assert canceled.state == "canceled"


@pytest.mark.parametrize("accepts", [True, False])
def test_a_colleague_is_asked_first_and_may_decline(accepts: bool) -> None:
    number = (
        f'<Number url="/whisper" statusCallback="/told" statusCallbackEvent="answered completed">{COLLEAGUE}</Number>'
    )
    whisper = document('<Gather numDigits="1" action="/accepted"><Say>Press 1</Say></Gather><Hangup/>')
    (call, child), end = dialled(
        f'<Dial action="/after">{number}</Dial>',
        colleague(accepts=accepts, talks_s=12.0),
        **{"/whisper": whisper, "/accepted": document("")},
    )
    (after,) = end.forms("/after")
    assert after["DialBridged"] == str(accepts).lower()
    assert after["DialCallStatus"] == "completed"
    assert child.announcements == ["Press 1"]
    assert call.announcements == []
    assert end.forms("/whisper")[0]["ParentCallSid"] == call.call_sid
    assert [each["CallStatus"] for each in end.forms("/told")] == ["in-progress", "completed"]
    assert child.hung_up_by == ("person" if accepts else "document")


def test_of_several_numbers_the_first_to_lift_has_the_call() -> None:
    end = FarEnd({"/voice": document(f"<Dial><Number>{THEIRS}</Number><Number>{COLLEAGUE}</Number></Dial>")})
    people = {THEIRS: Person(ring_s=8.0), COLLEAGUE: Person(ring_s=2.0, next_frame=talking(3.0))}

    async def scene(twin: Twin) -> list[CarriedCall]:
        await twin.call_in(WAITS_LONG, OURS)
        await twin.quiet()
        return twin.calls

    _, slow, quick = held(end, scene, people=people.__getitem__)
    assert (slow.state, quick.state) == ("canceled", "completed")


def test_a_call_may_keep_ringing_until_it_is_bridged() -> None:
    (call, child), _ = dialled(
        f'<Dial answerOnBridge="true">{COLLEAGUE}</Dial>', Person(ring_s=3.0, next_frame=talking(2.0))
    )
    answered = [each.at for each in (call.states[1], child.states[2])]
    assert [call.states[1].state, child.states[2].state] == ["in-progress", "in-progress"]
    assert answered[0] == pytest.approx(answered[1], abs=0.11)


def test_a_conversation_may_be_recorded_and_limited() -> None:
    verb = f'<Dial action="/after" record="record-from-answer-dual" timeLimit="10">{COLLEAGUE}</Dial>'
    _, end = dialled(verb, Person(ring_s=1.0))
    (after,) = end.forms("/after")
    assert after["RecordingDuration"] == "11"
    assert after["DialCallDuration"] == "10"


def test_a_call_led_elsewhere_lets_go_of_who_it_spoke_with() -> None:
    async def lead(twin: Twin) -> None:
        await asyncio.sleep(6.0)
        await post(twin, f"Calls/{twin.calls[0].call_sid}", Twiml=document("<Say>back</Say>"))

    (call, child), end = dialled(f'<Dial action="/after">{COLLEAGUE}</Dial>', Person(ring_s=1.0), more=lead)
    assert call.announcements == ["back"]
    assert child.state == "completed"
    assert end.forms("/after") == []


def test_who_was_dialled_may_be_led_elsewhere_and_goes_on() -> None:
    async def lead(twin: Twin) -> None:
        await asyncio.sleep(6.0)
        await post(twin, f"Calls/{twin.calls[1].call_sid}", Twiml=document("<Say>one two three four</Say>"))

    (call, child), end = dialled(f'<Dial action="/after">{COLLEAGUE}</Dial>', Person(ring_s=1.0), more=lead)
    assert child.announcements == ["one two three four"]
    assert end.forms("/after")[0]["DialCallStatus"] == "completed"
    assert call.states[-1].at < child.states[-1].at


ROOM = (
    '<Dial action="/after"><Conference {} statusCallback="/room" statusCallbackEvent="start end join leave">'
    "room 5</Conference></Dial>"
)


def test_a_conference_begins_with_who_may_begin_it_and_ends_with_who_may_end_it() -> None:
    guest = document(ROOM.format('startConferenceOnEnter="false" waitUrl="/wait"'))
    host = document(ROOM.format('endConferenceOnExit="true"'))

    async def join(twin: Twin) -> None:
        await asyncio.sleep(5.0)
        await post(twin, "Calls", To=COLLEAGUE, From=OURS, Twiml=host)

    (call, other), end = dialled(
        guest.removeprefix('<?xml version="1.0" encoding="UTF-8"?><Response>').removesuffix("</Response>"),
        Person(next_frame=talking(10.0), ring_s=1.0),
        more=join,
        **{"/wait": document("<Say>please wait</Say>")},
    )
    events = [each["StatusCallbackEvent"] for each in end.forms("/room")]
    assert events == [
        *("participant-join", "participant-join", "conference-start"),
        *("participant-leave", "conference-end", "participant-leave"),
    ]
    assert [each["SequenceNumber"] for each in end.forms("/room")] == [str(n) for n in range(6)]
    assert len({each["ConferenceSid"] for each in end.forms("/room")}) == 1
    assert 5 <= call.announcements.count("please wait") <= 7
    assert other.hung_up_by_caller
    (after,) = end.forms("/after")
    assert (after["DialCallStatus"], after["DialCallDuration"]) == ("answered", "16")
    assert call.dialled == ["room 5"]


QUEUED = '<Enqueue action="/after" waitUrl="/wait">support</Enqueue>'


def test_a_call_in_a_line_hears_its_documents_over_and_over_until_it_leaves() -> None:
    waits = iter([document("<Say>please hold the line</Say>")] * 3 + [document("<Leave/>")])
    (call,), end = dialled(QUEUED, Person(), **{"/wait": lambda form: next(waits)})
    assert call.announcements == ["please hold the line"] * 3
    first = end.forms("/wait")[0]
    assert (first["QueuePosition"], first["CurrentQueueSize"], first["QueueTime"]) == ("1", "1", "0")
    (after,) = end.forms("/after")
    assert after["QueueResult"] == "leave"
    assert after["QueueTime"] == "4"  # three times one and a half seconds
    assert after["QueueSid"].startswith("QU")


def test_a_caller_who_gives_up_waiting_is_told_to_the_action() -> None:
    (call,), end = dialled(QUEUED, Person(), Person(next_frame=talking(6.0)), **{"/wait": document("<Pause/>")})
    assert call.hung_up_by_caller
    assert end.forms("/after")[0]["QueueResult"] == "hangup"


def test_a_call_is_taken_out_of_a_line() -> None:
    async def take(twin: Twin) -> None:
        await asyncio.sleep(5.0)
        taking = document('<Dial action="/taken"><Queue>support</Queue></Dial>')
        await post(twin, "Calls", To=COLLEAGUE, From=OURS, Twiml=taking)

    (call, other), end = dialled(
        QUEUED.replace(' waitUrl="/wait"', ""), Person(next_frame=talking(10.0), ring_s=1.0), more=take
    )
    (after,) = end.forms("/after")
    assert after["QueueResult"] == "bridged"
    assert after["QueueTime"] == "6"
    assert other.hung_up_by_caller
    assert bytes(call.played).count(TALK) > 400


def test_who_waited_may_end_the_conversation() -> None:
    async def take(twin: Twin) -> None:
        taking = document(f'<Dial action="{PUBLIC}/taken"><Queue>support</Queue></Dial>')
        await post(twin, "Calls", To=COLLEAGUE, From=OURS, Twiml=taking)

    (call, _), end = dialled(QUEUED, Person(ring_s=1.0), Person(next_frame=talking(8.0)), more=take)
    assert call.hung_up_by_caller
    assert end.forms("/taken")[0]["DialCallStatus"] == "completed"
    assert end.forms("/after")[0]["QueueResult"] == "hangup"
