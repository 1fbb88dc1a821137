"""The doctor's checks: each tells good from bad and says what to do."""

import asyncio
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cli.test_numbers import Account
from client_caller.cli import checks
from client_caller.cli.checks import (
    check_account,
    check_agent,
    check_calls_at_once,
    check_carrier,
    check_from_number,
    check_language_model,
    check_ledger,
    check_models,
    check_packages,
    check_port,
    check_public_url,
    check_room,
    check_telnyx,
    check_transcriber,
    check_voice,
    check_voice_prompt,
)
from client_caller.ledger.database import VERSION_TABLE
from client_caller.ledger.ledger import open_ledger
from client_caller.line import twilio_control
from client_caller.line.control import OwnNumber
from client_caller.models.store import ModelStore
from client_caller.settings import HearingSettings, OutboundSettings, ServerSettings, Settings, SpeakingSettings


def settings(**values: object) -> Settings:
    """Settings from these values alone; no file and no variable of this machine counts."""
    fresh = {"TWILIO_ACCOUNT_SID": "", "TWILIO_AUTH_TOKEN": (), "TELNYX_API_KEY": ""} | values
    return Settings(_env_file=None, **fresh)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("", "warn"),
        ("https://calls.example.org", "ok"),
        ("http://127.0.0.1:8080", "ok"),
        ("http://localhost:8080", "ok"),
        ("http://calls.example.org", "FAIL"),
        ("calls.example.org", "FAIL"),
        ("https://", "FAIL"),
    ],
)
def test_the_public_url_must_be_https_or_loopback(url: str, verdict: str) -> None:
    check = check_public_url(url)
    assert check.verdict == verdict
    assert ("CLIENT_CALLER_PUBLIC_URL" in check.remedy) == (verdict != "ok")


@pytest.mark.parametrize(
    ("sid", "token", "verdict"),
    [
        ("", "", "warn"),
        ("AC" + "0" * 32, "secret", "ok"),
        ("", "old,new", "ok"),
        ("AC" + "0" * 32, "", "FAIL"),
        ("0123", "secret", "FAIL"),
    ],
)
def test_the_carriers_credentials_come_together(sid: str, token: str, verdict: str) -> None:
    check = check_carrier(settings(TWILIO_ACCOUNT_SID=sid, TWILIO_AUTH_TOKEN=token))
    assert check.verdict == verdict
    assert "secret" not in check.found


def test_a_taken_port_fails_and_a_free_one_does_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        check = check_port("127.0.0.1", port)
        assert (check.verdict, check.found) == ("FAIL", f"127.0.0.1:{port} is taken")
        assert "CLIENT_CALLER_SERVER__PORT" in check.remedy
    assert check_port("127.0.0.1", port).verdict == "ok"


def test_every_missing_model_file_is_a_line(tmp_path: Path) -> None:
    checks = list(check_models(ModelStore(tmp_path)))
    assert {check.verdict for check in checks} == {"FAIL"}
    assert "silero_vad.onnx" in {check.what for check in checks}


def test_a_folder_yet_to_be_made_is_judged_by_the_one_above_it(tmp_path: Path) -> None:
    assert "GB free" in check_room("records", tmp_path / "runs" / "calls", "CLIENT_CALLER_RECORDS__FOLDER").found


def test_a_folder_under_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check = check_room("records", tmp_path / "file" / "calls", "CLIENT_CALLER_RECORDS__FOLDER")
    assert check.verdict == "FAIL"
    assert "CLIENT_CALLER_RECORDS__FOLDER" in check.remedy


def test_a_missing_agent_file_fails(tmp_path: Path) -> None:
    assert check_agent(tmp_path / "none.toml").verdict == "FAIL"


def test_the_embedded_language_model_needs_no_server() -> None:
    assert check_language_model(settings()).verdict == "ok"


def test_a_language_model_that_does_not_answer_fails_with_its_setting() -> None:
    check = check_language_model(settings(thinking={"base_url": "http://127.0.0.1:9/v1"}))
    assert check.verdict == "FAIL"
    assert "CLIENT_CALLER_THINKING__BASE_URL" in check.remedy


def test_each_transcriber_is_judged_by_what_it_needs() -> None:
    assert check_transcriber(HearingSettings()).found == "moonshine, embedded"
    assert check_transcriber(HearingSettings(engine="whisper")).found == "whisper large-v3-turbo on auto"
    for url in ("", "http://127.0.0.1:9/v1"):
        check = check_transcriber(HearingSettings(engine="server", server_url=url))
        assert check.verdict == "FAIL"
        assert "CLIENT_CALLER_HEARING__SERVER_URL" in check.remedy


