"""Whoever is called: a human who says hello first, or a machine that does not listen.

In:   20 ms of what is heard.     Out: 20 ms of what is said.
Rule: as `script.py`: no clock; one frame in, one frame out.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ, Samples
from client_caller.audio.mulaw import encode
from client_caller.rehearsal.clips import SPEECH_DBFS, Clip
from client_caller.rehearsal.script import ScriptedCaller, Spoken, Step

_LIFTS_S: Final = 0.6
"""From lifting to the first sound."""

_BEEP_HZ: Final = 1_000
_BEEP_S: Final = 0.4


class Callee:
    """Says hello, then follows a script as a caller does."""

    def __init__(self, hello: Clip, steps: Sequence[Step]) -> None:
        self._hello = _frames(_with_silence(hello, _LIFTS_S))
        self._said_s = len(self._hello) * FRAME_S
        self._script = ScriptedCaller(steps)

    @property
    def spoken(self) -> list[Spoken]:
        """What was said after the hello, in seconds of the call."""
        return [_later(spoken, self._said_s) for spoken in self._script.spoken]

    def next_frame(self, heard: bytes) -> bytes | None:
        """The next 20 ms; None hangs up."""
        return self._hello.pop(0) if self._hello else self._script.next_frame(heard)


class Machine:
    """Plays its greeting, beeps, and records in silence. greeting_s: until the beep."""

    def __init__(self, greeting: Clip) -> None:
        at = np.arange(round(_BEEP_S * LINE_HZ)) / LINE_HZ
        level = np.sqrt(2) * 10 ** (SPEECH_DBFS / 20)
        beep = (level * np.sin(2 * np.pi * _BEEP_HZ * at)).astype(np.float32)
        said = _with_silence(greeting, _LIFTS_S)
        self.greeting_s = len(said) / LINE_HZ
        self._said = _frames(np.concatenate((said, beep)))

    def next_frame(self, heard: bytes) -> bytes | None:
        """The next 20 ms; it never hangs up."""
        return self._said.pop(0) if self._said else encode(np.zeros(FRAME_SAMPLES, np.float32))


def _with_silence(clip: Clip, seconds: float) -> Samples:
    return np.concatenate((np.zeros(round(seconds * LINE_HZ), np.float32), clip.samples))


def _frames(samples: Samples) -> list[bytes]:
    whole = np.concatenate((samples, np.zeros(-len(samples) % FRAME_SAMPLES, np.float32)))
    return [encode(frame) for frame in whole.reshape(-1, FRAME_SAMPLES)]


def _later(spoken: Spoken, by_s: float) -> Spoken:
    pause_at = None if spoken.pause_at is None else spoken.pause_at + by_s
    return Spoken(spoken.kind, spoken.text, spoken.started_at + by_s, spoken.ended_at + by_s, pause_at, spoken.pause_s)
