"""Agreement: what two decodes in a row have found stays."""

from hypothesis import given
from hypothesis import strategies as st

from client_caller.hearing.agreement import Agreed, Agreement


def agreed(*texts: str) -> Agreed:
    """What stands after these decodes."""
    agreement = Agreement()
    for text in texts[:-1]:
        agreement.after(text)
    return agreement.after(texts[-1])


def test_one_decode_settles_nothing():
    assert agreed("The best of Tafta") == Agreed("The best of Tafta", 0)


def test_two_decodes_settle_what_both_begin_with():
    assert agreed("The best of Tafta", "the best of times it was") == Agreed("the best of times it was", 3)


def test_case_and_punctuation_are_no_disagreement():
    assert agreed("I'm here.", "I’m here, you know") == Agreed("I’m here, you know", 2)


def test_a_later_decode_does_not_take_back_what_was_agreed_on():
    assert agreed("One two three", "one two three", "One too three four") == Agreed("one two three four", 3)


def test_a_word_more_or_less_in_what_was_agreed_on_makes_no_word_come_twice_or_not_at_all():
    assert agreed("One two three", "One two three", "One and two three four").text == "One two three four"
    assert agreed("One two three", "One two three", "One three four").text == "One two three four"


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "E.", "e"]), max_size=8).map(" ".join)


@given(st.lists(WORDS, min_size=1, max_size=8))
def test_the_stable_words_only_grow_and_are_the_beginning_of_the_latest_text(texts):
    agreement, before = Agreement(), []
    for text in texts:
        found = agreement.after(text)
        stable = found.text.split()[: found.stable]
        assert len(stable) == found.stable
        assert stable[: len(before)] == before
        before = stable


@given(st.lists(st.integers(0, 9).map(str), max_size=12), st.lists(st.integers(0, 12), max_size=6))
def test_decodes_that_never_err_are_passed_on_as_they_are(words, lengths):
    agreement = Agreement()
    for length in sorted(lengths):
        assert agreement.after(" ".join(words[:length])).text == " ".join(words[:length])
