"""What of a transcriber's work to believe."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.hearing.plausible import believed, holds_voice


def hiss(dbfs: float, seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 10 ** (dbfs / 20), round(16_000 * seconds)).astype(np.float32)


def test_the_hiss_of_a_line_is_no_voice_and_a_quiet_word_in_it_is():
    line = hiss(-60, 3.0)
    assert not holds_voice(line, 16_000)
    line[20_000:22_000] += hiss(-40, 0.125)
    assert holds_voice(line, 16_000)


def test_a_stretch_too_short_for_a_word_is_no_voice():
    assert not holds_voice(hiss(-20, 0.09), 16_000)
    assert not holds_voice(np.zeros(0, np.float32), 16_000)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ("I want to, I want to, I want to, go home", "I want to, go home"),
        ("la la la la la la la la la la la la", "la"),
        ("no, no, no", "no, no, no"),
        ("four five, four five, four five", "four five, four five, four five"),
        ("You", ""),
        ("Thank you.", "Thank you."),
        ("", ""),
    ],
)
def test_a_decoder_in_a_loop_is_cut_short_and_a_caller_who_repeats_himself_is_not(found, text):
    assert believed(found) == text


@given(st.lists(st.sampled_from(["yes", "no", "five", "the", "day"]), max_size=30).map(" ".join))
def test_belief_invents_no_word_and_adds_none(text):
    kept = believed(text).split()
    assert set(kept) <= set(text.split())
    assert len(kept) <= len(text.split())


@given(st.lists(st.sampled_from(["yes", "no", "five", "day"]), min_size=2, max_size=4, unique=True), st.integers(4, 20))
def test_any_loop_is_said_once(phrase, repeats):
    assert believed(" ".join(phrase * repeats)).split() == phrase
