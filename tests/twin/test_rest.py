"""The REST API, asked by Twilio's own SDK, and held against Twilio's own description of it."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from client_caller.twin.account import Twin
from client_caller.twin.faults import Faults
from client_caller.twin.people import Person, talking
from twin.far_end import ACCOUNT, COLLEAGUE, OURS, PUBLIC, STREAM, THEIRS, TOKEN, FarEnd, document, held

OPENAPI = Path(__file__).parents[3] / "shared/twilio/twilio_api_v2010.json"
OPENED = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
VOICE = f"{PUBLIC}/voice"


class InMemory(AsyncHttpClient):
    """The SDK's requests, straight into the twin; every answer is kept."""

    def __init__(self, twin: Twin) -> None:
        super().__init__(logging.getLogger("sdk"), True)
        self.http = httpx2.AsyncClient(transport=twin.transport())
        self.answers: list[tuple[str, str, int, Any]] = []

    async def request(self, method: str, uri: str, **more: Any) -> Response:
        kept = {name: more.get(name) for name in ("params", "data", "headers", "auth")}
        answer = await self.http.request(method, uri, **kept)
        self.answers.append((method, answer.request.url.path, answer.status_code, answer.json()))
        return Response(answer.status_code, answer.text, answer.headers)


Scene = Callable[[Twin, Client], Awaitable[Any]]


def asked(scene: Scene, voice: str = '<Pause length="60"/>', token: str = TOKEN, **options: Any) -> Any:
    """What the scene gives, on a twin whose every answer fits the schema."""
    answers: list[tuple[str, str, int, Any]] = []

    async def main(twin: Twin) -> Any:
        client = InMemory(twin)
        try:
            return await scene(twin, Client(ACCOUNT, token, http_client=client))
        finally:
            answers.extend(client.answers)

    people = options.pop("people", lambda number: Person(next_frame=talking(30.0), ring_s=2.0))
    outcome = held(FarEnd({"/voice": document(voice)}), main, people=people, opened_at=OPENED, **options)
    if OPENAPI.exists():
        for answer in answers:
            fit(*answer)
    return outcome


def fit(method: str, path: str, status: int, body: Any) -> None:
    """Hold an answer against the response schema of its path: names, types and enums."""
    api = specification()
    for template, operations in api["paths"].items():
        shape = template.split("/")
        parts = path.split("/")
        if len(shape) == len(parts) and all(fits(*each) for each in zip(shape, parts, strict=True)):
            answers = operations[method.lower()]["responses"]
            if str(status) in answers:
                check(next(iter(answers[str(status)]["content"].values()))["schema"], body, path)
            else:
                assert set(body) == {"code", "message", "more_info", "status"}
            return
    raise AssertionError(f"{path} is not described")


def fits(shape: str, part: str) -> bool:
    if "{" not in shape:
        return shape == part
    suffix = ".json" if shape.endswith(".json") else ""
    return part.endswith(suffix) and (bool(suffix) or not part.endswith(".json"))


TYPES = {"string": str, "integer": int, "boolean": bool, "number": (int, float), "object": dict, "array": list}


def check(schema: dict[str, Any], value: Any, where: str) -> None:
    if "$ref" in schema:
        schema = specification()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if value is None:
        nullable = schema.get("nullable", False) or where.endswith("_type")
        assert nullable, where
        return
    if "type" in schema:
        assert isinstance(value, TYPES[schema["type"]]), (where, value)
    assert value in schema.get("enum", [value]), (where, value)
    if properties := schema.get("properties"):
        assert set(value) <= set(properties), (where, set(value) - set(properties))
        for name, each in value.items():
            check(properties[name], each, f"{where}.{name}")
    if schema.get("type") == "array":
        for each in value:
            check(schema["items"], each, f"{where}[]")


_read: dict[str, Any] = {}


def specification() -> dict[str, Any]:
    if not _read:
        _read.update(json.loads(OPENAPI.read_text(encoding="utf-8")))
    return _read


