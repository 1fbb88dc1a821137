"""What is left of the machine's own memory, and where its card's memory is measured.

In:   the files by which Linux tells of memory.     Out: bytes.
Rule: a container may have less than its machine, and only its control group says so.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_MEASURED_WITHIN_S: Final = 120.0
"""Importing torch from a network volume takes longest."""

PROC: Final = Path("/proc/meminfo")
GROUP: Final = Path("/sys/fs/cgroup")


def free_ram_bytes(proc: Path = PROC, group: Path = GROUP) -> int | None:
    """Of the machine, or of the container where that has less; None where neither can be told."""
    bounds = [bound for bound in (_available(proc), _left_in_group(group)) if bound is not None]
    return min(bounds, default=None)


def _available(proc: Path) -> int | None:
    try:
        lines = proc.read_text().splitlines()
        return next(int(line.split()[1]) * 1_024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def _left_in_group(group: Path) -> int | None:
    """What the limit leaves, not counting pages of files, which go when room is needed."""
    try:
        limit = int((group / "memory.max").read_text())  # "max" where there is none
        used = int((group / "memory.current").read_text())
        figures = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return limit - used + int(figures.get("inactive_file", "0"))
    except (OSError, ValueError):
        return None


def card_memory_gb_s(python: str = sys.executable, environment: Mapping[str, str] | None = None) -> float | None:
    """GB a second that the card copies within its memory; None where torch or a card for it is missing.

    It is measured in a process of its own, with this environment or ours, so that none of the card's memory is taken
    when vLLM starts.
    """
    command = [python, "-m", "client_caller.speaking.csm.bandwidth"]
    try:
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_MEASURED_WITHIN_S, check=False
        )
        return float(answer.stdout) if answer.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
