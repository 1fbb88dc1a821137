"""The command line: quick, and mistakes are sentences."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from client_caller import cli
from client_caller.cli.progress import Lines
from client_caller.settings import HearingSettings, ServerSettings, Settings, ThinkingSettings, TurnSettings

AGENT = 'name = "Anna"\ncompany = "Maple"\ngreeting = "Hello"\npersona = "You are Anna."\n'
HEAVY = {"numpy", "onnxruntime", "fastapi", "uvicorn", "openai", "httpx2", "pydantic", "moonshine_voice", "xllamacpp"}


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, and a models folder in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIENT_CALLER_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("TWILIO_ACCOUNT_SID", raising=False)
    monkeypatch.delenv("TWILIO_AUTH_TOKEN", raising=False)


def run(*words: str) -> tuple[int, str]:
    """Exit code and output of a command that makes no mistake."""
    result = CliRunner().invoke(cli.app, list(words), env={"COLUMNS": "200"})
    return result.exit_code, result.output


def fail(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What a mistaken command says on stderr, given that it exits with 2."""
    monkeypatch.setattr(sys, "argv", ["client-caller", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    return capsys.readouterr().err


def test_help_names_every_command() -> None:
    code, said = run("--help")
    assert code == 0
    for command in (
        "serve",
        "call",
        "chat",
        "campaign",
        "numbers",
        "demo",
        "replay",
        "doctor",
        "settings",
        "models",
        "voices",
        "engine",
        "agents",
    ):
        assert command in said


def test_showing_help_loads_nothing_heavy() -> None:
    script = "import sys, client_caller.cli; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "typer" in loaded.split()
    assert HEAVY & set(loaded.split()) == set()


def test_a_mistake_is_one_sentence_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = fail(["models", "pull", "big.onnx"], monkeypatch, capsys)
    assert said.startswith("no model file is called 'big.onnx'")
    assert said.count("\n") == 1


def test_a_mistaken_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CLIENT_CALLER_SERVER__PORT", "many")
    assert "setting CLIENT_CALLER_SERVER__PORT" in fail(["settings"], monkeypatch, capsys)


def test_the_list_of_models_exits_with_1_while_one_is_missing() -> None:
    code, said = run("models", "list")
    assert code == 1
    assert "silero_vad.onnx" in said
    assert "is missing" in said


def test_an_agent_file_in_order_is_said_to_be(tmp_path: Path) -> None:
    Path("agent.toml").write_text(AGENT)
    assert run("agents", "check", "agent.toml") == (0, "agent.toml is in order: Anna of Maple.\n")


def test_an_agent_is_shown_with_its_defaults(tmp_path: Path) -> None:
    Path("agent.toml").write_text(AGENT)
    code, said = run("agents", "show", "agent.toml")
    assert code == 0
    assert json.loads(said)["voice"] == {"name": "en-us", "words_per_minute": 165, "pitch": 50, "prompt": ""}


def test_a_mistaken_agent_file_is_told_by_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("agent.toml").write_text(AGENT + "[voice]\npitch = 200\n")
    said = fail(["agents", "check", "agent.toml"], monkeypatch, capsys)
    assert said == "agent.toml, line 6: voice.pitch should be less than or equal to 99 (it is 200)\n"


def test_settings_shows_every_setting_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("CLIENT_CALLER_THINKING__API_KEY", "sk-secret")
    monkeypatch.setenv("CLIENT_CALLER_TURN__QUICK_S", "0.25")
    code, said = run("settings")
    assert code == 0
    assert "CLIENT_CALLER_TURN__QUICK_S = 0.25" in said
    assert "TWILIO_AUTH_TOKEN = (hidden)" in said
    assert "0123456789abcdef" not in said
    assert "sk-secret" not in said
    for group in (Settings, ServerSettings, HearingSettings, TurnSettings, ThinkingSettings):
        for field in group.model_fields.values():
            assert (field.description or "CLIENT_CALLER_") in said


def test_doctor_exits_with_1_and_says_what_to_do_when_models_are_missing() -> None:
    code, said = run("doctor")
    assert code == 1
    assert "run `client-caller models pull`" in said


def test_without_a_terminal_progress_is_a_line_for_each_quarter(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    lines = Lines(Console())
    lines.begin("tiny.onnx", 1_000_000)
    for so_far_bytes in (100_000, 300_000, 400_000, 1_000_000):
        lines.reached(so_far_bytes)
    assert capsys.readouterr().out.splitlines() == ["tiny.onnx: 1.0 MB", "tiny.onnx: 25 %", "tiny.onnx: 100 %"]
