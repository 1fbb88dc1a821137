"""What next tokens tell of a sentence's end."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.thinking.sentence_end import open_ended, p_end


def test_stops_and_ends_of_turn_count_and_commas_do_not() -> None:
    shares = {".": 0.3, "?": 0.2, " and": 0.2, ",": 0.1, "<|im_end|>": 0.1, '."': 0.05}
    assert p_end((token, math.log(share)) for token, share in shares.items()) == pytest.approx(0.65)


@pytest.mark.parametrize(
    "text", ["What does it cost?", "What does it cost...", "What does it cost", "What does it cost —"]
)
def test_the_mark_that_closes_the_words_is_taken_off(text: str) -> None:
    assert open_ended(text) == "What does it cost"


@given(st.lists(st.tuples(st.text(), st.floats(-50, 0))))
def test_it_is_a_probability(likeliest: list[tuple[str, float]]) -> None:
    assert 0 <= p_end(likeliest) <= 1
