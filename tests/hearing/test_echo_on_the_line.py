"""The ears with the real model while the agent speaks: echoes, callers over them, people behind. Voices, mu-law."""

import asyncio
import wave
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from client_caller.audio import mulaw
from client_caller.audio.levels import at_level, level_dbfs
from client_caller.audio.resample import resample
from client_caller.hearing.ears import Ears
from client_caller.hearing.echo import Echo
from client_caller.hearing.endpointing import WINDOW_S, WINDOW_SAMPLES, Onset
from client_caller.hearing.silero import SileroModel
from client_caller.settings import HearingSettings
from client_caller.speaking.espeak import EspeakVoice

pytestmark = pytest.mark.models

HZ = 8_000
BEGINS_S = 1.0  # of the agent
SAYS = (
    "Good morning, this is the number you have called. How may I help you today?",
    "I can book a table for you, or tell you our opening hours.",
    "We are open from nine in the morning until six in the evening, and closed on Sundays.",
)
ECHO_DB = -20


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * HZ), np.float32)


def line(clean: np.ndarray, noise_dbfs: float = -55) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 10 ** (noise_dbfs / 20), len(clean)).astype(np.float32)
    return mulaw.decode(mulaw.encode(clean + noise))


def put(sound: np.ndarray, at: float, length: int) -> np.ndarray:
    return np.pad(sound, (round(at * HZ), length))[:length].astype(np.float32)


def come_back(sent: np.ndarray, delay_s: float, tail_s: float) -> np.ndarray:
    """Of a loudspeaker: 300 to 3,400 Hz, and a room's decaying noise as strong as the direct sound."""
    room = np.random.default_rng(3).normal(0, 1, HZ) * 10 ** (-3 * np.arange(HZ) / HZ / max(tail_s, 0.01))
    room[:24] = 0
    room *= (tail_s > 0) / np.sqrt(np.square(room).sum())
    room[0] = 1
    spectrum, hz = np.fft.rfft(sent, 2 * len(sent)), np.fft.rfftfreq(2 * len(sent), 1 / HZ)
    spectrum[(hz < 300) | (hz > 3_400)] = 0
    echo = np.fft.irfft(spectrum * np.fft.rfft(room / np.sqrt(np.square(room).sum()), 2 * len(sent)))
    return put(echo * 10 ** (ECHO_DB / 20), delay_s, len(sent))


def said_by_espeak() -> np.ndarray:
    async def speak() -> np.ndarray:
        voice = EspeakVoice("en-us", 170, 50)
        return np.concatenate([speech.samples for text in SAYS async for speech in voice.speak(text)])

    return asyncio.run(speak())


@pytest.fixture(scope="module")
def agent():
    """What a caller is sent: a second of silence, then eleven of eSpeak, in a process of its own: how it sounds to the
    last bit depends on all that it has said before, and other tests have it speak.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        spoken = alone.submit(said_by_espeak).result()
    return mulaw.decode(mulaw.encode(np.concatenate((silence(BEGINS_S), spoken))))


@pytest.fixture(scope="module")
def spoken(models):
    """Phrases of a human voice without silence around them."""
    with wave.open(str(models("two_cities.wav"))) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        sound = resample((pcm / 32_768).astype(np.float32), file.getframerate(), HZ)[: 20 * HZ]
    levels = np.array([level_dbfs(part) for part in sound[: len(sound) // 80 * 80].reshape(-1, 80)])
    voiced = np.flatnonzero(levels > np.percentile(levels, 95) - 25)
    parts = np.split(voiced, np.flatnonzero(np.diff(voiced) > 20) + 1)
    return [sound[part[0] * 80 : part[-1] * 80 + 80] for part in parts if len(part) > 50]


@pytest.fixture(scope="module")
def onsets(models):
    """When onsets are noticed on each of several lines, at each of which the agent's sound is told or not."""
    model = SileroModel(models("silero_vad.onnx"))

    async def hear(heard: np.ndarray, sent: np.ndarray) -> list[float]:
        echo = Echo()
        ears, noticed = Ears(model.for_call(), HearingSettings(), echo), []
        for start in range(0, len(heard) - WINDOW_SAMPLES + 1, WINDOW_SAMPLES):
            if len(sounding := sent[start : start + WINDOW_SAMPLES]):
                echo.agent_plays(mulaw.encode(sounding), start / HZ)
            if isinstance(await ears.feed(heard[start : start + WINDOW_SAMPLES], True), Onset):
                noticed.append(start / HZ + WINDOW_S)
        return noticed

    async def hear_all(lines: list[tuple[np.ndarray, np.ndarray]]) -> list[list[float]]:
        return await asyncio.gather(*(hear(*one) for one in lines))

    return lambda lines: asyncio.run(hear_all(lines))


