"""Campaigns on a simulated carrier: everyone is called as often as the law allows, no faster than allowed, once."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from client_caller.twin.carried import CarriedCall
from client_caller.twin.faults import Faults, RestFault
from client_caller.twin.people import Person
from telephone.outbound_world import (
    STOP,
    YES,
    csv,
    human,
    most_at_once,
    number,
    outbound,
    placed_at,
    states,
    voicemail,
)
from telephone.world import hear_out, person, say, wait
from virtual import run

HOUR_S = 3_600.0
LATE_S = 35.0
"""Contacts that wait for their time are looked at every half a minute."""


def talker() -> Person:
    return human(YES)


def gaps_s(calls: list[CarriedCall]) -> list[float]:
    """From the end of each call to the order of the next."""
    return [later.states[0].at - earlier.states[-1].at for earlier, later in itertools.pairwise(calls)]


KINDS = {
    "talks": range(1_000, 1_028),
    "voicemail": range(1_028, 1_036),
    "busy at first": range(1_036, 1_040),
    "absent at first": range(1_040, 1_043),
    "wants no calls": range(1_043, 1_045),
    "no such number": range(1_045, 1_047),
    "always busy": range(1_047, 1_048),
    "on the list": range(1_048, 1_049),
    "has not agreed": range(1_049, 1_050),
}
"""Fifty contacts."""


def fifty() -> dict[str, Person | list[Person]]:
    """Who answers at their numbers."""
    answers: dict[str, Callable[[], Person | list[Person]]] = {
        "voicemail": voicemail,
        "busy at first": lambda: [Person(outcome="busy"), talker()],
        "absent at first": lambda: [Person(outcome="no-answer"), talker()],
        "wants no calls": lambda: human(STOP),
        "no such number": lambda: Person(outcome="failed", ring_s=0.5),
        "always busy": lambda: Person(outcome="busy"),
    }
    return {number(index): answers.get(kind, talker)() for kind, indices in KINDS.items() for index in indices}


@pytest.mark.long
def test_fifty_contacts_end_as_they_must_and_are_called_again_when_they_must(tmp_path: Path) -> None:
    async def scene() -> None:
        law = "[caps]\nper_day = 4\n"  # as many as there are attempts at who is always busy
        async with outbound(tmp_path, fifty(), law=law, calls_per_s=5.0, calls_at_once=10) as world:
            await world.office.forbid([number(1_048)], None)
            text = csv(map(number, range(1_000, 1_049))) + f"{number(1_049)},Ada,Tuesday,,,\n"
            outcomes = await world.done(await world.campaign(text))
            never = {outcome: count for outcome, count in outcomes.items() if outcome.startswith("never: ")}
            assert sorted(never.values()) == [1, 1]
            assert any("consent" in why for why in never)
            assert {outcome: count for outcome, count in outcomes.items() if outcome not in never} == {
                "talked": 28 + 4 + 3,
                "voicemail left": 8,
                "opted out": 2,
                "failed": 2,
                "busy": 1,
            }
            calls = {kind: [world.calls_to(number(index)) for index in indices] for kind, indices in KINDS.items()}
            waits_h = {"busy at first": [0.25], "absent at first": [4.0], "no such number": [1.0, 4.0]}
            waits_h["always busy"] = [0.25, 1.0, 4.0]
            assert [*calls.pop("on the list"), *calls.pop("has not agreed")] == [[], []]
            for kind, of_kind in calls.items():
                for gaps in map(gaps_s, of_kind):
                    late = [gap - hours * HOUR_S for gap, hours in zip(gaps, waits_h.get(kind, []), strict=True)]
                    assert all(0.0 <= late_s < LATE_S for late_s in late), kind
            assert {each["number"] for each in await world.office.forbidden()} == {
                number(1_043),
                number(1_044),
                number(1_048),
            }

    run(scene())


@pytest.mark.parametrize(("per_s", "at_once"), [(1.0, 4), (4.0, 3), (0.2, 50)])
def test_calls_are_placed_no_faster_and_no_more_at_once_than_allowed(
    tmp_path: Path, per_s: float, at_once: int
) -> None:
    async def scene() -> None:
        people = {number(index): human(YES, ring_s=1.0 + index % 4) for index in range(1_000, 1_012)}
        async with outbound(tmp_path, people, calls_per_s=per_s, calls_at_once=at_once) as world:
            assert await world.done(await world.campaign(csv(people))) == {"talked": 12}
            times = placed_at(world.twin.calls)
            assert len(times) == 12
            assert all(later - earlier >= 1 / per_s - 1e-6 for earlier, later in itertools.pairwise(times))
            assert most_at_once(world.twin.calls) <= at_once
            if at_once < 50:
                assert most_at_once(world.twin.calls) == at_once, "what is allowed is used"

    run(scene())


def test_as_many_calls_are_placed_as_are_allowed_without_waiting_for_news(tmp_path: Path) -> None:
    async def scene() -> None:
        people = {number(index): human(YES, ring_s=10.0) for index in range(1_000, 1_012)}
        async with outbound(tmp_path, people, calls_per_s=10.0, calls_at_once=20) as world:
            assert await world.done(await world.campaign(csv(people))) == {"talked": 12}
            times = placed_at(world.twin.calls)
            assert all(later - earlier < 0.15 for earlier, later in itertools.pairwise(times))

    run(scene())


def test_campaigns_take_turns(tmp_path: Path) -> None:
    async def scene() -> None:
        june = [number(index) for index in range(1_000, 1_003)]
        july = [number(index) for index in range(1_003, 1_006)]
        people = {each: talker() for each in (*june, *july)}
        async with outbound(tmp_path, people, calls_at_once=1) as world:
            both = [await world.campaign(csv(june), "june"), await world.campaign(csv(july), "july")]
            assert [await world.done(each) for each in both] == [{"talked": 3}, {"talked": 3}]
            turns = [call.to in june for call in world.twin.calls]
            assert turns in ([True, False] * 3, [False, True] * 3)

    run(scene())


def test_a_campaign_has_a_limit_of_its_own(tmp_path: Path) -> None:
    async def scene() -> None:
        people = {number(index): talker() for index in range(1_000, 1_006)}
        async with outbound(tmp_path, people, calls_per_s=10.0, calls_at_once=10) as world:
            assert await world.done(await world.campaign(csv(people), max_at_once=2)) == {"talked": 6}
            assert most_at_once(world.twin.calls) == 2

    run(scene())


def test_who_is_in_two_campaigns_is_called_by_both_with_the_rest_that_the_law_asks_for(tmp_path: Path) -> None:
    async def scene() -> None:
        both = [number(1_000), number(1_001)]
        people = {number(index): [talker(), talker()] for index in range(1_000, 1_004)}
        async with outbound(tmp_path, people, calls_per_s=10.0, calls_at_once=10) as world:
            june = await world.campaign(csv([*both, number(1_002)]), "june")
            july = await world.campaign(csv([*both, number(1_003)]), "july")
            assert await world.done(june) == await world.done(july) == {"talked": 3}
            assert Counter(call.to for call in world.twin.calls) == {
                **dict.fromkeys(both, 2),
                number(1_002): 1,
                number(1_003): 1,
            }
            for each in both:
                first, second = world.calls_to(each)
                assert second.states[0].at - first.states[0].at >= 0.25 * HOUR_S

    run(scene())


def test_who_wants_no_calls_is_not_called_by_the_next_campaign(tmp_path: Path) -> None:
    async def scene() -> None:
        async with outbound(tmp_path, {number(1_000): human(STOP), number(1_001): [talker(), talker()]}) as world:
            text = csv([number(1_000), number(1_001)])
            assert await world.done(await world.campaign(text, "june")) == {"opted out": 1, "talked": 1}
            outcomes = await world.done(await world.campaign(text, "july"))
            assert outcomes == {"never: on the list of those not to be called": 1, "talked": 1}
            assert len(world.calls_to(number(1_000))) == 1

    run(scene())


def test_a_stopped_campaign_lets_its_calls_end_and_places_no_other_until_it_goes_on(tmp_path: Path) -> None:
    async def scene() -> None:
        people = {number(index): talker() for index in range(1_000, 1_006)}
        async with outbound(tmp_path, people, calls_at_once=2) as world:
            campaign = await world.campaign(csv(people))
            await world.until_told("in-progress", 0)
            await world.office.set_campaign(campaign, "stopped")
            await asyncio.sleep(HOUR_S)
            begun = len(world.twin.calls)
            assert 1 <= begun < 6
            assert {call.hung_up_by for call in world.twin.calls} == {"person"}
            assert (await world.progress(campaign))["outcomes"] == {"talked": begun}
            await world.office.set_campaign(campaign, "running")
            assert await world.done(campaign) == {"talked": 6}
            assert len(world.twin.calls) == 6

    run(scene())


def test_a_campaign_pauses_outside_of_calling_hours(tmp_path: Path) -> None:
    """A rest from one to ten minutes past noon, which is when the campaign begins."""
    law = "calling_hours = [{start = 08:00:00, end = 12:01:00}, {start = 12:10:00, end = 21:00:00}]\n"

    async def scene() -> None:
        people = {number(index): talker() for index in range(1_000, 1_010)}
        async with outbound(tmp_path, people, law=law, calls_per_s=0.1, calls_at_once=1) as world:
            assert await world.done(await world.campaign(csv(people))) == {"talked": 10}
            times = placed_at(world.twin.calls)
            assert len(times) == 10
            before, later = [at for at in times if at < 60.0], [at for at in times if at >= 60.0]
            assert 2 <= len(before) < 8
            assert 600.0 <= later[0] < 600.0 + LATE_S

    run(scene())


def test_calls_that_the_carrier_lets_wait_too_long_are_called_off_and_tried_again(tmp_path: Path) -> None:
    async def scene() -> None:
        people = {number(index): [talker(), talker()] for index in range(1_000, 1_003)}
        async with outbound(tmp_path, people, carriers_calls_per_s=1 / 150, calls_at_once=3) as world:
            assert await world.done(await world.campaign(csv(people))) == {"talked": 3}
            calls = world.twin.calls
            called_off = [call for call in calls if call.state == "canceled"]
            assert len(called_off) >= 1
            assert all(states(call) == ["queued", "canceled"] for call in called_off)
            assert all(call.states[-1].at - call.states[0].at < 150.0 for call in called_off)
            assert Counter(call.to for call in calls if call.state == "completed") == dict.fromkeys(people, 1)

    run(scene())


def test_a_carrier_that_takes_no_more_calls_for_now_is_asked_again_later(tmp_path: Path) -> None:
    refused: list[str] = []

    def rest(method: str, path: str) -> RestFault | None:
        if method == "POST" and path.endswith("/Calls.json") and len(refused) < 2:
            refused.append(path)
            return RestFault(429, 20429)
        return None

    async def scene() -> None:
        people = {number(index): talker() for index in range(1_000, 1_003)}
        async with outbound(tmp_path, people, faults=Faults(rest=rest)) as world:
            assert await world.done(await world.campaign(csv(people))) == {"talked": 3}
            assert len(refused) == 2
            assert len(world.twin.calls) == 3

    run(scene())


def test_a_campaign_whose_orders_time_out_calls_nobody_twice(tmp_path: Path) -> None:
    asked: list[str] = []

    def rest(method: str, path: str) -> RestFault | None:
        """Every other order is taken, and not answered."""
        if method == "POST" and path.endswith("/Calls.json"):
            asked.append(path)
            return RestFault(None, done=True) if len(asked) % 2 else None
        return None

    async def scene() -> None:
        people = {number(index): talker() for index in range(1_000, 1_006)}
        async with outbound(tmp_path, people, faults=Faults(rest=rest, listed_after_s=3.0)) as world:
            assert await world.done(await world.campaign(csv(people))) == {"talked": 6}
            assert Counter(call.to for call in world.twin.calls) == dict.fromkeys(people, 1)

    run(scene())


def test_a_carrier_that_fails_every_call_is_given_a_rest(tmp_path: Path) -> None:
    async def scene() -> None:
        numbers = [number(index) for index in range(1_000, 1_008)]
        async with outbound(tmp_path, {}, calls_per_s=10.0, calls_at_once=1, law="[retries]\nfailed = []\n") as world:
            assert await world.done(await world.campaign(csv(numbers))) == {"failed": 8}
            pauses = [later - earlier for earlier, later in itertools.pairwise(placed_at(world.twin.calls))]
            assert all(pause < 20.0 for pause in pauses[:4])
            assert pauses[4] >= 60.0
            assert pauses[5] >= 120.0

    run(scene())


# The process dies.


@pytest.mark.parametrize("dies_after_s", [0.0, 1.0, 4.0, 9.0, 17.0])
def test_a_process_that_dies_in_a_campaign_leaves_one_that_calls_nobody_twice(
    tmp_path: Path, dies_after_s: float
) -> None:
    """While telephones ring, while people talk, between two calls: whatever comes next goes on with it."""

    async def scene() -> None:
        people = {number(index): human(YES, ring_s=2.0 + index % 3) for index in range(1_000, 1_005)}
        async with outbound(tmp_path, people, calls_per_s=0.5, calls_at_once=2) as world:
            campaign = await world.campaign(csv(people))
            await asyncio.sleep(dies_after_s)
            await world.die()
            await asyncio.sleep(2.0)
            await world.start()
            outcomes = await world.done(campaign)
            assert outcomes == {"talked": 5}
            assert Counter(call.to for call in world.twin.calls) == dict.fromkeys(people, 1)
            assert await world.ledger.open_orders() == []

    run(scene())


def test_a_process_that_dies_again_and_again_calls_nobody_more_often_than_the_law_allows(tmp_path: Path) -> None:
    async def scene() -> None:
        def lingerer() -> Person:
            return person(say("Hello?"), hear_out(), say(YES), hear_out(), wait(3.0), ring_s=4.0)

        people = {number(index): [lingerer() for _ in range(3)] for index in range(1_000, 1_008)}
        async with outbound(tmp_path, people, calls_per_s=0.5, calls_at_once=3) as world:
            campaign = await world.campaign(csv(people))
            for lasts_s in (5.0, 0.2, 7.0, 3.0, 11.0, 2.0):
                await asyncio.sleep(lasts_s)
                await world.die()
                await asyncio.sleep(30.0)  # too long for a call to be gone on with
                await world.start()
            outcomes = await world.done(campaign)
            assert sum(outcomes.values()) == 8
            for calls in (world.calls_to(each) for each in people):
                assert 1 <= len(calls) <= 3
                assert all(gap_s >= 0.25 * HOUR_S - 60.0 for gap_s in gaps_s(calls))
            assert most_at_once(world.twin.calls) <= 3

    run(scene())
