"""The corpus of the benchmarks: what is made of a clip, and what a telephone makes of it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_caller.audio import mulaw
from client_caller.audio.levels import level_dbfs
from corpus import (
    HZ,
    Clip,
    corpus_present,
    framed,
    human_clips,
    room_tone,
    silences,
    speech_dbfs,
    telephone,
    with_pause,
)

SPOKEN = ((0.2, 1.0), (1.3, 1.8))
SECONDS = 2.0


def hum(seconds: float, dbfs: float, hz: float = 440.0) -> np.ndarray:
    wave = np.sin(2 * np.pi * hz * np.arange(round(seconds * HZ)) / HZ)
    return (wave * np.sqrt(2) * 10 ** (dbfs / 20)).astype(np.float32)


def clip(spoken: tuple[tuple[float, float], ...] = SPOKEN, room_dbfs: float = -60.0) -> Clip:
    """A hum instead of a voice, in a room that hisses."""
    samples = np.random.default_rng(3).normal(0, 10 ** (room_dbfs / 20), round(SECONDS * HZ)).astype(np.float32)
    for begin, end in spoken:
        samples[round(begin * HZ) : round(end * HZ)] += hum(end - begin, -20.0)
    return Clip("hum", samples, "hm", "no", True, spoken[0][0], spoken[-1][1], (), True, "nobody", (), "package")


def test_the_silences_of_a_clip_are_those_within_the_speech_and_the_one_after_it():
    assert silences(clip()) == [pytest.approx((1.0, 1.3)), pytest.approx((1.8, 2.0))]


def test_a_listed_pause_counts_as_it_is_listed():
    listed = replace(clip(), pauses=((0.95, 1.35),))
    assert silences(listed)[0] == (0.95, 1.35)


def test_what_is_long_and_not_listed_is_soft_speech():
    assert len(silences(clip(((0.2, 0.6), (1.3, 1.8))))) == 1


def test_a_silence_is_stretched_to_the_length_asked_for():
    stretched = with_pause(clip(), 1.1, 3.0)
    (begin, end), last = silences(stretched)
    assert (begin, end) == pytest.approx((1.0, 4.0))
    assert last == pytest.approx((4.5, 4.7))
    assert stretched.speech_end_s == pytest.approx(4.5)
    assert "constructed" in stretched.tags


def test_a_pause_where_there_was_none_parts_the_voice():
    parted = with_pause(clip(), 0.5, 2.0)
    assert parted.pauses == (pytest.approx((0.5, 2.5)),)
    middle = parted.samples[round(1.0 * HZ) : round(2.0 * HZ)]
    assert level_dbfs(middle) == pytest.approx(-60, abs=3)
    assert level_dbfs(parted.samples[round(2.6 * HZ) : round(2.9 * HZ)]) == pytest.approx(-20, abs=1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.25, 1.75), min_size=1, max_size=3), st.floats(0.6, 3.0))
def test_pauses_put_in_one_after_the_other_lengthen_the_clip_and_stay_in_order(instants, pause_s):
    made = clip()
    for at_s in instants:
        if any(begin <= at_s <= end for begin, end in made.pauses):
            continue
        longer = with_pause(made, at_s, pause_s)
        assert len(longer.samples) > len(made.samples)
        made = longer
    assert list(made.pauses) == sorted(made.pauses)
    assert all(end - begin == pytest.approx(pause_s) for begin, end in made.pauses)
    assert made.speech_end_s + 0.2 == pytest.approx(len(made.samples) / HZ, abs=1e-3)


@pytest.mark.parametrize("at_s", [0.1, 1.9])
def test_there_is_no_pause_outside_the_speech(at_s):
    with pytest.raises(ValueError, match="hum speaks from"):
        with_pause(clip(), at_s, 1.0)


def test_a_pause_is_never_shortened():
    with pytest.raises(ValueError, match="longer than 0"):
        with_pause(clip(), 1.1, 0.1)


@pytest.mark.parametrize("room_dbfs", [-65.0, -45.0])
def test_room_tone_is_as_loud_as_the_room(room_dbfs):
    # The speech is at -20 dBFS, so a room up to -55 may be matched.
    expected = min(room_dbfs, -55.0)
    assert level_dbfs(room_tone(clip(room_dbfs=room_dbfs).samples, 0.5)) == pytest.approx(expected, abs=2)


def test_room_tone_is_never_digital_silence():
    silent = hum(1.0, -20.0)
    silent[HZ // 2 :] = 0
    assert level_dbfs(room_tone(silent, 0.5)) > -80


def test_a_clip_cut_close_is_framed_by_its_room():
    close = clip(((0.0, 2.0),))
    wide = framed(close, 0.5, 1.0)
    assert (wide.speech_start_s, wide.speech_end_s) == pytest.approx((0.5, 2.5))
    assert len(wide.samples) == round(3.5 * HZ)
    assert framed(wide, 0.5, 1.0).samples.tobytes() == wide.samples.tobytes()


def test_the_same_call_gives_the_same_bytes_and_another_seed_other_noise():
    one, same, other = (telephone(clip().samples, snr_db=10, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert len(one) == SECONDS * 8_000


@pytest.mark.parametrize("level", [-20.0, -40.0])
def test_a_voice_comes_over_the_telephone_at_the_level_asked_for(level):
    assert speech_dbfs(mulaw.decode(telephone(clip().samples, level_dbfs=level))) == pytest.approx(level, abs=1)


def test_noise_is_added_below_the_voice_or_absolutely():
    quiet = slice(8_600, 9_900)  # the silence between 1.0 and 1.3 s
    below = mulaw.decode(telephone(clip().samples, level_dbfs=-20, snr_db=20))
    floor = mulaw.decode(telephone(clip().samples, level_dbfs=-20, noise_floor_dbfs=-30))
    assert level_dbfs(below[quiet]) == pytest.approx(-40, abs=1.5)
    assert level_dbfs(floor[quiet]) == pytest.approx(-30, abs=1.5)


def test_the_telephone_cuts_what_lies_outside_its_band():
    low = hum(1.0, -20.0, hz=100) + hum(1.0, -20.0, hz=1_000)
    spectrum = np.abs(np.fft.rfft(mulaw.decode(telephone(low))))
    assert spectrum[100] < 0.05 * spectrum[1_000]
    whole = np.abs(np.fft.rfft(mulaw.decode(telephone(low, band=False))))
    assert whole[100] == pytest.approx(whole[1_000], rel=0.1)


def test_two_kinds_of_noise_level_at_once_are_refused():
    with pytest.raises(ValueError, match="not both"):
        telephone(clip().samples, snr_db=10, noise_floor_dbfs=-50)


def test_an_unknown_noise_is_named():
    with pytest.raises(ValueError, match="'thunder'"):
        telephone(clip().samples, snr_db=10, noise="thunder")


@pytest.mark.models
def test_every_clip_is_framed_by_its_room_and_its_silences_lie_in_order_within_it():
    clips = human_clips()
    assert len(clips) == (90 if corpus_present() else 12)
    assert len({clip.name for clip in clips}) == len(clips)
    for one in clips:
        spans = silences(one)
        assert one.speech_start_s >= 0.39
        assert spans[-1] == (one.speech_end_s, len(one.samples) / HZ)
        assert spans[-1][1] - spans[-1][0] >= 0.99
        instants = [instant for span in spans for instant in span]
        assert instants == sorted(instants)
        assert set(one.pauses) <= set(spans)
        assert all(end - begin > 0.099 for begin, end in spans)


def test_a_soft_beginning_and_a_soft_end_are_no_silences():
    soft = replace(clip(((0.4, 1.0), (1.3, 1.6))), speech_start_s=0.2, speech_end_s=1.8)
    assert silences(soft) == [pytest.approx((1.0, 1.3)), pytest.approx((1.8, 2.0))]
