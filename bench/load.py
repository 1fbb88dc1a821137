"""Several calls at once on the embedded models, measured at the callers' ears: how many are too many, and why.

    .venv/bin/python bench/load.py [--counts 1,2,3,5,8] [--least 6] [--aim 0] [--out bench/results/load.json]

In:   a server process of its own for each number of calls, over the path that Twilio uses; callers as in first_call.py,
      synthetic and human, with pauses and interruptions, for some 70 s each.
Out:  one table, one JSON: percentiles, cut-offs, gaps at the ear, what was lost, what each process used; the knee.
Rule: it is the machine as a whole that is measured, and the callers live on it, too: their share is in the table. With
      few calls at once several rounds are held, until so many (`--least`) were. The whole takes about twenty minutes.
      With `--aim S` the server turns callers away with whom answers would take longer than S seconds (p95), once it has
      learnt what they take; without, it lets all in, and the knee is found by us.
"""

import argparse
import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from client_caller.errors import ConfigError
from client_caller.records.flight import read_record
from client_caller.rehearsal.measure import measure
from client_caller.rehearsal.script import ScriptedCaller, Step
from client_caller.rehearsal.stage import ACCOUNT_SID, Stage, serving
from client_caller.rehearsal.timeline import TurnFigures, join
from client_caller.twin.account import Twin
from client_caller.twin.carried import CarriedCall
from client_caller.twin.numbers import Number
from client_caller.twin.people import Person
from common import Row, keep, origin
from first_call import counts, scripts
from load_judging import MOST_S, STEPS, Held, bottleneck, gaps, knee, spread, steps
from soak_held import llama_of
from wire_caller import Arrival, Tapped
from wire_stage import Used, use, used_by

COUNTS: Final = (1, 2, 3, 5, 8)
_APART_S: Final = 0.7
"""Between two callers, so that they do not all speak at the same instant."""

_LAST_LINES_S: Final = 2.0
_OURS: Final = "+15550100002"
_SLOW_S: Final = 0.04
"""Two frames: a loop that is later than that is short of time."""


async def parts(calls: int) -> list[list[Step]]:
    """What callers do: one and a half times what those of first_call.py do, so that it takes 60 to 90 s."""
    halves = await scripts(2 * calls)
    return [[*one[:-2], *other[1:5], *other[-2:]] for one, other in zip(halves[::2], halves[1::2], strict=True)]


@dataclass(slots=True)
class Ran:
    """So many calls at once, in all rounds.

    aim_s: as of `ran`;  lost: what went wrong, in words;  late_s: the callers' own pacing, at most;  used: by each
    process, over the calls;  engines: jobs that failed, by engine and error;  let_in: calls, of each round;  p95_ms: of
    each round's plain turns;  slow: share of the loop's timers that were more than two frames late;
    interims_dropped: decodings given up for fresher ones.
    """

    calls: int
    aim_s: float
    turns: list[TurnFigures] = field(default_factory=list)
    gaps_s: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    lengths_s: list[float] = field(default_factory=list)
    late_s: float = 0.0
    used: dict[str, dict[str, float]] = field(default_factory=dict)
    engines: dict[str, int] = field(default_factory=dict)
    let_in: list[int] = field(default_factory=list)
    p95_ms: list[float | None] = field(default_factory=list)
    slow: float = 0.0
    interims_dropped: int = 0

    @property
    def plain(self) -> list[TurnFigures]:
        """Turns in which the caller neither halts nor breaks in."""
        return [turn for turn in self.turns if turn.kind == "say"]

    @property
    def held(self) -> Held:
        """What the knee is found by."""
        p95_ms = self.rows()["voice to voice"]["p95_ms"]
        p95_s = None if p95_ms is None else p95_ms / 1_000
        return Held(self.calls, p95_s, len(self.gaps_s), len(self.lost), steps(self.plain))

    def rows(self) -> dict[str, Row]:
        """Percentiles."""
        breaking = [turn for turn in self.turns if turn.kind == "interrupt" and turn.barge_in_silence_s is not None]
        halting = [turn for turn in self.turns if turn.kind == "say with pause"]
        return {
            "voice to voice": spread([turn.voice_to_voice_s for turn in self.plain]),
            "voice to voice, halting": spread([turn.voice_to_voice_s for turn in halting]),
            "voice to voice, broken in": spread([turn.voice_to_voice_s for turn in breaking]),
            "barge-in to silence": spread([turn.barge_in_silence_s for turn in breaking]),
            "gaps at the ear": spread(self.gaps_s),
        }

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        held = self.held
        return {
            "calls": self.calls,
            "rows": self.rows(),
            "steps": dict(held.steps),
            "counts": counts(self.turns),
            "is_good": held.is_good,
            "lost": self.lost,
            "lengths_s": [round(each, 1) for each in self.lengths_s],
            "callers_late_max_ms": round(self.late_s * 1_000),
            "used": self.used,
            "engine_failures": self.engines,
            "aim_s": self.aim_s,
            "let_in_by_round": self.let_in,
            "voice_to_voice_p95_ms_by_round": self.p95_ms,
            "loop_slow_share": round(self.slow, 4),
            "interims_dropped": self.interims_dropped,
            "turns": [asdict(turn) for turn in self.turns],
        }


