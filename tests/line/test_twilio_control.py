"""Twilio asked for calls: what is sent, once or more often, and what each answer means."""

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.errors import CallRefused, CallUnsure, CarrierFailed, ConfigError
from client_caller.line.control import DialOrder, OwnNumber
from client_caller.line.twilio_control import TwilioControl
from client_caller.line.twilio_http import masked
from client_caller.line.twiml import PERSISTENTLY
from client_caller.settings import Settings
from virtual import run

ACCOUNT = "AC" + "0" * 31 + "1"
TOKEN = "5ec7e7" + "0" * 26
CALL = "CA" + "0" * 31 + "2"
ORDER = DialOrder("o-17", "+15550100003", "+15550100002", ring_s=25, longest_s=600)
NUMBER = OwnNumber("PN" + "0" * 31 + "3", "+15550100002", "Front desk", "", "")
CREATED = "Thu, 26 Nov 2026 09:30:00 +0000"

Answer = httpx2.Response | type[Exception] | float
"""What happens to a request: an answer, an error of the network, or that many seconds of silence."""


def call(**changes: Any) -> dict[str, Any]:
    """A call as Twilio tells it."""
    told = {"sid": CALL, "to": ORDER.to, "from": ORDER.from_, "status": "queued", "direction": "outbound-api"}
    return {**told, "date_created": CREATED, "start_time": None, "duration": None, **changes}


def number(**changes: Any) -> dict[str, Any]:
    told = {"sid": NUMBER.id, "phone_number": NUMBER.number, "friendly_name": NUMBER.name}
    return {**told, "voice_url": None, "status_callback": "", **changes}


def answer(http_status: int = 200, /, **body: Any) -> httpx2.Response:
    return httpx2.Response(http_status, json=body)


def refusal(status: int, code: int, message: str = "No.") -> httpx2.Response:
    return answer(status, code=code, message=message, more_info="", status=status)


def page(of: str, *records: dict[str, Any], next_page: str | None = None) -> httpx2.Response:
    return answer(200, **{of: list(records), "next_page_uri": next_page, "page": 0, "page_size": 50, "uri": ""})