@pytest.mark.skipif(
    not OPENAPI.exists(), reason=f"Twilio's OpenAPI file is not at {OPENAPI}: answers are not held to it"
)
def test_every_kind_of_answer_has_all_properties_of_its_schema() -> None:
    async def scene(twin: Twin, client: Client) -> None:
        call = await client.calls.create_async(to=THEIRS, from_=OURS, url=VOICE)
        await asyncio.sleep(3.0)
        await client.calls(call.sid).recordings.create_async()
        await client.incoming_phone_numbers.list_async()
        await client.calls.list_async()
        await client.calls(call.sid).recordings.list_async()
        names = {
            "calls": "api.v2010.account.call",
            "recordings": "api.v2010.account.call.call_recording",
            "incoming_phone_numbers": "api.v2010.account.incoming_phone_number",
        }
        for *_, body in client.http_client.answers:
            for key in names.keys() & body.keys():
                for each in body[key]:
                    assert set(each) == set(specification()["components"]["schemas"][names[key]]["properties"])

    asked(scene)


def test_a_call_is_created_fetched_and_listed() -> None:
    async def scene(twin: Twin, client: Client) -> None:
        call = await client.calls.create_async(
            to=THEIRS,
            from_=OURS,
            url=VOICE,
            status_callback=f"{PUBLIC}/status",
            status_callback_event=["initiated", "answered"],
            machine_detection="Enable",
            async_amd="true",
            timeout=20,
        )
        assert call.status == "queued"
        assert call.sid == twin.calls[0].call_sid
        assert (call.to, call.from_formatted, call.direction) == (THEIRS, OURS, "outbound-api")
        assert call.date_created == OPENED
        assert call.start_time is None
        await asyncio.sleep(1.0)
        fetched = await client.calls(call.sid).fetch_async()
        assert fetched.status == "ringing"
        assert fetched.start_time == OPENED
        await asyncio.sleep(5.0)
        assert (await client.calls(call.sid).fetch_async()).answered_by == "human"
        await asyncio.sleep(60.0)
        done = await client.calls(call.sid).fetch_async()
        assert (done.status, done.duration) == ("completed", "30")
        assert done.end_time - done.start_time == timedelta(seconds=32)
        assert [each.sid for each in await client.calls.list_async()] == [call.sid]

    asked(scene)


def test_lists_are_filtered_and_come_in_pages() -> None:
    async def scene(twin: Twin, client: Client) -> None:
        for n in range(5):
            await client.calls.create_async(to=THEIRS if n % 2 else COLLEAGUE, from_=OURS, url=VOICE)
        await asyncio.sleep(2.5)
        newest_first = [each.call_sid for each in reversed(twin.calls)]
        assert [each.sid for each in await client.calls.list_async(page_size=2)] == newest_first
        assert len(await client.calls.list_async(page_size=2, limit=3)) == 3
        assert len(await client.calls.list_async(to=THEIRS)) == 2
        assert len(await client.calls.list_async(status="queued")) == 2
        since = OPENED + timedelta(seconds=1)
        later = await client.calls.list_async(start_time_after=since)
        assert {each.sid for each in later} == {twin.calls[1].call_sid, twin.calls[2].call_sid}
        assert len(await client.calls.list_async(start_time_before=since)) == 2  # bounds belong to what they bound

    asked(scene)


def test_young_calls_may_not_be_listed_yet() -> None:
    async def scene(twin: Twin, client: Client) -> list[int]:
        await client.calls.create_async(to=THEIRS, from_=OURS, url=VOICE)
        soon = len(await client.calls.list_async())
        await asyncio.sleep(3.0)
        return [soon, len(await client.calls.list_async())]

    assert asked(scene, faults=Faults(listed_after_s=2.0)) == [0, 1]


def refusal(scene: Scene, **options: Any) -> tuple[int, int]:
    with pytest.raises(TwilioRestException) as refused:
        asked(scene, **options)
    return refused.value.status, refused.value.code


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"to": ""}, 21201),
        ({"to": "555"}, 21211),
        ({"from_": ""}, 21213),
        ({"from_": "me"}, 21212),
        ({"from_": "+15550199999"}, 21210),
        ({"url": "voice"}, 21205),
        ({"url": ""}, 21205),
        ({"status_callback_event": ["died"], "status_callback": VOICE}, 21626),
        ({"machine_detection": "Guess"}, 20001),
        ({"timeout": "soon"}, 20001),
    ],
)
def test_a_wrong_order_is_refused_with_twilios_code(wrong: dict[str, Any], code: int) -> None:
    order = {"to": THEIRS, "from_": OURS, "url": VOICE} | wrong
    assert refusal(lambda twin, client: client.calls.create_async(**order)) == (400, code)


