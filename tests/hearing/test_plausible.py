"""What of a transcriber's work to believe."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from client_caller.audio import mulaw
from client_caller.audio.levels import at_level
from client_caller.audio.resample import resample
from client_caller.hearing.plausible import believed, doubted, holds_voice

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"


def hiss(dbfs: float, seconds: float = 1.0, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 10 ** (dbfs / 20), round(16_000 * seconds)).astype(np.float32)


def by_telephone(samples: np.ndarray) -> np.ndarray:
    return resample(mulaw.decode(mulaw.encode(resample(samples, 16_000, 8_000))), 8_000, 16_000)


@pytest.mark.parametrize("dbfs", [-10, -40, -60])
def test_a_word_in_the_hiss_of_a_line_is_voice_and_the_hiss_is_none_however_loud_both_are(dbfs):
    line = hiss(dbfs, 3.0)
    assert not holds_voice(line, 16_000)
    line[20_000:22_000] += hiss(dbfs + 10, 0.125)
    assert holds_voice(line, 16_000)


@given(st.floats(-90, 0), st.floats(0.4, 4), st.integers(0, 2**32 - 1))
@example(-72.0, 1.0, 1)
@settings(max_examples=30, deadline=None)
def test_steady_hiss_is_no_voice_at_any_level_and_length(dbfs, seconds, seed):
    assert not holds_voice(by_telephone(hiss(dbfs, seconds, seed)), 16_000)


def test_neither_the_rounding_of_the_line_nor_a_gap_in_its_hiss_is_voice():
    assert not holds_voice(by_telephone(np.tile(hiss(-78, 0.1), 20) * np.repeat([0, 1], 16_000)), 16_000)
    hole = hiss(-40, 3.0)
    hole[12_000:30_000] = 0
    assert not holds_voice(hole, 16_000)


def test_a_click_is_no_voice_and_a_short_word_out_of_silence_is():
    line = np.zeros(16_000, np.float32)
    line[8_000:8_010] = 0.5
    assert not holds_voice(line, 16_000)
    line[10_000:11_600] = hiss(-30, 0.1)
    assert holds_voice(line, 16_000)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="there is no corpus of human speech beside the repository")
@pytest.mark.parametrize("dbfs", [-20, -60])
def test_every_human_utterance_is_voice_also_when_it_is_hardly_audible(dbfs):
    for clip in json.loads((CORPUS / "manifest.json").read_text()):
        if not clip["file"].startswith("speech/") or clip["duration_s"] > 12:
            continue
        with wave.open(str(CORPUS / clip["file"])) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
            sound = resample((pcm / 32_768).astype(np.float32), file.getframerate(), 16_000)
        assert holds_voice(by_telephone(at_level(sound, dbfs)), 16_000), clip["id"]


def test_a_stretch_too_short_for_a_word_is_no_voice():
    assert not holds_voice(hiss(-20, 0.09), 16_000)
    assert not holds_voice(np.zeros(0, np.float32), 16_000)


@pytest.mark.parametrize(
    ("no_speech", "log_probability", "doubt"),
    [(0.1, -0.3, False), (0.7, -0.1, True), (0.1, -1.1, True), (0.6, -1.0, False)],
)
def test_a_decoder_is_doubted_when_it_hears_no_speech_or_guesses(no_speech, log_probability, doubt):
    assert doubted(no_speech, log_probability) is doubt


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ("I want to, I want to, I want to, go home", "I want to, go home"),
        ("la la la la la la la la la la la la", "la"),
        ("no, no, no", "no, no, no"),
        ("four five, four five, four five", "four five, four five, four five"),
        ("You", ""),
        ("Thank you.", "Thank you."),
        ("Thanks for watching!", ""),
        ("I need help. Thanks for watching!", "I need help."),
        ("Don’t forget to subscribe. My router is broken.", "My router is broken."),
        ("I was watching, thanks for watching it with me.", "I was watching, thanks for watching it with me."),
        ("", ""),
    ],
)
def test_loops_and_stock_sentences_are_cut_and_a_caller_who_repeats_himself_is_not(found, text):
    assert believed(found) == text


@given(st.lists(st.sampled_from(["yes", "no", "five", "the", "day"]), max_size=30).map(" ".join))
def test_belief_invents_no_word_and_adds_none(text):
    kept = believed(text).split()
    assert set(kept) <= set(text.split())
    assert len(kept) <= len(text.split())


@given(st.lists(st.sampled_from(["yes", "no", "five", "day"]), min_size=2, max_size=4, unique=True), st.integers(4, 20))
def test_any_loop_is_said_once(phrase, repeats):
    assert believed(" ".join(phrase * repeats)).split() == phrase
