"""A recording of somebody's voice, made ready to be a prompt.

In:   a WAV file of 16, 24 or 32-bit PCM, mono or stereo, at 8 to 48 kHz.
Out:  its sound at 24 kHz: mono, without the silence at its ends, at the level of all our voices.
Rule: what cannot become a good prompt is refused with a ConfigError that names the file and says what to do. A voice
      is heard in every call; a bad recording of it would be, too.
"""

import wave
from pathlib import Path
from typing import Final

import numpy as np

from client_caller.audio.frame import Samples
from client_caller.audio.levels import at_level
from client_caller.audio.resample import resample
from client_caller.errors import ConfigError
from client_caller.speaking.csm.protocol import HZ

SHORTEST_S: Final = 3.0
LONGEST_S: Final = 15.0
"""Of speech. Shorter, the model knows too little of the voice; longer, the prompt takes room that the call needs."""

LEVEL_DBFS: Final = -20.0
_PEAK: Final = 0.99

_LOWEST_HZ: Final = 8_000
_HIGHEST_HZ: Final = 48_000
_LONGEST_FILE_S: Final = 600.0
_WIDTHS: Final = {2: 16, 3: 24, 4: 32}
"""Bytes a sample, and bits."""

_WINDOW: Final = HZ // 50  # 20 ms
_BELOW_DB: Final = 30.0  # what is this much softer than the loud syllables is no speech
_TOO_SOFT_DBFS: Final = -50.0  # of the loud syllables
_KEPT_S: Final = 0.1  # of silence at each end, so that no consonant is cut
_PAUSE_S: Final = 0.2
_CUT_AFTER_S: Final = 8.0

_FULL: Final = 0.999
_FLAT: Final = 2**-15  # one step of 16 bits
_CLIPPED_SHARE: Final = 1e-4
"""Of samples at full scale that equal the one before: peaks that were merely brought to full scale are round."""


def prepared(recording: Path) -> Samples:
    """The sound of a recording, (n,) float32 at HZ. Raises ConfigError that says why it cannot be a prompt."""
    sound, hz = read_wav(recording)
    if _clipped(sound):
        raise ConfigError(f"{recording} is clipped: record it again with less gain")
    return _cut(resample(sound, hz, HZ), recording)


def read_wav(path: Path) -> tuple[Samples, int]:
    """The mean of a file's channels, and its rate. Raises ConfigError when it cannot be read or is of another kind."""
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, hz, count, *_ = file.getparams()
            _check_format(path, channels, width, hz)
            if count > _LONGEST_FILE_S * hz:
                raise ConfigError(
                    f"{path} is {count / hz / 60:.0f} min long: cut {SHORTEST_S:g} to {LONGEST_S:g} s out of it"
                )
            data = file.readframes(count)
    except OSError as refusal:
        raise ConfigError(f"{path} cannot be read ({refusal.strerror}): give the path of a WAV file") from refusal
    except (wave.Error, EOFError) as wrong:
        raise ConfigError(
            f"{path} is no plain WAV file ({str(wrong) or 'it ends early'}): "
            "convert it, e.g. with `ffmpeg -i RECORDING -c:a pcm_s16le out.wav`"
        ) from wrong
    if len(data) < count * channels * width:
        raise ConfigError(f"{path} is cut short, its header promises {count / hz:.1f} s: copy or record it again")
    return _samples(data, width).reshape(-1, channels).mean(axis=1, dtype=np.float32), hz


def speech(sound: Samples) -> tuple[int, int]:
    """From which sample to which there is speech, in sound at HZ; (0, 0) if nowhere."""
    loudness = _loudness_db(sound)
    if not len(loudness) or (loud := np.percentile(loudness, 95)) < _TOO_SOFT_DBFS:
        return 0, 0
    spoken = np.flatnonzero(loudness > loud - _BELOW_DB)
    kept = round(_KEPT_S * HZ)
    return max(0, int(spoken[0]) * _WINDOW - kept), min(len(sound), int(spoken[-1] + 1) * _WINDOW + kept)


def _cut(sound: Samples, recording: Path) -> Samples:
    """Its speech at our level."""
    start, end = speech(sound)
    spoken = sound[start:end]
    seconds = len(spoken) / HZ
    if not seconds:
        raise ConfigError(f"{recording} is silent, or far too soft: record it again closer to the microphone")
    if seconds < SHORTEST_S:
        raise ConfigError(f"{recording} has {seconds:.1f} s of speech: {SHORTEST_S:g} s are the least, 10 are good")
    if seconds > LONGEST_S:
        cut_s = (start + _pause_in(spoken)) / HZ
        raise ConfigError(
            f"{recording} has {seconds:.1f} s of speech, and {LONGEST_S:g} s are the most: "
            f"cut it at {cut_s:.1f} s, where it is quietest, and its text to the words before that"
        )
    level = at_level(spoken - spoken.mean(dtype=np.float32), LEVEL_DBFS)
    return level * np.float32(min(1.0, _PEAK / np.abs(level).max()))


def _check_format(path: Path, channels: int, width: int, hz: int) -> None:
    if width not in _WIDTHS:
        bits = ", ".join(map(str, _WIDTHS.values()))
        raise ConfigError(f"{path} has {8 * width} bits a sample: it must be PCM of {bits} bits")
    if channels not in (1, 2):
        raise ConfigError(f"{path} has {channels} channels: it must be mono or stereo")
    if not _LOWEST_HZ <= hz <= _HIGHEST_HZ:
        raise ConfigError(f"{path} has {hz} samples a second: it must have {_LOWEST_HZ} to {_HIGHEST_HZ}")


def _samples(data: bytes, width: int) -> Samples:
    """Little-endian integers of so many bytes as numbers in [-1, 1)."""
    octets = np.frombuffer(data, np.uint8).reshape(-1, width)
    wide = np.zeros((len(octets), 4), np.uint8)
    wide[:, 4 - width :] = octets  # the lower bytes stay zero: full scale is the same for every width
    return (wide.view("<i4")[:, 0] / 2**31).astype(np.float32)


def _clipped(sound: Samples) -> bool:
    flat = (np.abs(sound[1:]) >= _FULL) & (np.abs(np.diff(sound)) <= _FLAT)
    return int(np.count_nonzero(flat)) > _CLIPPED_SHARE * len(sound)


def _loudness_db(sound: Samples) -> Samples:
    """Of each whole window."""
    windows = sound[: len(sound) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    power = np.mean(np.square(windows - windows.mean(axis=1, keepdims=True)), axis=1)
    decibels: Samples = (10 * np.log10(power + 1e-12)).astype(np.float32)
    return decibels


def _pause_in(spoken: Samples) -> int:
    """The middle of the quietest stretch of a pause's length, where a long recording is best cut."""
    loudness = _loudness_db(spoken)
    wide = round(_PAUSE_S * HZ / _WINDOW)
    first, last = round(_CUT_AFTER_S * HZ / _WINDOW), round(LONGEST_S * HZ / _WINDOW) - wide
    energy = np.convolve(10 ** (loudness / 10), np.ones(wide), "valid")[first:last]
    return int((first + int(energy.argmin()) + wide / 2) * _WINDOW)
