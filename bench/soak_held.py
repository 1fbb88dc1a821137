"""What processes hold: memory, tasks, threads, open files; on Linux.

In:   a serving process and its page of figures, or this process.     Out: figures by name, one row for each look.
Rule: looking holds nothing itself. A name that ends in MB is memory; all others are counts.
"""

import gc
import os
import threading
from asyncio import all_tasks
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from weakref import ReferenceType

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from client_caller.box.card import cards
from client_caller.errors import ConfigError
from soak_slope import Slope, slope

Row = dict[str, float]

_CHILD: Final = "client_caller.thinking.llamacpp_child"
_MIB_PER_GIB: Final = 1_024


@dataclass(frozen=True, slots=True)
class Limits:
    """What may not be reached, a call. memory_mb;  count: of tasks, threads, open files and the like."""

    memory_mb: float
    count: float

    def of(self, name: str) -> float:
        """The one that this figure has."""
        return self.memory_mb if name.endswith("MB") else self.count


def slopes(rows: Sequence[Row]) -> dict[str, Slope]:
    """Of each figure that all rows have. rows: each with the calls that were over by then, as "calls"."""
    names = [name for name in rows[0] if name != "calls" and all(name in row for row in rows)] if rows else []
    done = [row["calls"] for row in rows]
    return {name: slope(done, [row[name] for row in rows]) for name in names}


def not_flat(found: Mapping[str, Slope], limits: Limits) -> list[str]:
    """What of it is not shown to be flat, in words."""
    return [
        f"{name} {verdict}: {each.a_call:+.4f} a call ({each.low:+.4f} to {each.high:+.4f}), limit {limits.of(name)}"
        for name, each in found.items()
        if (verdict := each.verdict(limits.of(name))) != "flat"
    ]


def here(calls: int) -> Row:
    """What this process holds. Only in the loop's own thread.

    Weak references are not counted: a connection to SQLite keeps those to two hundred cursors that are gone.
    """
    gc.collect()
    return {
        "calls": calls,
        "this process, MB": _memory_mb("self"),
        "tasks": len(all_tasks()),
        "threads": threading.active_count(),
        "open files": _entries("self", "fd"),
        "objects of Python": sum(type(each) is not ReferenceType for each in gc.get_objects()),
    }


@dataclass(frozen=True, slots=True)
class Page:
    """What a serving process tells of itself at /metrics. warnings: lines of its log, by message."""

    running: int
    tasks: int
    threads: int
    warnings: Mapping[str, int]
    refused: int


async def page(url: str) -> Page:
    """Ask for it. Raises httpx2.HTTPError."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = (await client.get(f"{url}/metrics")).raise_for_status()
    told: dict[str, float] = {}
    warnings: dict[str, int] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            told[sample.name] = told.get(sample.name, 0.0) + sample.value
            if sample.name == "client_caller_warnings_total" and sample.value:
                warnings[sample.labels["message"]] = int(sample.value)
    running, tasks, threads, refused = (
        int(told[f"client_caller_{name}"]) for name in ("calls_running", "tasks", "threads", "calls_refused_total")
    )
    return Page(running, tasks, threads, warnings, refused)


def served(calls: int, process: int, told: Page) -> Row:
    """What a serving process holds, and the embedded language model's beside it."""
    row = {
        "calls": float(calls),
        "serving process, MB": _memory_mb(process),
        "tasks": told.tasks,
        "threads": told.threads,
        "threads of the system": _entries(process, "task"),
        "open files": _entries(process, "fd"),
    }
    if (child := llama_of(process)) is not None:
        row |= {"llama.cpp, MB": _memory_mb(child), "llama.cpp, open files": _entries(child, "fd")}
    return row | _card()


def llama_of(process: int) -> int | None:
    """The process of the embedded language model that belongs to this serving process; None when it has none."""
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            if _CHILD in Path(f"/proc/{child}/cmdline").read_bytes().decode(errors="replace"):
                return int(child)
    return None


def _card() -> Row:
    try:
        return {"GPU, MB": sum((card.usable_gib - card.free_gib) * _MIB_PER_GIB for card in cards())}
    except ConfigError:  # there is none
        return {}


def _memory_mb(process: int | str) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def _entries(process: int | str, of: str) -> int:
    return len(os.listdir(f"/proc/{process}/{of}"))
