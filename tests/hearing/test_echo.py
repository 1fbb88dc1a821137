"""Our own voice on the caller's channel: found, expected, forgotten. Synthetic voices, no model."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_caller.audio import mulaw
from client_caller.audio.levels import at_level, level_dbfs
from client_caller.conversation.events import SpeechPaused, SpeechStarted
from client_caller.hearing.echo import Echo, match
from client_caller.hearing.endpointing import WINDOW_S, WINDOW_SAMPLES
from client_caller.hearing.listener import Listener
from client_caller.hearing.scripted import LoudnessActivity
from client_caller.settings import HearingSettings

HZ = 8_000
FLOOR_DBFS = -60.0


def voice(seconds: float, seed: int, dbfs: float = -20.0) -> np.ndarray:
    """Syllables of 0.2 s with a gap after each: buzz of a wandering pitch through three wandering resonances."""
    chance = np.random.default_rng(seed)
    syllables = []
    for _ in range(round(seconds / 0.25) + 1):
        instants = np.arange(HZ // 5) / HZ
        pitch = chance.uniform(90, 220) * (1 + chance.uniform(-0.3, 0.3) * instants)
        phase = 2 * np.pi * np.cumsum(pitch) / HZ
        tones = sum(
            np.sin(k * phase + chance.uniform(0, 6)) * sum(np.exp(-(((k * pitch - f) / 150) ** 2)) for f in formants)
            for formants in [chance.uniform((250, 800, 1_800), (800, 1_800, 3_000))]
            for k in range(1, 20)
        )
        syllables += [tones * np.sin(np.pi * instants / 0.2), np.zeros(HZ // 20)]
    return at_level(np.concatenate(syllables)[: round(seconds * HZ)].astype(np.float32), dbfs)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * HZ), np.float32)


def come_back(sent: np.ndarray, delay_s: float, gain_db: float = -20.0, tail_s: float = 0.0, seed: int = 7):
    """The sound after a band of 300 to 3,400 Hz and, with a tail, a room: decaying noise as strong as the sound."""
    spectrum, hz = np.fft.rfft(sent, 2 * len(sent)), np.fft.rfftfreq(2 * len(sent), 1 / HZ)
    spectrum[(hz < 300) | (hz > 3_400)] = 0
    if tail_s:
        room = np.random.default_rng(seed).normal(0, 1, round(tail_s * HZ)) * 10 ** (
            -3 * np.arange(tail_s * HZ) / tail_s / HZ
        )
        room[:24] = 0
        room /= np.sqrt(np.square(room).sum())
        room[0] = 1
        spectrum = spectrum * np.fft.rfft(room / np.sqrt(2), 2 * len(sent))
    late = np.concatenate((silence(delay_s), np.fft.irfft(spectrum)))[: len(sent)]
    return (late * 10 ** (gain_db / 20)).astype(np.float32)


def line(clean: np.ndarray, noise_dbfs: float = FLOOR_DBFS) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 10 ** (noise_dbfs / 20), len(clean)).astype(np.float32)
    return mulaw.decode(mulaw.encode(clean + noise))


class Channel:
    """Feeds a line to `echo`, and asks about every window 15 dB above the noise, as voice activity would."""

    def __init__(self, zero_at: float = 0.0) -> None:
        self.echo = Echo()
        self.echo.tie(zero_at)
        self._zero_at, self._heard = zero_at, 0

    def hears(self, heard: np.ndarray, sent: np.ndarray) -> list[bool]:
        """Whether each voiced window is an echo."""
        found = []
        for start in range(0, len(heard) - WINDOW_SAMPLES + 1, WINDOW_SAMPLES):
            window = heard[start : start + WINDOW_SAMPLES]
            sounding = sent[start : start + WINDOW_SAMPLES]
            if sounding.any():
                self.echo.agent_plays(mulaw.encode(sounding), self._zero_at + self._heard * WINDOW_S)
            self._heard += 1
            level = level_dbfs(window)
            self.echo.feed(window, FLOOR_DBFS, quiet=level < FLOOR_DBFS + 5)
            if level > FLOOR_DBFS + 15:
                found.append(self.echo.is_echo(level))
        return found


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.35, 0.6])
@pytest.mark.parametrize("tail_s", [0.0, 0.2])
def test_a_copy_is_found_with_its_delay(delay_s, tail_s):
    sent = voice(3, 1)
    found = match(line(come_back(sent, delay_s, tail_s=tail_s))[12_000:13_024], sent[12_000 - 4_800 : 13_024])
    assert found.delay_s == pytest.approx(delay_s, abs=0.03 if tail_s else 0.001)
    assert found.likeness > (0.3 if tail_s else 0.6)


def test_silence_is_like_nothing():
    assert match(silence(0.128), silence(0.728)).likeness == 0
    assert match(voice(0.128, 1), silence(0.728)).likeness < 0.01
    assert match(silence(0.128), voice(0.728, 1)).likeness < 0.01


@pytest.mark.parametrize("delay_s", [0.1, 0.2, 0.3, 0.4])
@pytest.mark.parametrize("tail_s", [0.0, 0.3])
@pytest.mark.parametrize("zero_at", [0.0, 617.31])
def test_an_echo_is_told_from_its_first_second_on_and_known_soon(delay_s, tail_s, zero_at):
    sent = voice(6, 1)
    channel = Channel(zero_at)
    found = channel.hears(line(come_back(sent, delay_s, tail_s=tail_s)), sent)
    assert np.mean(found[:20]) > 0.8
    assert all(found[20:])
    assert channel.echo.delay_s == pytest.approx(delay_s, abs=0.03 if tail_s else 0.002)


def test_a_delay_that_jumps_is_followed():
    sent = voice(4, 1)
    channel = Channel()
    for delay_s in (0.2, 0.24, 0.21):
        found = channel.hears(line(come_back(sent, delay_s)), sent)
        assert np.mean(found[5:]) > 0.95
        assert channel.echo.delay_s == pytest.approx(delay_s, abs=0.005)


def test_another_voice_is_no_echo_and_none_is_believed():
    channel = Channel()
    found = channel.hears(line(np.concatenate((silence(2), voice(4, 2)))), voice(6, 1))
    assert np.mean(found) < 0.1
    assert channel.echo.delay_s is None


@pytest.mark.parametrize("dbfs", [-20.0, -26.0])
def test_a_caller_over_a_known_echo_is_none(dbfs):
    sent = voice(6, 1)
    echo = come_back(sent, 0.2)
    caller = np.concatenate((silence(4), voice(2, 2, dbfs)))
    channel = Channel()
    channel.hears(line(echo)[: 4 * HZ], sent[: 4 * HZ])
    assert channel.echo.delay_s is not None
    found = channel.hears(line(echo + caller)[4 * HZ :], sent[4 * HZ :])
    assert np.mean(found) < 0.5
    assert not all(found[:6])  # 0.2 s


def test_an_echo_that_is_gone_is_forgotten_in_silence_and_under_a_soft_caller():
    for caller in (silence(3), voice(3, 2, -38)):
        sent = voice(6, 1)
        channel = Channel()
        channel.hears(line(come_back(sent, 0.2))[: 3 * HZ], sent[: 3 * HZ])
        assert channel.echo.delay_s is not None
        channel.hears(line(caller), sent[3 * HZ :])
        assert channel.echo.delay_s is None


def test_when_the_agent_is_silent_nothing_is_an_echo():
    sent = np.concatenate((voice(3, 1), silence(3)))
    channel = Channel()
    channel.hears(line(come_back(sent, 0.2))[: 4 * HZ], sent[: 4 * HZ])
    assert not channel.echo.may_echo
    assert not any(channel.hears(line(voice(2, 2, -40)), silence(2)))


def test_what_was_dropped_has_no_echo():
    channel = Channel()
    channel.echo.agent_plays(mulaw.encode(voice(0.3, 1)), 0.0)
    channel.echo.agent_silenced(0.0)
    channel.hears(line(silence(0.3)), silence(0.3))
    assert not channel.echo.audible


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(10, 10_000),
    delay_s=st.floats(0.02, 0.55),
    gain_db=st.floats(-28, -10),
    tail_s=st.sampled_from([0.0, 0.2]),
)
def test_any_echo_is_known_within_two_seconds(seed, delay_s, gain_db, tail_s):
    sent = voice(2.5, seed)
    channel = Channel()
    channel.hears(line(come_back(sent, delay_s, gain_db, tail_s, seed)), sent)
    assert channel.echo.delay_s == pytest.approx(delay_s, abs=0.03)


@settings(max_examples=8, deadline=None, derandomize=True)  # one of a thousand is, by chance
@given(st.integers(10, 10_000), st.integers(10_001, 20_000), st.floats(-45, -15))
def test_no_caller_is_believed_to_be_an_echo(one, other, dbfs):
    channel = Channel()
    channel.hears(line(voice(2.5, one, dbfs), -70), voice(2.5, other))
    assert channel.echo.delay_s is None


class Call:
    """A listener whose caller's line begins at call time 2, while the agent has been speaking since 1.9."""

    def __init__(self, told: bool) -> None:
        self.listener = Listener(LoudnessActivity(), HearingSettings())
        self._told = told

    def hears(self, heard: np.ndarray, sent: np.ndarray) -> list[SpeechStarted | SpeechPaused]:
        async def listen() -> list[SpeechStarted | SpeechPaused]:
            events = []
            self._plays(sent[:800], 1.9)
            for start in range(0, len(heard), 160):
                self._plays(sent[800 + start : 960 + start], 2.0 + start / HZ)
                now = 2.0 + (start + 160) / HZ
                events += await self.listener.feed(mulaw.encode(heard[start : start + 160]), start / HZ, now)
            return events

        return asyncio.run(listen())

    def _plays(self, sent: np.ndarray, at: float) -> None:
        if self._told and len(sent):
            self.listener.agent_plays(mulaw.encode(sent), at)


def test_the_listener_knows_the_agents_voice_also_from_before_the_first_chunk():
    sent = voice(4, 1)
    heard = line(come_back(sent, 0.2))[800:]
    assert Call(told=True).hears(heard, sent) == []
    assert len(Call(told=False).hears(heard, sent)) > 4


def test_the_listener_hears_a_caller_whose_echo_was_silenced():
    sent = voice(0.3, 1)
    call = Call(told=True)
    call.listener.agent_plays(mulaw.encode(sent), 2.0)
    call.listener.agent_silenced(2.0)
    events = call.hears(line(come_back(sent, 0.2)), np.zeros(0, np.float32))
    assert any(isinstance(event, SpeechStarted) for event in events)
