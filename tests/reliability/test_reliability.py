"""Whatever fails, the caller is not hung up on, not left in silence, and told the truth."""

import asyncio
import random
from itertools import pairwise
from pathlib import Path

import pytest
from fault_calls import FAULTS, Unwell, later, longest_silence_s, played, unwell_engines
from line_calls import LINE_FAULTS, lost_and_found
from matrix import DOCUMENT, TABLES, tables_in
from tool_calls import TOOL_FAULTS, tool_played

from calls import AGENT, REPLY, Caller, HeldCall, hold
from client_caller.conversation.actions import HangUp
from client_caller.faults import Fault, Kind, Plan, scheduled
from virtual import run

SILENCE_S = 1.5
"""The longest that the caller may be left in silence while the agent has the floor."""

CALLS, FAULTS_A_CALL = 50, 10
LAST_AT_S = 19.2
"""When the last question of such a call is asked."""


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_of_an_engine_ends_the_call_or_leaves_the_caller_in_silence(name: str) -> None:
    held, outcome = played(name)
    assert held.ended_by_caller
    assert outcome.silence_s <= SILENCE_S
    assert outcome.first_s is not None, "the caller always hears something"
    assert outcome.first_s <= 4.0


@pytest.mark.parametrize("name", TOOL_FAULTS)
def test_no_fault_of_a_tool_ends_the_call_or_leaves_the_caller_in_silence(name: str) -> None:
    held, outcome = tool_played(name)
    assert held.ended_by_caller
    assert outcome.silence_s <= SILENCE_S
    assert outcome.first_s is not None
    assert outcome.first_s <= SILENCE_S, "as soon as without a tool, or bridged"


@pytest.mark.parametrize("name", LINE_FAULTS)
def test_a_lost_line_is_gone_on_with_as_soon_as_there_is_another(name: str) -> None:
    outcome = lost_and_found(name)
    assert outcome.first_s < 0.1
    assert outcome.heard.startswith(AGENT.phrases.dropped)


def test_the_document_says_what_the_calls_did() -> None:
    told = tables_in(DOCUMENT.read_text(encoding="utf-8"))
    assert told == {name: made() for name, made in TABLES.items()}, "python tests/reliability/matrix.py writes it anew"


def unwell_at_random(chance: random.Random) -> list[Unwell]:
    """Ten faults among the first jobs of all engines; at the last question all are well again."""
    kinds = (Kind.CRASH, Kind.HANG, Kind.NOTHING, Kind.BUSY, Kind.BROKEN, Kind.LATE, Kind.LOST)
    jobs: dict[str, list[Fault | None]] = {
        "transcriber": [None] * 2,
        "turn model": [None] * 2,
        "language model": [None] * 4,
        "voice": [None] * 5,
    }
    places = [(engine, job) for engine, plan in jobs.items() for job in range(len(plan))]
    for engine, job in chance.sample(places, FAULTS_A_CALL):
        after = chance.randrange(4) if engine in ("language model", "voice") else 0
        jobs[engine][job] = Fault(chance.choice(kinds), chance.uniform(0.5, 4.0), after)
    plans = {engine: _for_a_while(scheduled(plan)) for engine, plan in jobs.items()}
    plans["voice"] = later(plans["voice"])
    return [Unwell(engine, plan, has_second=chance.random() < 0.3) for engine, plan in plans.items()]


def _for_a_while(plan: Plan) -> Plan:
    """The same, until the last question."""
    loop = asyncio.get_running_loop()
    well_at = loop.time() + LAST_AT_S - 4.0  # the longest fault
    return lambda job: plan(job) if loop.time() < well_at else None


async def questions_until_all_is_well(caller: Caller) -> None:
    """Ask, and ask again over whatever is being said."""
    await caller.wait(1.2)
    for _ in range(4):
        await caller.say(0.6)
        await caller.wait(5.4)


@pytest.mark.parametrize("first", range(0, CALLS, 10))
def test_five_hundred_faults_end_no_call(first: int, tmp_path: Path) -> None:
    async def main() -> list[HeldCall]:
        calls: list[HeldCall] = []
        for seed in range(first, first + 10):
            ill = await unwell_engines(unwell_at_random(random.Random(seed)))
            calls.append(await hold(questions_until_all_is_well, tmp_path / str(seed), ill))
        return calls

    for seed, held in enumerate(run(main()), start=first):
        assert held.ended_by_caller, seed
        assert held.did(HangUp) == [], seed
        assert longest_silence_s(held) <= SILENCE_S, seed
        assert held.said_by("agent")[-1].endswith(REPLY), f"{seed}: after the faults all is well"
        speakers = [turn.speaker for turn in held.remembered]
        assert all(one != other or one == "agent" for one, other in pairwise(speakers)), seed
