"""Callbacks: what Twilio tells late, twice and in any order, the desk hears once and in order."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from exchange import CALL, ListeningDesk, Wire, media
from hypothesis import given, settings
from hypothesis import strategies as st

from client_caller.line.protocol import OVER, AnswererFound, Parties, RecordingKept, StateReached
from virtual import run

THEIRS, OURS = "+15550100001", "+15550100002"
ORDER = "order_7-x"

ENDINGS = st.sampled_from(["completed", "busy", "failed", "no-answer", "canceled"])


def callbacks_of(ending: str, numbered: bool) -> list[dict[str, str]]:
    """What Twilio sends in the course of one call."""
    before = {"busy": 2, "no-answer": 2, "failed": 1, "canceled": 2}.get(ending, 3)
    states = [*("initiated", "ringing", "in-progress")[:before], ending]
    number = [{"SequenceNumber": str(place)} if numbered else {} for place in range(len(states))]
    return [{"CallStatus": state} | number[place] for place, state in enumerate(states)]


@settings(deadline=None, max_examples=60)
@given(st.data(), ENDINGS, st.booleans())
def test_however_callbacks_are_shuffled_and_repeated_states_come_once_in_order_and_end_rightly(
    data: st.DataObject, ending: str, numbered: bool
) -> None:
    sent = callbacks_of(ending, numbered)
    order = data.draw(st.permutations(sent + data.draw(st.lists(st.sampled_from(sent), max_size=6))))
    told = [news for news in heard(order) if isinstance(news, StateReached)]
    stages = ["queued", "ringing", "in-progress", ending]
    places = [stages.index(news.state) for news in told]
    assert places == sorted(set(places))
    assert told[-1].state == ending
    assert sum(news.state in OVER for news in told) == 1


def heard(callbacks: Sequence[dict[str, str]], path: str = f"/twilio/voice/{ORDER}/status") -> list[Any]:
    async def main() -> list[Any]:
        wire = Wire(ListeningDesk())
        for fields in callbacks:
            reply = await wire.post(path, To=THEIRS, From=OURS, **fields)
            assert (reply.status, reply.text) == (204, "")
        await wire.settle()
        return list(wire.desk.news)

    return run(main())


def test_a_call_that_we_placed_is_told_of_with_its_order_and_how_long_it_lasted() -> None:
    last = {"CallStatus": "completed", "CallDuration": "61", "SipResponseCode": "200"}
    parties = Parties(theirs=THEIRS, ours=OURS, order=ORDER)
    assert heard([{"CallStatus": "ringing", "CallDuration": "0"}, last]) == [
        StateReached(CALL, parties, "ringing"),
        StateReached(CALL, parties, "completed", duration_s=61),
    ]


def test_of_a_call_that_came_in_the_caller_is_they() -> None:
    [news] = heard([{"CallStatus": "completed"}], "/twilio/status")
    assert news.parties == Parties(theirs=OURS, ours=THEIRS)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"SipResponseCode": "486"}, "486"),
        ({"SipResponseCode": "404", "ErrorCode": "13224"}, "13224"),
        ({}, ""),
        ({"ErrorCode": "<b>"}, ""),
    ],
)
def test_a_failure_is_told_with_the_carrier_s_own_code(fields: dict[str, str], why: str) -> None:
    [news] = heard([{"CallStatus": "failed"} | fields])
    assert news.why == why


@pytest.mark.parametrize("status", ["", "asleep"])
def test_a_state_that_nobody_knows_is_no_news(status: str) -> None:
    assert heard([{"CallStatus": status}]) == []


@pytest.mark.parametrize(
    ("answered_by", "who"),
    [
        ("human", "human"),
        ("machine_start", "machine"),
        ("machine_end_beep", "machine done"),
        ("machine_end_silence", "machine done"),
        ("machine_end_other", "machine done"),
        ("fax", "fax"),
        ("unknown", "unknown"),
        ("a parrot", "unknown"),
    ],
)
def test_who_answered_is_told_once(answered_by: str, who: Any) -> None:
    path = f"/twilio/voice/{ORDER}/machine"
    assert heard([{"AnsweredBy": answered_by}] * 3, path) == [AnswererFound(CALL, who)]


def test_each_recording_that_is_kept_is_told_once() -> None:
    def recording(name: str, **more: str) -> dict[str, str]:
        return {"RecordingSid": name, "RecordingStatus": "completed"} | more

    callbacks = [
        recording("RE1", RecordingStatus="in-progress"),
        recording("RE1", RecordingDuration="12"),
        recording("RE1", RecordingDuration="12"),
        recording("RE2", RecordingStatus="absent"),
        recording("../RE3"),
        recording("RE4", RecordingDuration="soon"),
    ]
    assert heard(callbacks, "/twilio/recording") == [RecordingKept(CALL, "RE1", 12), RecordingKept(CALL, "RE4")]


def test_only_a_stream_that_failed_is_worth_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "client_caller.line")
    events = [{"StreamEvent": "stream-started"}, {"StreamEvent": "stream-error", "StreamError": "31921"}]
    assert heard(events, "/twilio/stream") == []
    assert [(record.message, record.why) for record in caplog.records] == [("a stream is reported on", "31921")]  # type: ignore[attr-defined]


def test_a_stream_still_open_when_its_call_is_over_ends_as_the_call_did() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk(), media_silence_s=1_000.0)
        socket = await wire.stream()
        socket.say(media())
        await asyncio.sleep(1.0)
        began = asyncio.get_running_loop().time()
        await wire.post("/twilio/status", CallStatus="completed")
        await socket.closing_code()
        await wire.settle()
        assert asyncio.get_running_loop().time() - began < 0.1
        assert (wire.desk.losses, wire.desk.lines) == ([], [])
        assert "<Hangup/>" in (await wire.post("/twilio/resume")).text

    run(main())


def test_a_call_answered_after_all_is_over_stays_over() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk())
        await wire.post(f"/twilio/voice/{ORDER}/status", CallStatus="no-answer")
        assert "<Response><Hangup/></Response>" in (await wire.post(f"/twilio/voice/{ORDER}")).text

    run(main())


def test_a_detection_knows_who_is_on_the_line_no_worse_than_before() -> None:
    async def main() -> None:
        wire = Wire(ListeningDesk())
        await wire.post(f"/twilio/voice/{ORDER}", To=THEIRS, From=OURS)
        await wire.post(f"/twilio/voice/{ORDER}/machine", AnsweredBy="human")
        await wire.stream()
        assert wire.desk.lines[0].parties == Parties(THEIRS, OURS, ORDER)

    run(main())
