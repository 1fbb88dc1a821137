import wave
from pathlib import Path

import numpy as np
import pytest

from client_caller.audio.levels import level_dbfs
from client_caller.errors import ConfigError
from client_caller.rehearsal.clips import prepare, read_wav


def burst(hz: int, frequency_hz: float, silence_s: float = 0.5, sound_s: float = 1.0) -> np.ndarray:
    at = np.arange(round(sound_s * hz)) / hz
    silence = np.zeros(round(silence_s * hz))
    return np.concatenate((silence, 0.02 * np.sin(2 * np.pi * frequency_hz * at), silence)).astype(np.float32)


@pytest.mark.parametrize("hz", [8_000, 16_000, 22_050])
def test_a_sentence_comes_at_line_rate_and_level_with_its_bounds(hz: int) -> None:
    clip = prepare(burst(hz, 1_000), hz, "hello", "greeting")
    assert (clip.name, clip.text, len(clip.samples)) == ("greeting", "hello", 16_000)
    assert level_dbfs(clip.samples) == pytest.approx(-23.0, abs=0.1)
    assert clip.speech_start_s == pytest.approx(0.5, abs=0.02)
    assert clip.speech_end_s == pytest.approx(1.5, abs=0.02)


@pytest.mark.parametrize(("frequency_hz", "passes"), [(60, False), (500, True), (3_200, True), (3_700, False)])
def test_only_the_telephone_band_passes(frequency_hz: float, passes: bool) -> None:
    reference = burst(16_000, 1_000, silence_s=0.0)
    clip = prepare(np.concatenate((reference, burst(16_000, frequency_hz, silence_s=0.0))), 16_000, "two tones")
    in_band = level_dbfs(clip.samples[2_000:6_000])
    assert (level_dbfs(clip.samples[10_000:14_000]) > in_band - 30) == passes


def test_a_silent_sentence_is_refused_by_its_text() -> None:
    with pytest.raises(ValueError, match="hello"):
        prepare(np.zeros(8_000, np.float32), 8_000, "hello")


def write_wav(path: Path, width: int, channels: int, data: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setsampwidth(width)
        file.setnchannels(channels)
        file.setframerate(16_000)
        file.writeframes(data)


def test_the_channels_of_a_wav_file_are_averaged(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 2, 2, np.array([[16_384, 0], [0, -16_384]], "<i2").tobytes())
    samples, hz = read_wav(tmp_path / "a.wav")
    assert hz == 16_000
    assert samples.tolist() == [0.25, -0.25]


def test_a_file_that_is_not_a_16_bit_wav_is_refused_by_name(tmp_path: Path) -> None:
    write_wav(tmp_path / "narrow.wav", 1, 1, b"\x80")
    (tmp_path / "text.wav").write_text("not sound")
    for name in ("narrow.wav", "text.wav", "missing.wav"):
        with pytest.raises(ConfigError, match=name):
            read_wav(tmp_path / name)
