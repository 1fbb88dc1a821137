from collections.abc import Callable
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from client_caller.line.tickets import Promises, Tickets


def numbered() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"t{next(numbers)}"


def test_a_ticket_admits_its_call_once() -> None:
    tickets = Tickets(60.0, 10, numbered())
    token = tickets.issue("CA1", now=0.0)
    assert tickets.redeem(token, now=1.0) == "CA1"
    assert tickets.redeem(token, now=1.0) is None


def test_a_ticket_expires() -> None:
    tickets = Tickets(60.0, 10, numbered())
    token = tickets.issue("CA1", now=0.0)
    assert tickets.redeem(token, now=60.0) is None


def test_a_call_that_asks_again_gets_the_ticket_it_has_not_used() -> None:
    tickets = Tickets(60.0, 10, numbered())
    first = tickets.issue("CA1", now=0.0)
    assert tickets.issue("CA1", now=5.0) == first
    tickets.redeem(first, now=6.0)
    assert tickets.issue("CA1", now=7.0) != first


def test_when_too_many_are_out_the_oldest_is_given_up() -> None:
    tickets = Tickets(60.0, 2, numbered())
    oldest, middle, newest = (tickets.issue(call, now=0.0) for call in ("CA1", "CA2", "CA3"))
    assert tickets.redeem(oldest, now=1.0) is None
    assert tickets.redeem(middle, now=1.0) == "CA2"
    assert tickets.redeem(newest, now=1.0) == "CA3"


@given(st.lists(st.tuples(st.sampled_from(["issue", "redeem"]), st.integers(0, 4), st.integers(0, 40))))
def test_no_token_ever_admits_twice_late_or_for_another_call(steps: list[tuple[str, int, int]]) -> None:
    tickets = Tickets(60.0, 3, numbered())
    given_at: dict[str, tuple[str, float]] = {}
    used: set[str] = set()
    now = 0.0
    for what, which, wait_s in steps:
        now += wait_s
        if what == "issue":
            token = tickets.issue(f"CA{which}", now)
            assert token not in used
            assert given_at.setdefault(token, (f"CA{which}", now))[0] == f"CA{which}"
            continue
        token = f"t{which}"
        call = tickets.redeem(token, now)
        if call is not None:
            assert token not in used
            assert given_at[token][0] == call
            assert now - given_at[token][1] < 60.0
            used.add(token)


def test_a_ticket_that_was_cancelled_admits_nobody_and_others_still_do() -> None:
    tickets = Tickets(60.0, 10, numbered())
    cancelled, other = tickets.issue("CA1", now=0.0), tickets.issue("CA2", now=0.0)
    tickets.cancel("CA1")
    tickets.cancel("CA3")
    assert tickets.redeem(cancelled, now=1.0) is None
    assert tickets.redeem(other, now=1.0) == "CA2"


def test_a_promise_holds_until_it_ends_or_is_dropped() -> None:
    promises = Promises()
    promises.make("CA1", until=10.0)
    promises.make("CA2", until=20.0)
    promises.make("CA2", until=5.0)  # nobody is promised less than before
    assert [promises.hold("CA1", 9.0), promises.hold("CA1", 10.0), promises.hold("CA3", 0.0)] == [True, False, False]
    assert [promises.to_others("CA1", 9.0), promises.to_others("CA3", 9.0), promises.to_others("CA3", 10.0)] == [
        1,
        2,
        1,
    ]
    promises.drop("CA2")
    promises.drop("CA2")
    assert promises.to_others("CA3", 10.0) == 0
