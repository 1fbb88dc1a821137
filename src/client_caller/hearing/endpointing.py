"""Endpointing: from speech probabilities to the onsets and offsets of an utterance.

In:   for each window of 32 ms its speech probability, whether it is quiet, and the instant at which it ended.
Out:  `Onset` and `Offset` by turns, back-dated to the sound.
Rule: nothing here knows of models, turns or clocks; instants are on whatever time line the windows are.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from client_caller.audio.frame import LINE_HZ
from client_caller.settings import HearingSettings

WINDOW_SAMPLES: Final = 256
"""Silero's window at 8 kHz. Source: Silero VAD, which accepts no other size at this rate."""

WINDOW_S: Final = WINDOW_SAMPLES / LINE_HZ  # 0.032

_ONSET_WINDOWS: Final = 3
"""How far back two voiced windows may lie apart to make an onset: a plosive parts them, a click has no second."""

_FALL_S: Final = 3 * WINDOW_S
"""How long Silero's probability takes to fall once the voice has stopped: 70 ms in the median, 122 ms at p90, measured
on 49 read and acted phrases through mu-law and noise at -55 dBFS. Back-dating over the fall leaves 22 and 70 ms."""

_RESUME_S: Final = 0.3
"""How long after an utterance one voiced window is enough to go on with it: the pause may have been a gap between
words, and a short soft word after it ("…know if") has no two windows of its own."""

_LOST_FOR_GOOD_S: Final = 1.0
"""Lost sound may have held voice or not; so much of it at a stretch, and nobody knows what was said."""

_SLACK_S: Final = WINDOW_S / 8
"""Sums of window lengths are not exact."""


@dataclass(frozen=True, slots=True)
class Onset:
    """The voice set in at `at`, the start of its first voiced window."""

    at: float


@dataclass(frozen=True, slots=True)
class Offset:
    """The voice stopped at `at`, after `voiced_s` seconds of voiced windows since the onset."""

    at: float
    voiced_s: float


class Endpointer:
    """Finds the edges of the utterances of one call.

    An onset needs two windows of the last three at `speech_on`, or one at `speech_sure`; right after an utterance one
    at `speech_on` will do. Within an utterance a window is voiced from `speech_off` up, unless it is quiet: loudness
    falls with the voice, Silero's probability some windows later. The offset is noticed once `hangover_s` has passed
    without a voiced window, or twice as much while the probability still is at `speech_sure`, as it is in the stop
    of a consonant. It is dated to the end of the last voiced window at `speech_sure`, but at most the time that Silero
    takes to fall before the end of the last voiced one, for a quiet word may stay unsure.

    Lost windows are neither voice nor silence, until they are too many.
    """

    def __init__(self, settings: HearingSettings) -> None:
        self._settings = settings
        self._recent: deque[tuple[float, float]] = deque(maxlen=_ONSET_WINDOWS)  # (probability, start), newest last
        self._in_speech = False
        self._voiced_until = self._sure_until = self._voiced_s = 0.0
        self._silent_s = self._lost_s = 0.0

    @property
    def in_speech(self) -> bool:
        """Whether an onset awaits its offset."""
        return self._in_speech

    @property
    def voiced_s(self) -> float:
        """Seconds of voice in this utterance, or in the last one."""
        return self._voiced_s

    @property
    def silent_s(self) -> float:
        """Seconds of silence heard since the last voiced window; what was lost does not count."""
        return self._silent_s

    def feed(self, p: float, ends_at: float, quiet: bool = False) -> Onset | Offset | None:
        """What the window with speech probability `p` that ended at `ends_at` brings to light.

        quiet: the window is too near the noise of the line to hold the voice that was heard before.
        """
        self._lost_s = 0.0
        self._silent_s += WINDOW_S
        if not self._in_speech:
            return self._listen_for_onset(0.0 if quiet else p, ends_at)
        if p >= self._settings.speech_off and not quiet:
            self._voiced_until, self._silent_s = ends_at, 0.0
            self._voiced_s += WINDOW_S
            if p >= self._settings.speech_sure:
                self._sure_until = ends_at
            return None
        enough_s = self._settings.hangover_s * (2 if p >= self._settings.speech_sure else 1)
        return self._stop() if self._silent_s >= enough_s - _SLACK_S else None

    def lose(self) -> Offset | None:
        """The next window was lost on its way here."""
        self._lost_s += WINDOW_S
        if self._lost_s < _LOST_FOR_GOOD_S:
            return None
        self._recent.clear()
        return self._stop() if self._in_speech else None

    def _listen_for_onset(self, p: float, ends_at: float) -> Onset | None:
        self._recent.append((p, ends_at - WINDOW_S))
        voiced = [start for probability, start in self._recent if probability >= self._settings.speech_on]
        goes_on = self._voiced_s > 0 and ends_at - self._voiced_until <= _RESUME_S
        enough = len(voiced) >= 2 or p >= self._settings.speech_sure or goes_on
        if p < self._settings.speech_on or not enough:
            return None
        self._recent.clear()
        self._in_speech = True
        self._voiced_until, self._voiced_s, self._silent_s = ends_at, len(voiced) * WINDOW_S, 0.0
        self._sure_until = ends_at if p >= self._settings.speech_sure else voiced[0] + WINDOW_S
        return Onset(voiced[0])

    def _stop(self) -> Offset:
        self._in_speech = False
        return Offset(max(self._sure_until, self._voiced_until - _FALL_S), self._voiced_s)
