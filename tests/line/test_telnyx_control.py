"""Telnyx asked for calls and commands: what is sent, once or more often, and what each answer means."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_caller.errors import CallRefused, CallUnsure, CarrierFailed, ConfigError
from client_caller.line.control import DialOrder, PlacedCall
from client_caller.line.telnyx_control import TelnyxControl
from client_caller.settings import Settings
from virtual import run

KEY = "KEY0123456789abcdef"
CALL = "v3:MdI91X4lWFEs7IgbBEOT9M4AigoY08M0WWZFISt1Yw2axZ_IiE4pqg"
LEG = "2dc6fc34-f9e0-11ea-b68e-02420a0f7768"
ORDER = DialOrder("o-17", "+15550100003", "+15550100002", ring_s=25, longest_s=600)
SINCE = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)

Answer = httpx2.Response | type[Exception]
"""What happens to a request: an answer, or an error of the network."""


def data(status: int = 200, **told: Any) -> httpx2.Response:
    return httpx2.Response(status, json={"data": told})


def refusal(status: int, code: int | str = 0) -> httpx2.Response:
    error = {"code": str(code), "title": "No.", "detail": f"{ORDER.to} cannot be called with {KEY}"}
    return httpx2.Response(status, json={"errors": [error]})


class Telnyx:
    """Does to each request what it was told to, and to all further ones the last of it."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, httpx2.Response):
            return answer
        raise answer("broken", request=request)  # type: ignore[call-arg]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests]


def ask(telnyx: Telnyx, question: Callable[[TelnyxControl], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        control = TelnyxControl(
            KEY, "c-1", "https://voice.example.com/", transport=httpx2.MockTransport(telnyx), within_s=5
        )
        try:
            return await question(control)
        finally:
            await control.close()

    return run(main())


def test_a_call_is_placed_with_what_was_ordered_and_no_stream_yet() -> None:
    telnyx = Telnyx(data(call_control_id=CALL, is_alive=False))
    assert ask(telnyx, lambda control: control.dial(ORDER)) == CALL
    (request,) = telnyx.requests
    assert (request.method, str(request.url)) == ("POST", "https://api.telnyx.com/v2/calls")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert telnyx.bodies == [
        {
            "connection_id": "c-1",
            "to": ORDER.to,
            "from": ORDER.from_,
            "timeout_secs": 25,
            "time_limit_secs": 600,
            "client_state": "by0xNw==",
            "webhook_url": "https://voice.example.com/telnyx/voice",
            "answering_machine_detection": "premium",
        }
    ]


def test_detection_and_recording_are_asked_for_as_ordered() -> None:
    telnyx = Telnyx(data(call_control_id=CALL))
    order = DialOrder("o-18", ORDER.to, ORDER.from_, detect_machine=False, record=True)
    ask(telnyx, lambda control: control.dial(order))
    (body,) = telnyx.bodies
    assert "answering_machine_detection" not in body
    assert (body["record"], body["record_channels"]) == ("record-from-answer", "dual")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(422, 10016), CallRefused),
        (refusal(403, "D2"), CallRefused),
        (refusal(429, 10011), CallRefused),
        (httpx2.ConnectError, CallRefused),
        (httpx2.ConnectTimeout, CallRefused),
        (refusal(500), CallUnsure),
        (refusal(408), CallUnsure),
        (httpx2.Response(200, text="<html>"), CallUnsure),
        (data(call_control_id="../x"), CallUnsure),
        (httpx2.Response(302, headers={"location": "/elsewhere"}), CallUnsure),
        (httpx2.ReadTimeout, CallUnsure),
        (httpx2.RemoteProtocolError, CallUnsure),
    ],
)
def test_a_call_is_asked_for_once_whatever_comes_of_it(answer: Answer, error: type[Exception]) -> None:
    telnyx = Telnyx(answer)
    with pytest.raises(error) as caught:
        ask(telnyx, lambda control: control.dial(ORDER))
    assert type(caught.value) is error
    assert len(telnyx.requests) == 1


def test_an_error_names_telnyx_s_code_and_neither_number_nor_key() -> None:
    with pytest.raises(CallRefused) as caught:
        ask(Telnyx(refusal(422, 10016)), lambda control: control.dial(ORDER))
    assert caught.value.code == 10016
    assert str(caught.value) == "the call was not placed: it answers with status 422 (error 10016)"
    with pytest.raises(CallRefused, match="check TELNYX_API_KEY"):
        ask(Telnyx(refusal(401, 10009)), lambda control: control.dial(ORDER))


def test_a_command_goes_to_its_call() -> None:
    telnyx = Telnyx(data(result="ok"))
    assert ask(telnyx, lambda control: control.command(CALL, "speak", payload="One moment."))
    (request,) = telnyx.requests
    assert request.url.raw_path.decode() == f"/v2/calls/{CALL.replace(':', '%3A')}/actions/speak"
    (body,) = telnyx.bodies
    assert body.pop("command_id")
    assert body == {"payload": "One moment."}


@pytest.mark.parametrize("passing", [refusal(500), refusal(429, 10011), httpx2.ReadTimeout, httpx2.ConnectError])
def test_a_command_is_asked_four_times_under_one_id(passing: Answer) -> None:
    telnyx = Telnyx(passing, passing, passing, data(result="ok"))
    assert ask(telnyx, lambda control: control.command(CALL, "hangup"))
    assert len({body["command_id"] for body in telnyx.bodies}) == 1
    assert len(telnyx.requests) == 4
    stubborn = Telnyx(passing)
    with pytest.raises(CarrierFailed):
        ask(stubborn, lambda control: control.command(CALL, "hangup"))
    assert len(stubborn.requests) == 4