def test_each_voice_is_judged_by_what_it_needs() -> None:
    assert check_voice(SpeakingSettings()).found == "eSpeak NG, embedded"
    with standing_in_for_engine(401) as url:
        check = check_voice(SpeakingSettings(engine="csm", csm_url=url))
        assert check.verdict == "FAIL"
        assert "CLIENT_CALLER_SPEAKING__CSM_KEY" in check.remedy
    with standing_in_for_engine(200) as url:
        assert check_voice(SpeakingSettings(engine="csm", csm_url=f"{url}/")).verdict == "ok"
        assert check_voice(SpeakingSettings(engine="server", server_url=f"{url}/v1")).verdict == "ok"
    gone = "http://127.0.0.1:9"
    for settings, setting in (
        (SpeakingSettings(engine="csm", csm_url=gone), "CLIENT_CALLER_SPEAKING__CSM_URL"),
        (SpeakingSettings(engine="server", server_url=gone), "CLIENT_CALLER_SPEAKING__SERVER_URL"),
        (SpeakingSettings(engine="server"), "CLIENT_CALLER_SPEAKING__SERVER_URL"),
    ):
        check = check_voice(settings)
        assert check.verdict == "FAIL"
        assert setting in check.remedy


@pytest.mark.parametrize(
    ("prompt", "found"),
    [("anna", "anna"), ("", "none is named"), ("jane", "the engine has no 'jane', but: anna, ben")],
)
def test_the_voice_prompt_is_one_that_the_engine_has(tmp_path: Path, prompt: str, found: str) -> None:
    agent = tmp_path / "agent.toml"
    agent.write_text('name = "Ruth"\ncompany = "Harbour Clinic"\ngreeting = "Hello."\npersona = "You are Ruth."\n')
    with standing_in_for_engine(200) as url:
        speaking = SpeakingSettings(engine="csm", csm_url=url, csm_voice=prompt)
        (check,) = check_voice_prompt(settings(agent=agent, speaking=speaking))
        assert check.found == found
        assert (check.verdict == "ok") == (prompt == "anna")
        assert check.verdict == "ok" or "CLIENT_CALLER_SPEAKING__CSM_VOICE" in check.remedy
        agent.write_text(agent.read_text() + '[voice]\nprompt = "ben"\n')
        (check,) = check_voice_prompt(settings(agent=agent, speaking=speaking))
        assert check.found == "ben", "the agent's comes first"
        assert list(check_voice_prompt(settings(agent=tmp_path / "nobody.toml", speaking=speaking))) == []
    assert list(check_voice_prompt(settings(agent=agent, speaking=speaking))) == []


@contextmanager
def standing_in_for_engine(status: int) -> Iterator[str]:
    """The address of a server that answers /v1/models with this status, tells its voices, and knows nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = {"/v1/models": b"", "/v1/audio/voices": b'{"voices": ["anna", "ben"]}'}
            self.send_response(status if self.path in known else 404)
            self.end_headers()
            self.wfile.write(known.get(self.path, b""))

        def log_message(self, *_: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_whisper_without_its_package_fails_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check = check_transcriber(HearingSettings(engine="whisper"))
    assert check.verdict == "FAIL"
    assert "pip install client-caller[whisper]" in check.remedy


def test_the_engines_packages_can_be_loaded_here() -> None:
    assert [check.verdict for check in check_packages()] == ["ok"]


PUBLIC = "https://voice.example.com"
OURS = "+15550100002"


@pytest.fixture
def account() -> Iterator[Account]:
    """A server on this machine that takes Twilio's place."""
    with Account() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def with_account(port: int, from_number: str = "") -> Settings:
    return settings(
        TWILIO_ACCOUNT_SID="AC" + "0" * 32,
        TWILIO_AUTH_TOKEN="secret",
        TWILIO_API_URL=f"http://127.0.0.1:{port}",
        public_url=PUBLIC,
        outbound=OutboundSettings(from_number=from_number),
    )


def port_of(server: ThreadingHTTPServer) -> int:
    return int(server.server_address[1])


def test_without_credentials_no_account_is_asked() -> None:
    assert list(check_account(settings())) == []
    assert list(check_account(settings(TWILIO_AUTH_TOKEN="secret"))) == []


def test_an_account_that_answers_is_told_with_the_number_that_we_call_from(account: Account) -> None:
    account.has(OURS, voice_url=f"{PUBLIC}/twilio/voice")
    found = list(check_account(with_account(port_of(account), OURS)))
    assert [(check.verdict, check.what) for check in found] == [
        *(("ok", "Twilio account"), ("ok", "number to call from"))
    ]
    assert len(list(check_account(with_account(port_of(account))))) == 1


def test_an_account_that_refuses_us_fails_with_what_to_check(account: Account) -> None:
    account.refuses = True
    (check,) = check_account(with_account(port_of(account), OURS))
    assert check.verdict == "FAIL"
    assert "TWILIO_AUTH_TOKEN" in check.found
    assert "secret" not in check.found


def test_without_a_network_it_is_said_that_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio_control, "_PAUSES_S", ())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (check,) = check_account(with_account(port))
    assert check.verdict == "FAIL"
    assert "cannot be reached" in check.found
    assert f"http://127.0.0.1:{port}" in check.remedy


def test_an_account_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_ACCOUNT_WITHIN_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (check,) = check_account(with_account(silent.getsockname()[1]))
    assert (check.verdict, check.found) == ("FAIL", "no answer within 0.05 s")


