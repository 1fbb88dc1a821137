"""Admission by latency: the knee of queues whose knee is known, and what must hold whatever was measured."""

from itertools import pairwise
from math import inf
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_caller.admission import Admission
from queueing import Day, Fixed, Server, day

AIM_S = 2.0
HOUR_S = 3_600


def limited(aim_s: float = AIM_S, floor: int = 1, at_most: int = 8) -> Admission:
    found = Admission()
    found.limit(aim_s, floor, at_most)
    return found


def measure(door: Admission, calls: int, seconds: float, times: int, now: float = 0.0) -> float:
    """So many answers, one a second; gives when the last was over."""
    for _ in range(times):
        now += 1.0
        door.took(now, calls, seconds)
    return now


# What it says, case by case.


def test_without_measurements_all_lines_may_be_taken() -> None:
    door = limited()
    assert (door.p95_s(0.0, 5), door.knee(0.0)) == (None, 8)
    assert [door.admits(0.0, calls) for calls in (1, 8, 9)] == [True, True, False]


def test_of_a_few_answers_nothing_is_told_however_late_they_are() -> None:
    door = limited()
    now = measure(door, 4, 9.0, 19)
    assert door.p95_s(now + 1, 4) is None
    assert door.knee(now + 2) == 8
    now = measure(door, 4, 9.0, 5, now)
    assert door.p95_s(now + 1, 4) == pytest.approx(9.0, rel=0.08)
    assert door.knee(now + 2) == 1


def test_answers_in_time_leave_all_lines_open() -> None:
    door = limited()
    now = measure(door, 4, 1.0, 200)
    assert door.knee(now) == 8
    assert door.p95_s(now, 5) == pytest.approx(1.0, rel=0.08)


def test_how_late_answers_rise_is_carried_on_to_loads_that_there_have_not_been() -> None:
    door = limited()
    now = measure(door, 3, 0.8, 60)
    now = measure(door, 4, 1.4, 60, now)
    assert door.p95_s(now + 1, 5) == pytest.approx(2.0, rel=0.15)
    assert door.p95_s(now + 1, 6) == pytest.approx(2.6, rel=0.15)
    assert door.knee(now + 2) in (4, 5)


def test_a_load_that_looks_quicker_than_a_lower_one_is_taken_together_with_it() -> None:
    door = limited()
    now = measure(door, 3, 1.2, 60)
    now = measure(door, 4, 0.9, 60, now)
    assert door.p95_s(now + 1, 3) == door.p95_s(now + 1, 4)


def test_answers_that_never_came_count_as_late() -> None:
    door = limited()
    now = measure(door, 5, 0.5, 60)
    assert door.knee(now + 1) == 8
    now = measure(door, 5, inf, 12, now)
    assert door.knee(now + 1) < 5


def test_a_lower_knee_leaves_room_for_those_who_were_just_promised_theirs() -> None:
    door = limited()
    assert door.admits(0.0, 6)
    now = measure(door, 5, 1.0, 60)
    while door.knee(now) == 8:
        now = measure(door, 5, 9.0, 1, now)
    assert door.admits(now + 29.0, 6)
    assert not door.admits(now + 31.0, 6)


def test_a_slow_minute_is_forgotten_and_the_knee_rises_by_one_call_at_a_time() -> None:
    door, knees = limited(), []
    now = measure(door, 4, 1.0, 300)
    now = measure(door, 4, 9.0, 60, now)
    assert door.knee(now + 1) < 4
    for _ in range(15 * 60):
        now = measure(door, 4, 1.0, 1, now)
        knees.append(door.knee(now))
    assert knees[2 * 60] < 4
    assert knees[10 * 60] == 8
    rises = [second for second, (earlier, later) in enumerate(pairwise(knees)) if later == earlier + 1]
    assert all(later <= earlier + 1 for earlier, later in pairwise(knees))
    assert min(later - earlier for earlier, later in pairwise(rises)) >= 20


