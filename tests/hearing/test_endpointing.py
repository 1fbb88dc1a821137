"""Endpointing: where utterances begin and end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.hearing.endpointing import WINDOW_S, Endpointer, Offset, Onset
from client_caller.settings import HearingSettings

SETTINGS = HearingSettings(hangover_s=2 * WINDOW_S, speech_off=0.35)


def edges(probabilities: list[float]) -> list[tuple[int, Onset | Offset]]:
    """The edges found, each with the number of the window at whose end it was found."""
    endpointer = Endpointer(SETTINGS)
    found = [(n, endpointer.feed(p, n * WINDOW_S)) for n, p in enumerate(probabilities, 1)]
    return [(n, edge) for n, edge in found if edge is not None]


def test_one_sure_window_is_an_onset_dated_to_its_start():
    assert edges([0, 0, 0.9]) == [(3, Onset(pytest.approx(2 * WINDOW_S)))]


def test_two_voiced_windows_of_three_are_an_onset_dated_to_the_first():
    assert edges([0, 0.6, 0.1, 0.6]) == [(4, Onset(pytest.approx(WINDOW_S)))]


def test_one_unsure_window_alone_is_a_click():
    assert edges([0, 0.8, 0, 0, 0.8, 0, 0, 0]) == []


def test_an_offset_is_noticed_after_the_hangover_and_dated_to_the_last_sure_window():
    found = edges([0.9, 0.9, 0.9, 0.1, 0.1, 0.1])
    assert found[1:] == [(5, Offset(pytest.approx(3 * WINDOW_S), pytest.approx(3 * WINDOW_S)))]


def test_the_fall_of_the_probability_is_not_counted_as_voice_at_the_end():
    (_, offset) = edges([0.9] * 10 + [0.6, 0.4] + [0.1] * 3)[-1]
    assert offset.at == pytest.approx(10 * WINDOW_S)


def test_a_long_unsure_ending_is_believed_but_for_the_length_of_the_fall():
    (_, offset) = edges([0.9] * 4 + [0.5] * 10 + [0.1] * 3)[-1]
    assert offset.at == pytest.approx((14 - 3) * WINDOW_S)


def test_a_gap_shorter_than_the_hangover_does_not_end_an_utterance():
    assert len(edges([0.9, 0.9, 0.1, 0.9, 0.1, 0.4, 0.1, 0.9])) == 1


@given(st.lists(st.floats(0, 1), max_size=200))
def test_onsets_and_offsets_alternate_in_time_and_never_lie_in_the_future(probabilities):
    found = edges(probabilities)
    assert all(isinstance(edge, Onset if n % 2 == 0 else Offset) for n, (_, edge) in enumerate(found))
    instants = [edge.at for _, edge in found]
    assert instants == sorted(instants)
    assert all(edge.at <= window * WINDOW_S for window, edge in found)


@given(st.lists(st.floats(0, SETTINGS.speech_on, exclude_max=True), max_size=200))
def test_what_never_reaches_the_threshold_never_starts_an_utterance(probabilities):
    assert edges(probabilities) == []


@given(st.lists(st.floats(0, 1), max_size=100))
def test_silence_in_the_end_ends_every_utterance(probabilities):
    found = edges([*probabilities, 0.0, 0.0])
    assert not found or isinstance(found[-1][1], Offset)


def test_a_short_soft_word_right_after_an_utterance_goes_on_with_it():
    found = edges([0.9] * 5 + [0.1] * 3 + [0.6, 0.1, 0.1])
    assert [type(edge) for _, edge in found] == [Onset, Offset, Onset, Offset]
    assert found[2][0] == 9


def test_the_same_word_long_after_an_utterance_is_a_click():
    found = edges([0.9] * 5 + [0.1] * 12 + [0.6, 0.1, 0.1])
    assert [type(edge) for _, edge in found] == [Onset, Offset]


def found_by(endpointer: Endpointer, windows: list[tuple[float, bool] | None]) -> list[tuple[int, Onset | Offset]]:
    """The same for windows given as (probability, quiet), or as None when they were lost."""
    found = []
    for n, window in enumerate(windows, 1):
        edge = endpointer.lose() if window is None else endpointer.feed(window[0], n * WINDOW_S, window[1])
        found += [(n, edge)] if edge else []
    return found


VOICE, QUIET, DOUBTED, SILENCE = (0.95, False), (0.95, True), (0.6, True), (0.05, True)


def test_quiet_ends_an_utterance_before_the_probability_has_fallen():
    (_, (noticed, offset)) = found_by(Endpointer(SETTINGS), [VOICE] * 5 + [QUIET, DOUBTED])
    assert noticed == 7
    assert offset.at == pytest.approx(5 * WINDOW_S)


def test_quiet_must_last_twice_as_long_while_the_probability_is_sure_of_a_voice():
    assert len(found_by(Endpointer(SETTINGS), [VOICE] * 5 + [QUIET] * 3 + [VOICE] * 5)) == 1
    assert found_by(Endpointer(SETTINGS), [VOICE] * 5 + [QUIET] * 4)[1][0] == 9


def test_a_quiet_window_starts_nothing_and_resumes_nothing():
    assert len(found_by(Endpointer(SETTINGS), [QUIET] * 5 + [VOICE] * 5 + [SILENCE] * 2 + [QUIET] * 5)) == 2


def test_silence_is_counted_across_what_was_lost():
    windows = [VOICE] * 5 + [SILENCE] + [None] * 20 + [SILENCE]
    assert [n for n, _ in found_by(Endpointer(SETTINGS), windows)] == [1, 27]


def test_voice_goes_on_after_a_second_lost_and_not_after_more():
    assert len(found_by(Endpointer(SETTINGS), [VOICE] * 5 + [None] * 30 + [VOICE] * 5)) == 1
    (_, (_, offset), _) = found_by(Endpointer(SETTINGS), [VOICE] * 5 + [None] * 40 + [VOICE] * 5)
    assert offset == Offset(pytest.approx(5 * WINDOW_S), pytest.approx(5 * WINDOW_S))


WINDOWS = st.lists(st.none() | st.tuples(st.floats(0, 1), st.booleans()), max_size=200)


@given(WINDOWS, st.lists(st.none(), max_size=60))
def test_edges_alternate_and_lie_in_the_past_whatever_is_quiet_or_lost(windows, lost):
    found = found_by(Endpointer(SETTINGS), [*windows, *lost, *windows])
    assert all(isinstance(edge, Onset if n % 2 == 0 else Offset) for n, (_, edge) in enumerate(found))
    instants = [edge.at for _, edge in found]
    assert instants == sorted(instants)
    assert all(edge.at <= window * WINDOW_S for window, edge in found)


@given(WINDOWS)
def test_silence_and_voice_never_count_what_was_lost(windows):
    endpointer = Endpointer(SETTINGS)
    found_by(endpointer, windows)
    heard = sum(window is not None for window in windows)
    assert endpointer.silent_s <= heard * WINDOW_S + 1e-6
    assert endpointer.voiced_s <= heard * WINDOW_S + 1e-6
