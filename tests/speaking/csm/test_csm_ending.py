"""When a segment is over: every guard with codes that force it."""

from itertools import cycle, islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.speaking.csm.ending import Ending, Verdict
from client_caller.speaking.csm.protocol import FRAME_S, FRAME_SAMPLES

CODEBOOKS = 32
LOUD = (0.1 * np.sin(np.arange(FRAME_SAMPLES) / 9)).astype(np.float32)
SILENT = np.zeros(FRAME_SAMPLES, np.float32)
END = np.zeros(CODEBOOKS, np.int32)
SENTENCE = "Our opening hours are from Monday to Friday, eight to six."  # 58 characters: 4.14 s, at most 6.33 s
GIVE, HOLD = Verdict("give"), Verdict("hold")


def frame(number: int) -> np.ndarray:
    """Codes like those of no other number, none of them 0."""
    return np.full(CODEBOOKS, 1 + number, np.int32)


def only_first_zero(number: int) -> np.ndarray:
    return np.where(np.arange(CODEBOOKS) == 0, 0, frame(number)).astype(np.int32)


def after(seconds: float, text: str = SENTENCE) -> Ending:
    """A segment that has spoken for so long."""
    ending = Ending(text)
    for number in range(round(seconds / FRAME_S)):
        assert ending.feed(frame(number), LOUD) == GIVE
    return ending


def test_speech_is_given_frame_by_frame() -> None:
    after(4.0)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 5.0])
def test_a_frame_of_zeros_is_the_end_at_any_time(seconds: float) -> None:
    assert after(seconds).feed(END, SILENT) == Verdict("end", "spoken", 1)


def test_silence_before_the_end_is_not_given() -> None:
    ending = after(4.0)
    assert ending.feed(frame(900), SILENT) == HOLD
    assert ending.feed(frame(901), SILENT) == HOLD
    assert ending.feed(END, SILENT) == Verdict("end", "spoken", 3)


def test_silence_before_more_speech_is_given_with_it() -> None:
    ending = after(1.0)
    assert [ending.feed(frame(900 + n), SILENT) for n in range(5)] == [HOLD] * 5
    assert ending.feed(frame(910), LOUD) == GIVE
    assert ending.feed(END, LOUD) == Verdict("end", "spoken", 1)


def test_a_first_code_of_zero_is_a_sound_while_there_must_be_more_to_say() -> None:
    ending = after(1.0)
    assert ending.feed(only_first_zero(900), LOUD) == HOLD
    assert ending.feed(frame(901), LOUD) == GIVE


def test_a_first_code_of_zero_twice_in_a_row_is_the_end() -> None:
    ending = after(1.0)
    assert ending.feed(only_first_zero(900), LOUD) == HOLD
    assert ending.feed(only_first_zero(901), LOUD) == Verdict("end", "spoken", 2)


def test_a_first_code_of_zero_is_the_end_when_all_words_should_be_said() -> None:
    assert after(3.6).feed(only_first_zero(900), LOUD) == HOLD
    assert after(4.16).feed(only_first_zero(900), LOUD) == Verdict("end", "spoken", 1)


