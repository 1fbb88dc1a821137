"""Machines that there are not: a stand-in for `nvidia-smi`, and a volume with weights of a few bytes."""

import hashlib
import os
from pathlib import Path

import pytest

A100 = "NVIDIA A100-SXM4-80GB, 580.95.05, 4, 80990, 8.0"
"""As `nvidia-smi` prints the card when nothing runs on it: name, driver, MiB used, MiB free, compute capability."""


def program(folder: Path, name: str, text: str) -> Path:
    """An executable of this name in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def with_nvidia_smi(monkeypatch: pytest.MonkeyPatch, folder: Path, *lines: str, status: int = 0) -> None:
    """Have `nvidia-smi` print these lines, and end with this status."""
    printed = "\n".join(lines)
    program(folder, "nvidia-smi", f"#!/bin/sh\ncat <<'END'\n{printed}\nEND\nexit {status}\n")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def whole_weights(folder: Path) -> None:
    """A repository's folder as a pull leaves it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(b'{}').hexdigest()}  config.json\n")
