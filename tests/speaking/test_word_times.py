"""Word times for a voice that tells none: within the sound, in order, and right where the voice pauses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.speaking.protocol import WordTime
from client_caller.speaking.sound_check import in_order
from client_caller.speaking.word_times import WordTimer

HZ = 8_000


def speech(seconds: float) -> np.ndarray:
    return (0.14 * np.sin(np.arange(round(seconds * HZ)) / 3)).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * HZ), np.float32)


def told(timer: WordTimer, *sounds: np.ndarray) -> list[list[WordTime]]:
    """The words told with each sound, and with the end."""
    return [*(list(timer.feed(sound)) for sound in sounds), list(timer.finish())]


def flat(parts: list[list[WordTime]]) -> list[WordTime]:
    return [word for part in parts for word in part]


def test_words_are_told_while_the_voice_speaks() -> None:
    parts = told(WordTimer("one two three four five six"), speech(1.0), speech(1.0))
    assert [word.index for word in parts[0]] == [0, 1]
    assert len(flat(parts)) == 6


def test_the_last_word_ends_with_the_sound_and_not_with_the_silence_behind_it() -> None:
    words = flat(told(WordTimer("Good morning."), speech(0.9), silence(0.25)))
    assert words[-1].end_s == pytest.approx(0.9, abs=0.011)


def test_a_pause_tells_which_word_has_ended() -> None:
    parts = told(WordTimer("On Monday, we are closed all day."), speech(0.8), silence(0.12), speech(1.2))
    monday = parts[1][-1]
    assert monday.index == 1
    assert monday.end_s == pytest.approx(0.8, abs=0.011)
    following = flat(parts)[2]
    assert following.start_s == pytest.approx(0.92, abs=0.011)


@pytest.mark.parametrize("spoken_s", [0.6, 0.8, 1.0])
def test_a_comma_is_found_though_the_voice_is_slower_or_faster(spoken_s: float) -> None:
    parts = told(WordTimer("On Monday, we are closed all day."), speech(spoken_s), silence(0.12))
    assert [word.index for word in [*parts[0], *parts[1]]] == [0, 1]
    assert parts[1][-1].end_s == pytest.approx(spoken_s, abs=0.011)


def test_behind_a_comma_nothing_is_told_before_the_pause_that_should_come() -> None:
    timer = WordTimer("On Monday, we are closed all day.")
    assert max(word.index for word in timer.feed(speech(0.85))) == 0


def test_a_gap_within_a_word_is_no_pause() -> None:
    timer = WordTimer("the automatic answering machine")
    timer.feed(np.concatenate((speech(0.45), silence(0.08), speech(0.1))))
    whole = WordTimer("the automatic answering machine")
    whole.feed(speech(0.63))
    assert timer.letters_per_s == whole.letters_per_s
    assert flat([list(timer.feed(speech(1.0)))]) == flat([list(whole.feed(speech(1.0)))])


def test_a_long_pause_lies_between_two_words_though_no_comma_is_there() -> None:
    parts = told(WordTimer("please hold the line now"), speech(0.7), silence(0.3), speech(0.6))
    ends = [word.end_s for word in parts[1]]
    assert ends[-1] == pytest.approx(0.7, abs=0.011)
    assert flat(parts)[len([*parts[0], *parts[1]])].start_s == pytest.approx(1.0, abs=0.011)


def test_the_speed_of_a_voice_is_learned_for_its_next_piece() -> None:
    timer = WordTimer("We are open from Monday to Friday.", 14.0)
    told(timer, speech(4.0))
    assert timer.letters_per_s < 12.0


def test_a_dash_takes_no_time() -> None:
    words = flat(told(WordTimer("yes — no"), speech(1.0)))
    assert words[1].start_s == words[1].end_s == words[0].end_s


def test_without_sound_and_without_words_nothing_breaks() -> None:
    assert flat(told(WordTimer(""), speech(0.5))) == []
    assert [word.end_s for word in WordTimer("no sound").finish()] == [0.0, 0.0]


sounds = st.lists(st.tuples(st.booleans(), st.floats(0.0, 1.0)), max_size=10)
texts = st.lists(st.sampled_from(["a", "well,", "telephones", "—", "9:00", "now.", "the"]), max_size=12)


def made(parts: list[tuple[bool, float]]) -> np.ndarray:
    return np.concatenate([silence(0), *(speech(s) if loud else silence(s) for loud, s in parts)])


@given(words=texts, parts=sounds, rate=st.floats(3, 40), frame=st.integers(25, 900))
def test_every_word_is_told_once_in_order_and_within_the_sound_so_far(words, parts, rate, frame) -> None:
    timer, sound, last = WordTimer(" ".join(words), rate), made(parts), None
    for start in range(0, len(sound) + 1, frame):
        new = timer.feed(sound[start : start + frame])
        assert in_order(new, last, len(words))
        assert all(word.end_s <= min(len(sound), start + frame) / HZ + 1e-9 for word in new)
        last = new[-1] if new else last
    rest = timer.finish()
    assert in_order(rest, last, len(words))
    assert all(word.end_s <= len(sound) / HZ + 1e-9 for word in rest)
    assert [word.index for word in rest] == list(range(last.index + 1 if last else 0, len(words)))


@given(words=texts, parts=sounds, cuts=st.lists(st.floats(0, 1), max_size=5))
def test_how_the_stream_is_cut_makes_no_difference(words, parts, cuts) -> None:
    sound = made(parts)
    chunks = np.split(sound, sorted(round(cut * len(sound)) for cut in cuts))
    text = " ".join(words)
    assert flat(told(WordTimer(text), *chunks)) == flat(told(WordTimer(text), sound))
