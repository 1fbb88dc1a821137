"""What several gateways need is checked at the start; and a call that another held is found on this one's disk."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from many_gateways import House
from pydantic import SecretStr

from client_caller.errors import ConfigError
from client_caller.fleet.fleet import Fleet
from client_caller.joining import check_fleet
from client_caller.ledger.ledger import open_ledger
from client_caller.line.twilio import signature_check
from client_caller.settings import FleetSettings, Settings


def settings(**others: Any) -> Settings:
    fleet = FleetSettings(address="http://10.0.0.5:8080", key=SecretStr("shared"))
    return Settings(_env_file=None, fleet=fleet).model_copy(update=others)


def test_one_gateway_alone_needs_nothing() -> None:
    check_fleet(Settings(_env_file=None))


def test_gateways_need_a_key_that_they_share() -> None:
    with pytest.raises(ConfigError, match="CLIENT_CALLER_FLEET__KEY"):
        check_fleet(settings(fleet=FleetSettings(address="http://10.0.0.5:8080")))
    check_fleet(settings())


def test_the_calls_of_a_carrier_that_cannot_be_shared_are_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match="TELNYX_API_KEY"):
        check_fleet(settings(telnyx_api_key=SecretStr("key")))


@pytest.mark.parametrize("address", ["10.0.0.5:8080", "nonsense", "http://", "http://host:port", "ftp://host"])
def test_an_address_that_is_none_is_named(address: str, tmp_path: Path) -> None:
    async def main() -> None:
        ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
        try:
            Fleet(FleetSettings(address=address), ledger, House())
        finally:
            await ledger.close()

    with pytest.raises(ConfigError, match="CLIENT_CALLER_FLEET__ADDRESS"):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://10.0.0.5:8080", "10.0.0.5-8080"),
        ("https://north.example", "north.example-443"),
        ("http://[::1]:80", "--1-80"),
    ],
)
def test_a_gateway_without_a_name_is_called_by_its_address(address: str, name: str, tmp_path: Path) -> None:
    async def main() -> str:
        ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
        try:
            return Fleet(FleetSettings(address=address), ledger, House()).name
        finally:
            await ledger.close()

    assert asyncio.run(main()) == name


def test_the_address_of_media_streams_must_be_as_safe_as_that_of_webhooks() -> None:
    fleet = FleetSettings(stream_url="http://north.example")
    tokens = {"twilio_auth_tokens": (SecretStr("secret"),), "public_url": "https://phone.example"}
    with pytest.raises(ConfigError, match="CLIENT_CALLER_FLEET__STREAM_URL must be the https address"):
        signature_check(settings(fleet=fleet, **tokens), False)
