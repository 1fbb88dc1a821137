"""Calls through the webhooks of any gateway of a cluster, and how each fared, by its caller and by what was written.

In:   machines; when callers call; what happens meanwhile.     Out: one `Fared` for each call.
Rule: a caller is believed before a record: whether somebody answered is what was to be heard on the line.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from client_caller.audio.mulaw import decode
from client_caller.conversation.events import EngineFailed, HungUp, LineLost, LineResumed, Transcript
from client_caller.conversation.machine import Conversation
from client_caller.conversation.policy import Manner
from client_caller.demo import render_with_espeak
from client_caller.ledger.ledger import open_ledger
from client_caller.records.flight import Entry, EventEntry, read_record
from client_caller.records.replay import replay
from client_caller.rehearsal.cast import QUESTIONS, spoken
from client_caller.rehearsal.ear import audible
from client_caller.rehearsal.figures import percentile
from client_caller.rehearsal.stage import ACCOUNT_SID
from client_caller.twin.account import Twin
from client_caller.twin.carried import CarriedCall
from client_caller.twin.numbers import Number
from client_caller.twin.people import Person
from cluster_stage import PUBLIC, Machines
from fleet_stage import Balanced
from flow_caller import Cue, Ending, FlowCaller
from flow_judging import first_audible
from flow_resume import keeps_history
from flow_sounds import trimmed
from wire_caller import OURS

_ASKED: Final = (8, 3, 6, 4)
"""Of the questions of the cast: what is asked, in this order."""

_ON_THE_WAY_S: Final = 0.5
"""Of a machine that was killed, sound may still be on its way to the caller."""

Plan = Callable[[float], Awaitable[None]]
"""What happens meanwhile; told the loop time at which the first caller called."""


@dataclass(frozen=True, slots=True)
class Fared:
    """One call. Durations in seconds.

    held_by: gateways, in order;  asked, answered: questions of the caller's, and those after which the agent was heard;
    slowest_s: from a question to that;  silent_s: after the trouble, until the agent was heard again, None when it
    concerned another;  same_history: what was said before a loss was known to the reply after it, None without either;
    in_order: the caller hung up, and nobody else;  told_of_end: so says the record;  outcome: so says the ledger;
    transcripts: in which the ears found words;  engine_failures: answers that were not there in time, for which the
    caller heard an excuse;  refused: webhooks that were not answered at first, by kind and status.
    """

    call_id: str
    held_by: tuple[str, ...]
    asked: int
    answered: int
    slowest_s: float | None
    silent_s: float | None
    streams: int
    losses: int
    resumptions: int
    same_history: bool | None
    replays: bool
    in_order: bool
    outcome: str
    told_of_end: bool
    transcripts: int
    engine_failures: int
    refused: dict[str, int]


async def cues(questions: int) -> list[Cue]:
    """So many questions, each when the agent has answered the one before; the same ones over and over."""
    said = [
        trimmed(await spoken(QUESTIONS[_ASKED[number % len(_ASKED)]], render_with_espeak))
        for number in range(questions)
    ]
    return [Cue(clip, audible_s=0.6, quiet_s=1.5) for clip in said]


async def hold(
    machines: Machines, at_s: Sequence[float], asking: Sequence[Cue], plan: Plan
) -> list[tuple[CarriedCall, FlowCaller]]:
    """A caller at each of these seconds, while the plan is carried out; to the end of the last call."""
    public = f"{PUBLIC}/twilio"
    numbers = [Number(OURS, f"{public}/voice", f"{public}/status", voice_fallback_url=f"{public}/fallback")]
    held = list[tuple[CarriedCall, FlowCaller]]()
    async with Twin(ACCOUNT_SID, machines.auth_token, Balanced(machines), numbers=numbers, voice=None) as twin:
        began_at = asyncio.get_running_loop().time()
        doing = asyncio.create_task(plan(began_at))
        for at in at_s:
            await asyncio.sleep(max(0.0, began_at + at - asyncio.get_running_loop().time()))
            caller = FlowCaller(asking, ending=Ending(audible_s=2.0, quiet_s=20.0, within_s=20.0, patience_s=40.0))
            held.append((twin.begin_call_in(Person(next_frame=caller.next_frame), OURS).record, caller))
        await doing
        await twin.quiet()
    await asyncio.sleep(3.0)  # what was noted last is in the database
    return held


async def judged(
    machines: Machines,
    held: Sequence[tuple[CarriedCall, FlowCaller]],
    trouble_at: float | None = None,
    victim: str = "",
) -> list[Fared]:
    """How each call fared. trouble_at: loop time at which a gateway, the victim, was lost."""
    ledger = open_ledger(machines.database, machines.folder / "spill.jsonl")
    try:
        fared = []
        for call, caller in held:
            kept = await ledger.call(call.call_sid)
            fared.append(_judge(machines.folder, call, caller, kept.outcome if kept else "", trouble_at, victim))
        return fared
    finally:
        await ledger.close()


def _judge(
    folder: Path, call: CarriedCall, caller: FlowCaller, outcome: str, trouble_at: float | None, victim: str
) -> Fared:
    found = sorted(folder.glob(f"records/*/*-{call.call_sid}/record.jsonl"), key=lambda path: path.stat().st_size)
    entries: list[Entry] = read_record(found[-1])[1] if found else []  # who held it last wrote all of it
    events = [entry.event for entry in entries if isinstance(entry, EventEntry)]
    agent = audible(decode(bytes(call.played)))
    end = len(agent) / 100
    waits = []
    for number, made in enumerate(caller.made):
        until = caller.made[number + 1].starts_at if number + 1 < len(caller.made) else end
        heard = first_audible(agent, made.ends_at, until)
        waits.append(None if heard is None else heard - made.ends_at)
    names = tuple(path.parents[1].name for path in found)
    silent_s = None
    if trouble_at is not None and call.began_at is not None and victim in names:
        lost_at = trouble_at - call.began_at
        again = first_audible(agent, lost_at + _ON_THE_WAY_S, end)
        silent_s = None if again is None else round(again - lost_at, 2)
    known = [wait for wait in waits if wait is not None]
    resumed = sum(isinstance(event, LineResumed) for event in events)
    return Fared(
        call.call_sid,
        names,
        len(waits),
        len(known),
        round(max(known), 2) if known else None,
        silent_s,
        call.streams,
        sum(isinstance(event, LineLost) for event in events),
        resumed,
        keeps_history(entries) if resumed and _has_reply_after(entries) else None,
        bool(found) and replay(found[-1], _heart).difference is None,
        call.hung_up_by == "person",
        outcome,
        any(isinstance(event, HungUp) for event in events[-5:]),
        sum(isinstance(event, Transcript) and bool(event.text) for event in events),
        sum(isinstance(event, EngineFailed) for event in events),
        dict(Counter(f"{each.kind} {each.status}" for each in call.webhooks if not 200 <= each.status < 300)),
    )


def _has_reply_after(entries: Sequence[Entry]) -> bool:
    names = [type(getattr(entry, "event", getattr(entry, "action", None))).__name__ for entry in entries]
    return "StartReply" in names[names.index("LineResumed") :]


def _heart(manner: dict[str, Any]) -> Conversation:
    return Conversation(msgspec.convert(manner, Manner))


def told(calls: Sequence[Fared]) -> dict[str, Any]:
    """All calls of a scene together, and each."""
    silent = [call.silent_s for call in calls if call.silent_s is not None]
    return {
        "calls": len(calls),
        "in_order": sum(call.in_order for call in calls),
        "told_of_end": sum(call.told_of_end for call in calls),
        "first_held_by": dict(Counter(call.held_by[0] if call.held_by else "nobody" for call in calls)),
        "went_on_elsewhere": sum(len(call.held_by) > 1 for call in calls),
        "resumed": sum(call.resumptions for call in calls),
        "silent_p50_s": percentile(silent, 0.5),
        "silent_max_s": max(silent, default=None),
        "replied_after_it": sum(call.same_history is not None for call in calls),
        "same_history": sum(call.same_history is True for call in calls),
        "replay": sum(call.replays for call in calls),
        "asked": sum(call.asked for call in calls),
        "answered": sum(call.answered for call in calls),
        "engine_failures": sum(call.engine_failures for call in calls),
        "refused_webhooks": sum(sum(call.refused.values()) for call in calls),
        "outcomes": dict(Counter(call.outcome for call in calls)),
        "each": [asdict(call) for call in calls],
    }
