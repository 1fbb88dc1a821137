"""Which carriers there are, by the settings, and what the application has for each."""

import asyncio
import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from calls import AGENT, engines
from client_caller.app import carrier_of, check_carrier, staffed, web_app
from client_caller.errors import ConfigError
from client_caller.house import House
from client_caller.keys import KEPT_IN
from client_caller.ledger.ledger import open_ledger
from client_caller.line.telnyx_control import TelnyxControl
from client_caller.line.twilio_control import TwilioControl
from client_caller.settings import OutboundSettings, RecordSettings, Settings
from line.telnyx_exchange import KEY as TELNYX_KEY
from line.telnyx_exchange import NOW, PUBLIC_KEY, webhook
from outbound_calls import AGENTS, OURS

PUBLIC = "https://voice.example.com"
TWILIO = {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "a token"}
TELNYX = {"TELNYX_API_KEY": "KEY1", "TELNYX_PUBLIC_KEY": PUBLIC_KEY, "TELNYX_CONNECTION_ID": "7"}
NONE = dict.fromkeys(
    ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TELNYX_API_KEY", "TELNYX_PUBLIC_KEY", "TELNYX_CONNECTION_ID"), ""
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, public_url=PUBLIC, **(NONE | values))


def app_of(found: Settings, tmp_path: Path, **more: Any) -> Any:
    quiet = found.model_copy(update={"records": RecordSettings(folder=tmp_path)})
    return web_app(House(quiet, AGENT, engines()), carrier=carrier_of(found), **more)


async def kind_of(found: Settings) -> type | None:
    carrier = carrier_of(found)
    if carrier:
        await carrier.close()
    return type(carrier) if carrier else None


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, None),
        ({"TWILIO_AUTH_TOKEN": "a token"}, None),
        (TWILIO, TwilioControl),
        (TELNYX, TelnyxControl),
        (TELNYX | {"TWILIO_AUTH_TOKEN": "a token"}, TelnyxControl),
        (TWILIO | TELNYX, TwilioControl),
    ],
)
def test_calls_are_placed_by_twilio_and_by_telnyx_where_there_is_no_twilio(
    values: dict[str, str], kind: type | None
) -> None:
    assert asyncio.run(kind_of(settings(**values))) is kind


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({}, "TWILIO_AUTH_TOKEN"),
        (TELNYX | {"TELNYX_PUBLIC_KEY": ""}, "TELNYX_PUBLIC_KEY"),
        (TELNYX | {"TELNYX_PUBLIC_KEY": "no key"}, "TELNYX_PUBLIC_KEY is not an Ed25519"),
        (TWILIO | TELNYX | {"TELNYX_PUBLIC_KEY": ""}, "TELNYX_PUBLIC_KEY"),
    ],
)
def test_what_a_carrier_signs_with_must_be_known_before_models_are_loaded(values: dict[str, str], missing: str) -> None:
    with pytest.raises(ConfigError, match=missing):
        check_carrier(settings(**values), insecure=False)


@pytest.mark.parametrize("values", [TWILIO, TELNYX, TWILIO | TELNYX])
def test_one_carrier_is_enough(values: dict[str, str]) -> None:
    check_carrier(settings(**values), insecure=False)


def test_an_application_that_places_calls_must_be_named_to_telnyx(tmp_path: Path) -> None:
    without = settings(**TELNYX | {"TELNYX_CONNECTION_ID": ""})
    with pytest.raises(ConfigError, match="TELNYX_CONNECTION_ID is empty"):
        carrier_of(without)
    with pytest.raises(ConfigError, match="TELNYX_CONNECTION_ID is empty"):
        web_app(House(without, AGENT))


@pytest.mark.parametrize(
    ("values", "twilio", "telnyx"),
    [(TWILIO, 403, 404), (TELNYX, 404, 403), (TWILIO | TELNYX, 403, 403)],
)
def test_each_carrier_finds_its_own_addresses_and_is_checked_there(
    tmp_path: Path, values: dict[str, str], twilio: int, telnyx: int
) -> None:
    with TestClient(app_of(settings(**values), tmp_path)) as client:
        assert client.post("/twilio/voice", data={"CallSid": "CA1"}).status_code == twilio
        assert client.post("/telnyx/voice", content=webhook("call.initiated")).status_code == telnyx


@pytest.mark.parametrize(("ago_s", "status"), [(10, 200), (3_600, 403)])
def test_a_webhook_of_telnyxs_is_taken_when_it_was_signed_just_now(tmp_path: Path, ago_s: int, status: int) -> None:
    body, at = webhook("call.bridged"), NOW - ago_s
    signature = base64.b64encode(TELNYX_KEY.sign(f"{at}|".encode() + body)).decode()
    headers = {"telnyx-timestamp": str(at), "telnyx-signature-ed25519": signature}
    house = House(settings(**TELNYX), AGENT, engines(), now=lambda: datetime.fromtimestamp(NOW, UTC))
    with TestClient(web_app(house)) as client:
        assert client.post("/telnyx/voice", content=body, headers=headers).status_code == status


def test_on_this_machine_a_server_works_with_neither(tmp_path: Path) -> None:
    with TestClient(app_of(settings(), tmp_path, insecure=True)) as client:
        assert "<Stream" in client.post("/twilio/voice", data={"CallSid": "CA1", "AccountSid": "AC1"}).text
        told = client.get("/api/calls")
        assert told.status_code == 503
        assert "CLIENT_CALLER_OUTBOUND__FROM_NUMBER" in told.json()["detail"]
    assert not (tmp_path / KEPT_IN).exists()


def test_a_server_that_can_place_calls_has_an_api_and_a_key(tmp_path: Path) -> None:
    async def scene() -> None:
        found = settings(**TELNYX).model_copy(
            update={"outbound": OutboundSettings(from_number=OURS), "agent": AGENTS / "appointment_reminder.toml"}
        )
        house, carrier = House(found, AGENT, engines()), carrier_of(found)
        ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
        assert carrier
        async with staffed(house, ledger, carrier) as office:
            assert office
            app = web_app(house, office, carrier)
            with TestClient(app) as client:
                assert client.get("/api/nothing").status_code == 401
                key = (tmp_path / KEPT_IN).read_text().strip()
                assert client.get("/api/nothing", headers={"Authorization": f"Bearer {key}"}).status_code == 404
        await carrier.close()
        await ledger.close()

    asyncio.run(scene())


def test_an_office_that_fails_is_told_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        found = settings(**TELNYX).model_copy(update={"outbound": OutboundSettings(from_number=OURS)})
        carrier, ledger = carrier_of(found), open_ledger(f"sqlite:///{tmp_path}/ledger.db")
        assert carrier
        await ledger.close()  # too early: a bug
        try:
            async with staffed(House(found, AGENT), ledger, carrier):
                await asyncio.sleep(0.01)
                assert [record.message for record in caplog.records] == [
                    "no more calls are placed: the office has failed"
                ]
        finally:
            await carrier.close()

    with caplog.at_level("CRITICAL"), pytest.raises(RuntimeError, match="shutdown"):
        asyncio.run(scene())
