"""How things stand in this process, read when somebody asks.

In:   the house, the ledger, every chain of engines, the loop.     Out: families of Prometheus.
Rule: looking costs nothing that a call could feel, and changes nothing.
"""

import asyncio
import threading
from collections.abc import Iterable, Iterator
from math import nan
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from client_caller.chain import Chain, Link, all_chains
from client_caller.doorkeeper import Doorkeeper
from client_caller.house import House
from client_caller.ledger.ledger import Ledger

_ENGINE: Final = ("engine", "place", "which")
KINDS: Final = ("EngineTimeout", "EngineOverloaded", "EngineCrashed", "EngineError")

_Key = tuple[str, str, str]
"""What kind of engine it is, its place in the chain, and its class: words of this program, all of them."""


class Standing:
    """A collector for a registry. ledger: None where nothing is kept."""

    def __init__(self, house: House, door: Doorkeeper, ledger: Ledger | None = None) -> None:
        self._house = house
        self._door = door
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        """How things stand now. Only in the loop's own thread, whose tasks are counted."""
        house = self._house
        yield _gauge("calls_running", "Calls that run", house.running)
        yield _gauge(
            "calls_at_once", "Calls that may run at once, as the settings say", house.settings.server.calls_at_once
        )
        yield _gauge("calls_knee", "Calls up to which answers are expected in time, as measured", self._door.knee)
        expected_s = self._door.predicted_p95_s
        yield _gauge(
            "answer_p95_predicted_seconds",
            "Seconds until the sound of an answer is made, at p95, to be expected with one more call",
            nan if expected_s is None else expected_s,
        )
        yield _gauge("ready", "1 while one more call can be held", float(house.has_room()))
        if self._ledger:
            yield _gauge(
                "ledger_away", "1 while the database is away and entries are spilled", float(self._ledger.is_away)
            )
        yield _gauge("tasks", "Tasks of the event loop", len(asyncio.all_tasks()))
        yield _gauge("threads", "Threads of Python", threading.active_count())
        yield from chain_families(all_chains())


def chain_families(chains: Iterable[Chain[Any]]) -> list[Metric]:
    """How the engines of these chains have been; those alike, as the voices of several agents are, are told as one."""
    engines: dict[_Key, list[tuple[Chain[Any], Link[Any]]]] = {}
    for chain in chains:
        for link in chain.links:
            engines.setdefault((chain.name, str(link.place), type(link.engine).__name__), []).append((chain, link))
    done = CounterMetricFamily("client_caller_engine_jobs", "Jobs that an engine did", labels=_ENGINE)
    failed = CounterMetricFamily(
        "client_caller_engine_failures", "Jobs that an engine failed at", labels=(*_ENGINE, "kind")
    )
    rests = GaugeMetricFamily("client_caller_engine_rests", "1 while an engine is left in peace", labels=_ENGINE)
    in_use = GaugeMetricFamily("client_caller_engine_in_use", "1 for the engine that did the last job", labels=_ENGINE)
    for key, alike in sorted(engines.items()):
        done.add_metric(key, sum(link.done for _, link in alike))
        for kind in KINDS:
            failed.add_metric((*key, kind), sum(link.failures[kind] for _, link in alike))
        rests.add_metric(key, float(any(link.breaker.rests for _, link in alike)))
        in_use.add_metric(key, float(any(chain.in_use == link.place for chain, link in alike)))
    return [done, failed, rests, in_use]


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"client_caller_{name}", about, value=value)
