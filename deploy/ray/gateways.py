"""The gateways of a cluster: one on every machine that is there, and new versions of them one after the other.

    python -m deploy.ray.gateways up FILE [--wait SECONDS]     bring them up, or to what FILE says now
    python -m deploy.ray.gateways status                       how they are
    python -m deploy.ray.gateways stop                         end them, when their calls have ended

In:   a file such as deploy/ray/gateways.yaml; the machines that Ray knows.     Out: a gateway on each.
Rule: this actor decides; on each machine a keeper does. When this one is gone the keepers go on, and when they are, the
      gateways do. Media and webhooks never come near Ray.
"""

import argparse
import asyncio
import logging
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import ray
from deploy.ray.keeper import Keeper
from deploy.ray.roll import Fitting, Place, Seen, next_to_replace, placed, read_fitting
from ray.exceptions import GetTimeoutError, RayActorError, RayError
from ray.experimental import internal_kv
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from client_caller.errors import ConfigError
from client_caller.logs import set_up_logging

log = logging.getLogger("client_caller.cluster")

NAMESPACE: Final = "client-caller"
ACTOR: Final = "gateways"
_FITTING: Final = b"client-caller-gateways-fitting"
_PLACES: Final = b"client-caller-gateways-places"
_LOOK_EVERY_S: Final = 1.0
_ANSWER_WITHIN_S: Final = 5.0


@ray.remote(num_cpus=0, max_restarts=-1)
class KeeperActor:
    """A keeper, on the machine of its place."""

    async def __init__(self, place: Place) -> None:
        set_up_logging()
        self._keeper = Keeper(place)
        self._task = asyncio.create_task(self._keeper.run())

    async def keep(self, fitting: Fitting) -> dict[str, Any]:
        """As of `Keeper`; gives its status."""
        await self._keeper.keep(fitting)
        return self._keeper.status()

    async def replace(self, fitting: Fitting) -> bool:
        """As of `Keeper`."""
        return await self._keeper.replace(fitting)

    async def stop(self) -> None:
        """As of `Keeper`."""
        await self._keeper.stop()


@ray.remote(num_cpus=0, max_restarts=-1)
class GatewaysActor:
    """Sees to it that there is a gateway on every machine, by the newest file, which lies in Ray's own store."""

    async def __init__(self) -> None:
        set_up_logging()
        kept, places = internal_kv._internal_kv_get(_FITTING), internal_kv._internal_kv_get(_PLACES)
        self._fitting = Fitting.model_validate_json(kept) if kept else None
        self._places: list[Place] = [
            Place(*line.split(" ")[:2], *map(int, line.split(" ")[2:])) for line in _lines(places)
        ]
        self._keepers: dict[str, Any] = {}  # by node
        self._status: dict[str, dict[str, Any]] = {}  # by gateway
        self._rolling: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._run())

    async def apply(self, fitting: Fitting) -> None:
        """Have gateways by this file from now on."""
        internal_kv._internal_kv_put(_FITTING, fitting.model_dump_json().encode(), overwrite=True)
        self._fitting = fitting

    async def status(self) -> dict[str, Any]:
        """All gateways, whether all are what they should be, and which is being replaced."""
        mark = self._fitting.mark if self._fitting else ""
        rows = [self._status.get(place.name, {**asdict(_unknown(place)), "why": ""}) for place in self._places]
        nodes = {place.name: place.node_id for place in self._places}
        return {
            "mark": mark,
            "settled": bool(rows) and all(row["state"] == "ready" and row["mark"] == mark for row in rows),
            "rolling": self._rolling.get_name() if self._rolling else "",
            "gateways": [{**row, "node": nodes[row["name"]]} for row in rows],
        }

    async def stop(self) -> None:
        """End all gateways in peace, all at once, and keep none."""
        self._task.cancel()
        if self._rolling:
            self._rolling.cancel()
        internal_kv._internal_kv_del(_FITTING)
        await asyncio.gather(*(keeper.stop.remote() for keeper in self._keepers.values()), return_exceptions=True)
        for keeper in self._keepers.values():
            ray.kill(keeper)

    async def _run(self) -> None:
        while True:
            if self._fitting:
                try:
                    await self._look(self._fitting)
                except RayError as wrong:  # of Ray itself, as when its head is away for a moment
                    log.warning("the cluster cannot be looked at", extra={"why": type(wrong).__name__})
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _look(self, fitting: Fitting) -> None:
        nodes = [(str(each["NodeID"]), str(each["NodeManagerAddress"])) for each in ray.nodes() if each["Alive"]]
        places = placed(nodes, self._places, fitting.port)
        if places != self._places:
            self._places = places
            lines = "\n".join(f"{each.node_id} {each.node_ip} {each.index} {each.port}" for each in places)
            internal_kv._internal_kv_put(_PLACES, lines.encode(), overwrite=True)
        there = {place.node_id for place in places}
        self._keepers = {node: keeper for node, keeper in self._keepers.items() if node in there}
        rows = await asyncio.gather(*(self._kept(place, fitting) for place in places))
        self._status = {place.name: row for place, row in zip(places, rows, strict=True)}
        if self._rolling and self._rolling.done():
            self._rolling = None
        if self._rolling is None:
            self._roll(fitting)

    async def _kept(self, place: Place, fitting: Fitting) -> dict[str, Any]:
        keeper = self._keepers.get(place.node_id)
        if keeper is None:
            keeper = self._keepers[place.node_id] = KeeperActor.options(
                name=f"keeper-{place.node_id}",
                namespace=NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                scheduling_strategy=NodeAffinitySchedulingStrategy(place.node_id, soft=False),
            ).remote(place)
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                row: dict[str, Any] = await keeper.keep.remote(fitting)
        except (TimeoutError, RayActorError, GetTimeoutError) as away:
            return {**asdict(_unknown(place)), "pid": 0, "why": f"its keeper does not answer: {type(away).__name__}"}
        return row

    def _roll(self, fitting: Fitting) -> None:
        """Replace the next gateway, if it is time for one."""
        seen = [Seen(row["name"], row["state"], row["mark"]) for row in self._status.values()]
        name = next_to_replace(seen, fitting.mark)
        if name is not None:
            place = next(each for each in self._places if each.name == name)
            self._rolling = asyncio.create_task(self._replace(place, fitting), name=name)

    async def _replace(self, place: Place, fitting: Fitting) -> None:
        log.info("a gateway is replaced", extra={"gateway": place.name})
        try:
            if not await self._keepers[place.node_id].replace.remote(fitting):
                log.error("a new gateway does not come up", extra={"gateway": place.name})
        except (RayActorError, KeyError):  # its machine is gone
            log.warning("a gateway's machine went while it was replaced", extra={"gateway": place.name})


