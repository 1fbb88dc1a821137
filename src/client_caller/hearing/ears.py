"""The ears of one call: voice activity, loudness, echo and endpointing, joined.

In:   windows of sound, heard or lost.     Out: onsets and offsets.
Rule: instants are seconds of the caller's sound. Lost windows are counted, but never shown to the model. While the
      agent is audible, neither its own voice come back nor a voice far behind the caller's begins an utterance; one
      that has begun is followed whatever it is.
"""

from typing import Final

import numpy as np

from client_caller.audio.frame import Samples
from client_caller.audio.levels import level_dbfs
from client_caller.hearing.echo import Echo
from client_caller.hearing.endpointing import WINDOW_S, Endpointer, Offset, Onset
from client_caller.hearing.loudness import CallerVoice, Loudness
from client_caller.hearing.protocols import VoiceActivity
from client_caller.settings import HearingSettings

_QUIET: Final = 0.1
_QUIET_WINDOWS: Final = 5
_RESET_AFTER_WINDOWS: Final = round(2.0 / WINDOW_S)
"""Music leaves Silero deaf to the voice after it: 864 ms to the next onset after 20 s of a chord, 416 ms with a reset.
So it forgets every two seconds while nobody speaks: at five quiet windows in a row, or, in music that never lets the
probability fall so low, when none was voiced for so long."""


class Ears:
    """Finds the caller's voice, however quiet the caller and however noisy the line.

    echo: is told elsewhere what the agent says, and here what is heard.
    """

    def __init__(self, activity: VoiceActivity, settings: HearingSettings, echo: Echo | None = None) -> None:
        self._activity = activity
        self._settings = settings
        self._echo = echo or Echo()
        self._loudness = Loudness()
        self._caller = CallerVoice()
        self._endpointer = Endpointer(settings)
        self._windows = self._quiet_windows = self._unvoiced_windows = self._windows_since_reset = 0

    @property
    def in_speech(self) -> bool:
        """Whether the caller is in the middle of an utterance."""
        return self._endpointer.in_speech

    @property
    def voiced(self) -> bool:
        """Whether the last window that was heard belongs to the utterance and is no lull in it."""
        return self._endpointer.in_speech and self._endpointer.silent_s == 0

    async def feed(self, window: Samples, heard: bool) -> Onset | Offset | None:
        """What the next window, shape (256,), brings to light. Raises EngineError when the model fails."""
        self._windows += 1
        if not heard:
            self._echo.feed(window, self._loudness.floor_dbfs, quiet=False)
            return self._endpointer.lose()
        level = level_dbfs(window)
        self._loudness.feed(level)
        self._echo.feed(window, self._loudness.floor_dbfs, self._loudness.is_quiet)
        p = await self._activity.probability(_louder(window, self._loudness.gain_db))
        nobody = self._loudness.is_quiet or self._is_not_the_caller(p, level)
        edge = self._endpointer.feed(p, self._windows * WINDOW_S, nobody)
        if self.voiced and p >= self._settings.speech_sure and not self._echo.covers(level):
            self._caller.feed(level)
        self._refresh(p)
        return edge

    def _is_not_the_caller(self, p: float, level: float) -> bool:
        """Whether the voice in this window must not begin an utterance."""
        if p < self._settings.speech_on or self._endpointer.in_speech:
            return False
        return self._echo.is_echo(level) or (self._echo.audible and self._caller.is_above(level))

    def _refresh(self, p: float) -> None:
        self._windows_since_reset += 1
        self._quiet_windows = self._quiet_windows + 1 if p < _QUIET else 0
        self._unvoiced_windows = self._unvoiced_windows + 1 if p < self._settings.speech_on else 0
        nobody = self._quiet_windows >= _QUIET_WINDOWS or self._unvoiced_windows >= _RESET_AFTER_WINDOWS
        if nobody and self._windows_since_reset >= _RESET_AFTER_WINDOWS and not self._endpointer.in_speech:
            self._activity.reset()
            self._windows_since_reset = 0


def _louder(window: Samples, gain_db: float) -> Samples:
    """The window with this gain, at least 0, clipped to [-1, 1]; itself when there is none."""
    if gain_db == 0:
        return window
    louder = window * np.float32(10 ** (gain_db / 20))
    np.minimum(louder, 1.0, out=louder)
    np.maximum(louder, -1.0, out=louder)
    return louder
