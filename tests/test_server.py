"""What stops a server before any model is loaded: the operator's mistakes, each told in a sentence."""

import socket
from pathlib import Path
from typing import Any

import pytest

from client_caller.errors import ConfigError
from client_caller.server import run_server
from client_caller.settings import ServerSettings, Settings

AGENT = Path(__file__).parents[1] / "agents" / "receptionist.toml"


def settings(models: Path, *, token: str = "", public: str = "", **server: Any) -> Settings:
    """Settings with which no model could be loaded: `models` is an empty folder."""
    return Settings(
        _env_file=None,
        agent=AGENT,
        models=models,
        public_url=public,
        server=ServerSettings(**server),
        TWILIO_AUTH_TOKEN=token,
    )


def test_unsigned_requests_are_believed_on_this_machine_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--insecure listens on loopback only, not on 0\.0\.0\.0: .*--host 127"):
        run_server(settings(tmp_path, host="0.0.0.0"), insecure=True)


def test_a_port_in_use_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1 port {port} \(.*in use\).*--port"):
            run_server(settings(tmp_path, token="a token", port=port))


def test_an_agent_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nobody\.toml cannot be read .*CLIENT_CALLER_AGENT"):
        run_server(settings(tmp_path, token="a token").model_copy(update={"agent": tmp_path / "nobody.toml"}))


def test_without_the_carriers_token_no_call_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TWILIO_AUTH_TOKEN is empty"):
        run_server(settings(tmp_path, port=0))


def test_an_address_that_the_carrier_could_not_reach_safely_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CLIENT_CALLER_PUBLIC_URL must be the https address"):
        run_server(settings(tmp_path, token="a token", public="http://calls.example.com", port=0))
