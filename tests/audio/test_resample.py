"""Resampling: the same however the stream is cut, prompt, and free of aliases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.audio.levels import level_dbfs
from client_caller.audio.resample import Resampler, resample

RATES = [(8_000, 16_000), (16_000, 8_000), (24_000, 8_000), (22_050, 8_000), (48_000, 16_000)]


def noise(samples: int) -> np.ndarray:
    return np.random.default_rng(7).normal(0, 0.1, samples).astype(np.float32)


def tone(pitch_hz: float, hz: int, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * pitch_hz * np.arange(round(seconds * hz)) / hz).astype(np.float32)


@given(st.sampled_from(RATES), st.lists(st.integers(0, 700), max_size=12))
def test_how_the_stream_is_cut_makes_no_difference(rates, lengths):
    whole = noise(sum(lengths))
    stream = Resampler(*rates)
    pieces = np.split(whole, np.cumsum(lengths))
    streamed = np.concatenate([*(stream.feed(piece) for piece in pieces), stream.finish()])
    assert streamed == pytest.approx(resample(whole, *rates), abs=1e-6)


@given(st.sampled_from(RATES), st.integers(0, 5_000))
def test_the_length_is_that_of_the_same_time_at_the_other_rate(rates, samples):
    from_hz, to_hz = rates
    assert len(resample(noise(samples), from_hz, to_hz)) == -(-samples * to_hz // from_hz)


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_output_lags_input_by_no_more_than_two_milliseconds(from_hz, to_hz):
    stream = Resampler(from_hz, to_hz)
    frame = round(0.02 * from_hz)
    made = 0
    for frames in range(1, 20):
        made += len(stream.feed(noise(frame)))
        assert frames * frame / from_hz - made / to_hz <= 0.0021


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_a_tone_of_the_voice_band_keeps_its_place_and_level(from_hz, to_hz):
    middle = slice(to_hz // 10, -to_hz // 10)
    assert resample(tone(1_000, from_hz), from_hz, to_hz)[middle] == pytest.approx(
        tone(1_000, to_hz)[middle], abs=0.002
    )


@pytest.mark.parametrize("pitch_hz", [4_400, 5_000, 7_000, 9_000, 11_500])
def test_what_the_line_cannot_carry_does_not_alias_into_it(pitch_hz):
    assert level_dbfs(resample(tone(pitch_hz, 24_000), 24_000, 8_000)[800:-800]) < -70


def test_the_same_rate_is_left_alone():
    sound = noise(10)
    assert resample(sound, 8_000, 8_000) is sound