UNTOLD = np.zeros(0, np.float32)


def test_an_echo_is_no_caller_not_even_that_of_the_greeting(agent, onsets):
    ways = [(0.1, 0, -45), (0.2, 0, -65), (0.3, 0, -55), (0.4, 0, -55)]
    ways += [(0.1, 0.2, -55), (0.2, 0.2, -45), (0.3, 0.4, -65), (0.4, 0.4, -55)]
    heard = [line(come_back(agent, delay_s, tail_s), noise) for delay_s, tail_s, noise in ways]
    assert np.mean([len(noticed) for noticed in onsets([(sound, UNTOLD) for sound in heard])]) > 10
    told = onsets([(sound, agent) for sound in heard])
    assert [noticed for noticed in told if any(at > BEGINS_S + 1.0 for at in noticed)] == []
    assert sum(len(noticed) for noticed in told) <= 1  # of 8 greetings


def waits(onsets, spoken, agent, dbfs: float, echo: np.ndarray, first_s: float, sent: np.ndarray) -> np.ndarray:
    """Seconds until each of eight phrases over the agent is noticed; 0 when that was in speech already."""
    begins = [first_s + 0.37 * n for n in range(8)]
    said = [put(at_level(phrase, dbfs), at, len(agent)) for phrase, at in zip(spoken, begins, strict=False)]
    noticed = onsets([(line(one + echo), sent) for one in said])
    return np.array([min([t for t in ts if t > at], default=9.0) - at for ts, at in zip(noticed, begins, strict=False)])


@pytest.mark.parametrize(("tail_s", "delay_s"), [(0, 0.1), (0.3, 0.3)])
def test_a_caller_over_an_echo_is_noticed(onsets, spoken, agent, tail_s, delay_s):
    echo = come_back(agent, delay_s, tail_s)
    loud = waits(onsets, spoken, agent, -23, echo, 4.3, agent)
    assert np.median(loud) < 0.15
    assert max(loud) < 0.6
    soft = waits(onsets, spoken, agent, -35, echo, 4.3, agent)  # 5 dB above the echo
    assert np.median(soft) < 0.5  # depends on who speaks, and on the processor's arithmetic
    assert max(soft) < 2.5


@pytest.mark.parametrize("dbfs", [-23, -35, -45])
@pytest.mark.parametrize("first_s", [BEGINS_S + 0.1, 4.3])
def test_without_an_echo_a_caller_interrupts_as_soon_as_before(onsets, spoken, agent, dbfs, first_s):
    nothing = np.zeros(len(agent), np.float32)
    before = waits(onsets, spoken, agent, dbfs, nothing, first_s, UNTOLD)
    after = waits(onsets, spoken, agent, dbfs, nothing, first_s, agent)
    assert np.median(after - before) == 0
    assert max(after - before) < (0.25 if first_s < BEGINS_S + 1 else 0.1)
    assert max(after) < 0.5


def test_people_behind_the_caller_do_not_interrupt_but_are_heard_when_the_agent_is_silent(onsets, spoken, agent):
    """The caller says three phrases at -23 dBFS; then the agent speaks or not, and someone is heard at -43 dBFS."""
    caller = np.concatenate([part for phrase in spoken[:3] for part in (at_level(phrase, -23), silence(0.5))])
    behind = np.concatenate((silence(1.5), *(at_level(phrase, -43) for phrase in spoken[3:5]), silence(1)))
    heard = line(np.concatenate((silence(1), caller, behind)), -65)
    from_s = 1 + len(caller) / HZ
    speaks = put(agent[HZ:], from_s, len(heard))
    while_silent, over_agent = onsets([(heard, UNTOLD), (heard, speaks)])
    assert any(at > from_s for at in while_silent)
    assert not any(at > from_s for at in over_agent)


@pytest.mark.parametrize("usual_dbfs", [-23, -45])
@pytest.mark.parametrize("softer_db", [0, 10])
def test_the_caller_interrupts_also_when_softer_than_before(onsets, spoken, agent, usual_dbfs, softer_db):
    if usual_dbfs - softer_db < -50:
        softer_db = 5
    usual = np.concatenate([part for phrase in spoken[:3] for part in (at_level(phrase, usual_dbfs), silence(0.5))])
    lines = []
    for phrase in spoken[3:8]:
        again = np.concatenate((silence(1.5), at_level(phrase, usual_dbfs - softer_db), silence(1)))
        heard = line(np.concatenate((silence(1), usual, again)), -65)
        lines.append((heard, put(agent[HZ:], 1 + len(usual) / HZ, len(heard))))
    begins = 1 + len(usual) / HZ + 1.5
    delays = [min([at for at in noticed if at > begins], default=99.0) - begins for noticed in onsets(lines)]
    assert np.median(delays) < 0.3
    assert max(delays) < 0.6