async def ran(count: int, todo: Sequence[list[Step]], aim_s: float) -> Ran:
    """All of `todo`, so many at once, on a server of their own that lets in with how many answers take `aim_s`."""
    result = Ran(count, aim_s)
    with tempfile.TemporaryDirectory() as folder:
        changes = {
            "CLIENT_CALLER_LEDGER__URL": f"sqlite:///{Path(folder) / 'ledger.db'}",
            "CLIENT_CALLER_SERVER__CALLS_AT_ONCE": str(max(count, 8)),
            "CLIENT_CALLER_SERVER__METRICS": "loopback",
            "CLIENT_CALLER_SERVER__ANSWER_P95_S": str(aim_s),
        }
        async with serving(Path(folder), changes) as stage:
            processes = {"serving": stage.process_id, "llama.cpp": llama_of(stage.process_id), "callers": os.getpid()}
            before = _used(processes)
            for first in range(0, len(todo), count):
                await _round(stage, todo[first : first + count], result)
            after = _used(processes)
            result.used = {name: use(before[name], after[name]) for name in before}
            await _look(stage, result)
    return result


def _used(processes: dict[str, int | None]) -> dict[str, Used]:
    return {name: used_by(process) for name, process in processes.items() if process is not None}


async def _round(stage: Stage, some: Sequence[list[Step]], result: Ran) -> None:
    network, callers = Tapped(), [ScriptedCaller(each) for each in some]
    numbers = [Number(_OURS, stage.voice_url, f"{stage.url}/twilio/status")]
    async with Twin(ACCOUNT_SID, stage.auth_token, network, numbers=numbers, voice=None) as twin:
        for caller in callers:
            twin.begin_call_in(Person(next_frame=caller.next_frame), _OURS)
            await asyncio.sleep(_APART_S)
        await twin.quiet()
        calls = twin.calls
    await asyncio.sleep(_LAST_LINES_S)
    known = len(result.turns)
    result.let_in.append(sum(call.streams > 0 for call in calls))
    for call, caller in zip(calls, callers, strict=True):
        if result.aim_s and not call.streams:
            continue  # turned away
        sound = network.by_call[call.call_sid].sound if call.call_sid in network.by_call else []
        try:
            _judge(stage, call, caller, sound, result)
        except ConfigError as wrong:
            result.lost.append(f"a record: {wrong}")
    plain = [turn.voice_to_voice_s for turn in result.turns[known:] if turn.kind == "say"]
    result.p95_ms.append(spread(plain)["p95_ms"])


def _judge(stage: Stage, call: CarriedCall, caller: ScriptedCaller, sound: Sequence[Arrival], result: Ran) -> None:
    """Raises ConfigError when there is no record of the call, or it tells nothing."""
    heard = measure(bytes(call.sent), bytes(call.played), caller.spoken, call.lateness_s)
    result.lengths_s.append(len(call.sent) / 8_000)
    result.late_s = max(result.late_s, call.lateness_s)
    if (call.hung_up_by, call.streams, call.violations) != ("person", 1, []):
        ended = f"ended by {call.hung_up_by or 'nobody'}, {call.streams} streams, {call.codes} {call.violations}"
        result.lost.append(f"a call of {result.calls}: {ended}")
    began = call.began_at or 0.0
    result.gaps_s += gaps(sound, [(began + turn.started_at, began + turn.ended_at) for turn in caller.spoken])
    found = list(stage.records.glob(f"*-{call.call_sid}/record.jsonl"))
    if not found:
        raise ConfigError("there is none")
    result.turns += join(heard.turns, read_record(found[0])[1]).turns


