"""The listener, with loudness for a voice: instants, sound, and turns."""

import asyncio
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_caller.audio import mulaw
from client_caller.audio.levels import level_dbfs
from client_caller.conversation.events import SpeechPaused, SpeechStarted
from client_caller.hearing.listener import Listener
from client_caller.hearing.scripted import LoudnessActivity
from client_caller.settings import HearingSettings

WINDOW_S = 0.032


def voice(seconds: float) -> np.ndarray:
    return np.full(round(seconds * 8_000), 0.2, np.float32) * np.where(np.arange(round(seconds * 8_000)) % 8 < 4, 1, -1)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * 8_000), np.float32)


class Caller:
    """Speaks into a listener, in frames of 20 ms, each arriving when it ends and `late_s` after."""

    def __init__(self, late_s: float = 0.0, frame: int = 160) -> None:
        self.listener = Listener(LoudnessActivity(), HearingSettings())
        self.events: list[tuple[float, SpeechStarted | SpeechPaused]] = []
        self._late_s, self._frame, self._said = late_s, frame, 0

    def says(self, *parts: np.ndarray) -> "Caller":
        line = mulaw.encode(np.concatenate(parts).astype(np.float32))
        asyncio.run(self._send([line[start : start + self._frame] for start in range(0, len(line), self._frame)]))
        return self

    def loses(self, seconds: float) -> "Caller":
        """Speak on for so long while nothing gets through."""
        self._said += round(seconds * 8_000)
        return self

    async def _send(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            media_s = self._said / 8_000
            self._said += len(chunk)
            now = self._said / 8_000 + self._late_s
            self.events += [(now, event) for event in await self.listener.feed(chunk, media_s, now)]


def test_onset_and_offset_are_dated_to_the_sound_and_told_soon():
    (heard, started), (noticed, paused) = Caller().says(silence(1), voice(1), silence(1)).events
    assert started.at == pytest.approx(1.0, abs=WINDOW_S)
    assert heard - 1.0 <= WINDOW_S + 0.020
    assert paused.at == pytest.approx(2.0, abs=WINDOW_S)
    assert noticed - 2.0 <= 0.064 + WINDOW_S + 0.020
    assert paused.voiced_s == pytest.approx(1.0, abs=2 * WINDOW_S)


def test_a_line_whose_every_frame_is_late_is_dated_by_its_first_frame():
    (_, started), _ = Caller(late_s=0.5).says(silence(1), voice(1), silence(1)).events
    assert started.at == pytest.approx(1.5, abs=WINDOW_S)


def test_a_burst_after_a_stall_is_no_pause_and_moves_no_instant():
    listener = Listener(LoudnessActivity(), HearingSettings())
    line = mulaw.encode(np.concatenate((silence(1), voice(2), silence(1))))

    async def listen() -> list[SpeechStarted | SpeechPaused]:
        events = []
        for n in range(0, len(line), 160):
            ends_s = (n + 160) / 8_000
            now = 2.0 if 1.2 < ends_s < 2.0 else ends_s
            events += await listener.feed(line[n : n + 160], n / 8_000, now)
        return events

    started, paused = asyncio.run(listen())
    assert started.at == pytest.approx(1.0, abs=WINDOW_S)
    assert paused.at == pytest.approx(3.0, abs=WINDOW_S)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 20), st.floats(0, 0.3), st.integers(0, 9)), min_size=1, max_size=30
    )
)
def test_events_alternate_in_time_and_never_lie_in_the_future_on_a_bad_line(script):
    """Chunks of any size, late by anything, now and then lost."""

    async def listen() -> list[SpeechStarted | SpeechPaused]:
        listener, media_s, now, events = Listener(LoudnessActivity(), HearingSettings()), 0.0, 0.0, []
        for loud, frames, late_s, lost in script:
            media_s += 0.2 * lost if lost > 6 else 0.0
            chunk = mulaw.encode(voice(0.02 * frames) if loud else silence(0.02 * frames))
            now = max(now, media_s + len(chunk) / 8_000 + late_s)
            fresh = await listener.feed(chunk, media_s, now)
            assert all(event.at <= now for event in fresh)
            events += fresh
            media_s += len(chunk) / 8_000
        return events

    events = asyncio.run(listen())
    assert all(isinstance(e, SpeechStarted if n % 2 == 0 else SpeechPaused) for n, e in enumerate(events))
    assert [e.at for e in events] == sorted(e.at for e in events)


