"""Loudness: the floor of the line, what is too quiet for a voice, and the gain for a quiet caller."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.hearing.loudness import Loudness

WINDOWS_A_SECOND = 31.25


def heard(*stretches: tuple[float, float]) -> Loudness:
    """After stretches of (level in dBFS, seconds)."""
    loudness = Loudness()
    for level_dbfs, seconds in stretches:
        for _ in range(round(seconds * WINDOWS_A_SECOND)):
            loudness.feed(level_dbfs)
    return loudness


def test_the_floor_is_the_noise_between_the_words():
    assert heard((-50, 2), *[(-20, 1), (-50, 0.1)] * 5, (-20, 1)).floor_dbfs == -50


def test_noise_that_has_become_louder_is_the_floor_within_three_seconds():
    assert heard((-65, 10), (-45, 3.1)).floor_dbfs == -45


def test_noise_that_has_gone_is_forgotten_at_once():
    assert heard((-45, 10), (-65, 0.04)).floor_dbfs == -65


@pytest.mark.parametrize("floor_dbfs", [-65, -55, -45])
def test_a_window_near_the_floor_is_quiet_once_a_voice_was_heard(floor_dbfs):
    assert heard((floor_dbfs, 2), (-20, 1), (floor_dbfs + 3, 0.04)).is_quiet
    assert not heard((floor_dbfs, 2), (-20, 1), (floor_dbfs + 9, 0.04)).is_quiet


def test_a_faint_voice_little_above_its_noise_is_not_quiet():
    assert not heard((-66, 2), (-58, 1), (-63, 0.04)).is_quiet


def test_noise_by_itself_is_never_quiet_for_there_is_no_voice_to_be_too_quiet_for():
    assert not heard((-50, 5)).is_quiet


def test_a_faint_caller_is_lifted_and_a_loud_one_is_not():
    assert heard((-72, 2), (-60, 1)).gain_db == 20
    assert heard((-65, 2), (-60, 1)).gain_db == 15
    assert heard((-65, 2), (-20, 1)).gain_db == 0


def test_who_was_loud_a_moment_ago_is_not_lifted_in_a_pause():
    assert heard((-65, 2), (-20, 1), (-65, 2)).gain_db == 0
    assert heard((-65, 2), (-20, 1), (-65, 40)).gain_db == 15


def test_a_noisy_line_is_not_lifted():
    assert heard((-45, 2)).gain_db == 0


@given(st.lists(st.floats(-120, 3), min_size=1, max_size=300))
def test_whatever_the_levels_the_gain_is_bounded_and_lifts_neither_floor_nor_voice_too_far(levels):
    loudness = Loudness()
    for level_dbfs in levels:
        loudness.feed(level_dbfs)
        assert 0 <= loudness.gain_db <= 20
        assert loudness.floor_dbfs <= max(-60, level_dbfs, -72)
        assert loudness.gain_db == 0 or loudness.floor_dbfs + loudness.gain_db <= -50 + 1e-9
        assert loudness.gain_db == 0 or max(level_dbfs, -72) + loudness.gain_db <= -30 + 1e-9


@given(st.lists(st.floats(-72, 0), min_size=1, max_size=300))
def test_the_loudest_window_is_never_quiet(levels):
    loudness = Loudness()
    for level_dbfs in [*levels, max(levels)]:
        loudness.feed(level_dbfs)
    assert not loudness.is_quiet