def test_a_wrong_address_of_the_carrier_is_a_setting_to_correct() -> None:
    (check,) = check_account(with_account(1).model_copy(update={"twilio_api_url": "nowhere"}))
    assert check.verdict == "FAIL"
    assert "TWILIO_API_URL" in check.found


@pytest.mark.parametrize(
    ("number", "voice_url", "public", "verdict"),
    [
        (OURS, f"{PUBLIC}/twilio/voice", PUBLIC, "ok"),
        (OURS, f"{PUBLIC}/twilio/voice", PUBLIC + "/", "ok"),
        (OURS, "", "", "ok"),
        (OURS, "", PUBLIC, "warn"),
        (OURS, "https://old.example/voice", PUBLIC, "warn"),
        ("+15550100003", f"{PUBLIC}/twilio/voice", PUBLIC, "FAIL"),
    ],
)
def test_the_number_that_we_call_from_is_ours_and_points_here(
    number: str, voice_url: str, public: str, verdict: str
) -> None:
    check = check_from_number(number, public, [OwnNumber("PN1", OURS, "Front desk", voice_url, "")])
    assert check.verdict == verdict
    expected = {"ok": "", "warn": f"numbers point {OURS}", "FAIL": "CLIENT_CALLER_OUTBOUND__FROM_NUMBER"}[verdict]
    assert expected in check.remedy


def test_telnyx_needs_all_three() -> None:
    whole = {"TELNYX_API_KEY": "KEY1", "TELNYX_CONNECTION_ID": "7", "TELNYX_PUBLIC_KEY": "abc"}
    assert list(check_telnyx(settings())) == []
    (check,) = check_telnyx(settings(**whole))
    assert check.verdict == "ok"
    (check,) = check_telnyx(settings(**whole | {"TELNYX_PUBLIC_KEY": ""}))
    assert (check.verdict, check.found) == ("FAIL", "TELNYX_PUBLIC_KEY not set")
    assert check_carrier(settings(**whole)).verdict == "ok"


@pytest.mark.parametrize(
    ("server", "outbound", "from_number", "is_told"), [(8, 4, "", True), (2, 4, "", False), (2, 4, OURS, True)]
)
def test_more_calls_than_twilio_allows_at_once_are_advised_on(
    server: int, outbound: int, from_number: str, is_told: bool
) -> None:
    limits = {"server": ServerSettings(calls_at_once=server)}
    found = with_account(1).model_copy(
        update=limits | {"outbound": OutboundSettings(calls_at_once=outbound, from_number=from_number)}
    )
    told = list(check_calls_at_once(found))
    assert [check.verdict for check in told] == (["warn"] if is_told else [])
    assert list(check_calls_at_once(settings(**limits))) == []


def test_a_ledger_that_is_not_there_yet_is_judged_by_its_folder_and_not_made(tmp_path: Path) -> None:
    check = check_ledger(f"sqlite:///{tmp_path}/runs/ledger.db")
    assert (check.verdict, check.what) == ("ok", "ledger folder")
    assert list(tmp_path.iterdir()) == []


def made(url: str) -> None:
    async def make() -> None:
        await open_ledger(url).close()

    asyncio.run(make())


def test_a_ledger_that_is_there_is_only_looked_at(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/the ledger.db"
    made(url)
    before = sorted(path.name for path in tmp_path.iterdir())
    assert check_ledger(url) == checks.Check("ok", "ledger", f"{tmp_path}/the ledger.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_ledger_that_a_server_has_open_can_be_looked_at(tmp_path: Path) -> None:
    async def main() -> str:
        ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
        verdict = await asyncio.to_thread(check_ledger, f"sqlite:///{tmp_path}/ledger.db")
        await ledger.close()
        return verdict.verdict

    assert asyncio.run(main()) == "ok"


def test_tables_of_a_newer_version_fail_and_those_yet_to_be_made_do_not(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    made(url)
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        database.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    database.close()
    check = check_ledger(url)
    assert check.verdict == "FAIL"
    assert "newer version" in check.found
    (tmp_path / "empty.db").touch()
    assert "upgraded when the server starts" in check_ledger(f"sqlite:///{tmp_path}/empty.db").found


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "no URL of a database"),
        ("mysql://host/name", "mysql is not supported"),
        ("sqlite:///:memory:", "a ledger in memory"),
        ("sqlite:///{folder}/file", "file is not a database"),
        ("postgresql://user:hunter2@127.0.0.1:9/name", "refused"),
    ],
)
def test_a_ledger_that_cannot_be_had_fails_with_its_setting(tmp_path: Path, url: str, says: str) -> None:
    (tmp_path / "file").write_text("no database at all" * 100)
    check = check_ledger(url.replace("{folder}", str(tmp_path)))
    assert check.verdict == "FAIL"
    assert says in check.found
    assert "hunter2" not in check.found + check.remedy
    assert "CLIENT_CALLER_LEDGER__URL" in check.remedy