def _unknown(place: Place) -> Seen:
    return Seen(place.name, "down", "")


def _lines(kept: bytes | None) -> list[str]:
    return kept.decode().splitlines() if kept else []


def actor() -> Any:
    """The one of this cluster, made if there is none."""
    return GatewaysActor.options(name=ACTOR, namespace=NAMESPACE, lifetime="detached", get_if_exists=True).remote()


def settled(within_s: float) -> dict[str, Any]:
    """The status once every gateway is ready and of the newest file, or after so many seconds."""
    until = time.monotonic() + within_s  # noqa: TID251  (a command of an operator's, without a loop)
    while True:
        status: dict[str, Any] = ray.get(actor().status.remote())
        if status["settled"] or time.monotonic() >= until:  # noqa: TID251
            return status
        time.sleep(0.5)


def show(status: dict[str, Any]) -> None:
    """One line a gateway."""
    for row in status["gateways"]:
        age = "new" if row["mark"] == status["mark"] else "old" if row["mark"] else ""
        now = "replaced now " if row["name"] == status["rolling"] else ""
        print(f"{row['name']:<24}{row['state']:<10}{age:<5}{now}{row['why']}")


def main() -> int:
    """The command; gives its exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.ray.gateways", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up")
    up.add_argument("file", type=Path)
    up.add_argument("--wait", type=float, default=0.0, help="seconds to wait for all to be ready")
    commands.add_parser("status")
    commands.add_parser("stop")
    given = parser.parse_args()
    try:
        fitting = read_fitting(given.file) if given.command == "up" else None
    except ConfigError as wrong:
        print(wrong, file=sys.stderr)
        return 2
    ray.init(address="auto", namespace=NAMESPACE, log_to_driver=False)
    if fitting:
        ray.get(actor().apply.remote(fitting))
    if given.command == "stop":
        gateways = actor()
        ray.get(gateways.stop.remote())
        ray.kill(gateways)
        return 0
    status = settled(given.wait if fitting else 0.0)
    show(status)
    return 0 if status["settled"] or not (fitting and given.wait) else 1


if __name__ == "__main__":
    sys.exit(main())
