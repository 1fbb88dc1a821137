"""A campaign of a thousand contacts, on a simulated carrier and a clock that jumps: what it costs this machine.

    .venv/bin/python bench/campaign.py [--calls 1000] [--out bench/results/campaign.json]

The people are those of tests/telephone/crowd.py: 60 % talk for seven to ten seconds, 15 % have an answering machine,
15 % do not answer or are busy, 5 % have no such number, 5 % want no calls. Everything is ours but for the models, which
are the shipped fakes: carrier, webhooks, media, hearing, the heart, flight records, the ledger on disk. So the time per
call is what a call costs beside its models, the simulated carrier included. Ends with an error unless every contact
ended as it must, was called once, and never more were called than allowed. Prints one table, writes one JSON.
"""

import argparse
import asyncio
import gc
import itertools
import logging
import sys
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from sqlalchemy import create_engine, text
from starlette.types import ASGIApp, Receive, Scope, Send

from common import keep, origin, summary
from virtual import run

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from client_caller.twin.account import Twin
from client_caller.twin.people import Person, talking
from telephone.crowd import NO_RETRIES, Crowd
from telephone.outbound_world import (
    PUBLIC,
    World,
    csv,
    most_at_once,
    outbound,
    placed_at,
)
from twin.far_end import OURS, FarEnd, Stream, document, held

PER_S, AT_ONCE = 20.0, 50
TABLES = ("calls", "entries", "orders", "contacts", "consents", "do_not_call")


class Watched:
    """An application whose answers to webhooks are timed. seconds: of wall time, from the request to the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.seconds: list[float] = []
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()

        async def timed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.seconds.append(perf_counter() - began)
            await send(message)

        await self._app(scope, receive, timed)


def memory_mb() -> float:
    """What this process holds in memory now."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


async def memory_at(world: World, calls: int) -> float:
    """What it holds when so many calls are over."""
    while sum(bool(call.states) and call.state in _OVER for call in world.twin.calls) < calls:  # noqa: ASYNC110
        await asyncio.sleep(1.0)
    return memory_mb()


_TWIN_TALK_S = 5.0
_OVER = ("completed", "busy", "failed", "no-answer", "canceled")


async def measured(folder: Path, calls: int) -> dict[str, Any]:
    """One campaign. Raises AssertionError when it did not go as it must."""
    crowd, loop = Crowd(calls), asyncio.get_running_loop()
    pace = {"calls_per_s": PER_S, "calls_at_once": AT_ONCE}
    async with outbound(folder, crowd, law=NO_RETRIES, keeps_sound=False, **pace) as world:
        watched = world.network.apps[PUBLIC] = Watched(world.network.apps[PUBLIC])
        began, cpu_began = perf_counter(), process_time()
        half = asyncio.create_task(memory_at(world, calls - calls // 2))
        outcomes = await world.done(await world.campaign(csv(crowd.numbers)))
        wall_s, cpu_s = perf_counter() - began, process_time() - cpu_began
        grown_mb = memory_mb() - await half
        carried = world.twin.calls
        times = placed_at(carried)
        assert outcomes == crowd.outcomes, outcomes
        assert len(carried) == len({call.to for call in carried}) == calls
        assert most_at_once(carried) <= AT_ONCE
        assert all(later - earlier >= 1 / PER_S - 1e-6 for earlier, later in itertools.pairwise(times))
        rows = ledger_rows(world)
        virtual_s = max(call.states[-1].at for call in carried) - times[0]
    return {
        "calls": calls,
        "outcomes": outcomes,
        "calls_per_s_allowed": PER_S,
        "calls_at_once_allowed": AT_ONCE,
        "calls_at_once": most_at_once(carried),
        "virtual_s": round(virtual_s, 1),
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "calls_per_wall_s": round(calls / wall_s, 2),
        "talk_s": round(sum(call.states[-1].at - call.states[-2].at for call in carried if len(call.states) == 5)),
        "memory_growth_last_half_mb": round(grown_mb, 1),
        "ledger_rows": rows,
        "webhooks": summary(watched.seconds),
        "loop_s": round(loop.time(), 1),
    }


def twin_alone(calls: int) -> dict[str, Any]:
    """What the simulated carrier costs by itself: calls of five seconds to who sends back what it hears."""

    async def echo(stream: Stream) -> None:
        while True:
            message = await stream.next()
            if message["event"] == "media":
                await stream.send("media", media={"payload": message["media"]["payload"]})

    async def scene(twin: Twin) -> None:
        for first in range(0, calls, AT_ONCE):
            some = range(first, min(first + AT_ONCE, calls))
            await asyncio.gather(*(twin.call_in(Person(next_frame=talking(_TWIN_TALK_S)), OURS) for _ in some))

    media = f"wss{PUBLIC.removeprefix('https')}/media/x"
    end = FarEnd({"/voice": document(f'<Connect><Stream url="{media}"/></Connect>')}, echo)
    began, cpu_began = perf_counter(), process_time()
    held(end, scene, keeps_sound=False)
    return {
        "calls": calls,
        "talk_s": _TWIN_TALK_S,
        "wall_s": round(perf_counter() - began, 1),
        "cpu_s": round(process_time() - cpu_began, 1),
    }


def ledger_rows(world: World) -> dict[str, int]:
    """How many rows each table of the ledger has."""
    engine = create_engine(world.settings.ledger.url.get_secret_value())
    with engine.connect() as connection:
        rows = {table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in TABLES}
    engine.dispose()
    return rows


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    webhooks = result["webhooks"]
    rows = {
        "contacts, all ended as they must": result["calls"],
        "wall time, s": result["wall_s"],
        "processor time, s": result["cpu_s"],
        "virtual time, s": result["virtual_s"],
        "calls a second of wall time": result["calls_per_wall_s"],
        "seconds on the line, all calls together": result["talk_s"],
        "calls at once, the most": result["calls_at_once"],
        "memory grown in the last half, MB": result["memory_growth_last_half_mb"],
        "rows in the ledger": sum(result["ledger_rows"].values()),
        "webhooks answered": webhooks["n"],
        "… p50, ms": webhooks["p50_ms"],
        "… p95, ms": webhooks["p95_ms"],
        "the carrier alone: calls of 5 s": result["twin_alone"]["calls"],
        "… wall time, s": result["twin_alone"]["wall_s"],
    }
    for name, value in rows.items():
        print(f"{name:<42}{value:>10}")


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--out", type=Path, default=Path("bench/results/campaign.json"))
    asked = parser.parse_args()
    logging.disable(logging.WARNING)  # the simulated carrier reports on every stream
    with tempfile.TemporaryDirectory() as folder:
        result = run(measured(Path(folder), asked.calls))
    result["twin_alone"] = twin_alone(asked.calls)
    show(result)
    keep({**origin("a campaign on a simulated carrier"), **result}, asked.out)


if __name__ == "__main__":
    main()
