"""How many calls each of several servers carries on one core, found in one run, by turns.

In:   who is compared; for each, growing numbers of calls.     Out: rows, one table, one JSON.
Rule: the same callers on the same core; a fresh server for each number, on the other core, which one call has warmed.
      Each goes on to its first number of calls that is too many.
"""

import os
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from common import origin
from peers.callers import hold, question
from peers.judging import DRY_P99_MS, UNANSWERED, most, row
from peers.sides import OURS, Script, Side, pipecat

Counts = Mapping[str, Sequence[int]]
"""How many are to call at once, by the name of the side."""

Rows = dict[str, list[dict[str, Any]]]
"""What was measured, by the name of the side."""

_IDLE_PERCENT: Final = 10.0
"""Of a core, which an idle machine takes at most for itself."""

_WARM_S: Final = 7.0
"""One question, and its answer."""


async def by_turns(
    sides: Sequence[Side], counts: Counts, measure: Callable[[Side, int], Awaitable[dict[str, Any]]]
) -> Rows:
    """Everybody's smallest number of calls, then everybody's next, until it is too many."""
    rows: Rows = {side.name: [] for side in sides}
    left = {side.name: deque(sorted(counts[side.name])) for side in sides}
    while any(left.values()):
        for side in sides:
            if not left[side.name]:
                continue
            found = await measure(side, left[side.name].popleft())
            rows[side.name].append(found)
            if not found["carried"]:
                left[side.name].clear()
    return rows


async def measured(side: Side, count: int, seconds: float, folder: Path, asked: Sequence[bytes]) -> dict[str, Any]:
    """The row of so many calls at once, of so many seconds each."""
    async with AsyncExitStack() as stack:
        with _on_core(0):
            stage = await stack.enter_async_context(side.start(folder, count + 1))
        with _on_core(1):
            await hold(stage, 1, _WARM_S, asked)
            together = await hold(stage, count, seconds, asked)
    return row(together)


@contextmanager
def _on_core(number: int) -> Iterator[None]:
    """Keep to this one of our cores, as do processes that are started meanwhile; on a single core, do nothing."""
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        os.sched_setaffinity(0, {sorted(cores)[number]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


async def compare(counts: Counts, seconds: float, smart_turn: bool) -> dict[str, Any]:
    """Everything, printed row by row. Raises ConfigError when Pipecat is not installed."""
    script, load = Script(smart_turn=smart_turn), os.getloadavg()[0]
    peer = pipecat(script)
    asked = await question(script.question)
    print(_HEAD)
    with tempfile.TemporaryDirectory() as folder:

        async def measure(side: Side, count: int) -> dict[str, Any]:
            found = await measured(side, count, seconds, Path(folder) / f"{side.name} {count}", asked)
            print(_line(side.name, found), flush=True)
            return found

        rows = await by_turns([peer, OURS], counts, measure)
    ours, theirs = most(rows[OURS.name]), most(rows[peer.name])
    return {
        **origin("calls that one serving process carries on one core"),
        "load_before": load,
        "cores": "the server on one, the callers on another" if len(os.sched_getaffinity(0)) > 1 else "one for all",
        "seconds": seconds,
        "carried": f"dry p99 <= {DRY_P99_MS:g} ms, none lost, none refused, <= {UNANSWERED:.0%} unanswered",
        "script": asdict(script),
        "sides": [
            {
                "name": side.name,
                "wiring": side.wiring,
                "most": most(rows[side.name]),
                "most_without_gap": most(rows[side.name], without_gap=True),
                "rows": rows[side.name],
            }
            for side in (peer, OURS)
        ],
        "ours_to_theirs": round(ours / theirs, 2) if theirs else None,
    }


def show(result: Mapping[str, Any]) -> None:
    """The last lines: who carried how many."""
    for side in result["sides"]:
        more = ", and was asked for no more" if side["rows"][-1]["carried"] else ""
        print(f"{side['name']} carried {side['most']} calls at once{more}; {side['most_without_gap']} without any gap")
    print(f"ours to theirs: {result['ours_to_theirs']}; aim: at least 8 (carried: {result['carried']})")
    others = max(row["others_cpu_percent_of_a_core"] for side in result["sides"] for row in side["rows"])
    if others > _IDLE_PERCENT:
        print(f"the machine was not idle: others took up to {others:g} % of a core; these figures say nothing")


_COLUMNS: Final = {
    "calls": ("calls", 6),
    "core %": ("cpu_percent_of_a_core", 8),
    "% a call": ("cpu_percent_a_call", 9),
    "MB a call": ("mb_a_call", 10),
    "dry p50": ("dry_p50_ms", 9),
    "p95": ("dry_p95_ms", 8),
    "p99": ("dry_p99_ms", 8),
    "max": ("dry_max_ms", 8),
    "gaps": ("gaps", 6),
    "lost": ("lost", 6),
    "unans.": ("unanswered", 8),
    "of": ("questions", 5),
    "v-to-v p50": ("voice_to_voice_p50_ms", 12),
    "p95 ": ("voice_to_voice_p95_ms", 8),
    "callers %": ("callers_cpu_percent_of_a_core", 11),
    "others %": ("others_cpu_percent_of_a_core", 10),
}
_HEAD: Final = f"{'':<15}" + "".join(f"{name:>{width}}" for name, (_, width) in _COLUMNS.items())


def _line(name: str, found: Mapping[str, Any]) -> str:
    figures = "".join(f"{'' if found[key] is None else found[key]:>{width}}" for key, width in _COLUMNS.values())
    return f"{name:<15}{figures}{'' if found['carried'] else '   too many'}"