def test_when_nothing_is_measured_any_more_all_lines_are_open_again() -> None:
    door = limited()
    now = measure(door, 8, 9.0, 300)
    assert door.knee(now) == 1
    for _ in range(60):
        now += 60.0
        door.knee(now)
    assert door.knee(now) == 8


def test_a_loop_that_is_late_takes_no_more_calls_than_there_are() -> None:
    door = limited()
    door.loop_is_late(1.0, 3)
    assert door.knee(1.0) == 3
    door.loop_is_late(2.0, 2)
    assert not door.admits(40.0, 6)
    assert door.knee(60.0) == 4  # a step every twenty seconds


def test_so_many_calls_as_the_floor_says_come_in_whatever_is_measured() -> None:
    door = limited(floor=3)
    now = measure(door, 1, inf, 500)
    assert door.admits(now + 60, 3)
    assert not door.admits(now + 60, 4)


def test_without_an_aim_all_come_in_and_it_is_told_all_the_same_how_late_answers_are() -> None:
    door = limited(aim_s=0)
    now = measure(door, 8, 9.0, 300)
    assert door.knee(now) == 8
    assert door.p95_s(now, 8) == pytest.approx(9.0, rel=0.08)


def test_limits_that_are_changed_count_at_once() -> None:
    door = limited()
    door.limit(AIM_S, 1, 12)
    assert door.knee(0.0) == 12
    door.limit(AIM_S, 1, 5)
    assert door.knee(1.0) == 5
    now = measure(door, 5, 9.0, 40)
    assert door.knee(now) == 1
    door.limit(AIM_S, 2, 9)
    assert door.knee(now) == 2  # what was measured stays measured


# Queues whose knee is known.


def test_the_formula_of_the_queue_is_what_happens_in_it() -> None:
    server = Server(talks_s=4.0, works_s=0.5)
    crowd = day(server, Fixed(6), 1, 6 * HOUR_S, every_s=1.0, call_s=600.0)
    assert crowd.within(server.p95_s(6), since=60.0) == pytest.approx(0.95, abs=0.01)


class Watched:
    """What was seen of an admission while callers came."""

    def __init__(self, server: Server, aim_s: float, at_most: int, seed: int, lasts_s: float, every_s: float) -> None:
        door = limited(aim_s, 1, at_most)
        self.knees: list[int] = []

        def look(now: float, calls: int) -> None:
            self.knees.append(door.knee(now))

        self.day: Day = day(server, door, seed, lasts_s, every_s, look=look)

    def knee(self, since: int, until: int | None = None) -> float:
        return median(self.knees[since:until])


IN_TURN = Server(talks_s=4.0, works_s=0.25)
AT_ONCE = Server(shared=True)


@pytest.mark.parametrize(
    ("server", "aim_s", "knee"), [(IN_TURN, 1.5, 9), (Server(works_s=0.6), 2.5, 3), (AT_ONCE, 1.5, 6)]
)
def test_the_knee_is_found_to_within_a_call(server: Server, aim_s: float, knee: int) -> None:
    found = Watched(server, aim_s, 3 * knee, 1, 2 * HOUR_S, 5.0)
    assert found.knee(HOUR_S) == pytest.approx(knee, abs=1)
    assert found.day.within(aim_s, since=HOUR_S / 2) > 0.93


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("server", "aim_s"), [(IN_TURN, 1.5), (Server(talks_s=7, works_s=0.35, at_least_s=0.3), 2.0)])
def test_the_knee_is_found_by_whatever_chance_callers_come(server: Server, aim_s: float, seed: int) -> None:
    knee = server.knee(aim_s)
    found = Watched(server, aim_s, 3 * knee, seed, 4 * HOUR_S, 5.0)
    assert found.knee(HOUR_S) == pytest.approx(knee, abs=1)
    assert found.day.within(aim_s, since=HOUR_S / 2) > 0.94


def test_the_knees_that_are_written_here_are_those_of_the_queues() -> None:
    assert IN_TURN.knee(1.5) == 9
    assert Server(works_s=0.6).knee(2.5) == 3
    within = [day(AT_ONCE, Fixed(calls), 1, 4 * HOUR_S, 1.0).within(1.5, 600.0) for calls in (6, 7)]
    assert within[0] > 0.95 > within[1]


