"""Log-mel features, held against what is known of them."""

import numpy as np
import pytest

from client_caller.hearing.log_mel import HZ, log_mel


def tone(pitch_hz: float) -> np.ndarray:
    return np.sin(2 * np.pi * pitch_hz * np.arange(HZ) / HZ).astype(np.float32)


def test_a_second_has_a_hundred_columns_of_eighty_bins():
    assert log_mel(tone(440)).shape == (80, 100)


# Bin n peaks at mel (n + 1) * top / 81, top being 45.245 mel, 8 kHz: 200/3 Hz a mel below 1 kHz.
@pytest.mark.parametrize(("pitch_hz", "bin_number"), [(447, 11), (894, 23), (8_000 * 6.4 ** (-9 / 27), 63)])
def test_a_tone_is_loudest_in_the_bin_of_its_pitch(pitch_hz, bin_number):
    assert abs(int(log_mel(tone(pitch_hz))[:, 50].argmax()) - bin_number) <= 1


def test_twice_the_power_is_three_decibels_more_and_the_range_is_eighty():
    quiet, loud = log_mel(tone(1_000)), log_mel(tone(1_000) * np.float32(np.sqrt(2)))
    assert loud.max() - quiet.max() == pytest.approx(np.log10(2) / 4, abs=1e-3)
    assert quiet.max() - quiet.min() <= 2.0
