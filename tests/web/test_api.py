"""The API: who is let in, what each route asks of the office, and how mistakes are told."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from client_caller import app as composition_root
from client_caller.agent.shelf import sha256_of
from client_caller.errors import ConfigError, LocalProtocolError
from client_caller.ledger.database import LedgerFailed
from client_caller.ledger.entries import CallBegan, CallNoted, Forbidden
from client_caller.web.api import Office, api_app, no_api
from outbound_calls import ADA, AGENTS, BEN, NOON, OURS, VARS, Operator
from virtual import run

KEY = "a-key-of-many-letters"
HEADERS = {"Authorization": f"Bearer {KEY}"}
LIMIT = 8 * 1024 * 1024


class RecordingOffice:
    """Keeps what it is asked, and answers with what it is given."""

    def __init__(self, **answers: Any) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.answers = answers

    def _tell(self, *asked: Any) -> Any:
        self.asked.append(asked)
        answer = self.answers.get(asked[0])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def check_agent(self, agent: str, sha256: str) -> None:
        self._tell("check_agent", agent, sha256)

    async def call(
        self, to: str, agent: str, variables: Mapping[str, str], consent: str = "", region: str | None = None
    ) -> Any:
        return self._tell("call", to, agent, variables, consent, region)

    async def order(self, order_id: str) -> Any:
        return self._tell("order", order_id)

    def transfer(self, call_id: str, to: str, briefing: str) -> Any:
        return self._tell("transfer", call_id, to, briefing)

    def press(self, call_id: str, keys: str) -> Any:
        return self._tell("press", call_id, keys)

    def hang_up(self, call_id: str, reason: str) -> Any:
        return self._tell("hang_up", call_id, reason)

    async def calls(self, limit: int, before: str | None) -> Any:
        return self._tell("calls", limit, before)

    async def audit(self, call_id: str) -> Any:
        return self._tell("audit", call_id)

    async def start_campaign(
        self,
        name: str,
        text: str,
        agent: str,
        region: str | None = None,
        purpose: str | None = None,
        max_at_once: int | None = None,
    ) -> Any:
        return self._tell("start_campaign", name, text, agent, region, purpose, max_at_once)

    async def campaign(self, campaign_id: str) -> Any:
        return self._tell("campaign", campaign_id)

    async def campaigns(self) -> Any:
        return self._tell("campaigns")

    async def set_campaign(self, campaign_id: str, state: str) -> Any:
        return self._tell("set_campaign", campaign_id, state)

    async def forbidden(self) -> Any:
        return self._tell("forbidden")

    async def forbid(self, numbers: list[str], region: str | None) -> Any:
        return self._tell("forbid", numbers, region)

    async def add_consent(self, number: str, kind: str, source: str, text: str, given_at: datetime) -> None:
        self._tell("add_consent", number, kind, source, text, given_at)


def served(office: Office, key: str = KEY) -> FastAPI:
    """An application with the API of this office, as the composition root mounts it."""
    app = FastAPI(openapi_url=None)
    app.mount("/api", api_app(office, SecretStr(key), composition_root.STATUSES))
    return app


def client_of(app: FastAPI, headers: Mapping[str, str] = HEADERS) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://here", headers=headers)


def ask(office: Any, method: str, path: str, headers: Mapping[str, str] = HEADERS, **more: Any) -> httpx2.Response:
    """One request, and its answer."""

    async def scene() -> httpx2.Response:
        async with client_of(served(office), headers) as client:
            return await client.request(method, path, **more)

    return run(scene())


NOW_TEXT = "2026-05-01T10:00:00+02:00"
ROUTES: list[tuple[str, str, Any, tuple[Any, ...], Any, int]] = [
    (
        *(
            "POST",
            "/api/calls",
            {"to": ADA, "agent": "appointment_reminder", "vars": VARS, "consent": "form", "region": "US"},
        ),
        *(("call", ADA, "appointment_reminder", VARS, "form", "US"), "o-1", 202),
    ),
    ("GET", "/api/orders/o-1", None, ("order", "o-1"), {"order": "o-1"}, 200),
    ("GET", "/api/calls", None, ("calls", 50, None), [], 200),
    ("GET", "/api/calls?limit=20&before=CA1", None, ("calls", 20, "CA1"), [{"at": NOON}], 200),
    ("GET", "/api/calls/CA1", None, ("audit", "CA1"), {"call": "CA1"}, 200),
    (
        *("POST", "/api/calls/CA1/transfer", {"to": BEN, "briefing": "a client"}),
        *(("transfer", "CA1", BEN, "a client"), True, 202),
    ),
    ("POST", "/api/calls/CA1/transfer", {}, ("transfer", "CA1", "", ""), True, 202),
    ("POST", "/api/calls/CA1/keys", {"keys": "12#w*"}, ("press", "CA1", "12#w*"), True, 202),
    ("POST", "/api/calls/CA1/hang-up", {}, ("hang_up", "CA1", "the operator ended it"), True, 202),
    (
        *(
            "POST",
            "/api/campaigns",
            {"name": "june", "csv": "number\n", "agent": "appointment_reminder", "max_at_once": 3},
        ),
        *(("start_campaign", "june", "number\n", "appointment_reminder", None, None, 3), {"campaign": "c"}, 202),
    ),
    ("GET", "/api/campaigns", None, ("campaigns",), [{"campaign": "c"}], 200),
    ("GET", "/api/campaigns/c", None, ("campaign", "c"), {"campaign": "c"}, 200),
    ("GET", "/api/do-not-call", None, ("forbidden",), [], 200),
    ("POST", "/api/do-not-call", {"numbers": [ADA], "region": "US"}, ("forbid", [ADA], "US"), 1, 200),
    (
        *("POST", "/api/consents", {"number": ADA, "source": "form", "text": "yes", "given_at": NOW_TEXT}),
        ("add_consent", ADA, "informational", "form", "yes", datetime.fromisoformat(NOW_TEXT)),
        *(None, 201),
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "asked", "answer", "status"), ROUTES)
def test_every_route_asks_the_office_what_it_says(
    method: str, path: str, body: Any, asked: tuple[Any, ...], answer: Any, status: int
) -> None:
    office = RecordingOffice(**{asked[0]: answer})
    told = ask(office, method, path, json=body)
    assert told.status_code == status
    assert office.asked[-1] == asked


@pytest.mark.parametrize("deed", ["start", "stop"])
def test_a_campaign_is_stopped_and_started_and_told(deed: str) -> None:
    office = RecordingOffice(campaign={"campaign": "c", "state": "as it is"})
    told = ask(office, "POST", f"/api/campaigns/c/{deed}", json={})
    assert (told.status_code, told.json()) == (202, {"campaign": "c", "state": "as it is"})
    assert office.asked[0] == ("set_campaign", "c", "running" if deed == "start" else "stopped")


def test_instants_are_told_as_in_iso_8601() -> None:
    told = ask(RecordingOffice(calls=[{"at": NOON}]), "GET", "/api/calls")
    assert datetime.fromisoformat(told.json()[0]["at"]) == NOON


def test_a_consent_without_an_offset_was_given_in_utc() -> None:
    office = RecordingOffice()
    ask(office, "POST", "/api/consents", json={"number": ADA, "source": "form", "given_at": "2026-05-01T10:00:00"})
    assert office.asked[0][-1] == datetime(2026, 5, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "path"),
    [(method, path) for method, path, *_ in ROUTES]
    + [("GET", "/api/nothing"), ("DELETE", "/api/calls"), ("GET", "/api/"), ("GET", "/api/openapi.json")],
)
def test_without_the_key_every_path_gives_the_same_refusal(method: str, path: str) -> None:
    office = RecordingOffice()
    for offered in ("", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer ", "Bearer", KEY, f"Basic {KEY}", "\xff"):
        headers = [(b"authorization", offered.encode("latin-1"))]
        told = ask(office, method, path, headers, content=b"no json at all")  # type: ignore[arg-type]
        assert told.status_code == 401
        assert told.headers["www-authenticate"] == "Bearer"
        assert told.json() == {"detail": "the header Authorization must be: Bearer, and the API key"}
    assert office.asked == []


def test_an_empty_key_lets_nobody_in() -> None:
    async def scene() -> int:
        async with client_of(served(RecordingOffice(calls=[]), key=""), {"Authorization": "Bearer "}) as client:
            return (await client.get("/api/calls")).status_code

    assert run(scene()) == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/api/calls/", 404),
        ("GET", "/api/openapi.json", 404),
        ("GET", "/api/docs", 404),
        ("DELETE", "/api/calls", 405),
        ("GET", "/api/orders/o-1", 404),
        ("GET", "/api/calls/CA1", 404),
        ("GET", "/api/campaigns/c", 404),
        ("POST", "/api/campaigns/c/stop", 404),
        ("POST", "/api/campaigns/c/start", 404),
        ("POST", "/api/calls/CA1/hang-up", 404),
    ],
)
def test_with_the_key_what_there_is_not_is_told(method: str, path: str, status: int) -> None:
    told = ask(RecordingOffice(hang_up=False), method, path, json={})
    assert (told.status_code, list(told.json())) == (status, ["detail"])


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/calls", {}, "to: "),
        ("/api/calls", {"to": ADA, "too": "much"}, "too: "),
        ("/api/calls", {"to": "1" * 501}, "to: "),
        ("/api/calls", {"to": ADA, "vars": {"name": "A\0"}}, "vars.name: "),
        ("/api/calls", {"to": ADA, "vars": {str(n): "x" for n in range(51)}}, "vars: "),
        ("/api/calls", {"to": ADA, "agent_sha256": "abc"}, "agent_sha256: "),
        ("/api/calls/CA1/keys", {"keys": "5;9"}, "keys: "),
        ("/api/calls/CA1/keys", {"keys": ""}, "keys: "),
        ("/api/calls/CA1/transfer", {"to": "12125550104"}, "to: "),
        ("/api/campaigns", {"name": " ", "csv": "SECRET LIST"}, "name: "),
        ("/api/campaigns", {"csv": "SECRET LIST"}, "name: "),
        ("/api/campaigns", {"name": "june", "csv": "SECRET LIST", "max_at_once": 0}, "max_at_once: "),
        ("/api/consents", {"number": ADA, "source": "form", "given_at": "yesterday"}, "given_at: "),
        ("/api/calls", ["SECRET"], "body: "),
    ],
)
def test_a_wrong_field_is_named_and_what_was_in_it_is_not_repeated(path: str, body: Any, field: str) -> None:
    office = RecordingOffice()
    told = ask(office, "POST", path, json=body)
    assert told.status_code == 422
    assert field in told.json()["detail"]
    assert "SECRET" not in told.text
    assert office.asked == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    told = ask(
        RecordingOffice(), "POST", "/api/calls", content=content, headers=HEADERS | {"content-type": "application/json"}
    )
    assert told.status_code in (400, 422)
    assert list(told.json()) == ["detail"]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=all"])
def test_a_list_has_a_sensible_length(query: str) -> None:
    assert ask(RecordingOffice(calls=[]), "GET", f"/api/calls?{query}").status_code == 422


class Sent:
    """A body that is sent in parts, and how much of it was taken."""

    def __init__(self, parts: int, part: bytes = b"x" * 1024 * 1024) -> None:
        self.taken = 0
        self._parts, self._part = parts, part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self._parts):
            self.taken += len(self._part)
            yield self._part


def test_a_body_that_says_it_is_too_long_is_refused_unread() -> None:
    office, body = RecordingOffice(), Sent(9)
    told = ask(office, "POST", "/api/campaigns", HEADERS | {"content-length": str(LIMIT + 1)}, content=body)
    assert told.status_code == 413
    assert (body.taken, office.asked) == (0, [])


@pytest.mark.parametrize("length", ["-1", "many", "²"])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    headers = [(b"authorization", f"Bearer {KEY}".encode()), (b"content-length", length.encode("latin-1"))]
    assert ask(RecordingOffice(), "POST", "/api/calls", headers, content=b"").status_code == 413  # type: ignore[arg-type]


def test_a_body_that_tells_no_length_is_read_up_to_the_limit_only() -> None:
    office, body = RecordingOffice(), Sent(100)
    told = ask(office, "POST", "/api/campaigns", content=body)
    assert told.status_code == 413
    assert "several campaigns" in told.json()["detail"]
    assert body.taken <= LIMIT + 1024 * 1024
    assert office.asked == []


def test_without_the_key_no_part_of_a_body_is_read() -> None:
    body = Sent(100)
    assert ask(RecordingOffice(), "POST", "/api/campaigns", {}, content=body).status_code == 401
    assert body.taken == 0


def test_a_body_in_parts_that_is_not_too_long_is_taken() -> None:
    office = RecordingOffice(call="o-1")
    body = Sent(1, b'{"to": "+12125550101"}')
    told = ask(office, "POST", "/api/calls", HEADERS | {"content-type": "application/json"}, content=body)
    assert told.status_code == 202


def test_a_ledger_that_is_away_is_no_fault_of_who_asks() -> None:
    told = ask(RecordingOffice(calls=LedgerFailed("the ledger's database is away")), "GET", "/api/calls")
    assert (told.status_code, told.json()) == (503, {"detail": "the ledger's database is away"})


def test_a_bug_of_ours_is_told_without_its_words() -> None:
    told = ask(RecordingOffice(calls=LocalProtocolError("SECRET")), "GET", "/api/calls")
    assert told.status_code == 500
    assert "SECRET" not in told.text


def test_the_agent_is_checked_before_anything_is_ordered() -> None:
    office = RecordingOffice(check_agent=ConfigError("another file"))
    digest = "0" * 64
    for path, body in (("/api/calls", {"to": ADA}), ("/api/campaigns", {"name": "june", "csv": "number"})):
        told = ask(office, "POST", path, json=body | {"agent": "appointment_reminder", "agent_sha256": digest})
        assert (told.status_code, told.json()) == (422, {"detail": "another file"})
    assert office.asked == [("check_agent", "appointment_reminder", digest)] * 2


def test_a_server_that_places_no_calls_says_what_to_set() -> None:
    app = FastAPI()
    app.mount("/api", no_api)

    async def scene() -> httpx2.Response:
        async with client_of(app, {}) as client:
            return await client.post("/api/calls", json={})

    told = run(scene())
    assert told.status_code == 503
    assert "CLIENT_CALLER_OUTBOUND__FROM_NUMBER" in told.json()["detail"]


Scene = Callable[[httpx2.AsyncClient, Operator], Awaitable[None]]


def play(scene: Scene, folder: Path) -> None:
    """A scene with the API of a real office."""

    async def main() -> None:
        operator = Operator(folder)
        operator.start()
        async with client_of(served(operator.office)) as client:
            await scene(client, operator)
        await operator.stop()

    run(main())


def wanted(**changes: Any) -> dict[str, Any]:
    return {"to": ADA, "agent": "appointment_reminder", "vars": VARS, "consent": "asked for it at the desk"} | changes


def test_a_call_is_ordered_dialled_and_told_to_its_end(tmp_path: Path) -> None:
    async def scene(client: httpx2.AsyncClient, operator: Operator) -> None:
        told = await client.post(
            "/api/calls", json=wanted(agent_sha256=sha256_of(AGENTS / "appointment_reminder.toml"))
        )
        order = told.json()["order"]
        await asyncio.sleep(0.1)
        operator.reach("CA1", "in-progress")
        stands = (await client.get(f"/api/orders/{order}")).json()
        assert stands == {"order": order, "state": "in-progress", "call": "CA1", "outcome": ""}
        assert (await client.post("/api/calls/CA1/keys", json={"keys": "1"})).status_code == 202
        operator.finish("CA1")
        await asyncio.sleep(0.1)
        stands = (await client.get(f"/api/orders/{order}")).json()
        assert (stands["state"], stands["outcome"]) == ("over", "talked")

    play(scene, tmp_path)


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"to": "+12"}, 422, "is not a telephone number"),
        ({"to": "2125550101"}, 422, "no country"),
        ({"to": "911", "region": "US"}, 422, "emergency"),
        ({"consent": ""}, 409, "consent"),
        ({"vars": {"name": "Ada"}}, 422, "{day}"),
        ({"agent": "nobody"}, 422, "there is no agent 'nobody'"),
        ({"agent": "../appointment_reminder"}, 422, "there is no agent"),
        ({"agent": "receptionist"}, 422, "[outbound]"),
        ({"agent_sha256": "0" * 64}, 422, "is another than the server's"),
    ],
)
def test_a_call_that_cannot_be_is_refused_with_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, changes: dict[str, Any], status: int, says: str
) -> None:
    async def scene(client: httpx2.AsyncClient, operator: Operator) -> None:
        told = await client.post("/api/calls", json=wanted(**changes))
        assert told.status_code == status
        assert says in told.json()["detail"]
        assert "until" not in told.json()
        await asyncio.sleep(60)
        assert operator.carrier.dialled == []

    with caplog.at_level(logging.DEBUG):
        play(scene, tmp_path)
    assert ADA not in caplog.text
    assert KEY not in caplog.text


def test_at_night_it_is_told_from_when_on_a_call_is_allowed(tmp_path: Path) -> None:
    async def scene(client: httpx2.AsyncClient, operator: Operator) -> None:
        await asyncio.sleep(12 * 3_600)  # midnight in New York
        told = await client.post("/api/calls", json=wanted())
        assert told.status_code == 409
        until = datetime.fromisoformat(told.json()["until"])
        assert until.tzinfo is not None
        assert operator.now() < until
        again = await client.post("/api/calls", json=wanted())
        assert again.status_code == 409

    play(scene, tmp_path)


def test_who_is_being_called_is_not_called_twice(tmp_path: Path) -> None:
    async def scene(client: httpx2.AsyncClient, operator: Operator) -> None:
        assert (await client.post("/api/calls", json=wanted())).status_code == 202
        again = await client.post("/api/calls", json=wanted())
        assert (again.status_code, again.json()["detail"]) == (409, "This number is being called already.")

    play(scene, tmp_path)


def test_what_is_kept_of_calls_and_numbers_is_plain_json(tmp_path: Path) -> None:
    async def scene(client: httpx2.AsyncClient, operator: Operator) -> None:
        operator.ledger.note(CallBegan("CA7", NOON, "inbound", BEN, OURS, "Ruth"))
        operator.ledger.note(CallNoted("CA7", NOON, "opted out"))
        operator.ledger.note(Forbidden(BEN, NOON, "caller said so", "CA7"))
        await operator.ledger.flush()
        (call,) = (await client.get("/api/calls")).json()
        assert (call["call_id"], datetime.fromisoformat(call["began_at"])) == ("CA7", NOON)
        assert (await client.get("/api/calls/CA7")).json()["call"]["theirs"] == BEN
        (entry,) = (await client.get("/api/do-not-call")).json()
        assert (entry["number"], datetime.fromisoformat(entry["at"])) == (BEN, NOON)
        told = await client.post("/api/do-not-call", json={"numbers": [ADA, "12"]})
        assert told.status_code == 422
        assert len((await client.get("/api/do-not-call")).json()) == 1
        assert (await client.post("/api/do-not-call", json={"numbers": [ADA]})).json() == {"numbers": 1}
        refused = await client.post("/api/calls", json=wanted())
        assert refused.status_code == 409

    play(scene, tmp_path)


def test_a_consent_that_was_added_lets_a_call_be_placed(tmp_path: Path) -> None:
    async def scene(client: httpx2.AsyncClient, operator: Operator) -> None:
        given = {"number": ADA, "source": "form", "text": "yes", "given_at": "2026-05-01T10:00:00Z"}
        assert (await client.post("/api/consents", json=given)).status_code == 201
        assert (await client.post("/api/consents", json=given | {"kind": "vague"})).status_code == 422
        assert (await client.post("/api/calls", json=wanted(consent=""))).status_code == 202

    play(scene, tmp_path)


def test_a_campaign_is_started_stopped_and_gone_on_with(tmp_path: Path) -> None:
    async def scene(client: httpx2.AsyncClient, operator: Operator) -> None:
        await operator.agree(ADA, BEN)
        csv = f"number,name,day\n{ADA},Ada,Tuesday\n{BEN},Ben,Friday\n"
        told = await client.post("/api/campaigns", json={"name": "june", "csv": csv, "agent": "appointment_reminder"})
        assert told.status_code == 202
        campaign = told.json()["campaign"]
        assert (await client.post(f"/api/campaigns/{campaign}/stop", json={})).json()["state"] == "stopped"
        assert (await client.post(f"/api/campaigns/{campaign}/start", json={})).json()["state"] == "running"
        assert [each["campaign"] for each in (await client.get("/api/campaigns")).json()] == [campaign]

    play(scene, tmp_path)


def test_every_mistake_of_a_list_is_told_by_its_line(tmp_path: Path) -> None:
    async def scene(client: httpx2.AsyncClient, operator: Operator) -> None:
        csv = f"number,name,day\n12,Ada,Tuesday\n{BEN},,Friday\n{ADA},Ada\n"
        told = await client.post(
            "/api/campaigns", json={"name": "june.csv", "csv": csv, "agent": "appointment_reminder"}
        )
        assert told.status_code == 422
        lines = told.json()["detail"].splitlines()
        assert [line.partition(":")[0] for line in lines] == ["june.csv, line 2", "june.csv, line 4"]
        assert (await client.get("/api/campaigns")).json() == []

    play(scene, tmp_path)
