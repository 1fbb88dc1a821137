"""The flow of a call: who stops when, who goes on, what was heard, and what a lost line costs.

    .venv/bin/python bench/flow.py [--part barge-in|false-stops|echo|truth|resume|all] [--quick]
                                   [--out bench/results/flow.json]

barge-in      the caller speaks over the agent, at three levels in three noises: until silence, until the answer
false-stops   coughs, clicks, doors, music, other people, "mhm": does the agent go on, and with the right word?
echo          the agent's own voice comes back on the line: does it stop itself?
truth         does the history end with the word that the caller heard last?
resume        the server is killed, the line is lost: until the agent is heard again

All but the first half of "truth" are calls in real time to a server process with the embedded models, over the path
that Twilio uses, measured at the caller's ear; caller and server share the machine. Prints one table a part, writes one
JSON with every case, and leaves a stereo recording of each kind of case in runs/flow. A part that is run alone replaces
its own figures in the JSON and leaves the others.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Final

import flow_barge_in
import flow_echo
import flow_false_stops
import flow_resume
import flow_truth
from common import keep, origin

Result = dict[str, Any]
Part = Callable[[Path, Path, bool], Awaitable[Result]]
"""Runs with a folder for its servers, a folder for examples, and whether it is to be quick."""

PARTS: Final[dict[str, tuple[Part, Callable[[Result], None]]]] = {
    "barge-in": (flow_barge_in.run, flow_barge_in.show),
    "false-stops": (flow_false_stops.run, flow_false_stops.show),
    "echo": (flow_echo.run, flow_echo.show),
    "truth": (flow_truth.run, flow_truth.show),
    "resume": (flow_resume.run, flow_resume.show),
}
EXAMPLES: Final = Path("runs/flow")


async def main(parts: Sequence[str], quick: bool, out: Path) -> None:
    result = kept_in(out)
    for name in parts:
        run, show = PARTS[name]
        print(f"\n## {name}\n", flush=True)
        began = monotonic()
        with tempfile.TemporaryDirectory() as folder:
            figures = await run(Path(folder), EXAMPLES, quick)
        result[name] = {**origin(name), "quick": quick, "took_s": round(monotonic() - began), **figures}
        show(result[name])
        keep(result, out)
        print(f"\n{name} took {result[name]['took_s']} s; written to {out}", flush=True)
    print("\n" + "\n".join(summarised(result)))


def kept_in(out: Path) -> Result:
    """What an earlier run left there."""
    found: Result = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
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
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--out", type=Path, default=Path("bench/results/flow.json"))
    given = arguments.parse_args()
    asyncio.run(main(list(PARTS) if given.part == "all" else [given.part], given.quick, given.out))
