"""Of several processes that share a ledger one places calls, and nobody is called twice when that becomes another."""

import asyncio
from pathlib import Path

import pytest

from outbound_calls import ADA, BEN, VARS, CarrierInMemory, Operator
from virtual import run


def rows(*numbers: str) -> str:
    return "number,name,day,time\n" + "".join(f"{number},Ada,Tuesday,nine\n" for number in numbers)


def test_off_duty_nothing_is_dialled_and_on_duty_it_is_known_what_is_open(tmp_path: Path) -> None:
    async def scene() -> None:
        on_duty = False
        operator = Operator(tmp_path, on_duty=lambda: on_duty)
        await operator.agree(ADA)
        operator.start()
        order = await operator.office.call(ADA, "appointment_reminder", VARS)
        await asyncio.sleep(60)
        assert operator.carrier.dialled == []
        assert not operator.office.has_orders.is_set()
        assert operator.office.agent_of(order) is None
        on_duty = True
        await asyncio.sleep(1.5)
        assert operator.office.has_orders.is_set()
        assert operator.office.agent_of(order) is not None, "whose call it is, should it come in now"
        await operator.stop()

    run(scene())


@pytest.mark.parametrize("changes_after_s", [0.05, 3.0, 700.0])
def test_a_campaign_goes_on_elsewhere_when_the_duty_does(tmp_path: Path, changes_after_s: float) -> None:
    async def scene() -> None:
        on_duty, carrier = "first", CarrierInMemory()
        first = Operator(tmp_path, carrier, on_duty=lambda: on_duty == "first")
        second = Operator(tmp_path, carrier, on_duty=lambda: on_duty == "second")
        await first.agree(ADA, BEN)
        first.start()
        second.start()
        await first.office.start_campaign("june", rows(ADA, BEN), "appointment_reminder")
        await asyncio.sleep(changes_after_s)
        on_duty = "second"
        for _ in range(4):
            await asyncio.sleep(300)
            for call_id in list(carrier.calls):
                second.finish(call_id)
        await asyncio.sleep(60)
        assert sorted(order.to for _, order in carrier.dialled) == [ADA, BEN]
        assert [each["state"] for each in await second.office.campaigns()] == ["done"]
        await first.stop()
        await second.stop()

    run(scene())