def test_a_frame_that_is_mostly_zeros_is_the_end_when_half_of_them_should_be() -> None:
    mostly = only_first_zero(900)
    mostly[: len(mostly) // 2] = 0
    assert after(1.0).feed(mostly, LOUD) == HOLD
    assert after(2.08).feed(mostly, LOUD) == Verdict("end", "spoken", 1)


def test_who_does_not_end_is_stopped_at_a_length_that_the_text_allows() -> None:
    ending = Ending(SENTENCE)
    verdicts = [ending.feed(frame(number), LOUD) for number in range(79)]
    assert verdicts == [GIVE] * 78 + [Verdict("end", "length", 0)]  # 58 / 12 + 1.5 s


def test_a_slow_voice_is_given_more_time() -> None:
    ending = Ending(SENTENCE, letters_per_s=7.0)
    assert all(ending.feed(frame(number), LOUD) == GIVE for number in range(130))


def test_no_segment_is_longer_than_half_a_minute() -> None:
    ending = Ending("word " * 400)
    assert sum(ending.feed(frame(number), LOUD).do == "give" for number in range(375)) == 374
    assert Ending("word " * 400).bias == 0


def test_the_shortest_text_has_time_to_be_said() -> None:
    ending = after(0.4, "Yes.")
    assert ending.bias == 0
    assert after(1.6, "Yes.").feed(END, SILENT).reason == "spoken"


def test_the_end_is_made_likelier_when_it_is_late_and_only_then() -> None:
    ending, biases = Ending(SENTENCE), []
    for number in range(77):
        biases.append(ending.bias)
        ending.feed(frame(number), LOUD)
    late = [bias for bias in biases if bias > 0]
    assert biases.index(late[0]) == 52  # the first frame behind 4.14 s
    assert np.diff(late[:20]) == pytest.approx(4 * FRAME_S)
    assert max(biases) <= 8


def test_the_bias_stops_growing() -> None:
    ending = after(20.0, "word " * 60)  # 21.4 s
    for number in range(40, 100):
        ending.feed(frame(900 + number), LOUD)
    assert ending.bias == 8


def test_a_frame_said_over_and_over_is_the_end_and_the_repeats_are_not_given() -> None:
    ending = after(3.0)
    verdicts = [ending.feed(frame(900), LOUD) for _ in range(4)]
    assert verdicts == [GIVE, HOLD, HOLD, Verdict("end", "repeated", 3)]


def test_at_the_beginning_it_takes_more_repeats() -> None:
    ending = after(0.5)
    verdicts = [ending.feed(frame(900), LOUD) for _ in range(7)]
    assert verdicts == [GIVE, *[HOLD] * 5, Verdict("end", "repeated", 6)]


def test_a_frame_that_differs_in_one_code_is_no_repeat() -> None:
    ending = after(3.0)
    for number in range(8):
        codes = frame(900)
        codes[-1] += number
        assert ending.feed(codes, LOUD) == GIVE


def test_silence_when_the_words_should_be_over_is_the_end() -> None:
    ending = after(4.2)
    verdicts = [ending.feed(frame(900 + number), SILENT) for number in range(11)]
    assert verdicts == [HOLD] * 10 + [Verdict("end", "silent", 11)]  # more than 0.8 s


def test_within_the_words_a_pause_may_last_two_seconds_and_a_half() -> None:
    ending = after(0.5, "word " * 40)
    verdicts = [ending.feed(frame(900 + number), SILENT) for number in range(32)]
    assert verdicts == [HOLD] * 31 + [Verdict("end", "silent", 32)]


def test_the_breath_of_a_loud_voice_is_silence_and_the_onset_of_a_word_is_not() -> None:
    ending = after(1.0)
    assert ending.feed(frame(900), LOUD * np.float32(0.01)) == HOLD  # -40 dB
    assert ending.feed(frame(901), np.concatenate((SILENT[:1500], LOUD[:420]))) == GIVE


def test_a_silent_end_at_the_longest_length_is_not_given() -> None:
    ending = after(6.08)
    assert ending.feed(frame(900), SILENT) == HOLD
    assert ending.feed(frame(901), SILENT) == HOLD
    assert ending.feed(frame(902), SILENT) == Verdict("end", "length", 3)


FRAMES = st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), min_size=1, max_size=20)


@given(text=st.text("ab .", max_size=300), frames=FRAMES)
def test_it_always_ends_and_never_wants_back_what_was_given(text: str, frames: list[tuple[int, bool, bool]]) -> None:
    ending, held = Ending(text), 0
    for count, (number, zero, loud) in enumerate(islice(cycle(frames), 400), 1):
        codes = only_first_zero(number) if zero else frame(number)
        verdict = ending.feed(codes, LOUD if loud else SILENT)
        if verdict.do == "end":
            assert verdict.drop in (0, held + 1)
            assert count * FRAME_S <= min(30, len(text) / 12 + 1.6)
            return
        assert verdict.reason is None
        held = held + 1 if verdict.do == "hold" else 0
    raise AssertionError("it did not end")
