"""Beeps: found in every kind of line, and never in a voice, a key or a tone of the network."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from client_caller.audio import mulaw
from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.levels import at_level
from client_caller.audio.resample import resample
from client_caller.hearing.beep import BeepDetector, Tone
from client_caller.rehearsal.clips import read_wav
from client_caller.speaking.espeak import EspeakVoice

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
FADE = round(0.005 * LINE_HZ)

Hz = tuple[float, ...]


def band_passed(samples: NDArray[np.float64]) -> Samples:
    """300-3400 Hz, as the telephone carries it."""
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / LINE_HZ)
    spectrum[(hz < 300) | (hz > 3_400)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(samples)), np.float32)


def tone(*hz: float, seconds: float = 0.5, dbfs: float = -20.0, phase: float = 1.0) -> Samples:
    t = np.arange(round(seconds * LINE_HZ)) / LINE_HZ
    sound = at_level(np.sum([np.sin(2 * np.pi * each * t + phase) for each in hz], axis=0).astype(np.float32), dbfs)
    ramp = np.minimum(1.0, np.arange(len(sound)) / FADE)
    return np.asarray(sound * ramp * ramp[::-1], np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * LINE_HZ), np.float32)


def heard(*parts: Samples, noise_dbfs: float | None = None, frame: int = 160, lost: tuple[int, ...] = ()) -> list[Tone]:
    """The tones found in these sounds one after the other. lost: numbers of frames that never came."""
    sound = np.concatenate(parts).astype(np.float64)
    if noise_dbfs is not None:
        sound += at_level(band_passed(np.random.default_rng(1).normal(0, 0.1, len(sound))), noise_dbfs)
    sent = mulaw.encode(band_passed(sound))
    detector = BeepDetector()
    chunks = [(first, sent[first : first + frame]) for first in range(0, len(sent), frame)]
    found = [detector.feed(chunk, first / LINE_HZ) for n, (first, chunk) in enumerate(chunks) if n not in lost]
    return [each for each in found if each]


@pytest.mark.parametrize("snr_db", [None, 20, 10])
@pytest.mark.parametrize("dbfs", [-6, -20, -35])
@pytest.mark.parametrize(
    ("hz", "seconds"),
    [
        *(((hz,), seconds) for hz in (350, 380, 440, 500, 800, 1_000, 1_400, 2_150) for seconds in (0.15, 0.4, 2.9)),
        *((hz, seconds) for hz in ((700, 900), (1_000, 1_400)) for seconds in (0.35, 1.0)),
    ],
)
def test_a_beep_is_found_where_it_ends(hz: Hz, seconds: float, dbfs: float, snr_db: float | None) -> None:
    beep = tone(*hz, seconds=seconds, dbfs=dbfs)
    found = heard(silence(0.73), beep, silence(0.5), noise_dbfs=None if snr_db is None else dbfs - snr_db)
    assert [each.kind for each in found] == ["beep"]
    assert found[0].ended_s == pytest.approx(0.73 + seconds, abs=0.025)
    assert found[0].began_s == pytest.approx(0.73, abs=0.025)
    assert min(abs(found[0].hz - each) for each in hz) < 3


def test_it_is_told_an_eighth_of_a_second_after_its_end() -> None:
    sent = mulaw.encode(np.concatenate((silence(0.5), tone(1_000.0), silence(0.5))))
    detector = BeepDetector()
    told_s = next(
        (first + 160) / LINE_HZ
        for first in range(0, len(sent), 160)
        if detector.feed(sent[first : first + 160], first / LINE_HZ)
    )
    assert 1.08 < told_s < 1.14


@given(st.integers(1, 700))
def test_it_does_not_matter_how_the_sound_is_cut(frame: int) -> None:
    parts = (silence(0.3), tone(1_000.0), silence(0.5))
    assert heard(*parts, frame=frame) == heard(*parts)


def test_a_frame_lost_in_a_beep_does_not_break_it() -> None:
    found = heard(silence(0.5), tone(1_000.0), silence(0.5), lost=(37,))
    assert [each.kind for each in found] == ["beep"]
    assert found[0].ended_s == pytest.approx(1.0, abs=0.025)


def test_a_beep_of_two_tones_in_a_row_ends_with_the_second() -> None:
    found = heard(silence(0.5), tone(800.0, seconds=0.3), tone(600.0, seconds=0.4), silence(0.5))
    assert [(each.kind, round(each.ended_s, 1)) for each in found] == [("beep", 1.2)]


def test_media_time_that_begins_anywhere_or_starts_anew_is_the_time_of_the_beep() -> None:
    sent = mulaw.encode(np.concatenate((silence(0.4), tone(1_000.0), silence(0.5))))
    detector = BeepDetector()
    found = [
        each
        for begins_s in (100.0, 0.0)
        for first in range(0, len(sent), 160)
        if (each := detector.feed(sent[first : first + 160], begins_s + first / LINE_HZ))
    ]
    assert [round(each.ended_s, 1) for each in found] == [100.9, 0.9]


# What is no beep.


def test_fax_machines_are_told_apart() -> None:
    calling = heard(silence(0.5), tone(1_100.0), silence(3), tone(1_100.0), silence(0.5))
    assert [each.kind for each in calling] == ["fax", "fax"]
    answering = heard(silence(0.5), tone(2_100.0, seconds=3.3), silence(0.075), tone(1_650.0, seconds=1))
    assert [each.kind for each in answering] == ["fax"]
    assert answering[0].ended_s < 1.6  # while it lasts
    reversals = [tone(2_100.0, seconds=0.45, phase=1 + np.pi * (n % 2)) for n in range(7)]
    assert [each.kind for each in heard(silence(0.5), *reversals, silence(0.5))] == ["fax"]


@pytest.mark.parametrize(
    "sounds",
    [
        [
            part
            for row in (697, 770, 852, 941)
            for col in (1_209, 1_336, 1_477, 1_633)
            for part in (tone(row, col, seconds=0.3), silence(0.2))
        ],
        [tone(440.0, 480.0, seconds=2), silence(1)] * 2,
        [tone(480.0, 620.0, seconds=0.5), silence(0.5)] * 3,
        [tone(350.0, 440.0, seconds=2.5), silence(0.5)],
        [tone(400.0, 450.0, seconds=0.4), silence(0.2)] * 2 + [silence(1)],
        [tone(425.0, seconds=0.5), silence(0.5)] * 3,
        [tone(400.0, seconds=0.375), silence(0.375)] * 3,
        [tone(985.2, seconds=0.38), tone(1_370.6, seconds=0.274), tone(1_776.7, seconds=0.38), silence(1)],
        [tone(1_000.0, seconds=4), silence(0.5)],
        [tone(1_000.0, seconds=0.06), silence(0.5)],
        [tone(250.0), silence(0.5)],
        [tone(2_600.0), silence(0.5)],
        [tone(1_000.0, dbfs=-55.0), silence(0.5)],
        [np.sin(2 * np.pi * np.cumsum(np.linspace(500, 700, 4_000)) / LINE_HZ).astype(np.float32) / 8, silence(0.5)],
        [np.random.default_rng(2).normal(0, 0.1, 80_000).astype(np.float32), silence(0.5)],
        [silence(3)],
    ],
    ids=[
        *(
            "keys",
            "ringing, America",
            "busy, America",
            "dial tone",
            "ringing, Britain",
            "busy, Europe",
            "busy, Britain",
        ),
        *(
            "special information",
            "too long",
            "too short",
            "too low",
            "too high",
            "too soft",
            "a glide",
            "noise",
            "silence",
        ),
    ],
)
def test_other_tones_are_no_beeps(sounds: list[Samples]) -> None:
    assert [each for each in heard(silence(0.3), *sounds) if each.kind != "tone"] == []


def test_nothing_of_a_synthetic_voice_is_a_beep() -> None:
    text = (
        "You have reached the office of Doctor Moore. Who knew you would be so cool, too? Please leave a message, and "
        "we will call you back soon. Ooh. Aah. Eee. Hmm. No, I do not know who you are, do you?"
    )

    async def speak(voice: str, pace: int, pitch: int) -> Samples:
        return np.concatenate([speech.samples async for speech in EspeakVoice(voice, pace, pitch).speak(text)])

    found = [
        each
        for voice in ("en-us", "en", "en-us+f3", "en-us+m7")
        for pace, pitch in ((110, 20), (160, 50), (200, 90))
        for each in heard(asyncio.run(speak(voice, pace, pitch)), silence(0.5))
    ]
    assert found == []


@pytest.mark.models
def test_nothing_of_a_recorded_voice_is_a_beep(models: Callable[[str], Path]) -> None:
    for name in ("two_cities.wav", "beckett.wav"):
        samples, hz = read_wav(models(name))
        assert heard(resample(samples, hz, LINE_HZ), silence(0.5)) == []


def test_nothing_of_human_speech_is_a_beep() -> None:
    if not (CORPUS / "manifest.json").is_file():
        pytest.skip("no shared/corpus beside the repository: there are no human voices to listen to")
    found, seconds = {}, 0.0
    for entry in json.loads((CORPUS / "manifest.json").read_text(encoding="utf-8")):
        if entry["file"].startswith("speech/"):
            samples, hz = read_wav(CORPUS / entry["file"])
            spoken = at_level(resample(samples, hz, LINE_HZ), -23.0)
            seconds += len(spoken) / LINE_HZ
            if tones := heard(spoken, silence(0.5), noise_dbfs=-55.0):
                found[entry["id"]] = tones
    assert found == {}
    assert seconds > 300


def test_music_on_hold_has_no_beep() -> None:
    if not (CORPUS / "noise").is_dir():
        pytest.skip("no shared/corpus beside the repository: there is no music to listen to")
    samples, hz = read_wav(CORPUS / "noise" / "music_vibeace.wav")
    assert [each for each in heard(resample(samples, hz, LINE_HZ), silence(0.5)) if each.kind == "beep"] == []
