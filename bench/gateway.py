"""How many calls one serving process carries on one core: the media path alone, with real voice activity.

    .venv/bin/python bench/gateway.py [--counts 1,20,40,48] [--rounds 3] [--out bench/results/gateway.json]

In:   a server process whose other engines are fakes; callers over real sockets, more of them each time.
Out:  one table, one JSON: what a call costs of the processor and of memory, how late the agent's frames come.
Rule: a round ends with the first number of calls at which frames are lost, the caller hears a gap, or the recording
      misses more of a caller than its first and last moments: a server that falls behind hears all, but too late.
      Where a core is full is a matter of chance, and of the day; so there are several rounds, and the least counts.
      The callers run in this process and need a core of their own: on fewer than two, they are what is measured.
      Sound is late when it comes after the carrier's lead should have been filled again; a little of each answer is,
      for the fakes think. Silero takes the callers' numbered frames for the noise that they are; the agent talks of its
      own accord, for 10 s: half of a call of 20.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from client_caller.rehearsal.figures import percentile
from client_caller.serving_loop import run_serving
from common import keep, origin
from wire_caller import NumberedCaller, Schedule, hold
from wire_calls import LEAD_S, judge
from wire_judging import lateness
from wire_parallel import summed_up
from wire_stage import light_server, use, used_by

COUNTS: Final = (1, 20, 40, 48, 56, 64, 72)
_APART_S: Final = 0.1
_UNRECORDED: Final = 10
"""Frames of a caller that may come before the recording begins and after it ends, of one call."""


async def measure(counts: Sequence[int], seconds: float, folder: Path) -> list[dict[str, Any]]:
    """Rows, up to the first that is too many."""
    rows: list[dict[str, Any]] = []
    for count in counts:
        rows.append(await _held(count, seconds, folder / str(count)))
        _show(rows[-1])
        if not _is_good(rows[-1]):
            break
    return rows


async def _held(count: int, seconds: float, folder: Path) -> dict[str, Any]:
    async with light_server(folder, count, "--silero", "--talks") as stage:
        before = used_by(stage.process_id)
        held = await hold(stage, [NumberedCaller(seconds, Schedule()) for _ in range(count)], _APART_S)
        server = use(before, used_by(stage.process_id))
    late = [1_000 * each for call in held for each in lateness(call.arrivals.sound, LEAD_S)]
    judged = [judge(each, stage.records) for each in held]
    together = summed_up(judged)
    return {
        "calls": count,
        "late_p50_ms": round(percentile(late, 0.50) or 0.0, 1),
        "late_p95_ms": round(percentile(late, 0.95) or 0.0, 1),
        "late_p99_ms": round(percentile(late, 0.99) or 0.0, 1),
        "late_max_ms": round(max(late, default=0.0), 1),
        "caller_late_max_ms": together["caller_late_max_ms"],
        "lost": together["lost"],
        "unrecorded_most": max(each.kept.unrecorded[0] for each in judged),
        "gaps": together["gaps"],
        "without_answer": together["without_answer"],
        "in_order": together["ended_in_order"],
        **server,
        "cpu_percent_a_call": round(server["cpu_percent_of_a_core"] / count, 2),
        "mb_a_call": round((server["rss_mb_after"] - server["rss_mb_before"]) / count, 2),
    }


def _is_good(row: dict[str, Any]) -> bool:
    return not row["lost"] and not row["gaps"] and row["unrecorded_most"] <= _UNRECORDED


def _show(row: dict[str, Any]) -> None:
    late = ", ".join(f"{name} {row[f'late_{name}_ms']}" for name in ("p50", "p95", "p99", "max"))
    print(
        f"{row['calls']:>4} calls: late {late} ms; lost {row['lost']}, "
        f"unrecorded {row['unrecorded_most']}, gaps {row['gaps']}, "
        f"in order {row['in_order']}; {row['cpu_percent_of_a_core']} % of a core, {row['cpu_percent_a_call']} % and "
        f"{row['mb_a_call']} MB a call",
        flush=True,
    )


async def main(counts: Sequence[int], seconds: float, rounds: int, out: Path) -> None:
    load = os.getloadavg()[0]
    held = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            rows = await measure(counts, seconds, Path(folder))
        most = max((row["calls"] for row in rows if _is_good(row)), default=0)
        print(f"{most} calls at once were carried in order\n")
        held.append({"most": most, "rows": rows})
    least = min(each["most"] for each in held)
    print(f"{least} in every round; aim: 100 on a core, 1 % of a core and 2 MB a call")
    how = {"load_before": load, "seconds": seconds}
    keep({**origin("one gateway process"), **how, "rounds": held, "most_in_every_round": least}, out)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--counts", default=",".join(map(str, COUNTS)), help="calls at once, parted by commas")
    arguments.add_argument("--seconds", type=float, default=20.0, help="of each call")
    arguments.add_argument("--rounds", type=int, default=3, help="how often all of it is held")
    arguments.add_argument("--out", type=Path, default=Path("bench/results/gateway.json"))
    given = arguments.parse_args()
    run_serving(main([int(count) for count in given.counts.split(",")], given.seconds, given.rounds, given.out))
