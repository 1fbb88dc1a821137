"""Sound that no caller could make anything of is told from speech."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.audio.frame import LINE_HZ
from client_caller.speaking.protocol import WordTime
from client_caller.speaking.sound_check import SoundCheck, in_order
from client_caller.speaking.tone import tone


def verdicts(*stretches: np.ndarray) -> list[str | None]:
    check = SoundCheck()
    return [check.feed(np.asarray(stretch, np.float32)) for stretch in stretches]


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * LINE_HZ))


@pytest.mark.parametrize("worth", [np.nan, np.inf, -np.inf])
def test_one_sample_that_is_no_number_is_enough(worth: float) -> None:
    assert verdicts(tone(1, 1.0), np.append(tone(1, 1.0), worth)) == [None, "nonsense: samples that are no numbers"]


def test_noise_at_full_scale_is_told_from_a_loud_voice() -> None:
    assert verdicts(12 * tone(1, 0.2))[0] == "nonsense: noise at full scale"
    assert verdicts(7.0 * tone(1, 0.2)) == [None]


def test_a_pause_may_last_three_seconds_wherever_it_lies() -> None:
    sound = tone(1, 0.2)
    assert verdicts(sound, quiet(1.4), np.concatenate((quiet(1.5), sound)), quiet(2.9), sound) == [None] * 5
    assert verdicts(sound, quiet(1.4), np.concatenate((quiet(1.7), sound)))[2] == "nonsense: silence"
    assert verdicts(quiet(3.1)) == ["nonsense: silence"]
    assert verdicts(np.concatenate((sound, quiet(3.1), sound))) == ["nonsense: silence"]


def test_a_piece_may_last_a_minute() -> None:
    assert verdicts(*[tone(1, 10.0)] * 7) == [None] * 6 + ["nonsense: it does not end"]


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 12))
def test_silence_is_found_however_the_sound_is_cut(pattern: list[bool], parts: int) -> None:
    step = LINE_HZ // 4
    sound = np.repeat(np.array(pattern, np.float32) * 0.1, step)
    longest = max((len(run) for run in "".join("x" if on else " " for on in pattern).split("x")), default=0)
    found = "nonsense: silence" in verdicts(*np.array_split(sound, parts))
    assert found == (longest * step > 3 * LINE_HZ)


def test_word_times_run_forwards() -> None:
    one, two = WordTime(0, 0.0, 0.2), WordTime(1, 0.2, 0.4)
    assert in_order((one, two), None, 2)
    assert in_order((two,), one, 2)
    assert not in_order((two, one), None, 2)
    assert not in_order((one,), one, 2)
    assert not in_order((two,), one, 1)  # there is no second word
    assert not in_order((WordTime(1, 0.3, 0.2),), one, 2)
    assert not in_order((WordTime(1, float("nan"), 0.5),), one, 2)
