"""How one caller's pauses change the wait."""

from hypothesis import given
from hypothesis import strategies as st

from client_caller.conversation.habits import Habits


def after(*pauses: float) -> Habits:
    habits = Habits()
    for seconds in pauses:
        habits.paused(seconds)
    return habits


def test_a_caller_of_long_pauses_is_waited_for_longer_and_a_swift_one_no_less() -> None:
    assert after(0.3, 0.3, 0.3, 0.3).slower == Habits().slower < after(1.5, 2.0, 1.8).slower


def test_gaps_between_words_tell_nothing() -> None:
    assert after(0.05, 0.1, 0.15).slower == Habits().slower


def test_after_an_answer_that_came_too_soon_the_turn_and_the_next_two_are_given_more_time() -> None:
    habits = Habits()
    habits.answered_too_soon()
    factors = []
    for _ in range(4):
        factors.append(habits.slower)
        habits.turn_ended()
    assert factors == [1.5, 1.5, 1.5, 1.0]


@given(st.lists(st.floats(0, 30)), st.booleans())
def test_nobody_is_waited_for_without_end(pauses: list[float], too_soon: bool) -> None:
    habits = after(*pauses)
    if too_soon:
        habits.answered_too_soon()
    assert 1.0 <= habits.slower <= 1.8 * 1.5
