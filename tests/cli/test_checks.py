"""The doctor's checks: each tells good from bad and says what to do."""

import socket
from pathlib import Path

import pytest

from client_caller.cli.checks import (
    check_agent,
    check_carrier,
    check_language_model,
    check_models,
    check_packages,
    check_port,
    check_public_url,
    check_room,
    check_transcriber,
)
from client_caller.models.store import ModelStore
from client_caller.settings import HearingSettings, Settings


def settings(**values: object) -> Settings:
    """Settings from these values alone; no file and no variable of this machine counts."""
    fresh = {"TWILIO_ACCOUNT_SID": "", "TWILIO_AUTH_TOKEN": ()} | values
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


def test_whisper_without_its_package_fails_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check = check_transcriber(HearingSettings(engine="whisper"))
    assert check.verdict == "FAIL"
    assert "pip install client-caller[whisper]" in check.remedy


def test_the_engines_packages_can_be_loaded_here() -> None:
    assert [check.verdict for check in check_packages()] == ["ok"]
