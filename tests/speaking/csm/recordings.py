"""Recordings that somebody might bring: a hum in syllables, with silence before and after."""

import wave
from pathlib import Path

import numpy as np

from client_caller.audio.frame import Samples

TEXT = "Good morning, this is the number you have called. How may I help you today?"
CONSENT = "Jane Doe agreed in writing that her voice is used for our calls."


def hum(seconds: float, hz: int = 24_000, peak: float = 0.3) -> Samples:
    """Syllables of a quarter of a second, four harmonics of 140 Hz each."""
    at = np.arange(round(seconds * hz)) / hz
    tones = sum(np.sin(2 * np.pi * 140 * harmonic * at) / harmonic for harmonic in range(1, 5))
    sound = tones * (0.2 + 0.8 * np.abs(np.sin(np.pi * at / 0.25)))
    return (peak * sound / np.abs(sound).max()).astype(np.float32)


def silence(seconds: float, hz: int = 24_000) -> Samples:
    """A quiet room, 70 dB below full scale."""
    return (np.random.default_rng(0).standard_normal(round(seconds * hz)) * 10 ** (-70 / 20)).astype(np.float32)


def speaking(seconds: float, hz: int = 24_000, before: float = 0.8, after: float = 1.2) -> Samples:
    """So much speech, with silence at its ends."""
    return np.concatenate((silence(before, hz), hum(seconds, hz), silence(after, hz)))


def put(path: Path, sound: Samples, hz: int = 24_000, width: int = 2, channels: int = 1) -> Path:
    """A WAV file of this; all channels alike."""
    whole = np.clip(
        np.rint(sound.astype(np.float64) * 2 ** (8 * width - 1)), -(2 ** (8 * width - 1)), 2 ** (8 * width - 1) - 1
    )
    octets = np.repeat(whole.astype("<i8"), channels).view(np.uint8).reshape(-1, 8)[:, :width]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(hz)
        file.writeframes(octets.tobytes())
    return path
