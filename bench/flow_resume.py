"""Resumption: the server is killed, or the line is lost, while the agent answers.

In:   a server under its supervisor; four kinds of trouble.     Out: one `Resumed` for each call.
Rule: what counts is when the caller hears the agent again. From when that is counted depends on whose fault it was:
      from the first answer of /healthz by the new process; from the end of the network's failure; else from the loss.

In each call the caller asks, and the trouble comes when 1.2 s of the answer have been heard; once the agent is heard
again, the caller asks something else, so that the history which the model is then given can be compared.
"""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import httpx2

from client_caller.conversation.actions import Turn
from client_caller.demo import render_with_espeak
from client_caller.records.flight import ActionEntry, Entry, EventEntry
from client_caller.rehearsal.cast import QUESTIONS, Line, spoken
from client_caller.rehearsal.stage import Stage, serving_process
from common import show_times, summary
from flow_agents import STORY, answering
from flow_caller import Cue, Ending, FlowCall, FlowCaller, hold, keep_example
from flow_judging import first_audible
from flow_sounds import trimmed

Kind = Literal["kill -9", "reset", "close", "silence"]

KINDS: Final[tuple[Kind, ...]] = ("kill -9", "reset", "close", "silence")
CALLS: Final = 3
AIM_S: Final = 3.0

_AFTER_S: Final = 1.2
_SILENCE_S: Final = 10.0  # as the carrier's
_ON_THE_WAY_S: Final = 0.5
_POLL_S: Final = 0.02
_PATIENT: Final = Ending(audible_s=1.0, quiet_s=60.0, within_s=10.0, patience_s=90.0)


@dataclass(frozen=True, slots=True)
class Resumed:
    """One call. Instants are seconds of the call.

    lost_at: the trouble;  up_at: when the server, or the network, could be reached again;  silent_s: how long the
    caller heard nothing;  ready_at: when a restarted server took calls again, by /readyz;
    heard_s: from `up_at` to the agent being heard, None: never;  streams: media sockets opened;
    same_history: whether the next reply is made from all that had been said until the loss, in the same record;
    answered: whether the next question was.
    """

    kind: Kind
    lost_at: float
    up_at: float | None
    ready_at: float | None
    silent_s: float | None
    heard_s: float | None
    streams: int
    losses: int
    resumptions: int
    same_history: bool
    answered: bool
    announcements: tuple[str, ...]


class Trouble:
    """Comes once, when so much of the answer has been heard; as `place_call` asks for it. at: when, in the call."""

    def __init__(self, kind: Kind, caller: FlowCaller, process: int) -> None:
        self.at: float | None = None
        self.at_loop_s = 0.0
        self._kind = kind
        self._caller = caller
        self._process = process

    def __call__(self, at: float) -> Any:
        """The fault of this slot, if any."""
        if self.at is not None or len(self._caller.made) != 1 or self._caller.audible_s < _AFTER_S:
            return None
        self.at, self.at_loop_s = at, asyncio.get_running_loop().time()
        if self._kind == "kill -9":
            os.kill(self._process, signal.SIGKILL)
            return None
        return self._kind


async def one_call(stage: Stage, kind: Kind, cues: Sequence[Cue], examples: Path) -> Resumed | None:
    """A call with a trouble in it; None when it never came to that."""
    process = await serving_process(stage.url)
    caller = FlowCaller(cues, ending=_PATIENT)
    trouble = Trouble(kind, caller, process)
    waiting = asyncio.create_task(_up_again(stage.url, process))
    try:
        call = await hold(stage, caller, fault_at=trouble)
    finally:
        waiting.cancel()
        await asyncio.wait([waiting])
    if trouble.at is None:
        return None
    keep_example(call, f"resume, {kind}", examples)
    up: list[float | None] = [trouble.at + (_SILENCE_S if kind == "silence" else 0.0), None]
    if kind == "kill -9":
        since = trouble.at - trouble.at_loop_s
        up = [None, None] if waiting.cancelled() else [since + at for at in waiting.result()]
    return _judged(call, kind, trouble.at, up[0], up[1])


def _judged(call: FlowCall, kind: Kind, lost_at: float, up_at: float | None, ready_at: float | None) -> Resumed:
    end = len(call.agent) / 100
    # Of a killed server something may still be on the way; a new one takes longer to start.
    again = first_audible(call.agent, lost_at + (_ON_THE_WAY_S if kind == "kill -9" else 0.0), end)
    asked = call.made[1].ends_at if len(call.made) > 1 else None
    return Resumed(
        kind,
        lost_at,
        up_at,
        ready_at,
        None if again is None else again - lost_at,
        None if again is None or up_at is None else again - up_at,
        call.carried.streams,
        len(call.happened("LineLost")),
        len(call.happened("LineResumed")),
        keeps_history(call.entries),
        asked is not None and first_audible(call.agent, asked, end) is not None,
        tuple(call.carried.announcements),
    )