def test_strangers_and_unknown_calls_are_turned_away() -> None:
    unknown, other = "CA" + "9" * 32, "AC" + "9" * 32
    assert refusal(lambda twin, client: client.calls(unknown).fetch_async(), token="another") == (401, 20003)
    assert refusal(lambda twin, client: client.calls(unknown).fetch_async()) == (404, 20404)
    assert refusal(lambda twin, client: client.api.accounts(other).calls(unknown).fetch_async()) == (404, 20404)


def test_a_call_that_is_not_in_progress_cannot_be_led_elsewhere() -> None:
    async def ringing(twin: Twin, client: Client) -> None:
        call = await client.calls.create_async(to=THEIRS, from_=OURS, url=VOICE)
        await client.calls(call.sid).update_async(url=VOICE)

    async def over(twin: Twin, client: Client) -> None:
        call = await client.calls.create_async(to=THEIRS, from_=OURS, url=VOICE)
        await asyncio.sleep(90.0)
        await client.calls(call.sid).update_async(status="completed")

    assert refusal(ringing) == (400, 21220)
    assert refusal(over) == (400, 21220)
    assert refusal(over, faults=Faults(forgets_ended=True)) == (404, 20404)


def test_a_call_is_led_elsewhere_and_ended() -> None:
    async def scene(twin: Twin, client: Client) -> list[str]:
        call = await client.calls.create_async(to=THEIRS, from_=OURS, url=VOICE)
        await asyncio.sleep(4.0)
        await client.calls(call.sid).update_async(twiml=document('<Say>moved</Say><Pause length="9"/>'))
        await asyncio.sleep(2.0)
        assert (await client.calls(call.sid).update_async(status="completed")).status == "in-progress"
        await asyncio.sleep(0.1)
        assert (await client.calls(call.sid).fetch_async()).status == "completed"
        return twin.calls[0].announcements

    assert asked(scene, f"<Connect>{STREAM}</Connect>") == ["moved"]


def test_recordings_are_begun_paused_and_stopped() -> None:
    async def scene(twin: Twin, client: Client) -> None:
        call = await client.calls.create_async(to=THEIRS, from_=OURS, url=VOICE)
        recordings = client.calls(call.sid).recordings
        with pytest.raises(TwilioRestException) as early:
            await recordings.create_async()
        assert (early.value.status, early.value.code) == (400, 21220)
        await asyncio.sleep(3.0)
        made = await recordings.create_async(recording_channels="dual")
        assert (made.status, made.channels, made.source) == ("in-progress", 2, "StartCallRecordingAPI")
        await asyncio.sleep(2.0)
        await recordings("Twilio.CURRENT").update_async(status="paused", pause_behavior="skip")
        await asyncio.sleep(5.0)
        await recordings(made.sid).update_async(status="in-progress")
        await asyncio.sleep(3.0)
        assert (await recordings(made.sid).update_async(status="stopped")).status == "completed"
        (kept,) = await recordings.list_async()
        assert kept.duration == "5"

    asked(scene)


def test_numbers_are_found_and_pointed_elsewhere() -> None:
    async def scene(twin: Twin, client: Client) -> str:
        (number,) = await client.incoming_phone_numbers.list_async(phone_number=OURS)
        assert await client.incoming_phone_numbers.list_async(phone_number=THEIRS) == []
        assert (number.voice_url, number.capabilities["voice"]) == (VOICE, True)
        changed = await client.incoming_phone_numbers(number.sid).update_async(
            voice_url=f"{PUBLIC}/other", voice_method="GET", status_callback=f"{PUBLIC}/told"
        )
        assert (changed.voice_url, changed.status_callback) == (f"{PUBLIC}/other", f"{PUBLIC}/told")
        call = await twin.call_in(Person(next_frame=talking(1.0)), OURS)
        return call.webhooks[0].url

    assert asked(scene) == f"{PUBLIC}/other"
