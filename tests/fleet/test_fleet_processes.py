"""Real gateways, each a process of its own, a database that they share, and callers of a simulated Twilio."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from client_caller.twin.carried import CarriedCall
from fleet import NAMES, Carried, Plan, hold, judged, replace_all
from fleet_stage import Gateways, fleet_of
from private_postgres import PrivatePostgres

pytestmark = pytest.mark.realtime


def carry(folder: Path, url: str, plan: Plan, seconds: float, callers: int = 4) -> list[Carried]:
    async def main() -> list[Carried]:
        async with fleet_of(NAMES, folder, url, calls_at_once=callers) as gateways:
            calls: Sequence[CarriedCall] = await hold(gateways, callers, seconds, plan)
        return await judged(gateways, calls, url)

    return asyncio.run(main())


def test_when_a_machine_is_gone_its_calls_go_on_elsewhere_and_all_others_notice_nothing(
    tmp_path: Path, postgres: PrivatePostgres
) -> None:
    async def kill_one(gateways: Gateways) -> None:
        await asyncio.sleep(4.0)
        await gateways.kill("south")

    carried = carry(tmp_path, postgres.empty_database(), kill_one, 13.0)
    moved = [call for call in carried if call.held_by[0] == "south"]
    assert moved
    assert all(len(call.held_by) == 2 and len(call.away_s) == 1 for call in moved)
    assert all(call.away_s == [] and len(call.held_by) == 1 for call in carried if call not in moved)
    assert [call.in_order for call in carried] == [True] * len(carried)
    assert [call.replays for call in carried] == [True] * len(carried), "the journal is one, wherever it was written"
    assert [call.outcome for call in carried] == ["talked"] * len(carried)


@pytest.mark.long
def test_every_gateway_may_be_replaced_while_callers_talk(tmp_path: Path, postgres: PrivatePostgres) -> None:
    carried = carry(tmp_path, postgres.empty_database(), replace_all, 60.0)
    assert all(call.in_order and call.replays and call.outcome == "talked" for call in carried)
    assert sum(len(call.away_s) for call in carried) >= len(carried)