class Twilio:
    """Does to each request what it was told to, and to all further ones the last of it."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = answers
        self.requests: list[httpx2.Request] = []
        self.asked_at: list[float] = []

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        happens = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append(request)
        self.asked_at.append(asyncio.get_running_loop().time())
        if isinstance(happens, float):
            await asyncio.sleep(happens)
            return answer(201, **call())
        if isinstance(happens, type):
            raise happens("no")
        return httpx2.Response(happens.status_code, content=happens.content)

    @property
    def forms(self) -> list[dict[str, list[str]]]:
        return [parse_qs(request.content.decode(), keep_blank_values=True) for request in self.requests]

    @property
    def paths(self) -> list[str]:
        prefix = f"/2010-04-01/Accounts/{ACCOUNT}/"
        return [request.url.path.removeprefix(prefix) for request in self.requests]


def asked(twilio: Twilio, ask: Callable[[TwilioControl], Awaitable[Any]], **options: Any) -> Any:
    """What `ask` comes to, on virtual time."""

    async def main() -> Any:
        control = TwilioControl(
            ACCOUNT, TOKEN, "https://voice.example.com/", transport=httpx2.MockTransport(twilio), **options
        )
        try:
            return await ask(control)
        finally:
            await control.close()

    return run(main())


def dialled(twilio: Twilio, order: DialOrder = ORDER) -> str:
    return asked(twilio, lambda control: control.dial(order))


def test_an_order_is_asked_for_in_full_and_signed_with_the_accounts_token() -> None:
    twilio = Twilio(answer(201, **call()))
    assert dialled(twilio) == CALL
    assert twilio.paths == ["Calls.json"]
    assert str(twilio.requests[0].url) == f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
    assert twilio.requests[0].headers["Authorization"] == httpx2.BasicAuth(ACCOUNT, TOKEN)._auth_header
    assert twilio.forms == [
        {
            "To": ["+15550100003"],
            "From": ["+15550100002"],
            "Url": ["https://voice.example.com/twilio/voice/o-17#rc=5&rp=all&ct=5000&rt=15000"],
            "Method": ["POST"],
            "FallbackUrl": ["https://voice.example.com/twilio/fallback"],
            "StatusCallback": ["https://voice.example.com/twilio/voice/o-17/status"],
            "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
            "Timeout": ["25"],
            "TimeLimit": ["600"],
            "MachineDetection": ["DetectMessageEnd"],
            "AsyncAmd": ["true"],
            "AsyncAmdStatusCallback": ["https://voice.example.com/twilio/voice/o-17/machine"],
        }
    ]


def test_detection_and_recording_are_asked_for_only_when_ordered() -> None:
    twilio = Twilio(answer(201, **call()))
    dialled(twilio, DialOrder("o-18", "+15550100003", "+15550100002", path="brief", detect_machine=False, record=True))
    form = twilio.forms[0]
    assert not [name for name in form if "Machine" in name or "Amd" in name]
    assert form["Url"][0].startswith("https://voice.example.com/twilio/brief/o-18#")
    assert (form["Record"], form["RecordingChannels"]) == (["true"], ["dual"])
    assert form["RecordingStatusCallback"] == ["https://voice.example.com/twilio/recording"]


@pytest.mark.parametrize(
    ("happens", "code", "says"),
    [
        (refusal(400, 21211, "Invalid 'To' number"), 21211, "Invalid 'To' number (error 21211)"),
        (refusal(401, 20003, "Authenticate"), 20003, "check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"),
        (refusal(429, 20429, "Too Many Requests"), 20429, "too many requests"),
        (httpx2.Response(429, text="slow down"), 20429, "too many requests"),
        (answer(400, type="t", title="Bad", status=400, code=21205, detail="Url"), 21205, "Url (error 21205)"),
        (httpx2.Response(404, text="<html>"), 0, "status 404"),
        (httpx2.ConnectError, 0, "cannot be reached"),
        (httpx2.ConnectTimeout, 0, "cannot be reached"),
        (httpx2.PoolTimeout, 0, "cannot be reached"),
    ],
)
def test_a_call_that_was_surely_not_placed_is_refused_and_not_asked_for_again(
    happens: Answer, code: int, says: str
) -> None:
    twilio = Twilio(happens)
    with pytest.raises(CallRefused, match="has not placed the call to …0003") as refused:
        dialled(twilio)
    assert refused.value.code == code
    assert says in str(refused.value)
    assert len(twilio.requests) == 1


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(refusal(500, 20500), id="500"),
        pytest.param(httpx2.Response(503, text="busy"), id="503"),
        pytest.param(httpx2.Response(302, headers={"Location": "/"}), id="302"),
        pytest.param(httpx2.ReadTimeout, id="no answer"),
        pytest.param(httpx2.WriteError, id="broken while sending"),
        pytest.param(httpx2.ReadError, id="broken while waiting"),
        pytest.param(httpx2.RemoteProtocolError, id="not HTTP"),
        pytest.param(60.0, id="silence"),
        pytest.param(httpx2.Response(201, text="<html>"), id="not JSON"),
        pytest.param(httpx2.Response(201, content=b"\xff{"), id="not text"),
        pytest.param(httpx2.Response(201, json=[call()]), id="not an object"),
        pytest.param(answer(201, **call(sid=None)), id="no SID"),
        pytest.param(answer(201, **call(date_created=5)), id="a number for a date"),
    ],
)
def test_a_call_that_may_have_been_placed_is_unsure_and_not_asked_for_again(happens: Answer) -> None:
    twilio = Twilio(happens)
    with pytest.raises(CallUnsure, match="nobody can tell whether Twilio has placed the call to …0003"):
        dialled(twilio)
    assert len(twilio.requests) == 1


def test_silence_is_waited_for_no_longer_than_allowed() -> None:
    async def ask(control: TwilioControl) -> float:
        with pytest.raises(CallUnsure, match="within 3 s"):
            await control.dial(ORDER)
        return asyncio.get_running_loop().time()

    assert asked(Twilio(60.0), ask, within_s=3.0) == pytest.approx(3.0, abs=0.01)


def test_neither_a_whole_number_nor_a_secret_is_in_anything_that_is_told() -> None:
    twilio = Twilio(refusal(400, 21219, f"The number +15550100003 ({TOKEN}) is unverified, /%2B15550100003.json"))
    with pytest.raises(CallRefused) as refused:
        dialled(twilio)
    told = "".join(traceback.format_exception(refused.value))
    assert "…0003 (…) is unverified" in told
    assert "15550100003" not in told
    assert TOKEN not in told


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), st.text("xyz .,:/'\n"), st.text("xyz .,:/'\n"))
def test_of_a_number_the_last_four_digits_are_left(whole: str, before: str, behind: str) -> None:
    assert masked(f"{before}{whole}{behind}") == f"{before}…{whole[-4:]}{behind}"


def test_ids_and_short_numbers_are_not_masked_and_written_out_ones_are() -> None:
    assert masked(f"{CALL} of {ACCOUNT} took 30 s, error 21220") == f"{CALL} of {ACCOUNT} took 30 s, error 21220"
    assert masked("call (555) 010-0003") == "call (…0003"


def test_calls_are_found_by_their_state_while_they_wait_and_by_their_day_afterwards() -> None:
    later, earlier = "Thu, 26 Nov 2026 09:31:00 +0000", "Thu, 26 Nov 2026 09:29:59 +0000"
    waiting, started = "CA" + "a" * 32, "CA" + "b" * 32
    twilio = Twilio(
        page("calls", call(sid=waiting)),
        page(
            "calls",
            call(sid=waiting, status="ringing"),
            call(sid=started, status="completed", duration="12", date_created=later),
            call(sid="CA" + "c" * 32, date_created=earlier),
            call(sid="CA" + "d" * 32, direction="inbound"),
            call(sid="CA" + "e" * 32, direction="outbound-dial"),
        ),
    )
    since = datetime(2026, 11, 26, 9, 30, 0, 900_000, tzinfo=UTC)
    found = asked(twilio, lambda control: control.placed(ORDER.to, since))
    assert [(known.call_id, known.state, known.duration_s) for known in found] == [
        (started, "completed", 12),
        (waiting, "ringing", None),
    ]
    assert found[1].placed_at == datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
    queries = [dict(request.url.params) for request in twilio.requests]
    assert queries == [
        {"To": ORDER.to, "Status": "queued", "PageSize": "1000"},
        {"To": ORDER.to, "StartTime>": "2026-11-26T00:00:00Z", "PageSize": "1000"},
    ]


def test_a_long_list_is_read_to_its_end_at_the_address_that_was_set() -> None:
    next_page = f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json?Page=1&PageToken=PAx"
    twilio = Twilio(
        page("calls"),
        page("calls", call(), next_page=next_page),
        page("calls", call(sid="CA" + "f" * 32)),
    )
    since = datetime(2026, 11, 26, tzinfo=UTC)
    found = asked(twilio, lambda control: control.placed(ORDER.to, since), api_url="http://127.0.0.1:4010")
    assert len(found) == 2
    assert str(twilio.requests[2].url) == f"http://127.0.0.1:4010{next_page}"


@pytest.mark.parametrize(
    "listed",
    [
        page("calls", call(), next_page="/2010-04-01/Accounts/x/Calls.json?Page=1"),  # and so on for ever
        page("calls", call(status="dreaming")),
        page("calls", call(date_created=None)),
        page("calls", call(duration="long", status="completed")),
        answer(200, page=0),
    ],
)
def test_a_list_that_makes_no_sense_is_a_failure_and_not_an_empty_one(listed: httpx2.Response) -> None:
    with pytest.raises(CarrierFailed, match="the calls to …0003 cannot be had"):
        asked(Twilio(listed), lambda control: control.placed(ORDER.to, datetime(2026, 11, 26, tzinfo=UTC)))


def test_one_call_is_looked_up_or_is_unknown() -> None:
    known = asked(Twilio(answer(**call(status="in-progress"))), lambda control: control.look_up(CALL))
    assert (known.call_id, known.state, known.to, known.from_) == (CALL, "in-progress", ORDER.to, ORDER.from_)
    assert asked(Twilio(refusal(404, 20404)), lambda control: control.look_up(CALL)) is None
    with pytest.raises(CarrierFailed, match="status 404"):  # some other server's, which proves nothing
        asked(Twilio(httpx2.Response(404, text="<html>")), lambda control: control.look_up(CALL))


def test_a_call_is_ended_by_being_completed_whatever_it_is_at() -> None:
    twilio = Twilio(answer(**call(status="completed")))
    asked(twilio, lambda control: control.hang_up(CALL))
    assert (twilio.paths, twilio.forms) == ([f"Calls/{CALL}.json"], [{"Status": ["completed"]}])


STEERS = {
    "hang up": lambda control: control.hang_up(CALL),
    "lead": lambda control: control.lead_to(CALL, "https://voice.example.com/twilio/keys/1"),
    "record": lambda control: control.record(CALL),
}


@pytest.mark.parametrize("steer", STEERS.values(), ids=STEERS)
@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([refusal(404, 20404)], id="unknown"),
        pytest.param([refusal(400, 21220), answer(**call(status="completed"))], id="over"),
        pytest.param([refusal(400, 21220), refusal(404, 20404)], id="forgotten"),
    ],
)
def test_to_steer_a_call_that_is_gone_is_no_failure(
    steer: Callable[[TwilioControl], Awaitable[None]], answers: list[Answer]
) -> None:
    twilio = Twilio(*answers)
    asked(twilio, steer)
    assert len(twilio.requests) == len(answers)


@pytest.mark.parametrize("steer", [STEERS["lead"], STEERS["record"]])
def test_a_call_that_is_not_answered_yet_can_be_neither_led_nor_recorded(
    steer: Callable[[TwilioControl], Awaitable[None]],
) -> None:
    with pytest.raises(CarrierFailed, match="error 21220") as failed:
        asked(Twilio(refusal(400, 21220), answer(**call(status="ringing"))), steer)
    assert failed.value.code == 21220


def test_a_call_that_cannot_be_completed_while_it_rings_is_cancelled() -> None:
    ringing = answer(**call(status="ringing"))
    twilio = Twilio(refusal(400, 21220), ringing, answer(**call(status="canceled")))
    asked(twilio, lambda control: control.hang_up(CALL))
    assert [form.get("Status") for form in twilio.forms] == [["completed"], None, ["canceled"]]


REPEATED = {
    "hang up": STEERS["hang up"],
    "look up": lambda control: control.look_up(CALL),
    "placed": lambda control: control.placed(ORDER.to, datetime(2026, 11, 26, tzinfo=UTC)),
    "numbers": lambda control: control.numbers(),
    "point": lambda control: control.point(NUMBER, "https://a.example/voice", "https://a.example/status"),
}


@pytest.mark.parametrize("ask", REPEATED.values(), ids=REPEATED)
@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(refusal(503, 20503), id="503"),
        pytest.param(refusal(429, 20429), id="429"),
        pytest.param(httpx2.ReadTimeout, id="silence"),
        pytest.param(httpx2.ConnectError, id="unreachable"),
    ],
)
def test_whatever_does_no_harm_twice_is_asked_up_to_four_times_after_growing_pauses(
    ask: Callable[[TwilioControl], Awaitable[Any]], happens: Answer
) -> None:
    twilio = Twilio(happens)
    with pytest.raises(CarrierFailed):
        asked(twilio, ask)
    assert twilio.asked_at == pytest.approx([0.0, 0.5, 1.5, 3.5], abs=0.01)


@pytest.mark.parametrize(
    ("happens", "times"), [(httpx2.ReadTimeout, 1), (refusal(503, 20503), 1), (httpx2.ConnectError, 4)]
)
def test_a_call_is_not_led_away_twice_when_it_may_have_been_already(happens: Answer, times: int) -> None:
    twilio = Twilio(happens)
    with pytest.raises(CarrierFailed):
        asked(twilio, STEERS["lead"])
    assert len(twilio.requests) == times


def test_what_goes_well_at_last_has_gone_well() -> None:
    twilio = Twilio(refusal(503, 20503), httpx2.ReadError, refusal(429, 20429), answer(**call(status="completed")))
    asked(twilio, lambda control: control.hang_up(CALL))
    assert len(twilio.requests) == 4


@pytest.mark.parametrize("ask", REPEATED.values(), ids=REPEATED)
def test_what_is_refused_is_not_asked_again(ask: Callable[[TwilioControl], Awaitable[Any]]) -> None:
    twilio = Twilio(refusal(400, 20001, "Bad +15550100003"))
    with pytest.raises(CarrierFailed, match=r"Bad …0003 \(error 20001\)") as failed:
        asked(twilio, ask)
    assert failed.value.code == 20001
    assert len(twilio.requests) == 1


def test_a_call_is_led_elsewhere_by_post_and_asked_for_persistently() -> None:
    twilio = Twilio(answer(**call(status="in-progress")))
    asked(twilio, STEERS["lead"])
    assert twilio.forms == [{"Url": ["https://voice.example.com/twilio/keys/1" + PERSISTENTLY], "Method": ["POST"]}]


def test_a_recording_has_both_sides_apart_and_is_begun_once() -> None:
    twilio = Twilio(refusal(429, 20429), httpx2.ConnectError, answer(201, sid="RE" + "0" * 32))
    asked(twilio, STEERS["record"])
    assert set(twilio.paths) == {f"Calls/{CALL}/Recordings.json"}
    assert twilio.forms[2] == {
        "RecordingChannels": ["dual"],
        "RecordingStatusCallback": ["https://voice.example.com/twilio/recording"],
    }
    unsure = Twilio(refusal(503, 20503))
    with pytest.raises(CarrierFailed, match="the call cannot be recorded"):
        asked(unsure, STEERS["record"])
    assert len(unsure.requests) == 1


def test_the_accounts_numbers_are_told_with_where_they_point() -> None:
    pointed = number(sid="PN" + "9" * 32, voice_url="https://a.example/voice", status_callback="https://a.example/s")
    found = asked(Twilio(page("incoming_phone_numbers", number(), pointed)), lambda control: control.numbers())
    assert found == [
        NUMBER,
        OwnNumber("PN" + "9" * 32, NUMBER.number, NUMBER.name, "https://a.example/voice", "https://a.example/s"),
    ]


def test_a_number_is_pointed_by_both_addresses() -> None:
    twilio = Twilio(answer(**number()))
    asked(twilio, REPEATED["point"])
    assert twilio.paths == [f"IncomingPhoneNumbers/{NUMBER.id}.json"]
    assert twilio.forms == [
        {
            "VoiceUrl": ["https://a.example/voice"],
            "VoiceMethod": ["POST"],
            "StatusCallback": ["https://a.example/status"],
            "StatusCallbackMethod": ["POST"],
        }
    ]


@pytest.mark.parametrize("master", [{"voice_application_sid": "AP" + "1" * 32}, {"trunk_sid": "TK" + "1" * 32}])
def test_a_number_that_obeys_something_else_is_not_said_to_be_pointed(master: dict[str, str]) -> None:
    with pytest.raises(
        CarrierFailed, match=f"…0002 cannot be pointed elsewhere: it obeys {next(iter(master.values()))}"
    ):
        asked(Twilio(answer(**number(**master))), REPEATED["point"])


@pytest.mark.parametrize("api_url", ["api.twilio.com", "ftp://api.twilio.com", "https://", "http://a:b"])
def test_an_address_that_is_none_is_the_operators_mistake(api_url: str) -> None:
    with pytest.raises(ConfigError, match="TWILIO_API_URL"):
        TwilioControl(ACCOUNT, TOKEN, "https://voice.example.com", api_url=api_url)


@pytest.mark.parametrize("missing", ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"])
def test_a_missing_credential_is_named(missing: str) -> None:
    given_ = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN, missing: ""}
    with pytest.raises(ConfigError, match=missing):
        TwilioControl.of(Settings(_env_file=None, **given_))


def test_the_first_of_several_tokens_is_the_one_that_signs() -> None:
    twilio = Twilio(page("incoming_phone_numbers"))

    async def main() -> None:
        settings = Settings(_env_file=None, TWILIO_ACCOUNT_SID=ACCOUNT, TWILIO_AUTH_TOKEN=f"{TOKEN},older")
        control = TwilioControl.of(settings, transport=httpx2.MockTransport(twilio))
        await control.numbers()
        await control.close()

    run(main())
    assert twilio.requests[0].headers["Authorization"] == httpx2.BasicAuth(ACCOUNT, TOKEN)._auth_header


def test_what_is_asked_lands_at_any_application_that_can_answer() -> None:
    """As the carrier twin is asked in tests: no socket, the same bytes."""

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        assert scope["path"] == f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(call(status="ringing")).encode()})

    async def main() -> str:
        transport = httpx2.ASGITransport(application)
        control = TwilioControl(ACCOUNT, TOKEN, "", api_url="http://twin", transport=transport)
        known = await control.look_up(CALL)
        await control.close()
        return known.state

    assert run(main()) == "ringing"
