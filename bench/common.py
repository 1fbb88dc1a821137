"""What every benchmark says of itself, and how it sums up and keeps what it measured.

In:   measured values.     Out: one table, one JSON.
"""

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from client_caller.rehearsal.figures import percentile

Row = dict[str, float | int | None]


def origin(what: str) -> dict[str, object]:
    """Where figures come from; the beginning of every result."""
    return {"what": what, "when": f"{datetime.now(UTC):%Y-%m-%d}", "commit": commit(), "machine": machine()}


def commit() -> str:
    """The commit that was measured; "+" when the tree differed from it."""
    return subprocess.run(["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True).stdout.strip()


def machine() -> str:
    """What this ran on."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    cores = len(list(Path("/sys/devices/system/cpu").glob("cpu[0-9]*")))
    return f"{cores} cores, {cpu}, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def keep(result: Mapping[str, object], out: Path) -> None:
    """Write the JSON."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def summary(values: Sequence[float | None]) -> Row:
    """n, p50, p95 and the largest, in milliseconds; nearest-rank. values: seconds; None: not measured."""
    known = [value * 1000 for value in values if value is not None]
    return {
        "n": len(known),
        "p50_ms": _rounded(percentile(known, 0.50)),
        "p95_ms": _rounded(percentile(known, 0.95)),
        "max_ms": _rounded(max(known, default=None)),
    }


def show_times(rows: Mapping[str, Row]) -> None:
    """Print the table of these summaries."""
    print(f"\n{'milliseconds':<36}{'n':>5}{'p50':>7}{'p95':>7}{'max':>7}")
    for name, row in rows.items():
        times = "".join(f"{row[key] or 0:>7.0f}" for key in ("p50_ms", "p95_ms", "max_ms"))
        print(f"{name:<36}{row['n']:>5}{times}")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value)
