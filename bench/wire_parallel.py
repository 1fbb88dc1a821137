"""Ten calls at once, and one for comparison: does any of them notice the others?

In:   a server of its own for each number of calls; seconds.     Out: every call's figures, and what the server used.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from wire_caller import NumberedCaller, Schedule, hold
from wire_calls import CallFigures, judge
from wire_judging import spread
from wire_stage import light_server, use, used_by

APART_S: Final = 0.3
"""Between two callers, so that they do not all speak at the same instant, nor all at different ones."""


async def run(
    folder: Path, seconds: float, at_once: Sequence[int] = (1, 10), schedule: Schedule | None = None
) -> dict[str, Any]:
    """Hold so many calls at once, of so many seconds each, in real time."""
    runs = [await _held(folder / str(count), count, seconds, schedule or Schedule()) for count in at_once]
    return {"seconds": seconds, "runs": runs, "headline": [row for each in runs for row in _headline(each)]}


async def _held(folder: Path, count: int, seconds: float, schedule: Schedule) -> dict[str, Any]:
    async with light_server(folder, calls_at_once=count) as stage:
        before = used_by(stage.process_id)
        held = await hold(stage, [NumberedCaller(seconds, schedule) for _ in range(count)], APART_S)
        server = use(before, used_by(stage.process_id))
    calls = [judge(each, stage.records) for each in held]
    return {"calls": count, "server": server, **summed_up(calls), "each": [call.as_json() for call in calls]}


def summed_up(calls: Sequence[CallFigures]) -> dict[str, Any]:
    """The figures of calls together. lost, doubled: of the callers' frames and of the agent's; late: of each call's
    latest frame.
    """
    losses = [each for call in calls for each in (call.kept.caller, call.heard)]
    waits_s = [None if wait is None else wait / 1_000 for call in calls for wait in call.voice_to_voice_ms]
    return {
        "voice_to_voice": spread(waits_s),
        "without_answer": sum(wait is None for wait in waits_s),
        "lost": sum(each.lost for each in losses),
        "doubled": sum(each.doubled for each in losses),
        "cut_short": sum(call.cut_short for call in calls),
        "gaps": sum(len(call.gaps) for call in calls),
        "late_max_ms": max(call.late["max_ms"] or 0 for call in calls),
        "caller_late_max_ms": max(call.caller_late_ms for call in calls),
        "violations": sum(len(call.violations) for call in calls),
        "ended_in_order": sum(call.in_order for call in calls),
    }


def _headline(run: dict[str, Any]) -> list[tuple[str, str, str]]:
    count, wait, server = run["calls"], run["voice_to_voice"], run["server"]
    name = f"{count} call{'s at once' if count > 1 else ''}"
    return [
        (f"{name}: voice to voice, p50 / p95 / max (fakes)", f"{_times(wait)} ms", "as with one call"),
        (f"{name}: lost, doubled, gaps, cut short, violations", _counts(run), "0, 0, 0, 0, 0"),
        (f"{name}: agent's frame late, at most", f"{run['late_max_ms']} ms", "< 260 ms"),
        (f"{name}: ended in order", f"{run['ended_in_order']} of {count}", "all"),
        (f"{name}: server", f"{server['cpu_percent_of_a_core']} % of a core, {server['rss_mb_after']} MB", ""),
    ]


def show(result: dict[str, Any]) -> None:
    """One table, a row for each call."""
    columns = (
        "v-to-v p50",
        "p95",
        "max",
        "late p50",
        "p95",
        "max",
        "lost",
        "doubled",
        "gaps",
        "cut",
        "viol.",
        "in order",
    )
    for run in result["runs"]:
        print(f"{run['calls']} at once, {result['seconds']:.0f} s; milliseconds")
        print(f"{'call':<6}" + "".join(f"{column:>10}" for column in columns))
        for number, call in enumerate(run["each"], start=1):
            print(f"{number:<6}" + "".join(f"{_plain(value):>10}" for value in _row(call)))
        print(f"server: {run['server']}; the callers' own pacing late at most: {run['caller_late_max_ms']} ms\n")
    for what, measured, aim in result["headline"]:
        print(f"{what:<62}{measured:>34}   {aim}")


def _row(call: dict[str, Any]) -> list[Any]:
    wait, late, losses = call["voice_to_voice"], call["late"], (call["kept"]["caller"], call["heard"])
    times = [row[key] for row in (wait, late) for key in ("p50_ms", "p95_ms", "max_ms")]
    counts = [sum(each[name] for each in losses) for name in ("lost", "doubled")]
    return [
        *times,
        *counts,
        len(call["gaps"]),
        call["cut_short"],
        len(call["violations"]),
        "yes" if call["in_order"] else "NO",
    ]


def _plain(value: Any) -> str:
    return "–" if value is None else f"{value}"


def _times(row: dict[str, Any]) -> str:
    return " / ".join(_plain(row[key]) for key in ("p50_ms", "p95_ms", "max_ms"))


def _counts(run: dict[str, Any]) -> str:
    return ", ".join(str(run[key]) for key in ("lost", "doubled", "gaps", "cut_short", "violations"))
