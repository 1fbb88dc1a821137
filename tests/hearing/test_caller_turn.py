"""The caller's turn: what is decoded again, and what is settled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.hearing.caller_turn import CallerTurn

PREROLL_S = 0.3


def spoken(*utterances: tuple[float, float]) -> CallerTurn:
    """A turn with these utterances, voiced throughout."""
    turn = CallerTurn(PREROLL_S)
    for starts_s, ends_s in utterances:
        turn.started(starts_s)
        turn.paused(ends_s, ends_s - starts_s)
    return turn


def test_before_the_first_onset_there_is_nothing_to_decode():
    assert CallerTurn(PREROLL_S).tail(5.0).cuts == ()


def test_the_sound_just_before_the_onset_is_decoded_with_it():
    assert spoken((2.0, 3.0)).tail(3.1).cuts == ((1.7, 3.1),)


def test_waiting_at_a_pause_does_not_lengthen_what_is_decoded():
    assert spoken((2.0, 3.0)).tail(9.0).cuts == ((1.7, 3.3),)


def test_while_the_caller_speaks_all_up_to_now_is_decoded():
    turn = CallerTurn(PREROLL_S)
    turn.started(2.0)
    tail = turn.tail(4.0)
    assert tail.cuts == ((1.7, 4.0),)
    assert tail.utterances == 0


def test_a_short_silence_is_kept_and_a_long_one_cut_down():
    assert spoken((1.0, 1.3), (1.8, 2.1)).tail(2.2).cuts == ((0.7, 2.2),)
    parted = spoken((1.0, 1.3), (4.3, 4.6)).tail(4.7).cuts
    assert parted == ((0.7, pytest.approx(1.45)), (pytest.approx(4.1), 4.7))


def test_what_was_decoded_is_not_decoded_again_once_the_caller_goes_on():
    turn = spoken((1.0, 3.0))
    assert turn.decoded(turn.tail(3.1), "My name is") == "My name is"
    turn.started(4.0)
    turn.paused(5.0, 1.0)
    tail = turn.tail(5.1)
    assert tail.cuts == ((3.7, 5.1),)
    assert turn.decoded(tail, "Alice.") == "My name is Alice."


def test_words_that_arrive_when_the_caller_has_gone_on_are_settled_too():
    turn = spoken((1.0, 3.0))
    early = turn.tail(3.1)
    turn.started(4.0)
    turn.decoded(early, "My name is")
    assert turn.tail(4.5).frozen == "My name is"


def test_a_breath_between_words_settles_nothing():
    turn = spoken((1.0, 3.0))
    turn.decoded(turn.tail(3.1), "My name")
    turn.started(3.3)
    assert turn.tail(3.5).frozen == ""


def test_a_word_alone_is_decoded_with_what_follows_it():
    turn = spoken((1.0, 1.4))
    turn.decoded(turn.tail(1.5), "Well,")
    turn.started(3.0)
    assert turn.tail(3.5).frozen == ""
    assert len(turn.tail(3.5).cuts) == 2


def test_a_word_alone_is_settled_when_it_lies_long_ago():
    turn = spoken((1.0, 1.4))
    turn.decoded(turn.tail(1.5), "Well,")
    turn.started(9.0)
    assert turn.tail(9.5).frozen == "Well,"


def test_a_very_long_tail_is_settled_at_any_pause_and_loses_no_sound():
    turn = spoken((1.0, 12.0))
    turn.decoded(turn.tail(12.1), "So")
    turn.started(12.1)
    assert turn.tail(13.0).frozen == "So"
    assert turn.tail(13.0).cuts == ((12.1, 13.0),)


def test_words_decoded_while_the_caller_spoke_are_never_settled():
    turn = CallerTurn(PREROLL_S)
    turn.started(1.0)
    partial = turn.tail(2.0)
    turn.paused(3.0, 2.0)
    turn.decoded(partial, "I wa")
    turn.started(4.0)
    assert turn.tail(5.0).frozen == ""


def test_the_next_turn_knows_nothing_of_the_last():
    turn = spoken((1.0, 3.0), (4.0, 6.0))
    stale = turn.tail(6.1)
    turn.close()
    assert turn.decoded(stale, "Goodbye") == "Goodbye"
    turn.started(6.2)
    turn.paused(8.0, 1.8)
    turn.started(9.0)
    tail = turn.tail(9.5)
    assert tail.frozen == ""
    assert tail.cuts[0][0] >= 6.15


def test_an_utterance_that_has_begun_when_the_turn_closes_is_the_next_turns():
    turn = spoken((1.0, 3.0))
    turn.started(4.0)
    turn.close()
    assert turn.tail(5.0).cuts == ((3.7, 5.0),)


STEPS = st.lists(
    st.tuples(st.floats(0.1, 4), st.floats(0.1, 4), st.booleans(), st.booleans(), st.integers(0, 2)), max_size=12
)


@given(STEPS)
def test_each_utterance_is_in_the_words_exactly_once_however_late_they_arrive(steps):
    """A perfect transcriber: utterance n reads "n". News of pause n arrives up to two pauses late."""
    turn, now_s, underway, first = CallerTurn(PREROLL_S), 0.0, [], 0
    for number, (pause_s, speech_s, decode, close, late) in enumerate(steps):
        now_s += pause_s
        turn.started(now_s)
        for due, tail, said in [job for job in underway if job[0] <= number]:
            whole = " ".join(str(n) for n in said)
            assert turn.decoded(tail, " ".join(str(n) for n in range(tail.first, said[-1] + 1))) == whole
            underway.remove((due, tail, said))
        now_s += speech_s
        turn.paused(now_s, speech_s)
        tail = turn.tail(now_s)
        assert all(a <= b for a, b in tail.cuts)
        assert tail.cuts[-1][1] == pytest.approx(now_s)
        if decode:
            underway.append((number + late, tail, range(first, number + 1)))
        if close:
            turn.close()
            first = number + 1
