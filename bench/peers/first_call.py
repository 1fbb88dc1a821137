"""Pipecat with the embedded models, called as bench/first_call.py calls us: the same callers, the same ear.

    scripts/peers.sh && .venv/bin/python bench/peers/first_call.py [--calls 10]

In:   nothing.     Out: one table, bench/results/first_call_pipecat.json.
Rule: one call goes before those that count, for whatever is loaded at the first. What only our own record can tell,
      such as when the end of speech was noticed, is not in it. It takes some twenty minutes; the machine must be idle.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

FALLBACK_S = 3.0
"""After so much silence Pipecat answers although Smart Turn has found the turn unfinished."""

PATIENCE_S = 30.0
"""A caller waits for the end of an answer: Pipecat's are longer than ours."""


async def main(calls: int, out: Path) -> None:
    from client_caller.rehearsal.caller import rehearse
    from client_caller.rehearsal.measure import HeardCall, TurnHeard
    from client_caller.rehearsal.stage import ACCOUNT_SID
    from common import keep, origin, summary
    from first_call import counts, heard, scripts, show
    from peers.embedded import embedded_pipecat, wiring

    wired, load = wiring(), os.getloadavg()[0]
    parts = await scripts(calls)
    turns: list[TurnHeard] = []
    lateness: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_pipecat(Path(folder)) as stage:
            for number, steps in enumerate([parts[0], *parts]):
                call: HeardCall = await rehearse(
                    *(stage.voice_url, steps),
                    account_sid=ACCOUNT_SID,
                    auth_token=stage.auth_token,
                    patience_s=PATIENCE_S,
                )
                if number:
                    turns += call.turns
                    lateness.append(call.lateness_s)
                print(f"call {number} of {calls}: {len(call.turns)} turns", flush=True)
    rows = heard(turns)
    rows["voice to voice, plain, judged over at once"] = summary(
        [turn.voice_to_voice_s for turn in turns if turn.kind == "say" and (turn.voice_to_voice_s or 0.0) < FALLBACK_S]
    )
    result = {
        **origin("Pipecat, one call at a time, embedded models, at the caller's ear"),
        "load_before": load,
        "wiring": wired,
        "calls": calls,
        "figures": rows,
        "counts": counts(turns),
        "caller's pacing late at most, ms": round(max(lateness) * 1000),
        "turns": [asdict(turn) for turn in turns],
    }
    keep(result, out)
    show(result, rows)
    print(f"\nwritten to {out}")


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])  # where the benchmark is that this one is like
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--calls", type=int, default=10)
    arguments.add_argument("--out", type=Path, default=Path("bench/results/first_call_pipecat.json"))
    given = arguments.parse_args()
    asyncio.run(main(given.calls, given.out))
