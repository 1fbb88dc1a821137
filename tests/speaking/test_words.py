"""Word times where the voice told none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.speaking.protocol import WordTime
from client_caller.speaking.words import spread


def test_time_is_shared_by_letters() -> None:
    assert spread(["aaa", "b"], 5, 1.0, 2.0) == [WordTime(5, 1.0, 1.75), WordTime(6, 1.75, 2.0)]


def test_a_dash_takes_no_time() -> None:
    assert spread(["so", "—"], 0, 0.0, 1.0)[1] == WordTime(1, 1.0, 1.0)


@given(words=st.lists(st.sampled_from(["a", "bb", "—", "9:00"]), max_size=8), length_s=st.floats(0, 10))
def test_words_follow_each_other_to_the_end(words: list[str], length_s: float) -> None:
    times = spread(words, 0, 0.0, length_s)
    edges = [edge for time in times for edge in (time.start_s, time.end_s)]
    assert edges == sorted(edges)
    assert not edges or edges[-1] == pytest.approx(length_s) or set(words) == {"—"}
