"""A percentile is a value that was measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.rehearsal.figures import percentile


@pytest.mark.parametrize(
    ("share", "value"), [(0.05, 15.0), (0.30, 20.0), (0.40, 20.0), (0.50, 35.0), (0.95, 50.0), (1.0, 50.0)]
)
def test_it_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile([50.0, 15.0, 35.0, 40.0, 20.0], share) == value


def test_of_nothing_there_is_none() -> None:
    assert percentile([], 0.5) is None


@given(st.lists(st.floats(0, 10), min_size=1), st.floats(0.01, 1.0))
def test_at_least_the_share_does_not_exceed_it(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
