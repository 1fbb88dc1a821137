"""The arithmetic of endurance: what is called flat, and what is not."""

import random
from math import inf, isinf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soak_held import Limits, not_flat, slopes
from soak_slope import slope, t_quantile

CALLS = list(range(2, 202, 2))
"""As after each round of two, of two hundred calls."""


def held(a_call: float, noise: float, *, alike: float = 0.0, seed: int = 1) -> list[float]:
    """Memory that grows by so much a call, in noise of which a share is kept from one measurement to the next."""
    chance, error, series = random.Random(seed), 0.0, []
    for call in CALLS:
        error = alike * error + chance.gauss(0.0, noise)
        series.append(500.0 + a_call * call + error)
    return series


@given(st.floats(-5.0, 5.0), st.floats(-1_000.0, 1_000.0))
def test_a_straight_line_is_found_exactly(a_call: float, at_first: float) -> None:
    found = slope(CALLS, [at_first + a_call * call for call in CALLS])
    assert found.a_call == pytest.approx(a_call, abs=1e-9)
    assert found.low == pytest.approx(found.high, abs=1e-6)


def test_what_never_changes_is_flat() -> None:
    found = slope(CALLS, [9.0] * len(CALLS))
    assert (found.a_call, found.low, found.high) == (0.0, 0.0, 0.0)
    assert found.verdict(0.02) == "flat"


def test_the_first_quarter_does_not_count() -> None:
    warming = [400.0 + min(call, 50) for call in CALLS]
    found = slope(CALLS, warming)
    assert (found.n, found.first, found.a_call) == (75, 450.0, 0.0)


def test_one_file_left_open_in_ten_calls_is_found_to_grow() -> None:
    assert slope(CALLS, [20.0 + call // 10 for call in CALLS]).verdict(0.02) == "grows"


def test_memory_that_swings_by_some_megabytes_can_be_told_to_be_flat_after_two_hundred_calls() -> None:
    assert slope(CALLS, held(0.0, 3.0)).verdict(0.1) == "flat"
    assert slope(CALLS, held(0.2, 3.0)).verdict(0.1) == "grows"


def test_ten_calls_cannot_tell() -> None:
    few, seeds = 5, range(100)
    verdicts = [slope(CALLS[:few], held(0.0, 3.0, seed=seed)[:few]).verdict(0.1) for seed in seeds]
    assert verdicts.count("cannot be told") >= 0.9 * len(seeds)


def test_fewer_than_four_measurements_tell_nothing_at_all() -> None:
    found = slope([1, 2, 3], [7.0, 7.0, 7.0])
    assert isinf(found.high)
    assert found.verdict(inf) == "cannot be told"


def test_measurements_that_are_like_their_neighbours_are_believed_less() -> None:
    """The true slope is 0; bounds of 95 % that took each measurement for new would hold it in 58 % of such series."""
    seeds = range(200)
    found = [slope(CALLS, held(0.0, 1.0, alike=0.7, seed=seed)) for seed in seeds]
    assert sum(each.low < 0.0 < each.high for each in found) >= 0.85 * len(seeds)


@pytest.mark.parametrize(("freedom", "exact"), [(2, 4.303), (5, 2.571), (10, 2.228), (148, 1.976)])
def test_the_quantiles_are_students(freedom: int, exact: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(("calls", "series"), [([], []), ([1, 2], [1.0]), ([1, 1, 2, 3], [1.0] * 4)])
def test_what_makes_no_line_is_refused(calls: list[int], series: list[float]) -> None:
    with pytest.raises(ValueError):
        slope(calls, series)


def test_memory_and_counts_have_limits_of_their_own() -> None:
    rows = [{"calls": call, "a process, MB": 0.05 * call, "open files": 0.05 * call} for call in CALLS]
    (wrong,) = not_flat(slopes(rows), Limits(memory_mb=0.1, count=0.02))
    assert wrong.startswith("open files grows: +0.0500 a call")


def test_a_figure_that_not_every_row_has_is_left_out() -> None:
    rows = [{"calls": float(call), "tasks": 5.0} | ({"GPU, MB": 1.0} if call > 100 else {}) for call in CALLS]
    assert list(slopes(rows)) == ["tasks"]
