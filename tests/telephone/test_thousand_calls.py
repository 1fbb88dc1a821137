"""Hundreds of people in one campaign. Some here; a thousand in bench/campaign.py."""

import itertools
from collections import Counter
from pathlib import Path

import pytest

from telephone.crowd import NO_RETRIES, Crowd
from telephone.outbound_world import csv, most_at_once, outbound, placed_at
from virtual import run

CALLS = 40
PER_S, AT_ONCE = 20.0, 15


@pytest.mark.long
def test_everyone_in_a_crowd_is_called_once_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    """That no task, line or order is left, the world itself sees to; here: no handle, and no call that nobody knows."""
    crowd = Crowd(CALLS)

    async def scene() -> None:
        pace = {"calls_per_s": PER_S, "calls_at_once": AT_ONCE}
        async with outbound(tmp_path, crowd, law=NO_RETRIES, keeps_sound=False, **pace) as world:
            outcomes = await world.done(await world.campaign(csv(crowd.numbers)))
            assert outcomes == crowd.outcomes
            calls = world.twin.calls
            assert Counter(call.to for call in calls) == dict.fromkeys(crowd.numbers, 1)
            assert most_at_once(calls) == AT_ONCE
            assert all(b - a >= 1 / PER_S - 1e-6 for a, b in itertools.pairwise(placed_at(calls)))
            assert {kept.call_id for kept in await world.ledger.calls(CALLS + 1)} == {each.call_sid for each in calls}
            assert await world.ledger.open_orders() == []

    before = handles()
    run(scene())
    assert handles() == before


def handles() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
