"""`client-caller top`: how a running server does, in the terminal.

In:   its /metrics and /healthz.     Out: a table that is kept up to date, or one look.
Rule: what is shown is what Prometheus would be told, and nothing else; a look costs the server a millisecond or two.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from client_caller.cli.ask import Server

_LOOKS: Final = 150
"""Looks that are kept: the times of five minutes, at one every two seconds."""

_STAGES: Final = (
    ("pause noticed", "pause_noticed"),
    ("words known", "words"),
    ("first token", "first_token"),
    ("first piece", "first_piece"),
    ("first audio made", "first_audio"),
    ("answer sent", "answer"),
)
_LOOP: Final = "loop_lag"

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What the server told at one moment: by name without `client_caller_`, by label."""

    process: int
    values: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)

    def of(self, name: str, **labels: str) -> float:
        """The sum of all series of this name that have these labels; 0 if there are none."""
        wanted = set(labels.items())
        return sum(value for told, value in self.values.get(name, {}).items() if wanted <= set(told))

    def buckets(self, stage: str) -> dict[float, float]:
        """How many took at most so many seconds, by that bound."""
        series = self.values.get(f"{stage}_seconds_bucket", {})
        return {float(dict(labels)["le"]): value for labels, value in series.items()}


def top(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Print one look and end.")] = False,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between two looks.")] = 2.0,
    server: Annotated[str, typer.Option("--server", help="The server's address; default: that of the settings.")] = "",
) -> None:
    """Show how a running server does: calls, answer times, engines, the event loop. Ctrl-C ends it."""
    from rich.console import Console

    from client_caller.cli.ask import server_of

    asked, console = server_of(context, server), Console()
    if once:
        console.print(shown([look_at(asked)]))
    else:
        _watch(asked, console, every)


def look_at(asked: "Server") -> Look:
    """One look. Raises as `Server.ask` does."""
    from prometheus_client.parser import text_string_to_metric_families

    values: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(asked.read("/metrics")):
        for sample in family.samples:
            name = sample.name.removeprefix("client_caller_")
            values.setdefault(name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return Look(int(asked.ask("/healthz")["process"]), values)


def quantile(q: float, buckets: Mapping[float, float]) -> float | None:
    """Seconds below which a share `q` of the measurements lies, as PromQL's histogram_quantile has it; None of none.

    buckets: how many took at most so many seconds, for each bound, infinity among them. Within a bucket they are taken
    to lie evenly; beyond the last bound, at it.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not total:
        return None
    below, count = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= q * total:
            within = buckets[bound] - count
            share = (q * total - count) / within if within else 1.0
            return below if bound == float("inf") else below + share * (bound - below)
        below, count = bound, buckets[bound]
    return below


def between(first: Look, last: Look, stage: str) -> dict[float, float]:
    """The buckets of what was measured from one look to the other; all there are if the process has changed."""
    now, before = last.buckets(stage), first.buckets(stage)
    if first.process != last.process:
        return now
    return {bound: count - before.get(bound, 0.0) for bound, count in now.items()}


def shown(looks: Sequence[Look]) -> "RenderableType":
    """The picture of some looks, the oldest first: how things stand, and times since the start and between looks."""
    from rich.console import Group

    return Group(_calls(looks[-1]), "", _times(looks), "", _engines(looks[-1]))


def _watch(asked: "Server", console: "Console", every_s: float) -> None:
    from rich.live import Live

    looks = deque([look_at(asked)], maxlen=_LOOKS)
    screen = Live(shown(looks), console=console, auto_refresh=False, screen=console.is_terminal)
    with suppress(KeyboardInterrupt), screen as live:
        while True:
            asked.pause(every_s)
            looks.append(look_at(asked))
            live.update(shown(looks), refresh=True)


def _calls(look: Look) -> str:
    refused, lost, resumed = look.of("calls_refused_total"), look.of("lines_lost_total"), look.of("calls_resumed_total")
    ready = "ready" if look.of("ready") else "takes no call"
    memory_mb, away = look.of("process_resident_memory_bytes") / 1e6, look.of("ledger_away")
    return "\n".join(
        (
            f"process {look.process}, {ready}: {look.of('calls_running'):.0f} of {look.of('calls_at_once'):.0f} calls",
            f"calls: {look.of('calls_begun_total'):.0f} begun, {look.of('calls_ended_total'):.0f} ended, "
            f"{refused:.0f} refused; {lost:.0f} lines lost, {resumed:.0f} resumed",
            f"turns: {look.of('barge_ins_total'):.0f} barge-ins, {look.of('drafts_dropped_total'):.0f} drafts dropped",
            f"knee: {look.of('calls_knee'):.0f} calls; with one more, p95 of an answer's sound: {_expected(look)}",
            f"loop: at most {1000 * look.of('loop_lag_worst_seconds'):.0f} ms late in the last 15 s; "
            f"{look.of('tasks'):.0f} tasks, {look.of('threads'):.0f} threads, {memory_mb:.0f} MB, "
            f"{look.of('process_open_fds'):.0f} files",
            *(("the ledger's database is away, entries are spilled",) if away else ()),
        )
    )


def _expected(look: Look) -> str:
    expected_s = look.of("answer_p95_predicted_seconds")
    return "not known yet" if isnan(expected_s) else f"{1000 * expected_s:.0f} ms"


def _times(looks: Sequence[Look]) -> "Table":
    from rich.table import Table

    table = Table("after the caller's last word, ms", "p50", "p95", "n", title="since the start", title_justify="left")
    if len(looks) > 1:
        for heading in ("p50 lately", "p95 lately", "n lately"):
            table.add_column(heading)
    for label, stage in (*_STAGES, ("the loop is late", _LOOP)):
        lately = _cells(between(looks[0], looks[-1], stage)) if len(looks) > 1 else ()
        table.add_row(label, *_cells(looks[-1].buckets(stage)), *lately)
    return table


def _cells(buckets: Mapping[float, float]) -> tuple[str, str, str]:
    p50, p95 = (quantile(q, buckets) for q in (0.5, 0.95))
    count = buckets.get(float("inf"), 0.0)
    return _ms(p50), _ms(p95), f"{count:.0f}"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f}"


def _engines(look: Look) -> "Table":
    from rich.table import Table

    table = Table("engine", "place", "which", "state", "jobs", "failures")
    for labels, jobs in sorted(look.values.get("engine_jobs_total", {}).items()):
        named = dict(labels)
        state = (
            "rests"
            if look.of("engine_rests", **named)
            else "works"
            if look.of("engine_in_use", **named)
            else "stands by"
        )
        failures = look.of("engine_failures_total", **named)
        table.add_row(named["engine"], named["place"], named["which"], state, f"{jobs:.0f}", f"{failures:.0f}")
    return table