def test_a_call_that_is_gone_is_no_failure() -> None:
    telnyx = Telnyx(refusal(422, 90018))
    assert ask(telnyx, lambda control: control.command(CALL, "speak", payload="")) is False
    assert ask(telnyx, lambda control: control.hang_up(CALL)) is None
    assert len(telnyx.requests) == 2


def test_a_command_that_telnyx_will_not_obey_is_asked_once() -> None:
    telnyx = Telnyx(refusal(422, 90053))
    with pytest.raises(CarrierFailed, match="hangup came to nothing") as caught:
        ask(telnyx, lambda control: control.hang_up(CALL))
    assert caught.value.code == 90053
    assert len(telnyx.requests) == 1


def test_a_recording_holds_both_sides_apart() -> None:
    telnyx = Telnyx(data(result="ok"))
    ask(telnyx, lambda control: control.record(CALL))
    assert telnyx.requests[0].url.path.endswith("/actions/record_start")
    assert (telnyx.bodies[0]["format"], telnyx.bodies[0]["channels"]) == ("wav", "dual")


def test_telnyx_cannot_be_led_to_an_address() -> None:
    telnyx = Telnyx(data())
    with pytest.raises(CarrierFailed):
        ask(telnyx, lambda control: control.lead_to(CALL, "https://voice.example.com/next"))
    assert telnyx.requests == []


def test_calls_placed_to_a_number_are_found_newest_first() -> None:
    def event(leg: str, at: str) -> dict[str, Any]:
        return {"name": "call.initiated", "type": "webhook", "call_leg_id": leg, "event_timestamp": at, "metadata": {}}

    events = [event("leg-1", "2026-11-26T09:31:00Z"), event(LEG, "2026-11-26T09:32:00.5Z")]
    running = [{"call_control_id": CALL, "call_leg_id": LEG, "call_duration": 5, "record_type": "call"}]
    telnyx = Telnyx(httpx2.Response(200, json={"data": events}), httpx2.Response(200, json={"data": running}))
    assert ask(telnyx, lambda control: control.placed(ORDER.to, SINCE)) == [
        PlacedCall(CALL, ORDER.to, "", "in-progress", datetime(2026, 11, 26, 9, 32, 0, 500_000, UTC)),
        PlacedCall("leg-1", ORDER.to, "", "completed", datetime(2026, 11, 26, 9, 31, tzinfo=UTC)),
    ]
    first, second = telnyx.requests
    assert dict(first.url.params) == {
        "filter[connection_id]": "c-1",
        "filter[to]": ORDER.to,
        "filter[name]": "call.initiated",
        "filter[type]": "webhook",
        "filter[occurred_at][gte]": "2026-11-26T09:30:00+00:00",
        "page[size]": "250",
    }
    assert second.url.path == "/v2/connections/c-1/active_calls"


@pytest.mark.parametrize(
    ("told", "state", "duration_s"),
    [
        ({"is_alive": True, "call_duration": 5}, "in-progress", None),
        ({"is_alive": False}, "queued", None),
        ({"is_alive": False, "end_time": "2026-11-26T09:33:00Z", "call_duration": 50}, "completed", 50),
    ],
)
def test_a_call_is_looked_up(told: dict[str, Any], state: Any, duration_s: int | None) -> None:
    answer = data(call_control_id=CALL, start_time="2026-11-26T09:30:00Z", **told)
    assert ask(Telnyx(answer), lambda control: control.look_up(CALL)) == PlacedCall(
        CALL, "", "", state, SINCE, duration_s
    )


@pytest.mark.parametrize("answer", [refusal(404, 10005), refusal(422, 90015), httpx2.Response(404)])
def test_a_call_that_telnyx_does_not_know_is_none(answer: httpx2.Response) -> None:
    assert ask(Telnyx(answer), lambda control: control.look_up(CALL)) is None


@settings(max_examples=15)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner)
    )
)
def test_no_answer_raises_anything_but_a_failure_of_the_carrier(told: Any) -> None:
    async def everything(control: TelnyxControl) -> None:
        for question in (
            control.dial(ORDER),
            control.placed(ORDER.to, SINCE),
            control.look_up(CALL),
            control.command(CALL, "hangup"),
        ):
            with suppress(CarrierFailed):
                await question

    for body in (told, {"data": told}, {"data": [told]}, {"errors": told}, {"errors": [told]}):
        ask(Telnyx(httpx2.Response(200, json=body)), everything)
        ask(Telnyx(httpx2.Response(422, json=body)), everything)


@pytest.mark.parametrize("missing", ["TELNYX_API_KEY", "TELNYX_CONNECTION_ID"])
def test_a_setting_that_is_missing_is_named(missing: str) -> None:
    given = {"TELNYX_API_KEY": KEY, "TELNYX_CONNECTION_ID": "c-1"}
    TelnyxControl.of(Settings(_env_file=None, **given))
    with pytest.raises(ConfigError, match=missing):
        TelnyxControl.of(Settings(_env_file=None, **given | {missing: ""}))
