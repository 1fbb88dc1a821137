"""The recording: both voices of one call in a stereo WAV, written while the call runs.

In:   mu-law from either side with its place in call time; what a barge-in dropped; the time.
Out:  a file anyone can play: 8 kHz, 16-bit PCM, the caller left, the agent right as it was played out.
Rule: the latest three quarters of a second stay in memory, for agent audio that the carrier holds may yet be cut, and
      a caller's may come late; the rest is written four times a second. So a kill loses a second of sound at most.
      Where nothing is known there is silence; where two chunks overlap the later one counts.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from client_caller.audio import mulaw
from client_caller.audio.frame import LINE_HZ
from client_caller.records.kept_file import KeptFile

_HOLD_S: Final = 0.75
_FLUSH_S: Final = 0.25
"""Silence or sound worth a write."""

_WINDOW: Final = 8 * LINE_HZ
"""Samples in memory, from the end of the file on: 128 kB a call. Audio beyond it is dropped."""

_QUIET: Final = bytes([mulaw.SILENCE])
_SAMPLE_BYTES: Final = 4  # two channels of 16 bits
_HEADER_BYTES: Final = 44


class Recording:
    """Both sides of one call, from `start` on; with `path` None nothing is kept.

    Instants are seconds of call time; audio is G.711 mu-law at 8 kHz. Before it is started nothing is kept, not even in
    memory. A disk that refuses ends the recording, with one warning, and never the call.
    begun: told when it is started, once.
    """

    def __init__(self, path: Path | None, begun: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._begun: Callable[[], None] | None = begun
        self._file: KeptFile | None = None
        self._on_disk = 0  # samples of each channel
        self._caller = bytearray(_QUIET * (_WINDOW if path else 0))
        self._agent = self._caller[:]

    def start(self, now: float) -> None:
        """The call may be recorded from now on; the file is silent up to here. Safe to repeat."""
        if self._begun:
            begun, self._begun = self._begun, None
            begun()
        if self._path and self._file is None:
            self._file = KeptFile(self._path)
            self._file.append(wav_header(0))
            self._be_silent_until(now)

    def go_on(self, now: float) -> None:
        """Go on with the recording of a call whose stream or process was lost. What the file holds is kept."""
        if self._path:
            self._file = KeptFile(self._path, go_on=True)
            # A kill may leave more sound than the header promises, and part of a sample.
            self._on_disk = max(0, self._file.size - _HEADER_BYTES) // _SAMPLE_BYTES
            self._file.resize(_HEADER_BYTES + self._on_disk * _SAMPLE_BYTES)
            self._be_silent_until(now)

    def _be_silent_until(self, now: float) -> None:
        assert self._file is not None
        self._on_disk = max(self._on_disk, round(now * LINE_HZ))
        self._file.resize(_HEADER_BYTES + self._on_disk * _SAMPLE_BYTES)
        self._file.replace_head(wav_header(self._on_disk))

    @property
    def failed(self) -> bool:
        """Whether the disk refused, so that the recording is not complete."""
        return self._file is not None and self._file.failed

    def caller(self, at_s: float, sound: bytes) -> None:
        """The caller's `sound`, of which the first sample was heard at `at_s`."""
        self._put(self._caller, at_s, sound)

    def agent(self, at_s: float, sound: bytes) -> None:
        """The agent's `sound`, of which the first sample is played at `at_s`, now or soon."""
        self._put(self._agent, at_s, sound)

    def cut(self, at_s: float) -> None:
        """What the agent would have played at `at_s` and later was dropped by a clear."""
        kept = max(0, self._place(at_s))
        self._agent[kept:] = _QUIET * (len(self._agent) - kept)

    def advance(self, now: float) -> None:
        """Write what is too old to be cut. Cheap enough to be called with every frame."""
        if self._place(now - _HOLD_S) >= _FLUSH_S * LINE_HZ:
            self._flush(now - _HOLD_S)

    def close(self, now: float) -> None:
        """The call ended at `now`: write the rest up to then and close the file."""
        self._flush(now)
        if self._file:
            self._file.close()

    def _place(self, at_s: float) -> int:
        return round(at_s * LINE_HZ) - self._on_disk

    def _put(self, channel: bytearray, at_s: float, sound: bytes) -> None:
        if self._file is None:
            return
        start = self._place(at_s)
        begin, end = max(start, 0), min(start + len(sound), _WINDOW)
        if begin < end:
            channel[begin:end] = sound[begin - start : end - start]

    def _flush(self, until_s: float) -> None:
        if self._file is None:
            return
        while (count := min(self._place(until_s), _WINDOW)) > 0:
            sides = (self._taken(self._caller, count), self._taken(self._agent, count))
            self._file.append(np.stack(sides, axis=1).astype("<i2", copy=False).tobytes())
            self._on_disk += count
        # Last, so that at every instant the header promises no more than is there.
        self._file.replace_head(wav_header(self._on_disk))

    def _taken(self, channel: bytearray, count: int) -> NDArray[np.int16]:
        """The first samples of a window, which goes on by as many."""
        taken = mulaw.decode_pcm(channel[:count])
        del channel[:count]
        channel += _QUIET * count
        return taken


def wav_header(samples: int) -> bytes:
    """The 44 bytes before `samples` stereo samples of 16-bit PCM at 8 kHz.

    Source: Microsoft's RIFF WAVE, `fmt ` chunk with format tag 1 (PCM).
    """
    data_bytes = samples * _SAMPLE_BYTES
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, LINE_HZ, LINE_HZ * _SAMPLE_BYTES, _SAMPLE_BYTES, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + data_bytes, b"WAVE") + form + struct.pack("<4sI", b"data", data_bytes)
