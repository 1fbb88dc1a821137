"""Sentences as they sound over a telephone.

In:   samples of a sentence at any rate.     Out: a `Clip` at 8 kHz in the telephone band, at a usual level.
Rule: nothing here makes speech; whoever rehearses brings it.
"""

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.levels import at_level
from client_caller.audio.resample import resample
from client_caller.errors import ConfigError
from client_caller.rehearsal.ear import BLOCK_S, audible

SPEECH_DBFS: Final = -23.0
"""A usual level of speech on the line."""

_BAND_HZ: Final = (300.0, 3_400.0)
"""The telephone band. Source: ITU-T G.712."""

_TAPS: Final = 201
"""Slopes of about 130 Hz with a Hamming window (3.3 * 8000 / 201): the voice's fundamental goes, its speech stays."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One sentence of a caller.

    samples: shape (n,), 8 kHz;  speech_start_s, speech_end_s: the audible part, seconds from the first sample.
    """

    name: str
    text: str
    samples: Samples
    speech_start_s: float
    speech_end_s: float


def prepare(samples: Samples, hz: int, text: str, name: str = "") -> Clip:
    """A sentence as the line would carry it: 8 kHz, 300-3400 Hz, -23 dBFS. Raises ValueError when it is silent."""
    band = np.convolve(resample(samples, hz, LINE_HZ), _band_pass(), mode="same").astype(np.float32)
    loud = at_level(band, SPEECH_DBFS)
    blocks = np.flatnonzero(audible(loud))
    if len(blocks) == 0:
        raise ValueError(f"the sentence {text!r} has no sound")
    return Clip(name, text, loud, float(blocks[0]) * BLOCK_S, float(blocks[-1] + 1) * BLOCK_S)


def read_wav(path: Path) -> tuple[Samples, int]:
    """Samples and rate of a 16-bit wav file, channels averaged. Raises ConfigError that names the file."""
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, hz = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as wrong:
        raise ConfigError(f"{path} cannot be read as a wav file ({wrong}): give a 16-bit PCM wav") from wrong
    if width != 2:
        raise ConfigError(f"{path} has {8 * width}-bit samples: give a 16-bit PCM wav")
    pcm = np.frombuffer(data, "<i2").reshape(-1, channels)
    return (pcm.mean(axis=1) / 32_768).astype(np.float32), hz


def _band_pass() -> Samples:
    low, high = (edge / LINE_HZ for edge in _BAND_HZ)
    offset = np.arange(_TAPS) - _TAPS // 2
    ideal = 2 * high * np.sinc(2 * high * offset) - 2 * low * np.sinc(2 * low * offset)
    return np.asarray(ideal * np.hamming(_TAPS), np.float32)
