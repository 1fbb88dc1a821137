"""What the hearing benchmark reads out of a flight record, and how it counts words."""

import asyncio

import numpy as np
import pytest

from calls import engines
from client_caller.conversation.events import Event, SpeechPaused, SpeechStarted, Transcript
from client_caller.records.flight import Entry, EventEntry, FactEntry
from client_caller.settings import HearingSettings
from corpus import HZ, Clip
from hearing import not_configured, timing_counts, word_figures
from hearing_timing import Timing, Utterance, timing_of
from hearing_words import ALONE, LISTENED, Condition, Reading, read
from wer import Errors

BEGAN_AT = 0.1
UTTERANCE = Utterance("human", "hello", "hello you", b"", 0.5, 2.0)
"""It ends at call time 2.1."""


def timing(*events: tuple[float, Event]) -> Timing:
    entries: list[Entry] = [FactEntry(BEGAN_AT, "media started"), *(EventEntry(t, event) for t, event in events)]
    return timing_of(UTTERANCE, entries)


def test_times_count_from_the_true_end_not_from_the_end_as_it_was_heard():
    found = timing((0.8, SpeechStarted(0.6)), (2.2, SpeechPaused(1.9, 1.0)), (2.35, Transcript(1, "hello you")))
    assert (found.noticed_s, found.words_s) == pytest.approx((0.1, 0.25))
    assert (found.understood, found.pauses, found.resumed) == ("hello you", 1, False)


def test_a_pause_within_the_speech_is_not_its_end_nor_are_its_words():
    found = timing(
        (0.8, SpeechStarted(0.6)),
        (1.2, SpeechPaused(1.1, 0.5)),
        (1.5, SpeechStarted(1.4)),
        (1.6, Transcript(1, "hello")),  # late news of the first pause
        (2.25, SpeechPaused(2.1, 0.5)),
        (2.45, Transcript(2, "hello you")),
    )
    assert (found.noticed_s, found.words_s) == pytest.approx((0.15, 0.35))
    assert found.pauses == 2


def test_an_end_noticed_early_counts_as_early():
    found = timing((0.8, SpeechStarted(0.6)), (2.0, SpeechPaused(1.9, 1.0)))
    assert found.noticed_s == pytest.approx(-0.1)
    assert found.words_s is None


def test_noise_after_the_end_is_no_second_chance():
    found = timing((2.6, SpeechStarted(2.5)), (3.0, SpeechPaused(2.9, 0.3)), (3.1, Transcript(1, "you")))
    assert found.noticed_s is None
    assert found.words_s is None
    assert found.resumed


def test_a_turn_that_was_never_heard_is_counted_and_all_its_words_are_missing():
    heard = timing((0.8, SpeechStarted(0.6)), (2.2, SpeechPaused(2.1, 1.0)), (2.21, Transcript(1, "hello you")))
    counts = timing_counts([timing(), heard])
    assert counts["whose end was not noticed"] == 1
    assert counts["words known within 20 ms of noticing"] == 1
    assert counts["word error rate in these calls, %"] == 50.0


def test_an_engine_that_is_not_configured_says_which_setting_is_missing():
    settings = HearingSettings()
    assert not_configured("moonshine", settings) == ""
    assert "CLIENT_CALLER_HEARING__ENGINE" in not_configured("whisper", settings)
    assert "CLIENT_CALLER_HEARING__SERVER_URL" in not_configured("server", settings)
    assert not_configured("server", settings.model_copy(update={"server_url": "http://127.0.0.1:1/v1"})) == ""


def test_a_clip_is_read_by_the_engine_alone_and_through_the_listener():
    sound = np.random.default_rng(1).normal(0, 0.001, 3 * HZ).astype(np.float32)
    sound[HZ : 2 * HZ] += 0.1 * np.sin(np.arange(HZ) / 4).astype(np.float32)
    clip = Clip("hum", sound, "hello you", "strict", True, 1.0, 2.0, (), True, "nobody", (), "package")
    scripted = engines(texts=["hello you", "hello"])
    alone, listened = asyncio.run(read([clip], Condition("telephone"), scripted, HearingSettings()))
    assert (alone.way, alone.errors, alone.understood) == (ALONE, Errors(2), "")
    assert (listened.way, listened.errors, listened.understood) == (LISTENED, Errors(2, deleted=1), "hello")


def test_word_error_rates_are_kept_apart_by_way_and_by_how_sure_the_reference_is():
    readings = [
        Reading("telephone", ALONE, "one", "strict", Errors(8, substituted=1), "…"),
        Reading("telephone", ALONE, "two", "strict", Errors(2, deleted=1), ""),
        Reading("telephone", LISTENED, "one", "strict", Errors(8), ""),
    ]
    figures = word_figures(readings)["telephone"]
    assert figures["alone, strict"] == {"wer_percent": 20.0, "errors": 2, "words": 10}
    assert figures["listened, strict"]["wer_percent"] == 0.0
    assert figures["alone, soft"] == {"wer_percent": None, "errors": 0, "words": 0}