async def _look(stage: Stage, result: Ran) -> None:
    """What the server tells of itself."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = (await client.get(f"{stage.url}/metrics")).raise_for_status()
    failures, timers, in_time = Counter[str](), 0.0, 0.0
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            match sample.name:
                case "client_caller_engine_failures_total" if sample.value:
                    failures[f"{sample.labels['engine']}: {sample.labels['kind']}"] += int(sample.value)
                case "client_caller_interims_dropped_total":
                    result.interims_dropped = int(sample.value)
                case "client_caller_loop_lag_seconds_count":
                    timers = sample.value
                case "client_caller_loop_lag_seconds_bucket" if sample.labels["le"] == str(_SLOW_S):
                    in_time = sample.value
    result.engines, result.slow = dict(failures), 1 - in_time / timers if timers else 0.0


def show(run: Ran) -> None:
    """One number of calls."""
    counted = counts(run.turns)
    print(
        f"\n{run.calls} at once, {len(run.lengths_s)} calls of {min(run.lengths_s):.0f} to {max(run.lengths_s):.0f} s"
    )
    print(f"{'milliseconds':<30}{'n':>5}{'p50':>7}{'p95':>7}{'p99':>7}{'max':>7}")
    for name, row in (run.rows() | {f"… {step}": row for step, row in run.held.steps.items()}).items():
        times = "".join(f"{row[key] or 0:>7.0f}" for key in ("p50_ms", "p95_ms", "p99_ms", "max_ms"))
        print(f"{name:<30}{row['n']:>5}{times}")
    if run.aim_s:
        print(f"let in, round by round: {run.let_in}; p95 of their answers: {run.p95_ms}")
    print(f"{counted}\nlost: {run.lost or 'nothing'}; callers late at most {run.late_s * 1_000:.0f} ms")
    cpu = ", ".join(f"{name} {used['cpu_percent_of_a_core']} % of a core" for name, used in run.used.items())
    print(
        f"{cpu}; loop late in {run.slow:.2%}; interims dropped {run.interims_dropped}; engines {run.engines}",
        flush=True,
    )


def told(runs: Sequence[Ran], cores: int) -> dict[str, Any]:
    """The knee, and what makes more calls too many."""
    helds = [run.held for run in runs]
    most = knee(helds)
    beyond = next((run for run in runs if run.calls > most), None)
    if beyond is None:
        return {"knee": most, "beyond": None, "bottleneck": "", "why": "all that was tried was good"}
    step, grown_ms = bottleneck(helds[0], beyond.held)
    held, busy = beyond.held, sum(used["cpu_percent_of_a_core"] for used in beyond.used.values())
    p95 = "none" if held.p95_s is None else f"{held.p95_s * 1_000:.0f} ms"
    why = (
        f"with {beyond.calls}: p95 {p95}, {held.gaps} gaps, {held.lost} lost; {busy:.0f} % of a core, of {cores} cores"
    )
    if step:
        why += f'; "{step}" grew most ({grown_ms:+.0f} ms at p95): {STEPS[step]}'
    return {"knee": most, "beyond": beyond.calls, "bottleneck": step, "why": why}


async def main(numbers: Sequence[int], least: int, aim_s: float, out: Path) -> None:
    load, runs = os.getloadavg()[0], list[Ran]()
    scripted = await parts(max(count * ceil(least / count) for count in numbers))
    for count in sorted(numbers):
        runs.append(await ran(count, scripted[: count * ceil(least / count)], aim_s))
        show(runs[-1])
    verdict = told(runs, os.cpu_count() or 1)
    print(
        f"\nthe knee: {verdict['knee']} calls at once (p95 up to {MOST_S:g} s, no gap, nothing lost); {verdict['why']}"
    )
    about = {**origin("several calls at once, embedded models, at the callers' ears"), "load_before": load}
    keep({**about, **verdict, "runs": [run.as_json() for run in runs]}, out)
    print(f"written to {out}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--counts", default=",".join(map(str, COUNTS)), help="calls at once, parted by commas")
    arguments.add_argument("--least", type=int, default=6, help="calls held with each of these numbers, at least")
    arguments.add_argument("--aim", type=float, default=0.0, help="seconds that answers may take; 0: all are let in")
    arguments.add_argument("--out", type=Path, default=Path("bench/results/load.json"))
    given = arguments.parse_args()
    asyncio.run(main([int(count) for count in given.counts.split(",")], given.least, given.aim, given.out))
