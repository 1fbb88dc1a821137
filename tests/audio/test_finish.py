"""The last step of a voice: level, ends, pauses, and the same however the stream is cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.audio.finish import LIMIT, Finisher
from client_caller.audio.levels import level_dbfs
from client_caller.audio.resample import resample

RATES = [8_000, 16_000, 22_050, 24_000]


def tone(seconds: float, dbfs: float = -20.0, hz: int = 24_000, pitch_hz: float = 200.0) -> np.ndarray:
    """A sine of this level. Its pitch fits whole periods into 10 ms."""
    amplitude = np.sqrt(2) * 10 ** (dbfs / 20)
    return (amplitude * np.sin(2 * np.pi * pitch_hz * np.arange(round(seconds * hz)) / hz)).astype(np.float32)


def silence(seconds: float, hz: int = 24_000) -> np.ndarray:
    return np.zeros(round(seconds * hz), np.float32)


def finished(sound: np.ndarray, hz: int = 24_000, **how: float | None) -> np.ndarray:
    finisher = Finisher(hz, **how)
    return np.concatenate((finisher.feed(sound), finisher.finish()))


def sounding(sound: np.ndarray) -> tuple[float, float]:
    """Where its first and last sound are, in seconds."""
    loud = np.flatnonzero(np.abs(sound) > 0.003)
    return loud[0] / 8_000, (loud[-1] + 1) / 8_000


def test_a_voice_at_the_right_level_is_left_alone_but_for_its_ends() -> None:
    sound = tone(1.0)
    given = finished(sound, gain_db=0.0)
    assert given[64:-64] == pytest.approx(resample(sound, 24_000, 8_000)[64:-64], rel=0.01, abs=1e-3)


@pytest.mark.parametrize("dbfs", [-32.0, -26.0, -14.0])
def test_a_voice_comes_to_the_level_of_the_line(dbfs: float) -> None:
    given = finished(tone(6.0, dbfs))
    assert level_dbfs(given[4 * 8_000 : -100]) == pytest.approx(-20, abs=0.7)


def test_a_gain_that_is_known_is_there_from_the_first_word_on() -> None:
    finisher = Finisher(24_000, gain_db=12.0)
    given = finisher.feed(tone(1.0, -32.0))
    assert level_dbfs(given[100:]) == pytest.approx(-20, abs=0.1)
    assert finisher.gain_db == pytest.approx(12, abs=0.1)


def test_the_gain_moves_slowly_and_not_at_all_in_silence() -> None:
    finisher = Finisher(24_000)
    finisher.feed(tone(1.0, -35.0))
    loud_db = finisher.gain_db
    assert 3.0 < loud_db <= 4.01
    finisher.feed(silence(3.0))
    assert finisher.gain_db == pytest.approx(loud_db, abs=0.1)
    finisher.feed(tone(0.5, -10.0))
    assert loud_db - 2.2 < finisher.gain_db < loud_db


def test_a_shout_is_bent_and_not_cut() -> None:
    given = finished(tone(0.5, -1.0), gain_db=6.0)
    assert 0.85 < np.abs(given).max() < LIMIT
    assert np.mean(np.abs(given) > 0.9 * LIMIT) < 0.75
    assert len(np.unique(np.round(np.abs(given[given > 0.85]), 5))) > 20  # tops of waves, not plateaus


def test_leading_silence_is_cut_to_sixty_milliseconds() -> None:
    sound = np.concatenate((silence(0.5), tone(0.5)))
    assert sounding(finished(sound))[0] == pytest.approx(0.060, abs=0.002)
    assert sounding(finished(sound, lead_s=0.0))[0] == pytest.approx(0.002, abs=0.002)
    assert sounding(finished(sound, lead_s=None))[0] == pytest.approx(0.5, abs=0.002)


def test_less_silence_than_that_is_left_as_it_is() -> None:
    assert sounding(finished(np.concatenate((silence(0.03), tone(0.5)))))[0] == pytest.approx(0.03, abs=0.002)


@pytest.mark.parametrize("made_s", [0.0, 0.1, 0.25, 1.0])
@pytest.mark.parametrize("pause_s", [0.0, 0.12, 0.25])
def test_the_pause_at_the_end_is_what_was_asked_for(made_s: float, pause_s: float) -> None:
    given = finished(np.concatenate((tone(0.5), silence(made_s))), pause_s=pause_s)
    assert len(given) / 8_000 - sounding(given)[1] == pytest.approx(pause_s, abs=0.008)
    assert len(given) / 8_000 == pytest.approx(0.5 + pause_s, abs=0.004)


def test_a_pause_in_the_middle_keeps_its_length() -> None:
    sound = np.concatenate((tone(0.3), silence(0.7), tone(0.3), silence(0.5)))
    given = finished(sound, pause_s=0.12)
    assert len(given) / 8_000 == pytest.approx(0.3 + 0.7 + 0.3 + 0.12, abs=0.004)


def test_a_piece_without_sound_is_nothing() -> None:
    assert len(finished(silence(1.0))) == 0
    assert len(finished(silence(1.0), pause_s=0.25)) == 0
    assert len(finished(silence(1.0), lead_s=None)) == 8_000
    assert len(finished(silence(0.0), lead_s=None)) == 0


@pytest.mark.parametrize("hz", RATES)
def test_sound_leaves_within_ten_milliseconds_of_the_resampler(hz: int) -> None:
    finisher, made = Finisher(hz, pause_s=0.25), 0
    frame = round(0.02 * hz)
    for count in range(1, 40):
        made += len(finisher.feed(tone(1.0, hz=hz)[(count - 1) * frame : count * frame]))
        assert count * frame / hz - made / 8_000 <= 0.0021 + 0.010


sounds = st.lists(
    st.tuples(st.floats(-60, 0), st.floats(0.0, 0.2), st.sampled_from([100.0, 300.0, 1_000.0])),
    min_size=1,
    max_size=5,
)
ends = st.sampled_from([{}, {"pause_s": 0.05}, {"lead_s": None}, {"lead_s": 0.0, "pause_s": 0.0}, {"gain_db": 9.0}])


def joined(parts: list[tuple[float, float, float]], hz: int) -> np.ndarray:
    """Tones, each a whole number of waves, with silence in between."""
    made = [np.concatenate((tone(round(s, 2), dbfs, hz, pitch), silence(s, hz))) for dbfs, s, pitch in parts]
    return np.concatenate(made)


@given(hz=st.sampled_from(RATES), parts=sounds, how=ends, cuts=st.lists(st.floats(0, 1), max_size=8))
def test_how_the_stream_is_cut_makes_no_difference(hz, parts, how, cuts) -> None:
    sound = joined(parts, hz)
    finisher = Finisher(hz, **how)
    chunks = np.split(sound, sorted(round(cut * len(sound)) for cut in cuts))
    streamed = np.concatenate([*(finisher.feed(chunk) for chunk in chunks), finisher.finish()])
    assert streamed == pytest.approx(finished(sound, hz, **how), abs=1e-6)
    assert streamed.dtype == np.float32


@given(hz=st.sampled_from(RATES), parts=sounds)
def test_with_its_silences_left_alone_the_length_is_that_of_the_same_time(hz, parts) -> None:
    sound = joined(parts, hz)
    assert len(finished(sound, hz, lead_s=None)) == -(-len(sound) * 8_000 // hz)


@given(hz=st.sampled_from(RATES), samples=st.integers(0, 3_000), gain_db=st.floats(-20, 20), seed=st.integers(0, 99))
def test_no_sample_is_beyond_the_limit_and_both_ends_are_silent(hz, samples, gain_db, seed) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.5, samples).astype(np.float32)
    given = finished(noise, hz, gain_db=gain_db)
    assert np.isfinite(given).all()
    assert np.abs(given).max(initial=0) <= LIMIT
    assert len(given) == 0 or (given[0] == 0 and given[-1] == 0)


@given(dbfs=st.floats(-60, 0), gain_db=st.floats(-20, 20), lead_s=st.floats(0, 0.2), cut_s=st.floats(0.05, 0.3))
def test_nothing_clicks(dbfs: float, gain_db: float, lead_s: float, cut_s: float) -> None:
    sound = np.concatenate((silence(lead_s), tone(cut_s, dbfs, pitch_hz=100.0)))  # the end falls anywhere in a wave
    given = finished(sound, gain_db=gain_db, pause_s=0.1)
    steepest = 2 * np.pi * 100 / 8_000 * np.sqrt(2) * 10 ** ((dbfs + gain_db) / 20)
    assert np.abs(np.diff(given)).max(initial=0) <= 1.1 * steepest + LIMIT / 32
