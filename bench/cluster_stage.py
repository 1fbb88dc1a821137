"""A cluster of machines that are none: Ray nodes on this one, each with engines, a proxy and a gateway of its own.

In:   a folder, a database.     Out: machines to add and to kill; gateways and engines as deploy/ray has them.
Rule: everything is brought up as docs/cluster.md says, but for addresses: all machines have the same, so proxies and
      gateways have ports of their own. A machine is killed with all its processes at once, gateway and all.
"""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import ray
import yaml
from deploy.ray.gateways import NAMESPACE, actor
from deploy.ray.roll import Fitting
from ray import serve
from ray.cluster_utils import Cluster
from ray.serve.config import HTTPOptions
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema

from client_caller.rehearsal.stage import ACCOUNT_SID

ROOT: Final = Path(__file__).resolve().parents[1]
PUBLIC: Final = "https://phone.example"
PROXY_PORT: Final = 18_000
"""Of machine 0; machine 1 has the next."""

GATEWAY_PORT: Final = 18_081
HEAD: Final = 0
"""The machine that Ray itself cannot do without."""

_TAIL_BYTES: Final = 8_192
_STORE_BYTES: Final = 100_000_000
_KNOWN_AFTER_S: Final = 2.5
"""Seconds after which all gateways have heard of a new one, or that one is gone: they tell each other once a second."""


class Machines:
    """The Ray nodes. Used as a context; at its end nothing is left."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.database = database
        self.auth_token = secrets.token_hex(16)
        self._key = secrets.token_hex(16)
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nodes inherit it: nothing is told about this machine
        self._cluster = Cluster()
        self._nodes: dict[int, Any] = {}
        self._gateways: dict[str, dict[str, Any]] = {}

    @property
    def addresses(self) -> list[str]:
        """Of gateways that answer a balancer: those that end do, and those that start do not yet."""
        answering = ("ready", "ending")
        return [address_of(name) for name, row in self._gateways.items() if row["state"] in answering]

    def proxy(self, machine: int) -> str:
        """Where the engines are reached on a machine."""
        return f"http://127.0.0.1:{PROXY_PORT + machine}"

    def __enter__(self) -> "Machines":
        self.add(HEAD)
        ray.init(address=self._cluster.address, namespace=NAMESPACE, log_to_driver=False, logging_level="error")
        return self

    def __exit__(self, *_: object) -> None:
        for row in self._gateways.values():
            kill(row["pid"])
        with suppress(Exception):
            ray.shutdown()
        for node in self._nodes.values():
            kill(*(each.process.pid for processes in node.all_processes.values() for each in processes))

    def add(self, machine: int, cpus: int = 4) -> None:
        """Start one; secrets are in its environment, as an operator's would be."""
        self._nodes[machine] = self._cluster.add_node(
            num_cpus=cpus,
            object_store_memory=_STORE_BYTES,
            include_dashboard=False,
            env_vars={
                "TWILIO_AUTH_TOKEN": self.auth_token,
                "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
                "CLIENT_CALLER_FLEET__KEY": self._key,
                "CLIENT_CALLER_LEDGER__URL": self.database,
                "RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(PROXY_PORT + machine),
                # So that a change of load shows within seconds and not after ten.
                "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "2",
                "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "2",
            },
        )

    def busiest(self) -> int:
        """The machine, of those that can be done without, whose gateway holds the most calls now."""

        def running(machine: int) -> int:
            name = next(name for name, row in self._gateways.items() if row["node"] == self._nodes[machine].node_id)
            records = self.folder.glob(f"records/{name}/*/record.jsonl")
            return sum(b'"event":"HungUp"' not in record.read_bytes()[-_TAIL_BYTES:] for record in records)

        return max((machine for machine in self._nodes if machine != HEAD), key=running)

    async def kill(self, machine: int) -> str:
        """Have a machine be gone from one moment to the next; gives the name of the gateway that was on it."""
        node = self._nodes.pop(machine)
        row = next(row for row in self._gateways.values() if row["node"] == node.node_id)
        raylets = [each.process.pid for processes in node.all_processes.values() for each in processes]
        kill(*raylets, row["pid"])
        self._gateways = {name: each for name, each in self._gateways.items() if each is not row}
        name: str = row["name"]
        return name

    async def look(self) -> dict[str, Any]:
        """How the gateways are, by the actor that sees to them."""
        status: dict[str, Any] = await actor().status.remote()
        self._gateways = {row["name"]: row for row in status["gateways"]}
        return status

    async def place(self, machine: int, within_s: float) -> None:
        """Start one, and wait until it is seen: its gateway then has the number of the machine."""
        self.add(machine)
        async with asyncio.timeout(within_s):
            while len((await self.look())["gateways"]) <= machine:  # noqa: ASYNC110  (Ray tells nobody)
                await asyncio.sleep(0.2)

    async def settle(self, count: int, within_s: float) -> float:
        """Wait until so many gateways are ready and of the newest file; gives the seconds that took."""
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        while True:
            status = await self.look()
            if status["settled"] and len(status["gateways"]) == count and not status["rolling"]:
                took_s = loop.time() - began_at
                await asyncio.sleep(_KNOWN_AFTER_S)
                return took_s
            if loop.time() - began_at > within_s:
                raise SystemExit(f"the gateways do not come up within {within_s:.0f} s: {status}")
            await asyncio.sleep(0.5)

    def fitting(self, version: str) -> Fitting:
        """What gateways are told, in the form of deploy/ray/gateways.yaml."""
        program = Path(sys.executable).with_name("client-caller")
        engines = f"http://127.0.0.1:{PROXY_PORT // 10}{{index}}"
        return Fitting(
            command=(str(program), "serve", "--agent", str(ROOT / "agents" / "receptionist.toml")),
            folder=self.folder,
            version=version,
            port=GATEWAY_PORT,
            end_within_s=120.0,
            environment={
                "CLIENT_CALLER_SERVER__HOST": "0.0.0.0",
                "CLIENT_CALLER_SERVER__PORT": "{port}",
                "CLIENT_CALLER_SERVER__CALLS_AT_ONCE": "8",
                "CLIENT_CALLER_SERVER__ANSWER_P95_S": "0",  # three nodes on one machine are slow, and turn nobody away
                "CLIENT_CALLER_SERVER__DRAIN_S": "90",
                "CLIENT_CALLER_PUBLIC_URL": PUBLIC,
                "CLIENT_CALLER_FLEET__NAME": "{name}",
                "CLIENT_CALLER_FLEET__ADDRESS": "http://127.0.0.1:{port}",
                "CLIENT_CALLER_FLEET__STREAM_URL": "http://127.0.0.1:{port}",
                "CLIENT_CALLER_HEARING__ENGINE": "server",
                "CLIENT_CALLER_HEARING__SERVER_URL": f"{engines}/hearing/v1",
                "CLIENT_CALLER_HEARING__SERVER_WITHIN_S": "4",
                "CLIENT_CALLER_HEARING__WORKERS": "1",
                "CLIENT_CALLER_THINKING__BASE_URL": f"{engines}/thinking/v1",
                "CLIENT_CALLER_THINKING__TOOL_CALLS": "text",
                "CLIENT_CALLER_THINKING__FIRST_TOKEN_S": "8",
                "CLIENT_CALLER_THINKING__NEXT_TOKEN_S": "4",
                "CLIENT_CALLER_SPEAKING__ENGINE": "server",
                "CLIENT_CALLER_SPEAKING__SERVER_URL": f"{engines}/voice/v1",
                "CLIENT_CALLER_SPEAKING__SERVER_VOICE": "en-us",
                "CLIENT_CALLER_SPEAKING__SERVER_HZ": "8000",
                "CLIENT_CALLER_RECORDS__FOLDER": str(self.folder / "records" / "{name}"),
            },
        )

    async def outfit(self, version: str) -> None:
        """Have gateways by this version from now on."""
        await actor().apply.remote(self.fitting(version))


