"""Levels are numbers, in silence too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.audio.levels import SILENT_DBFS, at_level, level_dbfs

SQUARE = np.array([1, -1] * 400, np.float32)


def test_a_full_scale_square_wave_reads_zero_and_half_of_it_six_less():
    assert level_dbfs(SQUARE) == pytest.approx(0)
    assert level_dbfs(SQUARE / 2) == pytest.approx(-6.02, abs=0.01)


def test_silence_and_no_sound_at_all_read_the_least():
    assert level_dbfs(np.zeros(9, np.float32)) == SILENT_DBFS
    assert level_dbfs(np.zeros(0, np.float32)) == SILENT_DBFS


@given(st.floats(-80, 0), st.floats(-60, 0))
def test_sound_is_brought_to_the_level_asked_for(now_dbfs, asked_dbfs):
    sound = SQUARE * np.float32(10 ** (now_dbfs / 20))
    levelled = at_level(sound, asked_dbfs)
    assert level_dbfs(levelled) == pytest.approx(asked_dbfs, abs=0.01)
    assert levelled.dtype == np.float32


def test_silence_stays_silent():
    assert not at_level(np.zeros(9, np.float32), -20).any()
