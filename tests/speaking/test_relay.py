"""A relay of voices: whatever each of them makes, the piece is whole and counted right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.audio.frame import LINE_HZ
from client_caller.speaking.protocol import Speech, WordTime
from client_caller.speaking.relay import Relay

STRETCH = np.full(800, 0.1, np.float32)  # 0.1 s
WORDS = "zero one two three four five"


def word(index: int, start_s: float, end_s: float) -> WordTime:
    return WordTime(index, start_s, end_s)


def test_a_time_is_given_with_the_last_of_its_words_sound() -> None:
    relay = Relay(WORDS)
    assert relay.goes_on(Speech(STRETCH, (word(0, 0.0, 0.1), word(1, 0.1, 0.25)))).words == (word(0, 0.0, 0.1),)
    assert relay.goes_on(Speech(STRETCH)).words == ()
    assert relay.goes_on(Speech(STRETCH)).words == (word(1, 0.1, 0.25),)


def test_the_next_voice_begins_with_the_word_that_was_broken_off() -> None:
    relay = Relay(WORDS)
    relay.goes_on(Speech(STRETCH, (word(0, 0.0, 0.1), word(1, 0.1, 0.25))))
    relay.hand_on()
    assert relay.text == "one two three four five"
    assert relay.goes_on(Speech(STRETCH, (word(0, 0.0, 0.1),))).words == (word(1, 0.1, 0.2),)


def test_silence_is_given_with_the_sound_behind_it_or_at_the_end() -> None:
    relay = Relay("zero")
    assert relay.goes_on(Speech(0 * STRETCH)) is None
    assert len(relay.goes_on(Speech(STRETCH)).samples) == 1_600
    assert relay.goes_on(Speech(0 * STRETCH, (word(0, 0.1, 0.2),))) is None
    end = relay.end()
    assert (len(end.samples), end.words) == (800, (word(0, 0.1, 0.2),))
    assert Relay("zero").end() is None


def test_silence_in_which_a_voice_died_is_not_heard() -> None:
    relay = Relay(WORDS)
    relay.goes_on(Speech(STRETCH, (word(0, 0.0, 0.1),)))
    relay.goes_on(Speech(0 * STRETCH))
    relay.hand_on()
    assert relay.goes_on(Speech(STRETCH, (word(0, 0.0, 0.1),))).words == (word(1, 0.1, 0.2),)


def test_a_time_beyond_the_sound_is_cut() -> None:
    relay = Relay("zero one")
    relay.goes_on(Speech(STRETCH, (word(0, 0.0, 0.05), word(1, 0.05, 0.3))))
    assert relay.end().words == (word(1, 0.05, 0.1),)


def test_words_without_a_time_are_spread_over_the_sound_of_the_voice_that_said_them() -> None:
    relay = Relay("aa bb cc")
    relay.goes_on(Speech(STRETCH, (word(0, 0.0, 0.05),)))  # and half of the next word
    relay.hand_on()
    relay.goes_on(Speech(2 * STRETCH))
    assert relay.end().words == (word(1, 0.1, pytest.approx(0.15)), word(2, pytest.approx(0.15), 0.2))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.sampled_from(["on", "fail"])), max_size=30),
    st.randoms(use_true_random=False),
)
def test_words_are_counted_once_in_order_and_within_the_sound(steps, random) -> None:
    relay, given_samples, told = Relay(WORDS), 0, []
    index, at_s = 0, 0.0
    for words, sounds, then in steps:
        times = []
        for _ in range(words):
            times.append(WordTime(index, at_s, at_s + random.choice([0.02, 0.1, 0.3])))
            index, at_s = index + 1, times[-1].end_s
        given = relay.goes_on(Speech(STRETCH * np.float32(sounds), tuple(times)))
        if given is not None:
            given_samples += len(given.samples)
            told += given.words
            assert all(time.end_s <= given_samples / LINE_HZ for time in given.words)
        if then == "fail":
            relay.hand_on()
            index, at_s = 0, 0.0
            assert relay.text.split() == WORDS.split()[len(told) :]
    if (given := relay.end()) is not None:
        given_samples += len(given.samples)
        told += given.words
    assert [time.index for time in told] == list(range(len(told)))
    assert len(told) in {0, 6}
    edges = [edge for time in told for edge in (time.start_s, time.end_s)]
    assert edges == sorted(edges)
    assert all(edge <= given_samples / LINE_HZ for edge in edges)