def test_more_callers_are_held_than_by_a_limit_too_low_and_better_than_by_one_too_high() -> None:
    aim_s, knee = 1.5, IN_TURN.knee(1.5)
    measured = Watched(IN_TURN, aim_s, 3 * knee, 2, 2 * HOUR_S, 5.0).day
    low, right, high = (day(IN_TURN, Fixed(limit), 2, 2 * HOUR_S, 5.0) for limit in (knee // 2, knee, 2 * knee))
    assert measured.held > 1.4 * low.held
    assert measured.held > 0.8 * right.held
    assert measured.within(aim_s, HOUR_S / 2) > 0.93
    assert high.within(aim_s, HOUR_S / 2) < 0.8


@pytest.mark.long
def test_a_server_that_becomes_slower_and_recovers_is_followed() -> None:
    def slow(now: float) -> float:
        return 1.5 if HOUR_S < now < 2 * HOUR_S else 1.0

    server = Server(talks_s=4.0, works_s=0.25, slow=slow)
    slower = Server(talks_s=4.0, works_s=0.375)
    found = Watched(server, 1.5, 24, 3, 3 * HOUR_S, 5.0)
    before, meanwhile, after = (found.knee(hour * HOUR_S + HOUR_S // 4, (hour + 1) * HOUR_S) for hour in range(3))
    assert meanwhile == pytest.approx(slower.knee(1.5), abs=1)
    assert (before, after) == (pytest.approx(IN_TURN.knee(1.5), abs=2), pytest.approx(IN_TURN.knee(1.5), abs=2))


def test_few_callers_are_never_turned_away() -> None:
    quiet = Watched(Server(talks_s=7, works_s=0.35, at_least_s=0.3), 2.0, 8, 4, 2 * HOUR_S, every_s=120.0)
    everybody = day(Server(talks_s=7, works_s=0.35, at_least_s=0.3), Fixed(8), 4, 2 * HOUR_S, 120.0)
    assert quiet.day.held == everybody.held


# What must hold whatever was measured.

TOOK = st.builds(
    lambda calls, seconds, times: ("took", calls, seconds, times),
    st.integers(1, 12),
    st.one_of(st.floats(0, 40), st.just(inf)),
    st.integers(1, 60),
)
PASSED = st.builds(lambda seconds: ("passed", 0, seconds, 0), st.floats(0, 400))
LATE = st.builds(lambda calls: ("late", calls, 0.0, 0), st.integers(0, 12))
STEPS = st.lists(st.one_of(TOOK, PASSED, LATE), max_size=25)


@settings(deadline=None, max_examples=60)
@given(STEPS, st.integers(1, 4), st.integers(1, 9), st.floats(0.1, 5))
def test_whatever_happens_the_floor_is_open_and_the_knee_between_its_limits(
    steps: list[tuple[str, int, float, int]], floor: int, at_most: int, aim_s: float
) -> None:
    door, now, was = limited(aim_s, floor, at_most), 0.0, [(0.0, at_most)]
    for what, calls, seconds, times in steps:
        if what == "took":
            now = measure(door, calls, seconds, times, now)
        elif what == "late":
            door.loop_is_late(now, calls)
        else:
            now += seconds
        knee = door.knee(now)
        was = [(at, room) for at, room in was if now < at + 30.0] + [(now, knee)]
        assert min(floor, at_most) <= knee <= at_most
        admitted = [door.admits(now, number) for number in range(1, 15)]
        assert admitted == sorted(admitted, reverse=True)  # nobody is let in where fewer would not be
        assert all(admitted[: max(room for _, room in was)])  # who was promised room half a minute ago has it
        assert not any(admitted[at_most:])
        expected = [door.p95_s(now, number) for number in range(1, 15)]
        assert expected == [None] * 14 or expected == sorted(expected)  # type: ignore[type-var]
    for _ in range(200):
        now += 60.0
        door.knee(now)
    assert door.knee(now) == at_most  # never closed for good
