"""Three machines on this one: calls spread, a machine is killed, engines scale, gateways and an engine are replaced.

    .ray/bin/python bench/cluster.py [--calls 6] [--only spread,killed,scaled,upgraded] [--out FILE]

In:   Ray (scripts/ray.sh), the embedded engines as deployments of Serve, PostgreSQL, callers of a simulated Twilio.
Out:  one table, one JSON: who held which call, what its caller heard, and what was written of it.
Rule: it shows that nothing is lost, not how fast it is: on a few cores three machines, their engines and the callers
      share what one machine would have, and times are theirs together.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from deploy.ray.gateways import actor

from client_caller.errors import EngineError, EngineOverloaded
from client_caller.hearing.transcription_server import TranscriptionServer
from client_caller.settings import HearingSettings
from cluster_calls import cues, hold, judged, told
from cluster_stage import Machines, deploy, replicas
from common import keep, origin
from private_postgres import find_postgres, private_postgres

SCENES: Final = ("spread", "killed", "scaled", "upgraded")
_SMALL: Final[dict[str, dict[str, Any]]] = {
    # Three machines are two cores here: small replicas, and a scale that comes down while one looks.
    "Hearing": {
        "ray_actor_options": {"num_cpus": 0.5},
        "autoscaling_config": {"max_replicas": 3, "downscale_delay_s": 10, "look_back_period_s": 11},
    },
    "Thinking": {"ray_actor_options": {"num_cpus": 0.5}, "autoscaling_config": {"max_replicas": 2}},
    "Voice": {"ray_actor_options": {"num_cpus": 0.1}, "autoscaling_config": {"max_replicas": 2}},
}
_UP_WITHIN_S: Final = 300.0
_UP_FOR: Final = 10
_EARS: Final = 12
"""Requests that the scene `scaled` keeps in hand, of which one replica is made for two."""


async def spread(machines: Machines, calls: int) -> dict[str, Any]:
    """Callers, one after the other, whose webhooks reach the gateways in turn."""

    async def nothing(_: float) -> None:
        """Only talk."""

    return told(await judged(machines, await hold(machines, _apart(calls), await cues(2), nothing)))


async def killed(machines: Machines, calls: int) -> dict[str, Any]:
    """A machine is gone while calls run on it; another takes its place."""
    loop, at, victim, machine = asyncio.get_running_loop(), 0.0, "", 0

    async def plan(began_at: float) -> None:
        nonlocal at, victim, machine
        await asyncio.sleep(began_at + 0.5 * calls + 9.0 - loop.time())
        machine = machines.busiest()
        at = loop.time()
        victim = await machines.kill(machine)

    held = await hold(machines, _apart(calls), await cues(4), plan)
    row = told(await judged(machines, held, at, victim))
    machines.add(machine)
    return {"victim": victim, **row, "back_after_s": round(await machines.settle(3, _UP_WITHIN_S), 1)}


async def scaled(machines: Machines, calls: int) -> dict[str, Any]:
    """More is asked of the ears than one replica is made for, then nothing, while two callers talk."""
    loop, seen = asyncio.get_running_loop(), list[tuple[float, int]]()
    done, refused, late = 0, 0, 0
    client = TranscriptionServer(
        HearingSettings(engine="server", server_url=f"{machines.proxy(1)}/hearing/v1", server_within_s=20.0), "en"
    )
    sound = np.random.default_rng(3).normal(0, 0.1, 48_000).astype(np.float32) * np.sin(np.arange(48_000) / 6_000) ** 2

    async def ask(until: float) -> None:
        nonlocal done, refused, late
        while loop.time() < until and not is_up():
            try:
                await client.transcribe(sound.astype(np.float32))
                done += 1
            except EngineError as failed:
                refused += isinstance(failed, EngineOverloaded)
                late += not isinstance(failed, EngineOverloaded)
                await asyncio.sleep(0.2)

    def is_up() -> bool:
        """For a few looks, so that more than one replica has had something to do."""
        return sum(count > 1 for _, count in seen) > _UP_FOR

    async def look(began_at: float, until: float) -> None:
        while loop.time() < until and not (is_up() and seen[-1][1] == 1):
            seen.append((round(loop.time() - began_at, 1), await asyncio.to_thread(replicas, "hearing", "Hearing")))
            await asyncio.sleep(1.0)

    async def plan(began_at: float) -> None:
        await asyncio.gather(*(ask(began_at + 120.0) for _ in range(_EARS)), look(began_at, began_at + 240.0))

    try:
        row = told(await judged(machines, await hold(machines, [0.0, 4.0], await cues(3), plan)))
    finally:
        await client.close()
    most = max(count for _, count in seen)
    return {
        "replicas_most": most,
        "up_after_s": next((at for at, count in seen if count > 1), None),
        "down_at_s": seen[-1][0] if seen[-1][1] < most else None,
        "done": done,
        "refused": refused,
        "late": late,
        **row,
    }


async def upgraded(machines: Machines, calls: int) -> dict[str, Any]:
    """Every gateway is replaced, one after the other, and the ears are, too, while callers keep calling."""
    loop, gone, at_once = asyncio.get_running_loop(), [0.0, 0.0], 0

    async def roll() -> None:
        nonlocal at_once
        began_at = loop.time()
        await machines.outfit("2")
        await asyncio.sleep(1.5)
        while True:
            status = await machines.look()
            at_once = max(at_once, sum(row["state"] != "ready" for row in status["gateways"]))
            if status["settled"] and not status["rolling"]:
                gone[0] = loop.time() - began_at
                return
            if loop.time() - began_at > 3 * _UP_WITHIN_S:
                return
            await asyncio.sleep(0.5)

    async def plan(began_at: float) -> None:
        await asyncio.sleep(8.0)
        rolling = asyncio.create_task(roll())
        gone[1] = await deploy(_SMALL, _UP_WITHIN_S, stamp="2")
        await rolling

    held = await hold(
        machines,
        [2.0 * number if number < 3 else 12.0 * (number - 2) for number in range(2 * calls)],
        await cues(3),
        plan,
    )
    row = told(await judged(machines, held))
    return {"gateways_took_s": round(gone[0], 1), "ears_took_s": round(gone[1], 1), "away_at_once": at_once, **row}


def _apart(calls: int) -> list[float]:
    return [0.5 * number for number in range(calls)]


async def show(scenes: Sequence[str], calls: int, folder: Path, database: str) -> dict[str, Any]:
    """The cluster, and each scene in it."""
    parts = {"spread": spread, "killed": killed, "scaled": scaled, "upgraded": upgraded}
    with Machines(folder, database) as machines:
        await machines.outfit("1")
        for number in (1, 2):
            await machines.place(number, _UP_WITHIN_S)
        engines_s, gateways_s = await asyncio.gather(deploy(_SMALL, _UP_WITHIN_S), machines.settle(3, _UP_WITHIN_S))
        rows: dict[str, Any] = {"up": {"engines_s": round(engines_s, 1), "gateways_s": round(gateways_s, 1)}}
        print(f"up: {rows['up']}", flush=True)
        for scene in scenes:
            rows[scene] = await parts[scene](machines, calls)
            short = {name: value for name, value in rows[scene].items() if name != "each"}
            print(f"{scene}: " + ", ".join(f"{name} {value}" for name, value in short.items()), flush=True)
        await asyncio.wait_for(actor().stop.remote(), 200.0)
    return rows


async def main(scenes: Sequence[str], calls: int, out: Path, folder: Path | None) -> None:
    programs = find_postgres()
    if programs is None:
        raise SystemExit("no PostgreSQL server here: install the Debian package `postgresql`")
    load = os.getloadavg()[0]
    with private_postgres(programs) as server, tempfile.TemporaryDirectory(prefix="cluster-") as passing:
        rows = await show(scenes, calls, folder or Path(passing), server.empty_database())
    keep({**origin("three machines of a Ray cluster, on one"), "load_before": load, "scenes": rows}, out)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--calls", type=int, default=6, help="callers in each scene")
    arguments.add_argument("--only", default=",".join(SCENES), help="scenes, parted by commas")
    arguments.add_argument("--out", type=Path, default=Path("bench/results/cluster.json"))
    arguments.add_argument(
        "--folder", type=Path, help="where records and logs go, to be looked at; else they are put away"
    )
    given = arguments.parse_args()
    asyncio.run(main(given.only.split(","), given.calls, given.out, given.folder))
