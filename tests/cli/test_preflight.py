"""`client-caller preflight`: what a machine lacks is told before anything is loaded."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from box_machines import A100, program, whole_weights, with_nvidia_smi
from client_caller import cli
from client_caller.box.memory import GIB
from client_caller.box.plan import BoxPlan, plan_of
from client_caller.cli.checks import Check
from client_caller.cli.preflight_checks import every_check
from client_caller.settings import load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which everything is as it should be; gives the folder of what is on its PATH."""
    monkeypatch.chdir(ROOT)
    programs = tmp_path / "bin"
    with_nvidia_smi(monkeypatch, programs, A100)
    program(programs, "vllm", "#!/bin/sh\n")
    volume = tmp_path / "volume"
    changes = {
        "BOX__WEIGHTS": f"{volume}/weights",
        "SPEAKING__VOICES": f"{volume}/voices",
        "SPEAKING__CSM_VOICE": "anna",
        "RECORDS__FOLDER": f"{volume}/calls",
        "SERVER__HOST": "127.0.0.1",
        "SERVER__PORT": "0",
        "PUBLIC_URL": "https://calls.example.com",
        "LEDGER__URL": "postgresql+psycopg://me@db/calls",
    }
    for name, value in changes.items():
        monkeypatch.setenv(f"CLIENT_CALLER_{name}", value)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret")
    (volume / "voices").mkdir(parents=True)
    monkeypatch.setattr("client_caller.speaking.csm.prompts.VoiceShelf.names", lambda shelf: ["anna"])
    for repository in plan().repositories:
        whole_weights(volume / "weights" / repository)
    return programs


def plan() -> BoxPlan:
    return plan_of(load_settings("a100"))


def checked(gb_s: float | None = 1500.0, ram_gib: float | None = 100.0) -> dict[str, Check]:
    """What was found, by what it was about; of several about one thing, the last that is not good."""
    found: dict[str, Check] = {}
    ram = None if ram_gib is None else int(ram_gib * GIB)
    for check in every_check(plan(), lambda: gb_s, lambda: ram):
        if check.what not in found or check.verdict != "ok":
            found[check.what] = check
    return found


def test_a_machine_that_has_everything_passes(ready: Path) -> None:
    found = checked()
    assert {what: check for what, check in found.items() if check.verdict != "ok"} == {}
    assert "= 72.0 GiB of 79.1 free" in found["memory of the card"].found


@pytest.mark.parametrize(
    ("card", "what", "verdict", "told"),
    [
        ("NVIDIA A100-SXM4-40GB, 580.1, 4, 40300, 8.0", "memory of the card", "FAIL", "36.9 GiB"),
        ("NVIDIA A100-SXM4-80GB, 580.1, 20000, 60994, 8.0", "memory of the card", "FAIL", "are free"),
        ("Tesla V100-SXM2-32GB, 580.1, 4, 80990, 7.0", "compute capability", "FAIL", "7, and"),
        ("NVIDIA A100-SXM4-80GB, 470.1, 4, 80990, 8.0", "driver", "FAIL", "470.1"),
        ("NVIDIA A100-SXM4-80GB, 550.1, 4, 80990, 8.0", "driver", "warn", "CUDA 13"),
    ],
)
def test_a_card_that_will_not_do_is_refused_with_the_reason(
    card: str, what: str, verdict: str, told: str, ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_nvidia_smi(monkeypatch, ready, card)
    check = checked()[what]
    assert (check.verdict, bool(check.remedy)) == (verdict, True)
    assert told in check.found


def test_too_many_calls_are_refused(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENT_CALLER_SERVER__CALLS_AT_ONCE", "40")
    check = checked()["memory of the card"]
    assert check.verdict == "FAIL"
    assert "CALLS_AT_ONCE" in check.remedy


def test_a_slow_card_is_told_and_an_unmeasured_one_too(ready: Path) -> None:
    assert checked(gb_s=700.0)["speed of its memory"].verdict == "warn"
    assert "not measured" in checked(gb_s=None)["speed of its memory"].found


def test_scant_memory_of_the_machine_is_refused(ready: Path) -> None:
    assert checked(ram_gib=20.0)["memory of the machine"].verdict == "FAIL"
    assert checked(ram_gib=None)["memory of the machine"].verdict == "warn"


def test_missing_programs_are_named_with_what_brings_them(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (ready / "vllm").unlink()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = checked()
    assert found["vllm"].verdict == found["csm"].verdict == found["whisper"].verdict == "FAIL"
    assert "torch" in found["csm"].found


def test_missing_weights_need_a_pull_and_room(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for repository in plan().repositories[:2]:
        (plan().folder_of(repository) / "config.json").unlink()
    found = checked()
    assert "models pull" in found["weights"].remedy
    monkeypatch.setenv("CLIENT_CALLER_BOX__DISK_GB", "1e9")
    assert checked()["room for weights"].verdict == "FAIL"


def test_an_agent_without_a_voice_a_carrier_without_a_secret_and_a_ledger_in_a_file_are_told(
    ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIENT_CALLER_SPEAKING__CSM_VOICE", "bella")
    monkeypatch.delenv("TWILIO_AUTH_TOKEN")
    monkeypatch.setenv("CLIENT_CALLER_LEDGER__URL", "sqlite:///runs/ledger.db")
    found = checked()
    assert (found["voice"].verdict, found["carrier"].verdict, found["ledger"].verdict) == ("FAIL", "FAIL", "warn")


def test_the_command_ends_with_1_when_something_would_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = CliRunner().invoke(cli.app, ["preflight", "--profile", "a100"])
    assert ended.exit_code == 1
    assert "nvidia-smi" in ended.output


def test_the_command_ends_with_0_when_all_is_well(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENT_CALLER_BOX__RAM_GIB", "0.001")
    monkeypatch.setattr("client_caller.cli.preflight_checks.importlib.util.find_spec", lambda name: name)
    assert shutil.which("vllm")
    ended = CliRunner().invoke(cli.app, ["preflight", "--profile", "a100"])
    assert ended.exit_code == 0, ended.output