@pytest.mark.parametrize("frame", [1, 37, 160, 1_000])
def test_the_size_of_the_chunks_changes_nothing(frame):
    script = (silence(0.5), voice(0.7), silence(0.5))
    usual = [event for _, event in Caller().says(*script).events]
    cut = [event for _, event in Caller(frame=frame).says(*script).events]
    assert [type(event) for event in cut] == [type(event) for event in usual]
    assert [event.at for event in cut] == pytest.approx([event.at for event in usual], abs=1e-3)


def test_a_turn_holds_its_voice_with_the_preroll_and_not_the_silence_around_it():
    listener = Caller().says(silence(3), voice(1), silence(3)).listener
    samples = listener.turn_audio().samples
    assert len(samples) / 16_000 == pytest.approx(0.3 + 1 + 0.3, abs=2 * WINDOW_S)
    assert level_dbfs(samples[8_000:16_000]) == pytest.approx(-14, abs=1)


def test_a_long_pause_within_a_turn_is_not_decoded():
    listener = Caller().says(silence(1), voice(0.5), silence(3), voice(0.5), silence(0.3)).listener
    assert len(listener.turn_audio().samples) / 16_000 < 2.1


def test_recent_audio_holds_every_silence_and_ends_now():
    listener = Caller().says(voice(4), silence(6)).listener
    recent = listener.recent_audio(8.0)
    assert len(recent) == 8 * 16_000
    assert recent[: 2 * 16_000 - 64].any()
    assert not recent[2 * 16_000 + 64 :].any()


def test_of_a_turn_that_goes_on_without_a_pause_the_last_half_minute_is_kept():
    listener = Caller().says(voice(40)).listener
    assert len(listener.turn_audio().samples) <= 30 * 16_000


def test_what_is_settled_is_not_decoded_again():
    caller = Caller().says(silence(1), voice(2), silence(0.6))
    listener = caller.listener
    assert listener.decoded(listener.turn_audio(), "My name is") == "My name is"
    caller.says(voice(1), silence(0.3))
    audio = listener.turn_audio()
    assert len(audio.samples) / 16_000 < 2.0
    assert listener.decoded(audio, "Alice.") == "My name is Alice."


def test_a_closed_turn_is_forgotten_and_a_voice_that_has_set_in_is_kept():
    caller = Caller().says(silence(1), voice(1), silence(0.5))
    caller.listener.close_turn()
    assert len(caller.listener.turn_audio().samples) == 0
    caller.says(voice(0.5))
    caller.listener.close_turn()
    assert len(caller.listener.turn_audio().samples) / 16_000 == pytest.approx(0.3 + 0.5, abs=2 * WINDOW_S)


def test_a_notable_loss_is_logged(caplog):
    caller = Caller()
    with caplog.at_level(logging.WARNING, "client_caller.hearing"):
        caller.says(silence(0.02)).loses(0.08).says(silence(0.02))
        assert not caplog.records
        caller.loses(0.38).says(silence(0.02))
    assert [record.lost_ms for record in caplog.records] == [380]


@pytest.mark.parametrize("lost_s", [0.02, 0.3, 0.9])
def test_sound_that_is_lost_while_the_caller_speaks_is_no_pause(lost_s):
    events = Caller().says(silence(1), voice(1)).loses(lost_s).says(voice(1), silence(1)).events
    assert [type(event) for _, event in events] == [SpeechStarted, SpeechPaused]
    assert events[1][1].at == pytest.approx(3.0 + lost_s, abs=WINDOW_S)


def test_sound_that_stays_away_for_more_than_a_second_is_a_pause():
    events = Caller().says(silence(1), voice(1)).loses(1.5).says(voice(1), silence(1)).events
    assert [type(event) for _, event in events] == [SpeechStarted, SpeechPaused] * 2
    assert events[1][1].at == pytest.approx(2.0, abs=WINDOW_S)


def test_lost_silence_starts_nothing():
    assert Caller().says(silence(1)).loses(0.5).says(silence(1)).loses(3).says(silence(1)).events == []


def test_a_caller_who_stops_while_sound_is_lost_is_noticed_when_it_is_back():
    (_, _), (noticed, paused) = Caller().says(silence(1), voice(1)).loses(0.4).says(silence(1)).events
    assert paused.at == pytest.approx(2.0, abs=WINDOW_S)
    assert noticed == pytest.approx(2.4 + 0.064, abs=2 * WINDOW_S)
