"""Calls that we place: who is called, when, how often, and that nobody is ever called twice for one order."""

import asyncio
import itertools
from pathlib import Path

import pytest

from client_caller.dialler import NotAllowedError
from client_caller.errors import CallRefused, CallUnsure, CarrierFailed, ConfigError
from client_caller.ledger.entries import Consent, Forbidden
from client_caller.ledger.ledger import open_ledger
from client_caller.line.control import DialOrder
from client_caller.line.protocol import CallBackWanted, Parties
from client_caller.office import Office
from client_caller.outbound.opening import MissingVariableError
from outbound_calls import ADA, BEN, NOON, OURS, VARS, AtOnce, CarrierInMemory, Operator
from virtual import run


async def placed(operator: Operator, to: str = ADA) -> str:
    """Order a call and let it be dialled; gives its order."""
    await operator.agree(to)
    operator.start()
    order = await operator.office.call(to, "appointment_reminder", VARS)
    await asyncio.sleep(0.1)
    return order


def test_an_order_is_dialled_once_and_closed_with_how_it_went(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        order = await placed(operator)
        ((_, dialled),) = operator.carrier.dialled
        assert (dialled.to, dialled.from_, dialled.id) == (ADA, OURS, order)
        operator.reach("CA1", "in-progress")
        await asyncio.sleep(5)
        assert (await operator.office.order(order) or {})["state"] == "in-progress"
        operator.finish("CA1", "talked")
        await asyncio.sleep(1)
        assert (await operator.office.order(order) or {})["outcome"] == "talked"
        await asyncio.sleep(600)
        assert len(operator.carrier.dialled) == 1
        await operator.stop()

    run(scene())


def test_the_agent_of_a_call_has_its_variables_filled_in(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        agent = operator.office.agent_of(await placed(operator))
        assert agent
        assert agent.outbound
        assert agent.outbound.reason.startswith("I am calling to remind Ada of the appointment on Tuesday.")
        assert operator.office.agent_of("no order of ours") is None
        await operator.stop()

    run(scene())


@pytest.mark.parametrize("case", ["no consent", "forbidden", "at night", "variable", "agent"])
def test_whoever_must_not_be_called_is_not_and_the_reason_is_told(tmp_path: Path, case: str) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        variables = {} if case == "variable" else VARS
        if case != "no consent":
            await operator.agree(ADA)
        if case == "forbidden":
            operator.ledger.note(Forbidden(ADA, NOON, "caller said so", "CA9"))
        if case == "at night":
            await asyncio.sleep(10 * 3_600)
        operator.start()
        with pytest.raises((NotAllowedError, MissingVariableError, ConfigError)) as refusal:
            await operator.office.call(ADA, "receptionist" if case == "agent" else "appointment_reminder", variables)
        expected = {"no consent": "consent", "forbidden": "must not be called", "at night": "21:00", "variable": "name"}
        assert expected.get(case, "cannot place calls") in str(refusal.value)
        await asyncio.sleep(60)
        assert operator.carrier.dialled == []
        await operator.stop()

    run(scene())


def test_who_opts_out_between_the_order_and_its_turn_is_not_dialled(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        await operator.agree(ADA)
        order = await operator.office.call(ADA, "appointment_reminder", VARS)
        operator.ledger.note(Forbidden(ADA, NOON, "caller said so", "CA9"))
        operator.start()
        await asyncio.sleep(1)
        assert operator.carrier.dialled == []
        assert (await operator.office.order(order) or {})["outcome"] == "canceled"
        await operator.stop()

    run(scene())


def test_calls_are_placed_no_faster_and_no_more_at_once_than_allowed(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path, calls_per_s=0.5, calls_at_once=3)
        numbers = [f"+1212555{number}" for number in range(1010, 1016)]
        await operator.agree(*numbers)
        operator.start()
        for number in numbers:
            await operator.office.call(number, "appointment_reminder", VARS)
        await asyncio.sleep(60)
        times = [at for at, _ in operator.carrier.dialled]
        assert len(times) == 3, "three are open"
        assert all(later - earlier >= 2.0 for earlier, later in itertools.pairwise(times))
        operator.finish("CA2")
        await asyncio.sleep(5)
        assert len(operator.carrier.dialled) == 4
        await operator.stop()

    run(scene())


def test_a_full_house_places_no_call(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        operator.room = False
        await placed(operator)
        await asyncio.sleep(30)
        assert operator.carrier.dialled == []
        operator.room = True
        await asyncio.sleep(6)
        assert len(operator.carrier.dialled) == 1
        await operator.stop()

    run(scene())


@pytest.mark.parametrize("exists", [True, False])
def test_a_call_that_may_have_been_placed_is_looked_for_and_never_placed_again(tmp_path: Path, exists: bool) -> None:
    async def scene() -> None:
        carrier = CarrierInMemory([CallUnsure("no answer within 10 s")], placed_anyway=exists)
        operator = Operator(tmp_path, carrier)
        order = await placed(operator)
        await asyncio.sleep(20)
        assert ((await operator.office.order(order) or {})["call"] == "CA1") is exists
        if exists:
            operator.finish("CA1")
        await asyncio.sleep(600)
        assert (await operator.office.order(order) or {})["outcome"] == ("talked" if exists else "failed")
        assert len(carrier.dialled) == 1
        await operator.stop()

    run(scene())


def test_a_refused_call_is_over_with_the_carriers_code(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path, CarrierInMemory([CallRefused("not a valid number", 21211)]))
        order = await placed(operator)
        assert (await operator.office.order(order) or {})["outcome"] == "refused: 21211"
        await operator.stop()

    run(scene())


def test_a_call_whose_news_are_lost_is_looked_up_and_closed(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        order = await placed(operator)
        call = operator.carrier.calls["CA1"]
        operator.carrier.calls["CA1"] = type(call)(call.call_id, call.to, call.from_, "no-answer", call.placed_at)
        await asyncio.sleep(120)
        assert (await operator.office.order(order) or {})["outcome"] == "no-answer"
        await operator.stop()

    run(scene())


def test_a_call_that_waits_at_the_carrier_for_long_is_called_off(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        await placed(operator)
        call = operator.carrier.calls["CA1"]
        operator.carrier.calls["CA1"] = type(call)(call.call_id, call.to, call.from_, "queued", call.placed_at)
        await asyncio.sleep(180)
        assert "CA1" in operator.carrier.hung_up
        await operator.stop()

    run(scene())


CSV = "number,name,day,consent_kind,consent_given_at,consent_source\n"


def rows(*numbers: str) -> str:
    return CSV + "".join(f"{number},Ada,Tuesday,informational,2026-05-01,form\n" for number in numbers)


def test_a_campaign_calls_everyone_once_and_retries_by_outcome(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        operator.start()
        campaign = await operator.office.start_campaign("june", rows(ADA, BEN), "appointment_reminder")
        await asyncio.sleep(10)
        assert sorted(order.to for _, order in operator.carrier.dialled) == [ADA, BEN]
        operator.finish("CA1", "talked")
        operator.reach("CA2", "busy")
        await asyncio.sleep(60)
        assert len(operator.carrier.dialled) == 2, "not yet"
        await asyncio.sleep(20 * 60)
        assert len(operator.carrier.dialled) == 3, "who was busy is called again after a quarter of an hour"
        assert operator.carrier.dialled[2][1].to == operator.carrier.dialled[1][1].to
        operator.finish("CA3", "talked")
        await asyncio.sleep(30)
        stands = await operator.office.campaign(campaign["campaign"])
        assert stands
        assert (stands["state"], stands["done"], stands["outcomes"]) == ("done", 2, {"talked": 2})
        await operator.stop()

    run(scene())


def test_the_same_file_again_calls_nobody_again(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        operator.start()
        await operator.office.start_campaign("june", rows(ADA), "appointment_reminder")
        await asyncio.sleep(5)
        operator.finish("CA1")
        await asyncio.sleep(5)
        await operator.office.start_campaign("june", rows(ADA), "appointment_reminder")
        await asyncio.sleep(3_600)
        assert len(operator.carrier.dialled) == 1
        with pytest.raises(ConfigError, match="another file"):
            await operator.office.start_campaign("june", rows(BEN), "appointment_reminder")
        await operator.stop()

    run(scene())


def test_who_is_on_the_list_is_done_before_the_first_call(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        await operator.office.forbid([ADA], None)
        operator.start()
        campaign = await operator.office.start_campaign("june", rows(ADA), "appointment_reminder")
        await asyncio.sleep(60)
        assert operator.carrier.dialled == []
        stands = await operator.office.campaign(campaign["campaign"])
        assert stands
        assert list(stands["outcomes"]) == ["never: on the list of those not to be called"]
        await operator.stop()

    run(scene())


def test_a_campaign_at_night_waits_for_the_morning_where_the_callee_is(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        await asyncio.sleep(10 * 3_600)  # ten in the evening in New York
        operator.start()
        await operator.office.start_campaign("june", rows(ADA), "appointment_reminder")
        await asyncio.sleep(9.9 * 3_600)
        assert operator.carrier.dialled == []
        await asyncio.sleep(0.2 * 3_600)
        assert len(operator.carrier.dialled) == 1
        await operator.stop()

    run(scene())


def test_every_mistake_of_a_file_is_told_at_once_and_nobody_is_called(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        operator.start()
        with pytest.raises(ConfigError) as wrong:
            await operator.office.start_campaign(
                "june", "number,name\n12,Ada\n+12125550104,\n", "appointment_reminder", "US"
            )
        assert "line 2" in str(wrong.value)
        with pytest.raises(ConfigError) as missing:
            await operator.office.start_campaign("july", f"number,name\n{ADA},Ada\n", "appointment_reminder")
        assert "line 2" in str(missing.value)
        assert "{day}" in str(missing.value)
        await asyncio.sleep(60)
        assert operator.carrier.dialled == []
        await operator.stop()

    run(scene())


def test_a_stopped_campaign_places_no_call_until_it_goes_on(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path, calls_at_once=1)
        operator.start()
        campaign = (await operator.office.start_campaign("june", rows(ADA, BEN), "appointment_reminder"))["campaign"]
        await asyncio.sleep(3)
        await operator.office.set_campaign(campaign, "stopped")
        operator.finish("CA1")
        await asyncio.sleep(600)
        assert len(operator.carrier.dialled) == 1
        await operator.office.set_campaign(campaign, "running")
        await asyncio.sleep(10)
        assert len(operator.carrier.dialled) == 2
        await operator.stop()

    run(scene())


@pytest.mark.parametrize("dies_after_s", [0.0, 0.05, 1.0, 3.0, 30.0])
def test_a_process_that_dies_in_a_campaign_leaves_one_that_calls_nobody_twice(
    tmp_path: Path, dies_after_s: float
) -> None:
    async def scene() -> None:
        carrier = CarrierInMemory()
        first = Operator(tmp_path, carrier)
        first.start()
        await first.office.start_campaign("june", rows(ADA, BEN), "appointment_reminder")
        await asyncio.sleep(dies_after_s)
        await first.stop()
        second = Operator(tmp_path, carrier)
        second.start()
        for _ in range(10):
            await asyncio.sleep(600)
            for call_id in list(carrier.calls):
                second.finish(call_id)
        await asyncio.sleep(60)
        assert sorted(order.to for _, order in carrier.dialled) == [ADA, BEN]
        assert [each["state"] for each in await second.office.campaigns()] == ["done"]
        await second.stop()

    run(scene())


def test_a_process_that_dies_while_the_carrier_is_asked_leaves_an_order_that_is_looked_up(tmp_path: Path) -> None:
    async def scene() -> None:
        carrier = CarrierInMemory()
        first = Operator(tmp_path, carrier)
        await first.agree(ADA)
        order = await first.office.call(ADA, "appointment_reminder", VARS)
        ready = first.dialler.open[order].order
        await carrier.dial(DialOrder(ready.id, ready.to, ready.from_))  # and nobody wrote down that it was
        await first.stop()
        second = Operator(tmp_path, carrier)
        second.start()
        await asyncio.sleep(30)
        assert (await second.office.order(order) or {})["call"] == "CA1"
        second.finish("CA1")
        await asyncio.sleep(30)
        assert (await second.office.order(order) or {})["outcome"] == "talked"
        assert len(carrier.dialled) == 1
        await second.stop()

    run(scene())


def test_a_promised_call_back_is_made_once_there_is_room(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        operator.room = False
        operator.start()
        operator.office.hear_of(CallBackWanted("CA77", Parties(ADA, OURS)))
        await asyncio.sleep(60)
        operator.room = True
        await asyncio.sleep(10)
        assert [order.to for _, order in operator.carrier.dialled] == []  # this agent's reason needs a name and a day
        await operator.stop()
        ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db", None, AtOnce())
        assert [campaign.name for campaign in await ledger.campaigns()] == ["call back CA77"]
        assert (await ledger.standing(ADA)).consents[0].kind == "call back"
        await ledger.close()

    run(scene())


def test_the_law_of_consent_counts_what_was_revoked_as_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        await operator.ledger.add_consents([Consent(ADA, "informational", NOON, "form", "yes")])
        await operator.ledger.revoke_consent(ADA, NOON, "letter")
        with pytest.raises(NotAllowedError, match="revoked"):
            await operator.office.call(ADA, "appointment_reminder", VARS)
        await operator.stop()

    run(scene())


def test_the_carrier_is_asked_to_record_from_when_a_call_may_be_and_no_call_suffers_when_it_will_not(
    tmp_path: Path,
) -> None:
    class Recorder(CarrierInMemory):
        async def record(self, call_id: str) -> None:
            asked.append(call_id)
            raise CarrierFailed("no recordings today")

    asked: list[str] = []

    async def scene() -> None:
        operator = Operator(tmp_path, Recorder())
        order = await placed(operator)
        operator.office.may_be_recorded("CA1")
        await asyncio.sleep(1)
        assert asked == ["CA1"]
        operator.finish("CA1")
        await asyncio.sleep(1)
        assert (await operator.office.order(order) or {})["outcome"] == "talked"
        await operator.stop()

    run(scene())


def test_without_a_number_to_call_from_nobody_is_called_and_the_setting_is_named(tmp_path: Path) -> None:
    async def scene() -> None:
        operator = Operator(tmp_path)
        office = Office(operator.dialler, "", operator.tell, "appointment_reminder")
        for asked in (
            office.call(ADA, "appointment_reminder", VARS),
            office.start_campaign("june", rows(ADA), "appointment_reminder"),
        ):
            with pytest.raises(ConfigError, match="OUTBOUND__FROM_NUMBER"):
                await asked
        await operator.stop()

    run(scene())
