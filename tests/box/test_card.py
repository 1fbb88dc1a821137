"""The card as `nvidia-smi` tells of it; and whatever it says instead is a sentence for the operator."""

from pathlib import Path

import pytest

from box_machines import A100, program, with_nvidia_smi
from client_caller.box.card import cards
from client_caller.box.machine import card_memory_gb_s, free_ram_bytes
from client_caller.errors import ConfigError


def test_a_card_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_nvidia_smi(monkeypatch, tmp_path, A100, "NVIDIA H200, 525.1, 0, 143000, 9.0")
    first, second = cards()
    assert (first.name, first.driver_major, first.compute) == ("NVIDIA A100-SXM4-80GB", 580, 8.0)
    assert first.usable_gib == pytest.approx(79.1, abs=0.01)
    assert first.free_gib < first.usable_gib
    assert second.driver_major == 525


def test_without_a_driver_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="not on the PATH"):
        cards()


@pytest.mark.parametrize(
    ("line", "status", "told"),
    [
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9, "couldn't communicate"),
        ('Field "compute_cap" is not a valid field to query.', 2, "compute_cap"),
        ("", 0, "sees no card"),
        ("No devices were found", 6, "No devices"),
        ("NVIDIA A100, 580.1, [N/A], [N/A], 8.0", 0, "not understood"),
        ("some, words", 0, "not understood"),
    ],
)
def test_what_is_wrong_is_told_in_its_own_words(
    line: str, status: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_nvidia_smi(monkeypatch, tmp_path, line, status=status)
    with pytest.raises(ConfigError, match=told):
        cards()


def test_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    tool = program(tmp_path, "nvidia-smi", "#!/bin/sh\n")
    tool.chmod(0o644)
    with pytest.raises(ConfigError, match="cannot be run"):
        cards(str(tool))


def test_a_container_has_what_its_limit_leaves(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  100 kB\nMemAvailable:   80 kB\n")
    assert free_ram_bytes(meminfo, tmp_path) == 80 * 1024
    (tmp_path / "memory.max").write_text("60000\n")
    (tmp_path / "memory.current").write_text("30000\n")
    (tmp_path / "memory.stat").write_text("anon 20000\ninactive_file 5000\n")
    assert free_ram_bytes(meminfo, tmp_path) == 35_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_ram_bytes(meminfo, tmp_path) == 80 * 1024
    assert free_ram_bytes(tmp_path / "none", tmp_path / "none") is None


def test_a_measurement_that_cannot_be_made_is_none(tmp_path: Path) -> None:
    def python(name: str, does: str) -> str:
        return str(program(tmp_path, name, f"#!/bin/sh\n{does}\n"))

    assert card_memory_gb_s(python("measures", "echo 1555")) == 1555
    assert card_memory_gb_s(python("has-no-card", "exit 3")) is None
    assert card_memory_gb_s(python("chats", "echo fast")) is None
    assert card_memory_gb_s(str(tmp_path / "none")) is None