def keeps_history(entries: Sequence[Entry]) -> bool:
    """Whether the first reply after the line was resumed is made from every word remembered until then."""
    remembered: list[Turn] = []
    resumed = False
    for entry in entries:
        match entry:
            case EventEntry(event=event) if type(event).__name__ == "LineResumed":
                resumed = True
            case ActionEntry(action=action) if type(action).__name__ == "Remember" and not resumed:
                remembered.append(action.turn)  # type: ignore[union-attr]
            case ActionEntry(action=action) if type(action).__name__ == "StartReply" and resumed:
                known, before = list(_words(action.history)), list(_words(remembered))  # type: ignore[union-attr]
                return len(before) > 0 and known[: len(before)] == before
            case _:
                pass
    return False


def _words(turns: Sequence[Turn]) -> Iterator[tuple[str, str]]:
    return ((turn.speaker, word) for turn in turns for word in turn.text.split())


async def _up_again(url: str, process: int) -> tuple[float, float]:
    """Loop times at which another process than this one lives there, and takes calls."""
    loop = asyncio.get_running_loop()
    up_at: float | None = None
    async with httpx2.AsyncClient(timeout=1.0, trust_env=False) as client:
        while True:
            try:
                if up_at is None and (await client.get(f"{url}/healthz")).json()["process"] != process:
                    up_at = loop.time()
                if up_at is not None and (await client.get(f"{url}/readyz")).status_code == httpx2.codes.OK:
                    return up_at, loop.time()
            except (httpx2.HTTPError, ValueError):
                pass
            await asyncio.sleep(_POLL_S)


async def run(folder: Path, examples: Path, quick: bool) -> dict[str, Any]:
    """The whole part."""
    first = trimmed(await spoken(Line(STORY[0][0], 140), render_with_espeak))
    second = trimmed(await spoken(QUESTIONS[5], render_with_espeak))
    cues = [Cue(first, audible_s=0.6), Cue(second, audible_s=_AFTER_S + 0.4, quiet_s=0.7)]
    found: list[Resumed] = []
    async with answering(folder) as stage:
        for kind in KINDS[:2] if quick else KINDS:
            for _ in range(1 if quick else CALLS):
                one = await one_call(stage, kind, cues, examples)
                found += [one] if one else []
                print(f"{kind}: {one}", flush=True)
    return {
        "figures": {
            **{f"heard again, {kind}": summary([o.heard_s for o in found if o.kind == kind]) for kind in KINDS},
            "heard after /readyz, kill -9": summary([_after_ready(o) for o in found]),
            **{f"silence, {kind}": summary([o.silent_s for o in found if o.kind == kind]) for kind in KINDS},
        },
        "counts": counts(found),
        "headline": headline(found),
        "cases": [asdict(one) for one in found],
    }


def _after_ready(one: Resumed) -> float | None:
    if one.ready_at is None or one.silent_s is None:
        return None
    return one.lost_at + one.silent_s - one.ready_at


def counts(found: Sequence[Resumed]) -> dict[str, int]:
    """What summaries of times leave out."""
    return {
        "calls": len(found),
        "never heard again": sum(one.silent_s is None for one in found),
        "heard again within 3 s": sum(one.heard_s is not None and one.heard_s <= AIM_S for one in found),
        "with the same history in the same record": sum(one.same_history for one in found),
        "next question answered": sum(one.answered for one in found),
        "streams opened, at most": max((one.streams for one in found), default=0),
    }


def headline(found: Sequence[Resumed]) -> list[tuple[str, str, str]]:
    """For the README."""
    heard, slowest = sum(one.heard_s is not None for one in found), _slowest([one.heard_s for one in found])
    return [
        ("heard again after a kill or a lost line", f"{heard} of {len(found)}, {slowest}", f"{AIM_S:.0f} s"),
        ("after a kill, from /readyz on", _slowest([_after_ready(one) for one in found]), f"{AIM_S:.0f} s"),
        ("history kept", f"{sum(one.same_history for one in found)} of {len(found)}", "all"),
    ]


def _slowest(waits: Sequence[float | None]) -> str:
    known = [wait for wait in waits if wait is not None]
    return f"slowest {max(known):.1f} s" if known else "not measured"


def show(result: dict[str, Any]) -> None:
    show_times(result["figures"])
    print("\n".join(f"{name}: {value}" for name, value in result["counts"].items()))
