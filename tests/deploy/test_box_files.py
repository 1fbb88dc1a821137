"""What makes and starts the machine: scripts that are whole, and name only what there is."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import typer

from client_caller import cli

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
SCRIPTS = [ROOT / "deploy" / "start.sh", ROOT / "scripts" / "vllm.sh"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_a_program_that_bash_can_read(script: Path) -> None:
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_image_is_made_by_scripts_and_files_that_there_are() -> None:
    named = re.findall(r"(?:scripts|deploy)/[\w./-]+\w", DOCKERFILE)
    assert {"scripts/vllm.sh", "scripts/setup.sh", "deploy/start.sh"} <= set(named)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_image_takes_torch_in_the_version_that_is_pinned() -> None:
    command = next(line for line in DOCKERFILE.splitlines() if "torch==" in line)
    pattern = re.search(r"\$\((sed .*)\)", command)
    assert pattern is not None
    found = subprocess.run(["bash", "-c", pattern[1]], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"torch==[\d.]+\n", found)


def test_nothing_private_goes_into_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".env", ".git", "runs", "voices", "weights"} <= set(ignored)


def test_vllm_is_brought_in_the_version_of_the_launch_files(tmp_path: Path) -> None:
    said = subprocess.run(
        [ROOT / "scripts" / "vllm.sh", tmp_path / "vllm"],
        env={**os.environ, "VLLM_DRY_RUN": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for file in (ROOT / "deploy" / "vllm").glob("*.yaml"):
        version = re.search(r"Written for vLLM ([\d.]+\d)", file.read_text())
        assert version is not None
        assert f"vLLM {version[1]} " in said
    assert not (tmp_path / "vllm").exists()


def test_the_start_fetches_weights_and_then_becomes_the_launcher() -> None:
    lines = SCRIPTS[0].read_text().splitlines()
    commands = [line for line in lines if "client-caller " in line]
    assert [line.split(" --")[0] for line in commands] == ["client-caller models pull", "exec client-caller up"]
    assert {"models", "up"} <= set(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined]
