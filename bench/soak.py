"""Endurance: does anything grow from call to call, and does any call fail?

    .venv/bin/python bench/soak.py [--embedded 200] [--at-once 2] [--virtual 10000] [--seed 1] [--trace]
                                   [--out bench/results/soak.json]

embedded   short calls with the embedded models, over real sockets, to one `client-caller serve`; 200 take half an hour
virtual    calls with the shipped fakes, often unwell, on a clock that jumps; 10,000 take some ten minutes

In:   nothing but the models.     Out: one table, one JSON; exit code 1 unless all is shown to be
      flat and no call failed.
Rule: after the calls it is looked at what the processes hold. The first quarter does not count; through the rest goes a
      line, and the upper bound of its slope must be below the limit. Too few calls show nothing, which is no success
      either. 0 calls leave a half out, and the figures of an earlier run stay.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any, Final

import soak_embedded
import soak_virtual
from common import keep, origin
from soak_held import Limits, Row, not_flat, slopes
from soak_slope import Slope
from virtual import run

Result = dict[str, Any]

_SHOWN: Final = 20
"""Failures that are printed; the file has all."""


def embedded(calls: int, at_once: int, seed: int) -> Result:
    """The first half."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        soaked = asyncio.run(soak_embedded.soak(Path(folder), calls, at_once, seed, _shown(calls)))
    facts = {**origin("endurance: calls with the embedded models"), "load_before": load}
    return {**facts, "calls": calls, "at_once": at_once, "seed": seed, **soaked.as_json()} | judged(
        soaked.rows, soak_embedded.LIMITS
    )


def virtual(calls: int, at_once: int, seed: int, *, trace: bool) -> Result:
    """The second half."""
    with tempfile.TemporaryDirectory() as folder:
        soaked = run(soak_virtual.soak(Path(folder), calls, at_once, seed, _shown(calls), trace=trace))
    facts = {**origin("endurance: calls with fakes on virtual time"), "traced": trace}
    return {**facts, "calls": calls, "at_once": at_once, "seed": seed, **soaked.as_json()} | judged(
        soaked.rows, soak_virtual.LIMITS
    )


def judged(rows: list[Row], limits: Limits) -> Result:
    """Slopes with their verdicts, and the rows behind them."""
    found = slopes(rows)
    table = {name: _plain(each, limits.of(name)) for name, each in found.items()}
    return {"slopes": table, "not_flat": not_flat(found, limits), "rows": rows}


def _plain(each: Slope, limit: float) -> Result:
    bounds = {name: getattr(each, name) for name in ("a_call", "low", "high")}
    known = {name: round(value, 6) if isfinite(value) else None for name, value in bounds.items()}
    ends = {"first": round(each.first, 1), "last": round(each.last, 1), "n": each.n}
    return {**known, **ends, "limit": limit, "verdict": each.verdict(limit)}


def _shown(calls: int) -> Callable[[Row], None]:
    def show(row: Row) -> None:
        held = ", ".join(
            f"{name} {value:.1f}" if name.endswith("MB") else f"{name} {value:.0f}" for name, value in row.items()
        )
        print(f"of {calls} {held}", flush=True)

    return show


def show(name: str, result: Result) -> None:
    """The table of one half."""
    print(f"\n{name}: {result['calls']} calls, {result['at_once']} at once, in {result['took_s']:.0f} s")
    print(f"{'what is held':<28}{'first':>10}{'last':>10}{'a call':>11}{'from':>11}{'to':>11}{'limit':>8}  verdict")
    for what, row in result["slopes"].items():
        bounds = "".join(
            "          –" if row[key] is None else f"{row[key]:>+11.4f}" for key in ("a_call", "low", "high")
        )
        print(f"{what:<28}{row['first']:>10.1f}{row['last']:>10.1f}{bounds}{row['limit']:>8}  {row['verdict']}")
    print(f"calls: {result['kinds']}; failures: {len(result['failures'])}")
    for line in (*result["failures"][:_SHOWN], *result.get("top", ())):
        print(f"  {line}")


def main() -> int:
    """Run, print, keep; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedded", type=int, default=200, help="calls with the embedded models; 0: none")
    parser.add_argument("--virtual", type=int, default=10_000, help="calls on virtual time; 0: none")
    parser.add_argument("--at-once", type=int, default=2, help="of the embedded half; the other has 10")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trace", action="store_true", help="say what holds memory on virtual time; far slower")
    parser.add_argument("--out", type=Path, default=Path("bench/results/soak.json"))
    asked = parser.parse_args()
    result: Result = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.exists() else {}
    wrong = 0
    halves: dict[str, tuple[int, Callable[[], Result]]] = {
        "virtual": (asked.virtual, lambda: virtual(asked.virtual, _AT_ONCE, asked.seed, trace=asked.trace)),
        "embedded": (asked.embedded, lambda: embedded(asked.embedded, asked.at_once, asked.seed)),
    }
    for name, (calls, half) in halves.items():
        if calls:
            result[name] = half()
            show(name, result[name])
            wrong += len(result[name]["failures"]) + len(result[name]["not_flat"])
            keep(result, asked.out)
    print(f"\nwritten to {asked.out}: " + ("all flat, no call failed" if not wrong else f"{wrong} things are wrong"))
    return 1 if wrong else 0


_AT_ONCE: Final = 10

if __name__ == "__main__":
    sys.exit(main())
