"""How many calls Pipecat carries in one process, and how many we do: in one run, with the same callers.

    scripts/peers.sh && .venv/bin/python bench/peers/gateway.py [--seconds 30] [--smart-turn]

In:   nothing.     Out: one table, bench/results/gateway_peers.json.
Rule: it only reads what is asked. It takes some ten minutes; the machine must be idle and have two cores.
"""

import argparse
import asyncio
import sys
from pathlib import Path

THEIRS = "1,4,8,12,16,24,32"
OURS = "1,8,16,24,32,40,60,80,100"


def main() -> None:
    from common import keep
    from peers.comparison import compare, show

    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--theirs", default=THEIRS, help="calls at once for Pipecat, parted by commas")
    arguments.add_argument("--ours", default=OURS, help="the same for us")
    arguments.add_argument("--seconds", type=float, default=30.0, help="of each call")
    arguments.add_argument("--smart-turn", action="store_true", help="Pipecat asks its own Smart Turn, not a fake")
    arguments.add_argument("--out", type=Path, default=Path("bench/results/gateway_peers.json"))
    given = arguments.parse_args()
    counts = {
        "pipecat": [int(count) for count in given.theirs.split(",")],
        "client caller": [int(count) for count in given.ours.split(",")],
    }
    result = asyncio.run(compare(counts, given.seconds, given.smart_turn))
    show(result)
    keep(result, given.out)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])  # where the benchmarks are of which this one is made
    main()
