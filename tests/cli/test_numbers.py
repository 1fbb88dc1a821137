"""The `numbers` command, asking a server on this machine that takes Twilio's place."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

import pytest
from typer.testing import CliRunner

from client_caller import app as composition_root
from client_caller.cli import numbers
from client_caller.errors import CarrierFailed, ConfigError
from client_caller.line.twilio_control import TwilioControl

ACCOUNT = "AC" + "0" * 31 + "1"
PUBLIC = "https://voice.example.com"


class Account(ThreadingHTTPServer):
    """The numbers of an account, and what it was asked to change."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.numbers: list[dict[str, Any]] = []
        self.changes: list[tuple[str, dict[str, str]]] = []
        self.refuses = False

    def has(self, number: str, name: str = "Front desk", voice_url: str = "", status_callback: str = "") -> None:
        about = {"sid": f"PN{len(self.numbers):032}", "phone_number": number, "friendly_name": name}
        self.numbers.append({**about, "voice_url": voice_url, "status_callback": status_callback})


class Answers(BaseHTTPRequestHandler):
    server: Account

    def do_GET(self) -> None:
        if self.server.refuses:
            self._answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
        else:
            self._answer(200, {"incoming_phone_numbers": self.server.numbers, "next_page_uri": None})

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        self.server.changes.append((self.path.rpartition("/")[2], form))
        self._answer(200, self.server.numbers[0])

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: Any) -> None:
        """Nothing: tests are quiet."""


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account in whose name everything is set up."""
    monkeypatch.chdir(tmp_path)
    if not hasattr(composition_root, "twilio_control"):
        monkeypatch.setattr(composition_root, "twilio_control", TwilioControl.of, raising=False)
    with Account() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("TWILIO_API_URL", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT)
        monkeypatch.setenv("TWILIO_AUTH_TOKEN", "0123456789abcdef, an older one")
        monkeypatch.setenv("CLIENT_CALLER_PUBLIC_URL", PUBLIC + "/")
        yield server
        server.shutdown()
        thread.join()


def run(*words: str, says: str = "") -> tuple[int, str]:
    """Exit code and output, on a wide terminal; `says` is what the operator types."""
    result = CliRunner().invoke(numbers.app, list(words), input=says, env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_the_numbers_are_listed_with_where_they_point(account: Account) -> None:
    account.has("+15550100002", "Front [desk]", "https://old.example/voice")
    account.has("+15550100009")
    code, said = run("list")
    assert code == 0
    first, second = (line for line in said.splitlines() if "+1555" in line)
    assert "Front [desk]" in first
    assert "https://old.example/voice" in first
    assert second.count("(none)") == 2


def test_an_account_without_numbers_is_said_to_have_none(account: Account) -> None:
    assert run("list") == (0, "The account has no numbers; the Twilio console sells them.\n")


def test_what_changes_is_shown_before_it_is_asked_for_and_done(account: Account) -> None:
    account.has("+15550100002", voice_url="https://old.example/voice", status_callback=f"{PUBLIC}/twilio/status")
    code, said = run("point", "+1 555 010 0002", says="y\n")
    assert code == 0
    assert said.splitlines()[:3] == [
        "+15550100002 (Front desk):",
        f"    voice URL  https://old.example/voice -> {PUBLIC}/twilio/voice",
        f"    status URL {PUBLIC}/twilio/status stays",
    ]
    assert said.endswith("points here now.\n")
    changes = {"VoiceUrl": f"{PUBLIC}/twilio/voice", "StatusCallback": f"{PUBLIC}/twilio/status"}
    assert account.changes == [(f"PN{0:032}.json", {**changes, "VoiceMethod": "POST", "StatusCallbackMethod": "POST"})]


def test_whoever_says_no_has_changed_nothing(account: Account) -> None:
    account.has("+15550100002")
    code, said = run("point", "+15550100002", says="n\n")
    assert code == 1
    assert "Nothing was changed." in said
    assert account.changes == []


def test_with_yes_nothing_is_asked(account: Account) -> None:
    account.has("+15550100002")
    code, said = run("point", "+15550100002", "--yes")
    assert code == 0
    assert "Change it?" not in said
    assert len(account.changes) == 1


def test_a_number_that_points_here_already_is_left_alone(account: Account) -> None:
    account.has("+15550100002", "", f"{PUBLIC}/twilio/voice", f"{PUBLIC}/twilio/status")
    assert run("point", "+15550100002") == (0, "+15550100002 points here already; nothing changes.\n")
    assert account.changes == []


def test_somebody_elses_number_is_refused_and_ours_are_told(account: Account) -> None:
    account.has("+15550100002")
    account.has("+15550100009")
    ours = r"\+15550100003 is not one of the account's numbers; they are: \+15550100002, \+15550100009$"
    with pytest.raises(ConfigError, match=ours):
        run("point", "+15550100003", "--yes")
    assert account.changes == []


@pytest.mark.parametrize(
    ("unset", "command"),
    [
        ("TWILIO_ACCOUNT_SID", ["list"]),
        ("TWILIO_AUTH_TOKEN", ["list"]),
        ("TWILIO_ACCOUNT_SID", ["point", "+15550100002"]),
        ("TWILIO_AUTH_TOKEN", ["point", "+15550100002"]),
        ("CLIENT_CALLER_PUBLIC_URL", ["point", "+15550100002"]),
    ],
)
def test_what_is_not_set_is_named(
    account: Account, unset: str, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(unset, "")
    with pytest.raises(ConfigError, match=unset):
        run(*command)


def test_the_list_needs_no_public_address(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIENT_CALLER_PUBLIC_URL")
    account.has("+15550100002")
    assert run("list")[0] == 0


def test_an_address_that_the_carrier_would_refuse_is_not_asked_for(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIENT_CALLER_PUBLIC_URL", "http://voice.example.com")
    with pytest.raises(ConfigError, match="CLIENT_CALLER_PUBLIC_URL"):
        run("point", "+15550100002", "--yes")


def test_a_refusal_of_the_carriers_is_told(account: Account) -> None:
    account.refuses = True
    with pytest.raises(CarrierFailed, match=r"check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN \(error 20003\)"):
        run("list")
