"""The whole stack on one card: each stage alone, and calls of all three together, more of them each time.

    .venv/bin/python bench/gpu_stack.py [--calls 1,3,8,16,32] [--turns 8] [--alone 10]
                                        [--mps auto|never|always]
                                        [--out bench/results/gpu_stack.json]

In:   a GPU with room for the plan of deploy/profiles/a100.env, and vLLM (scripts/vllm.sh); or neither.
Out:  tables, one JSON: latency of each stage, alone and under load; what a caller waits; voice frames that came late;
      memory, beside the plan for an A100 of 80 GB.
Rule: weights are random, so nothing here tells of quality. Without a GPU everything is tiny, and the first line and the
      JSON say so ("small": true): such figures prove that it runs, and nothing of an A100.

With a GPU it takes some ten minutes, two or three of them vLLM's start; without one, about two.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import torch

from client_caller.box.memory import Sums, sums_of
from client_caller.rehearsal.figures import percentile
from client_caller.speaking.csm.protocol import FRAME_S
from common import Row, keep, origin, show_times, summary
from gpu_stack_calls import Call, Engines, Turn, hold
from gpu_stack_engines import Stack, stack

OUT: Final = Path("bench/results/gpu_stack.json")
OUT_SMALL: Final = Path("runs/gpu_stack.json")
"""What a machine without a GPU finds takes no figure's place."""

CALLS: Final = (1, 3, 8, 16, 32)
CALLS_SMALL: Final = (1, 3)
_ALONE: Final = 10
_ALONE_SMALL: Final = 3
_A100_GIB: Final = 79.1


async def alone(engines: Engines, repeats: int) -> dict[str, Row]:
    """Each stage by itself, and a whole turn, while nothing else runs."""
    now = asyncio.get_running_loop().time
    call = Call(engines, 1_000)
    await call.begin()

    async def took(work: Callable[[], Awaitable[object]]) -> float:
        began = now()
        await work()
        return now() - began

    try:
        hear = [await took(call.hear) for _ in range(repeats)]
        turns = [await call.turn() for _ in range(repeats)]
    finally:
        call.end()
    return {"words, alone": summary(hear), **rows_of(turns, "alone")}


def rows_of(turns: Sequence[Turn], when: str) -> dict[str, Row]:
    """The stages of these turns."""
    return {
        f"words in a turn, {when}": summary([turn.hear_s for turn in turns]),
        f"first token, {when}": summary([turn.token_s for turn in turns]),
        f"first clause, {when}": summary([turn.clause_s for turn in turns]),
        f"first sound, {when}": summary([turn.sound_s for turn in turns]),
        f"what the caller waits, {when}": summary([turn.total_s for turn in turns]),
    }


async def loads(engines: Engines, counts: Sequence[int], turns: int) -> list[dict[str, Any]]:
    """A row for each number of calls."""
    found = []
    for count in counts:
        made, failed = await hold(engines, count, turns)
        frames, late = sum(turn.frames for turn in made), sum(turn.late for turn in made)
        times = rows_of(made, f"{count} calls")
        show_times(times)
        print(f"{count} calls: {late} of {frames} frames late; {len(failed)} turns failed", flush=True)
        found.append(
            {
                "calls": count,
                "turns": len(made),
                "times": times,
                "frames": frames,
                "late_frames": late,
                "silence_p99_ms": _milliseconds(percentile([turn.late_s for turn in made], 0.99)),
                "failed": failed,
                "samples": [asdict(turn) for turn in made],
            }
        )
    return found


def plan(found: Stack) -> dict[str, Any]:
    """The sums for an A100 of 80 GB, by the launch file that was used, and what was measured beside it."""
    box = found.plan.settings.box
    sums = sums_of(found.plan.launch, found.plan.kind, box.csm_slots, _A100_GIB)
    taken = list(found.used_gib.items())
    steps = {name: round(gib - before, 2) for (_, before), (name, gib) in pairwise(taken)}
    _show_plan(sums, steps)
    planned = {"vllm": sums.share, "csm": sums.voice, "whisper": sums.ears, "free": sums.free, "card": sums.card}
    return {"planned_gib": {name: round(gib, 2) for name, gib in planned.items()}, "taken_gib": steps or None}


def _show_plan(sums: Sums, steps: dict[str, float]) -> None:
    print(f"\n{'GiB, of an A100 of 80 GB':<36}{'planned':>9}{'taken here':>13}")
    rows = (("vllm", "vLLM's share", sums.share), ("csm", "voice", sums.voice), ("whisper", "ears", sums.ears))
    for name, what, gib in rows:
        print(f"{what:<36}{gib:>9.1f}{steps.get(name, 'not measured'):>13}")
    print(f"{'free':<36}{sums.free:>9.1f}")


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(1_000 * seconds)


async def measure(counts: Sequence[int], turns: int, repeats: int, mps: str, *, small: bool) -> dict[str, Any]:
    """The result."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        async with stack(Path(folder), small=small, mps=mps, calls=max(counts)) as found:
            print(f"{found.kinds}\nthe card is shared by: {found.sharing}; a codec frame lasts {1000 * FRAME_S:.0f} ms")
            times = await alone(found.engines, repeats)
            show_times(times)
            rows = await loads(found.engines, counts, turns)
            return {
                "models": found.kinds,
                "sharing": found.sharing,
                "words_of_conversation": found.engines.words,
                "load_before": load,
                "alone": times,
                "under_load": rows,
                "memory": plan(found),
            }


def main() -> None:
    """Measure, print, keep."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--calls", default="", help="how many at once, one after another")
    options.add_argument("--turns", type=int, default=0, help="of each call; 0: 8, or 1 without a GPU")
    options.add_argument("--alone", type=int, default=0, help="turns alone before that; 0: 10, or 3 without a GPU")
    options.add_argument("--mps", choices=("auto", "never", "always"), default="auto")
    options.add_argument("--out", type=Path, help=f"{OUT}, or {OUT_SMALL} without a GPU")
    chosen = options.parse_args()
    small = not torch.cuda.is_available()
    if small:
        print("Small: there is no GPU here. Tiny models on the CPU: it runs, and nothing of this tells of an A100.")
    else:
        print(f"On {torch.cuda.get_device_name()}, random weights of the published sizes.")
    counts = tuple(map(int, chosen.calls.split(","))) if chosen.calls else CALLS_SMALL if small else CALLS
    gpu = None if small else torch.cuda.get_device_name()
    turns, repeats = chosen.turns or (1 if small else 8), chosen.alone or (_ALONE_SMALL if small else _ALONE)
    result = asyncio.run(measure(counts, turns, repeats, chosen.mps, small=small))
    out = chosen.out or (OUT_SMALL if small else OUT)
    keep(origin("the whole stack on one card") | {"small": small, "GPU": gpu} | result, out)
    print(f"\nwritten to {out}")


if __name__ == "__main__":
    main()
