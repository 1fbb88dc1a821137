"""A new call goes where there is most room, as far as anybody knows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.fleet.gateways import Gateway, least_loaded

ONE = Gateway("one", "b", "http://one", "open", running=2, room=6)


def named(name: str, **changes: object) -> Gateway:
    return replace(ONE, name=name, **changes)  # type: ignore[arg-type]


def chosen(*gateways: Gateway, sent: dict[str, int] | None = None, without: tuple[str, ...] = ()) -> str:
    found = least_loaded(gateways, 3.0, sent or {}, without)
    return found.name if found else ""


def test_the_one_that_is_filled_least_gets_it() -> None:
    assert chosen(ONE, named("two", running=1, room=7), named("three", running=4, room=4)) == "two"


def test_a_large_gateway_with_more_calls_may_be_the_emptier_one() -> None:
    assert chosen(ONE, named("large", running=4, room=36)) == "large"


def test_of_those_alike_the_quicker_one_gets_it() -> None:
    assert chosen(named("slow", answer_p95_s=0.9), named("swift", answer_p95_s=0.5)) == "swift"


def test_of_those_alike_in_all_the_one_that_was_asked_keeps_it() -> None:
    """Calls that come faster than gateways tell of themselves are spread as their webhooks are."""
    alike = [named("north"), named("south"), named("west")]
    for each in alike:
        found = least_loaded(alike, 3.0, ours=each.name)
        assert found
        assert found.name == each.name


def test_a_gateway_with_room_comes_before_one_without() -> None:
    assert chosen(named("full", running=0, room=0), named("nearly", running=7, room=1)) == "nearly"


def test_when_all_are_full_somebody_still_answers_and_says_so() -> None:
    assert chosen(named("full", running=8, room=0), named("fuller", running=9, room=0)) == "full"


@pytest.mark.parametrize("state", ["loading", "retiring", "leaving"])
def test_who_takes_no_calls_gets_none(state: str) -> None:
    assert chosen(named("two", running=0, room=8, state=state), ONE) == "one"
    assert chosen(named("two", state=state)) == ""


def test_who_has_said_nothing_for_too_long_gets_none() -> None:
    assert chosen(named("silent", running=0, room=8, age_s=3.1), ONE) == "one"


def test_what_was_sent_a_moment_ago_counts() -> None:
    two = named("two", running=1, room=7)
    assert chosen(ONE, two, sent={"two": 1}) in ("one", "two")
    assert chosen(ONE, two, sent={"two": 2}) == "one"


def test_who_has_just_refused_is_not_asked_again() -> None:
    assert chosen(ONE, named("two", running=0, room=8), without=("two",)) == "one"


@given(st.integers(1, 6), st.integers(1, 60))
def test_calls_that_come_at_once_are_spread_evenly(gateways: int, calls: int) -> None:
    all_of_them = [named(str(number), running=0, room=100) for number in range(gateways)]
    sent = {each.name: 0 for each in all_of_them}
    for _ in range(calls):
        sent[chosen(*all_of_them, sent=sent)] += 1
    assert max(sent.values()) - min(sent.values()) <= 1
