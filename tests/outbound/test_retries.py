"""Whoever was not reached is called again, a few times; whoever was reached is left in peace."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.errors import LocalProtocolError
from client_caller.outbound.law import Law, parse_law
from client_caller.outbound.retries import OUTCOMES, next_attempt

LAW = Law()
NOW = datetime(2026, 6, 10, 10, tzinfo=UTC)


@pytest.mark.parametrize("outcome", ["talked", "transferred", "opted out", "wrong number", "refused: 21211"])
@given(attempts=st.integers(1, 100))
def test_who_was_reached_or_cannot_be_is_never_called_again(outcome: str, attempts: int) -> None:
    assert next_attempt(outcome, attempts, NOW, LAW) is None


@pytest.mark.parametrize(
    ("outcome", "after_h"),
    [
        ("busy", 0.25),
        ("no-answer", 4),
        ("machine, no message", 4),
        ("failed", 1),
        ("canceled", 0.25),
        ("line lost", 0.25),
        ("refused: 20429", 0.25),
    ],
)
def test_who_was_not_reached_is_called_again_after_a_time_that_fits_the_reason(outcome: str, after_h: float) -> None:
    assert next_attempt(outcome, 1, NOW, LAW) == NOW + timedelta(hours=after_h)


def test_who_does_not_answer_is_tried_at_other_times_of_day_and_then_no_more() -> None:
    at, times = NOW, [NOW.hour]
    for attempt in (1, 2, 3):
        following = next_attempt("no-answer", attempt, at, LAW)
        assert following is not None
        at = following
        times.append(at.hour)
    assert times == [10, 14, 12, 14]
    assert next_attempt("no-answer", 4, at, LAW) is None


def test_who_has_a_message_is_not_called_again_unless_the_rules_say_so() -> None:
    assert next_attempt("voicemail left", 1, NOW, LAW) is None
    insistent = parse_law("[retries]\nvoicemail_left = [48]", "rules.toml")
    assert next_attempt("voicemail left", 1, NOW, insistent) == NOW + timedelta(days=2)


@given(st.sampled_from([*sorted(OUTCOMES), "refused: 20429", "refused: "]), st.integers(1, 50), st.datetimes())
def test_the_next_attempt_is_later_than_now(outcome: str, attempts: int, when: datetime) -> None:
    now = when.replace(year=2026, tzinfo=UTC) if (when.month, when.day) != (2, 29) else NOW
    following = next_attempt(outcome, attempts, now, LAW)
    assert following is None or following > now


@given(st.sampled_from(sorted(OUTCOMES)))
def test_it_ends_some_day(outcome: str) -> None:
    assert next_attempt(outcome, 10, NOW, LAW) is None


@pytest.mark.parametrize(("outcome", "attempts"), [("answered", 1), ("busy", 0)])
def test_an_end_that_cannot_be_is_our_own_mistake(outcome: str, attempts: int) -> None:
    with pytest.raises(LocalProtocolError):
        next_attempt(outcome, attempts, NOW, LAW)
