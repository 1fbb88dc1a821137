"""Three gateways on one machine: calls spread over them, one is killed, all are replaced, and no caller is lost.

    .venv/bin/python bench/fleet.py [--calls 12] [--database postgresql+psycopg://…] [--out bench/results/fleet.json]

In:   gateway processes whose engines are fakes, a database that they share, callers of a simulated Twilio.
Out:  one table, one JSON: who held which call, how long a caller heard nothing, whether each ended in order.
Rule: what is measured is the fleet: webhooks through a balancer that knows nothing, media straight to a gateway. The
      silence is the caller's: from the last sound of a lost stream's agent to the first of the next, when one was due.
"""

import argparse
import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from client_caller.conversation.events import HungUp, LineLost, LineResumed
from client_caller.conversation.machine import Conversation
from client_caller.conversation.policy import Manner
from client_caller.ledger.ledger import open_ledger
from client_caller.records.flight import EventEntry, read_record
from client_caller.records.replay import replay
from client_caller.rehearsal.figures import percentile
from client_caller.rehearsal.stage import ACCOUNT_SID
from client_caller.twin.account import Twin
from client_caller.twin.carried import CarriedCall
from client_caller.twin.numbers import Number
from client_caller.twin.people import Person
from common import keep, origin
from fleet_stage import PUBLIC, Balanced, Gateways, fleet_of
from wire_caller import OURS, NumberedCaller, Schedule

NAMES: Final = ["north", "south", "west"]
_APART_S: Final = 0.15
"""Seconds between two calls: more come within one beat of the gateways than they tell each other of."""

Plan = Callable[[Gateways], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Carried:
    """One call. held_by: the gateways that it was on, in order;  away_s: how long it had no stream, each time."""

    call_id: str
    held_by: list[str]
    away_s: list[float]
    in_order: bool
    replays: bool
    outcome: str


async def hold(gateways: Gateways, count: int, seconds: float, plan: Plan) -> list[CarriedCall]:
    """So many callers call, one after the other, while the plan is carried out; to the end of the last call."""
    network = Balanced(gateways)
    numbers = [
        Number(
            OURS, f"{PUBLIC}/twilio/voice", f"{PUBLIC}/twilio/status", voice_fallback_url=f"{PUBLIC}/twilio/fallback"
        )
    ]
    async with Twin(ACCOUNT_SID, gateways.auth_token, network, numbers=numbers, voice=None) as twin:
        for _ in range(count):
            caller = NumberedCaller(seconds, Schedule())
            twin.begin_call_in(Person(next_frame=caller.next_frame), OURS)
            await asyncio.sleep(_APART_S)
        await plan(gateways)
        await twin.quiet()
        calls = twin.calls
    await asyncio.sleep(2.0)  # what was noted last is in the database
    return calls


async def judged(gateways: Gateways, calls: Sequence[CarriedCall], database: str) -> list[Carried]:
    """How each call fared, by what its gateways wrote down and by what the ledger keeps."""
    ledger = open_ledger(database, gateways.folder / "spill.jsonl")
    try:
        return [await _judge(gateways, call, (await ledger.call(call.call_sid))) for call in calls]
    finally:
        await ledger.close()


async def _judge(gateways: Gateways, call: CarriedCall, kept: Any) -> Carried:
    found = {name: list(gateways.records(name).glob(f"*-{call.call_sid}/record.jsonl")) for name in NAMES}
    records = {name: paths[0] for name, paths in found.items() if paths}
    whole = max(records, key=lambda name: records[name].stat().st_size)  # who held it last wrote all of it
    events = [entry for entry in read_record(records[whole])[1] if isinstance(entry, EventEntry)]
    away, lost_at = list[float](), 0.0
    for entry in events:
        if isinstance(entry.event, LineLost):
            lost_at = entry.t
        elif isinstance(entry.event, LineResumed):
            away.append(entry.t - lost_at)
    order = sorted(records, key=lambda name: records[name].stat().st_size)
    ended = bool(events) and isinstance(events[-1].event, HungUp)
    return Carried(
        call.call_sid,
        order,
        [round(each, 2) for each in away],
        ended and call.hung_up_by == "person",
        replay(records[whole], _heart).difference is None,
        kept.outcome if kept else "",
    )


def _heart(manner: dict[str, Any]) -> Conversation:
    return Conversation(msgspec.convert(manner, Manner))


def told(calls: Sequence[Carried]) -> dict[str, Any]:
    """All calls together."""
    away = [each for call in calls for each in call.away_s]
    return {
        "calls": len(calls),
        "first_held_by": dict(Counter(call.held_by[0] for call in calls)),
        "went_on_elsewhere": sum(len(call.held_by) > 1 for call in calls),
        "resumed": len(away),
        "away_p50_s": percentile(away, 0.5),
        "away_max_s": max(away, default=0.0),
        "in_order": sum(call.in_order for call in calls),
        "replay": sum(call.replays for call in calls),
        "outcomes": dict(Counter(call.outcome for call in calls)),
    }


async def only_talk(gateways: Gateways) -> None:
    """Nothing happens."""


async def kill_one(gateways: Gateways) -> None:
    """One machine is gone from one moment to the next, and nobody was told."""
    await asyncio.sleep(8.0)
    await gateways.kill(NAMES[1])


async def replace_all(gateways: Gateways) -> None:
    """Every gateway is stopped and started anew, one after the other, as for a new version."""
    await asyncio.sleep(5.0)
    for name in NAMES:
        await gateways.drain(name)
        await gateways.start(name)


SCENES: Final[dict[str, tuple[Plan, float]]] = {
    "spread": (only_talk, 15.0),
    "one killed": (kill_one, 30.0),
    "all replaced": (replace_all, 45.0),
}
"""What happens, and how long each caller talks, in seconds."""


async def measure(scenes: Sequence[str], count: int, folder: Path, database: str) -> dict[str, Any]:
    """Each scene with gateways of its own."""
    rows: dict[str, Any] = {}
    for scene in scenes:
        plan, seconds = SCENES[scene]
        here = folder / scene.replace(" ", "-")
        here.mkdir(parents=True)
        url = database or f"sqlite:///{here / 'ledger.db'}"
        async with fleet_of(NAMES, here, url, calls_at_once=count) as gateways:
            calls = await hold(gateways, count, seconds, plan)
        carried = await judged(gateways, calls, url)
        rows[scene] = {**told(carried), "each": [asdict(call) for call in carried]}
        print(f"{scene:>14}: " + ", ".join(f"{name} {value}" for name, value in rows[scene].items() if name != "each"))
    return rows


async def main(count: int, database: str, out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = await measure(list(SCENES), count, Path(folder), database)
    kind = "PostgreSQL" if database else "SQLite"
    keep({**origin("three gateways that share calls"), "database": kind, "scenes": rows}, out)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--calls", type=int, default=12, help="callers in each scene")
    arguments.add_argument("--database", default="", help="of PostgreSQL, empty; without it SQLite is shared")
    arguments.add_argument("--out", type=Path, default=Path("bench/results/fleet.json"))
    given = arguments.parse_args()
    asyncio.run(main(given.calls, given.database, given.out))
