"""A door on every machine: Ray Serve opens its HTTP proxy only where a replica runs, and gateways are everywhere.

In:   GET /.     Out: the name of the machine's node.
Rule: it does nothing, and costs a process a machine. Its number is that of the machines, by `one_on_every_node`.
"""

from typing import Any, Final

import ray
from ray import serve
from ray.serve.config import AutoscalingContext
from starlette.requests import Request


@serve.deployment(name="Door")
class Door:
    """One replica, one a machine."""

    async def __call__(self, request: Request) -> dict[str, str]:
        return {"node": ray.get_runtime_context().get_node_id()}


def one_on_every_node(context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
    """As many replicas as there are machines. A policy, in the form that Serve wants."""
    return max(1, sum(bool(node["Alive"]) for node in ray.nodes())), {}


app: Final = Door.bind()
