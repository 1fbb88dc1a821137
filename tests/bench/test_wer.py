"""What the word error rate of the benchmarks counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wer import Errors, errors, normalised

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("In eighteen thirteen.", "in 1813"),
        ("two thirty pm", "2:30 p.m."),
        ("twelve ounce mocha", "12-ounce mocha"),
        ("for the twentieth time", "For the 20th time,"),
        ("the twenty first and the second", "the 21st and the 2nd"),
        ("nineteen oh five", "1905"),
        ("two thousand ten", "2010"),
        ("one hundred twenty three thousand four hundred fifty six", "123,456"),
        ("four five seven two nine one zero", "4572910"),
        ("zero seven", "07"),
        ("five dollars", "$5"),
        ("three point five percent", "3.5%"),
        ("Mister Quilter", "Mr. Quilter"),
        ("okay, I'll do it", "OK I’ll do it"),
        ("so it is", "Um, so, uh, it is"),
        ("well-known", "well known"),
        ("today and tonight", "To-day and to-night"),
    ],
)
def test_what_sounds_the_same_is_the_same(one, other):
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("their", "there"), ("do not", "don't"), ("colour", "color"), ("thirteen", "thirty"), ("two", "to")],
)
def test_what_is_another_word_stays_one(one, other):
    assert normalised(one) != normalised(other)


def test_the_kinds_of_errors_are_told_apart():
    found = errors("it was the best of times for us", "it was a best times for us today")
    assert (found.words, found.substituted, found.deleted, found.inserted) == (8, 1, 1, 1)
    assert found.rate == 3 / 8


def test_words_where_nothing_was_said_are_errors_without_a_rate():
    assert errors("", "thank you") == Errors(inserted=2)
    assert errors("", "thank you").rate is None


def test_a_rate_over_clips_weighs_every_word_the_same():
    both = errors("no", "yes") + errors("a b c", "a b c")
    assert both.rate == 0.25


@given(WORDS, WORDS)
def test_no_more_is_changed_than_needed_and_the_lengths_add_up(said, understood):
    found = errors(" ".join(said), " ".join(understood))
    assert len(said) - found.deleted + found.inserted == len(understood)
    assert abs(len(said) - len(understood)) <= found.count <= max(len(said), len(understood))
    assert (found.count == 0) == (said == understood)


@given(st.text(max_size=40))
def test_whatever_a_transcriber_writes_can_be_compared_with_itself(text):
    words = normalised(text)
    assert errors(text, text).count == 0
    assert normalised(" ".join(words)) == words
