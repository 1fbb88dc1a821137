"""The ears with the real model on lines as they are: noise, faint callers, music on hold. Human voices, mu-law."""

import asyncio
import wave
from itertools import pairwise

import numpy as np
import pytest

from client_caller.audio import mulaw
from client_caller.audio.levels import at_level
from client_caller.audio.resample import resample
from client_caller.hearing.ears import Ears
from client_caller.hearing.endpointing import WINDOW_S, WINDOW_SAMPLES, Offset, Onset
from client_caller.hearing.silero import SileroModel
from client_caller.settings import HearingSettings

pytestmark = pytest.mark.models

HZ = 8_000
LEVEL_S = 0.01  # how finely the edges of a phrase are known
VOICE_DB = 25  # how far below its loudest parts a voice ends; this reader's room is 6 dB lower
Edge = tuple[float, Onset | Offset]  # when it was noticed, and what


def levels(samples: np.ndarray) -> np.ndarray:
    """Level in dBFS of every 10 ms."""
    cut = samples[: len(samples) // 80 * 80].reshape(-1, 80)
    return 10 * np.log10(np.mean(np.square(cut), axis=1) + 1e-12)


def stretches(samples: np.ndarray) -> list[tuple[float, float]]:
    """Where there is voice in a clean recording: seconds from and to, parted by silences of 0.2 s and more."""
    loudness = levels(samples)
    voiced = np.flatnonzero(loudness > np.percentile(loudness, 95) - VOICE_DB) * LEVEL_S
    gaps = [n for n, (one, other) in enumerate(pairwise(voiced), 1) if other - one > 0.2]
    return [(part[0], part[-1] + LEVEL_S) for part in np.split(voiced, gaps) if len(part) >= 8]


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * HZ), np.float32)


def white(seconds: float, dbfs: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 10 ** (dbfs / 20), round(seconds * HZ)).astype(np.float32)


def over_the_line(clean: np.ndarray, noise_dbfs: float) -> np.ndarray:
    noise = white(len(clean) / HZ, noise_dbfs)
    return mulaw.decode(mulaw.encode(clean + noise))


@pytest.fixture(scope="module")
def phrases(models):
    """Ten phrases as clean recordings at 8 kHz, cut where the voice sets in and stops."""
    with wave.open(str(models("two_cities.wav"))) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        spoken = resample((pcm / 32_768).astype(np.float32), file.getframerate(), HZ)
    cuts = stretches(spoken)[:10]
    return [at_level(spoken[round(begins * HZ) : round(ends * HZ)], -23) for begins, ends in cuts]


@pytest.fixture(scope="module")
def listen(models):
    """Hears several lines at once with one model: the edges found on each."""
    model = SileroModel(models("silero_vad.onnx"))

    async def hear(line: np.ndarray) -> list[Edge]:
        ears, edges = Ears(model.for_call(), HearingSettings()), []
        for n, window in enumerate(line[: len(line) // WINDOW_SAMPLES * WINDOW_SAMPLES].reshape(-1, WINDOW_SAMPLES), 1):
            if (edge := await ears.feed(window, True)) is not None:
                edges.append((n * WINDOW_S, edge))
        return edges

    async def hear_all(lines: list[np.ndarray]) -> list[list[Edge]]:
        return await asyncio.gather(*(hear(line) for line in lines))

    return lambda lines: asyncio.run(hear_all(lines))


@pytest.mark.parametrize("noise_dbfs", [-65, -55, -45])
def test_the_end_of_a_phrase_is_noticed_within_a_tenth_of_a_second_and_never_later_than_three(
    phrases, listen, noise_dbfs
):
    lines = [over_the_line(np.concatenate((silence(1.5), phrase, silence(1))), noise_dbfs) for phrase in phrases]
    late = [
        edges[-1][0] - (1.5 + len(phrase) / HZ) for phrase, edges in zip(phrases, listen(lines), strict=True) if edges
    ]
    assert len(late) == len(phrases)
    assert np.median(late) <= 0.11
    assert max(late) < 0.3


@pytest.mark.parametrize(("voice_dbfs", "noise_dbfs"), [(-20, -55), (-40, -65), (-60, -72)])
def test_a_caller_is_heard_at_any_level(phrases, listen, voice_dbfs, noise_dbfs):
    lines = [
        over_the_line(np.concatenate((silence(1.5), at_level(phrase, voice_dbfs), silence(1))), noise_dbfs)
        for phrase in phrases
    ]
    for phrase, edges in zip(phrases, listen(lines), strict=True):
        assert isinstance(edges[0][1], Onset)
        assert edges[0][0] - 1.5 < 0.3
        assert isinstance(edges[-1][1], Offset)
        assert edges[-1][1].at == pytest.approx(1.5 + len(phrase) / HZ, abs=0.25)


def pink(seconds: float) -> np.ndarray:
    spectrum = np.fft.rfft(white(seconds, 0))
    return np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1))).astype(np.float32)


def hum_and_crackle(seconds: float) -> np.ndarray:
    chance, instants = np.random.default_rng(2), np.arange(round(seconds * HZ)) / HZ
    noise = sum(np.sin(2 * np.pi * 50 * k * instants + k) / k for k in (1, 2, 3, 5, 7, 9)) + white(seconds, -20)
    for at in chance.integers(0, len(noise) - 200, len(noise) // 4_000):
        noise[at : at + chance.integers(5, 120)] += chance.normal(0, 4)
    return noise.astype(np.float32)


def test_ten_minutes_of_line_noise_start_at_most_one_turn(listen):
    seconds = 600 / 9
    noises = (white(seconds, 0), pink(seconds), hum_and_crackle(seconds))
    lines = [mulaw.decode(mulaw.encode(at_level(noise, dbfs))) for noise in noises for dbfs in (-70, -60, -50)]
    edges = [edge for line in listen(lines) for _, edge in line]
    assert sum(isinstance(edge, Offset) and edge.voiced_s >= 0.2 for edge in edges) <= 1


def chord(seconds: float) -> np.ndarray:
    instants = np.arange(round(seconds * HZ)) / HZ
    return sum(np.sin(2 * np.pi * hz * k * instants) / k for hz in (261.6, 329.6, 392.0) for k in (1, 2, 3))


def tune(seconds: float) -> np.ndarray:
    """Plucked notes, four a second, without a rest."""
    instants = np.arange(HZ // 4) / HZ
    notes = np.random.default_rng(3).choice([262, 294, 330, 392, 440, 494], round(seconds * 4))
    return np.concatenate(
        [sum(np.sin(2 * np.pi * hz * k * instants) / k for k in (1, 2, 3)) * np.exp(-4 * instants) for hz in notes]
    )


@pytest.mark.parametrize("music", [chord, tune])
@pytest.mark.parametrize("gap_s", [0.0, 0.5])
def test_a_caller_who_comes_back_from_music_on_hold_is_heard(phrases, listen, music, gap_s):
    lengths = [20.0, 40.0, 60.0]
    lines = [
        over_the_line(np.concatenate((at_level(music(s), -20), silence(gap_s), phrase, silence(1))), -55)
        for s, phrase in zip(lengths, phrases[::4], strict=True)
    ]
    for seconds, edges in zip(lengths, listen(lines), strict=True):
        onsets = [noticed for noticed, edge in edges if isinstance(edge, Onset) and edge.at > seconds + gap_s - 0.1]
        assert onsets[0] - (seconds + gap_s) < 0.45
