"""The telephone line: whether every frame arrives, what calls cost each other, how soon webhooks are answered.

    .venv/bin/python bench/wire.py [--part long|parallel|webhooks|all] [--minutes 10] [--seconds 60] [--count 500]
                                   [--out bench/results/wire.json]

long       one call of ten minutes: frames lost or doubled each way, gaps in the agent's speech, lateness, and whether
           the recording drifts from what caller and carrier sent and heard
parallel   one call, then ten at once, of a minute each
webhooks   voice, resume, machine and status, one and twenty at once, 500 of each, while ten calls run

A server process of its own, with supervisor, web server, records and ledger, holds calls in real time over real
sockets; a simulated carrier in this process makes them. Both share the machine and its clock, so that neither a
telephone network nor a carrier whose clock is wrong is in the figures. **The engines are fakes**: voice to voice is the
line, the waiting at pauses and 0.2 s of fakes, and says nothing of models. Each frame of 20 ms, the caller's and the
agent's, carries its number, and counts only if every bit of it is there. Prints one table a part; writes one JSON. A
part that is run alone replaces its own figures and leaves the others. Takes 10, 3 and 1 minutes.
"""

import argparse
import asyncio
import json
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any, Final

import wire_long
import wire_parallel
import wire_webhooks
from common import keep, origin

Result = dict[str, Any]

PARTS: Final[dict[str, Callable[[Result], None]]] = {
    "long": wire_long.show,
    "parallel": wire_parallel.show,
    "webhooks": wire_webhooks.show,
}
ENGINES: Final = "fakes: loud is voice, one question, one answer, a voice of numbered frames"
_VERSIONS: Final = ("fastapi", "httptools", "starlette", "sqlalchemy", "twilio", "uvicorn", "uvloop", "websockets")


def run_of(name: str, minutes: float, seconds: float, count: int) -> Callable[[Path], Awaitable[Result]]:
    """A part with its size, to be given a folder."""
    return {
        "long": lambda folder: wire_long.run(folder, minutes),
        "parallel": lambda folder: wire_parallel.run(folder, seconds),
        "webhooks": lambda folder: wire_webhooks.run(folder, count),
    }[name]


async def main(parts: Sequence[str], minutes: float, seconds: float, count: int, out: Path) -> None:
    result = kept_in(out)
    for name in parts:
        print(f"\n## {name}, engines are fakes\n", flush=True)
        began, load = monotonic(), os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as folder:
            figures = await run_of(name, minutes, seconds, count)(Path(folder))
        facts = {**origin(f"the line: {name}"), "engines": ENGINES, "versions": versions(), "load_before": load}
        result[name] = {**facts, "took_s": round(monotonic() - began), **figures}
        PARTS[name](result[name])
        keep(result, out)
        about = f"{result[name]['machine']}, of which {load:.1f} were busy before"
        print(f"\n{name} took {result[name]['took_s']} s; {about}; written to {out}", flush=True)
    print("\n" + "\n".join(summarised(result)))


def kept_in(out: Path) -> Result:
    """What an earlier run left there."""
    found: Result = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    return found


def versions() -> dict[str, str]:
    """Of the packages that carry calls, as far as they are installed."""
    found = {}
    for package in _VERSIONS:
        try:
            found[package] = version(package)
        except ModuleNotFoundError:
            found[package] = "not installed"
    return found


def summarised(result: Result) -> list[str]:
    """The table that a reader wants first."""
    rows = ["| what | measured | aim |", "|---|---|---|"]
    for name in PARTS:
        rows += [f"| {what} | {measured} | {aim} |" for what, measured, aim in result.get(name, {}).get("headline", [])]
    return rows


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--part", choices=[*PARTS, "all"], default="all")
    arguments.add_argument("--minutes", type=float, default=10.0, help="of the long call")
    arguments.add_argument("--seconds", type=float, default=60.0, help="of each of the parallel calls")
    arguments.add_argument("--count", type=int, default=500, help="webhooks of each kind, at each concurrency")
    arguments.add_argument("--out", type=Path, default=Path("bench/results/wire.json"))
    given = arguments.parse_args()
    chosen = list(PARTS) if given.part == "all" else [given.part]
    asyncio.run(main(chosen, given.minutes, given.seconds, given.count, given.out))
