"""Calls are placed no faster than the carrier takes them, to nobody twice, and not at all while nothing works."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people import BERLIN, BOTH, EVERYWHERE, KATHMANDU, MIAMI, NEW_YORK, SATELLITE, advert, called, reminder

from client_caller.outbound.judge import Allowed, Standing, Wait, judge
from client_caller.outbound.law import Law
from client_caller.outbound.pace import Breaker, Dial, Due, Pacer, Plan, plan

LAW = Law()
NOON = datetime(2026, 6, 10, 16, tzinfo=UTC)


def test_calls_are_spaced_evenly_and_nothing_is_saved_up() -> None:
    pacer = Pacer(calls_per_s=2.0, calls_at_once=9)
    assert pacer.may_dial(100.0, 0)
    pacer.dialled(100.0)
    assert not pacer.may_dial(100.4, 1)
    assert pacer.next_at(100.4, 1) == 100.5
    assert pacer.may_dial(100.5, 1)
    pacer.dialled(160.0)
    assert not pacer.may_dial(160.1, 1)


def test_no_more_calls_are_open_than_allowed_at_once() -> None:
    pacer = Pacer(calls_per_s=1.0, calls_at_once=2)
    assert pacer.may_dial(10.0, 1)
    assert not pacer.may_dial(10.0, 2)
    assert pacer.next_at(10.0, 2) is None


@given(st.floats(0.01, 100), st.lists(st.floats(0, 5), max_size=60))
def test_whoever_asks_however_often_the_carrier_is_never_faster_than_agreed(per_s: float, waits: list[float]) -> None:
    pacer, now, placed = Pacer(per_s, 1_000), 50.0, []
    for wait_s in waits:
        now += wait_s
        if pacer.may_dial(now, 0):
            pacer.dialled(now)
            placed.append(now)
        else:
            following = pacer.next_at(now, 0)
            assert following is not None
            assert following > now
            assert pacer.may_dial(following, 0)
    assert all(later - earlier >= (1 - 1e-9) / per_s for earlier, later in pairwise(placed))


def fail(breaker: Breaker, times: int, now: float) -> None:
    for _ in range(times):
        breaker.heard("refused: 21219", now)


def test_five_failures_in_a_row_stop_the_campaign_for_a_minute_and_say_why() -> None:
    pacer = Pacer(1.0, 4)
    fail(pacer.breaker, 4, 10.0)
    assert pacer.may_dial(10.0, 0)
    assert pacer.breaker.why == ""
    fail(pacer.breaker, 1, 10.0)
    assert pacer.next_at(10.0, 0) == 70.0
    assert pacer.breaker.why == "5 calls in a row failed, the last one: refused: 21219. Paused for 60 s."
    assert pacer.may_dial(70.0, 0)


def test_each_further_failure_doubles_the_pause_up_to_an_hour() -> None:
    breaker, now, pauses = Breaker(), 0.0, []
    fail(breaker, 4, now)
    for _ in range(8):
        fail(breaker, 1, now)
        pauses.append(breaker.paused_until(now) - now)
        now = breaker.paused_until(now)
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_calls_that_fail_in_a_pause_do_not_lengthen_it() -> None:
    breaker = Breaker()
    fail(breaker, 5, 10.0)
    fail(breaker, 20, 30.0)
    assert breaker.paused_until(30.0) == 70.0


@pytest.mark.parametrize("outcome", ["talked", "no-answer", "busy", "voicemail left", "line lost"])
def test_a_telephone_that_rang_sets_everything_back(outcome: str) -> None:
    breaker = Breaker()
    fail(breaker, 5, 10.0)
    breaker.heard(outcome, 20.0)
    assert breaker.paused_until(20.0) == 20.0
    assert breaker.why == ""
    fail(breaker, 4, 21.0)
    assert breaker.paused_until(21.0) == 21.0


def test_calls_that_we_canceled_tell_nothing_of_the_carrier() -> None:
    breaker = Breaker()
    fail(breaker, 4, 10.0)
    breaker.heard("canceled", 11.0)
    fail(breaker, 1, 12.0)
    assert breaker.paused_until(12.0) == 72.0


def due(contact: str, number: str, standing: Standing = BOTH, late_min: int = 1) -> Due:
    return Due(contact, reminder(number), standing, NOON - timedelta(minutes=late_min))


def test_a_plan_says_whom_to_dial_whom_to_ask_again_and_with_whom_to_be_done() -> None:
    found = plan(
        [
            due("awake", NEW_YORK),
            due("asleep", KATHMANDU),
            due("no calls", BERLIN, replace(BOTH, forbidden_since=NOON)),
            due("nowhere", SATELLITE),
        ],
        LAW,
        NOON,
        room=9,
    )
    assert found.dial == (Dial("awake", NEW_YORK, BOTH.consents[0]),)
    assert [(later.contact, later.until) for later in found.postpone] == [
        ("asleep", datetime(2026, 6, 11, 2, 15, tzinfo=UTC))
    ]
    assert {done.contact for done in found.done} == {"no calls", "nowhere"}


def test_who_has_waited_longest_comes_first_and_who_has_no_room_stays_due() -> None:
    contacts = [due("b", NEW_YORK, late_min=1), due("a", MIAMI, late_min=5), due("asleep", KATHMANDU, late_min=1)]
    found = plan(contacts, LAW, NOON, room=1)
    assert [dial.contact for dial in found.dial] == ["a"]
    assert (found.postpone, found.done) == ((), ())
    assert plan(contacts, LAW, NOON, room=0) == Plan((), (), ())


def test_who_is_not_due_yet_is_left_alone() -> None:
    assert plan([due("early", NEW_YORK, late_min=-1)], LAW, NOON, room=9) == Plan((), (), ())


def test_a_number_that_is_in_two_campaigns_is_called_once_now() -> None:
    found = plan([due("one", NEW_YORK, late_min=2), due("two", NEW_YORK)], LAW, NOON, room=9)
    assert [dial.contact for dial in found.dial] == ["one"]
    assert [(later.contact, later.until) for later in found.postpone] == [("two", NOON + timedelta(minutes=15))]


CONTACTS = st.lists(
    st.builds(
        lambda contact, number, ad, calls, forbidden, late_s: Due(
            f"c{contact}",
            advert(number) if ad else reminder(number),
            replace(
                called(*(timedelta(hours=ago) for ago in calls), now=NOON),
                forbidden_since=NOON if forbidden else None,
            ),
            NOON - timedelta(seconds=late_s),
        ),
        st.integers(0, 10_000),
        st.sampled_from([*EVERYWHERE, SATELLITE]),
        st.booleans(),
        st.lists(st.floats(0, 200), max_size=4),
        st.booleans(),
        st.integers(-100, 1_000),
    ),
    max_size=30,
    unique_by=lambda one: one.contact,
)


@given(CONTACTS, st.integers(0, 12), st.randoms())
def test_a_plan_breaks_no_rule_forgets_nobody_and_does_not_depend_on_the_order(
    contacts: list[Due], room: int, chance: object
) -> None:
    found = plan(contacts, LAW, NOON, room)
    by_id = {one.contact: one for one in contacts}
    numbers = [dial.number for dial in found.dial]
    assert len(numbers) == len(set(numbers)) <= room
    for dial in found.dial:
        assert judge(by_id[dial.contact].request, by_id[dial.contact].standing, LAW, NOON) == Allowed(dial.consent)
    for later in found.postpone:
        assert later.until > NOON
        alone = judge(by_id[later.contact].request, by_id[later.contact].standing, LAW, NOON)
        assert isinstance(alone, Wait) or by_id[later.contact].request.number in numbers
    named = [one.contact for one in (*found.dial, *found.postpone, *found.done)]
    assert len(named) == len(set(named))
    if len(found.dial) < room:
        assert set(named) == {one.contact for one in contacts if one.due_at <= NOON}
    mixed = list(contacts)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert plan(mixed, LAW, NOON, room) == found
