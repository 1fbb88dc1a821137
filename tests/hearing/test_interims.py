"""When the words are wanted although the caller is still speaking."""

from hypothesis import given
from hypothesis import strategies as st

from client_caller.hearing.endpointing import WINDOW_S
from client_caller.hearing.interims import Interims


def due_after(interims: Interims, *windows: bool) -> list[bool]:
    return [interims.feed(voiced) for voiced in windows]


def test_the_first_lull_after_enough_new_voice_is_taken():
    interims = Interims(0.4)
    assert not any(due_after(interims, *[True] * 10))  # 0.32 s
    assert due_after(interims, False, False) == [True, False]


def test_a_lull_too_early_is_let_pass():
    assert not any(due_after(Interims(0.4), *[True] * 2, False, *[True] * 8))


def test_without_a_lull_a_decode_is_due_all_the_same():
    assert due_after(Interims(0.4), *[True] * 32).count(True) == 2
    assert due_after(Interims(0.4), *[True] * 16) == [False] * 15 + [True]


def test_voice_that_is_decoded_anyway_counts_no_more():
    interims = Interims(0.4)
    due_after(interims, *[True] * 15)
    interims.forget()
    assert not any(due_after(interims, *[True] * 15))


def test_none_are_due_when_none_are_wanted():
    assert not any(due_after(Interims(0.0), *[True, False] * 200))


@given(st.lists(st.booleans()), st.floats(0.1, 2.0))
def test_no_stretch_of_voice_is_left_out_and_none_is_asked_for_twice(windows, every_s):
    interims, new_s = Interims(every_s), 0.0
    for voiced in windows:
        new_s += voiced * WINDOW_S
        if interims.feed(voiced):
            assert new_s > every_s / 4 - WINDOW_S
            new_s = 0.0
        assert new_s < 1.25 * every_s + WINDOW_S