async def deploy(changes: Mapping[str, Mapping[str, Any]], within_s: float, stamp: str = "") -> float:
    """Have Serve run deploy/ray/serve-embedded.yaml with changes to deployments; gives the seconds that took.

    changes: by the deployment's name; a table within is changed, not replaced;  stamp: another one makes Hearing's
    replicas old, so that they are replaced.
    """
    config = yaml.safe_load((ROOT / "deploy" / "ray" / "serve-embedded.yaml").read_text(encoding="utf-8"))
    config["http_options"]["port"] = PROXY_PORT
    for app in config["applications"]:
        if app["name"] == "hearing" and stamp:
            app["runtime_env"]["env_vars"]["CLIENT_CALLER_RELEASE"] = stamp
        for deployment in app["deployments"]:
            for key, value in changes.get(deployment["name"], {}).items():
                deployment[key] = {**deployment.get(key, {}), **value} if isinstance(value, dict) else value
    schema = ServeDeploySchema.model_validate(config)
    options = HTTPOptions(host=schema.http_options.host, port=schema.http_options.port)
    await asyncio.to_thread(serve.start, proxy_location=schema.proxy_location, http_options=options)
    await asyncio.to_thread(_get_global_client().deploy_apps, schema)  # what `serve deploy` asks the dashboard for
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    while True:
        await asyncio.sleep(0.5)
        apps = (await asyncio.to_thread(serve.status)).applications
        if apps and all(app.status == "RUNNING" for app in apps.values()):
            return loop.time() - began_at
        if loop.time() - began_at > within_s:
            raise SystemExit(f"the engines do not come up within {within_s:.0f} s: {apps}")


def replicas(app: str, deployment: str) -> int:
    """How many run now."""
    return serve.status().applications[app].deployments[deployment].replica_states.get("RUNNING", 0)


def address_of(gateway: str) -> str:
    """Where a gateway is reached; its name ends with its port."""
    return f"http://127.0.0.1:{gateway.rpartition('-')[2]}"


def kill(*pids: int) -> None:
    """SIGKILL to processes and to all that they have started, at once."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            parents.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    doomed, found = [pid for pid in pids if pid > 1], list[int]()
    while doomed:
        found.append(pid := doomed.pop())
        doomed += parents.get(pid, [])
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
