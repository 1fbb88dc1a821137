"""The listener: one call's ears.

In:   the line's mu-law chunks with their media time.
Out:  SpeechStarted and SpeechPaused, back-dated; the sound to decode and to judge, at 16 kHz.
Rule: glue. It starts no task and awaits nothing; which transcriber or turn model gets the sound is not its business.

**The call clock.** Events carry call time, but sound is dated by the sound that came before it. The two are tied at the
first chunk, which had ended when it arrived. A chunk that arrives sooner, measured by its sound, shows that those
before it were late, and ties the two anew; a late burst changes nothing. The tie gives by 0.1 ms a second, so that it
follows a carrier whose clock is slow: the crystals of telephone exchanges and computers err by less.
"""

import logging
from dataclasses import dataclass
from typing import Final

import numpy as np

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.resample import Resampler
from client_caller.conversation.events import SpeechPaused, SpeechStarted
from client_caller.hearing.caller_turn import CallerTurn, Tail
from client_caller.hearing.endpointing import WINDOW_S, WINDOW_SAMPLES, Endpointer, Onset
from client_caller.hearing.jitter import JitterBuffer, Run
from client_caller.hearing.protocols import VoiceActivity
from client_caller.hearing.tape import Tape
from client_caller.settings import HearingSettings

log = logging.getLogger("client_caller.hearing")

_MODEL_HZ: Final = 16_000
_KEPT_S: Final = 30.0
_DRIFT: Final = 1e-4
_NOTABLE_LOSS_S: Final = 0.2

_QUIET: Final = 0.1
_QUIET_WINDOWS: Final = 5
_RESET_AFTER_WINDOWS: Final = round(2.0 / WINDOW_S)
"""Music leaves Silero deaf to the voice after it: 864 ms to the next onset after 20 s of a chord, 416 ms with a reset.
So it forgets every two seconds while nobody speaks, at five quiet windows in a row."""


@dataclass(frozen=True, slots=True)
class TurnAudio:
    """The sound of the caller's turn that is still to be decoded. samples: shape (n,), 16 kHz."""

    samples: Samples
    tail: Tail


class Listener:
    """Hears one caller.

    Feed it the line's audio. At a pause, decode `turn_audio().samples` and hand the text to `decoded`, which answers
    with all words of the turn so far; what is settled is not decoded again (see caller_turn.py).
    """

    def __init__(self, activity: VoiceActivity, settings: HearingSettings) -> None:
        self._activity = activity
        self._jitter = JitterBuffer()
        self._endpointer = Endpointer(settings)
        self._turn = CallerTurn(settings.preroll_s)
        self._upsampler = Resampler(LINE_HZ, _MODEL_HZ)
        self._tape = Tape(_MODEL_HZ, _KEPT_S)
        self._unseen: Samples = np.zeros(0, np.float32)  # less than a window, not yet shown to the activity model
        self._heard_s = 0.0  # length of all sound so far
        self._zero_at: float | None = None  # call time of the first sample of the sound
        self._last_at = 0.0  # of the last event
        self._windows = self._quiet_windows = self._windows_since_reset = 0
        self._interim_every = round(settings.interim_s / WINDOW_S)  # windows; 0: never
        self._spoken_windows = 0
        self._interim_due = False

    def feed(self, mulaw: bytes, media_s: float, now: float) -> list[SpeechStarted | SpeechPaused]:
        """What this chunk, which begins at media time `media_s` and arrived at call time `now`, brings to light.

        Raises EngineError when the activity model fails.
        """
        run = self._jitter.feed(mulaw, media_s)
        self._keep_time(run, now)
        self._tape.append(self._upsampler.feed(run.samples))
        self._unseen = np.concatenate((self._unseen, run.samples))
        events = []
        while len(self._unseen) >= WINDOW_SAMPLES:
            window, self._unseen = np.split(self._unseen, [WINDOW_SAMPLES])
            event = self._see(window, now)
            if event is not None:
                events.append(event)
        return events

    def interim_due(self) -> bool:
        """Whether the caller has spoken for long enough to be decoded in between; true once each time."""
        due, self._interim_due = self._interim_due, False
        return due

    def turn_audio(self) -> TurnAudio:
        """The sound of the caller's turn up to now, but for what is frozen; long silences in it are cut short."""
        tail = self._turn.tail(self._heard_s)
        cuts = [self._tape.between(*cut) for cut in tail.cuts]
        return TurnAudio(np.concatenate(cuts) if cuts else np.zeros(0, np.float32), tail)

    def decoded(self, audio: TurnAudio, text: str) -> str:
        """All words of the turn that `audio` was taken from, as of then, now that `audio` has been read as `text`."""
        return self._turn.decoded(audio.tail, text)

    def recent_audio(self, seconds: float) -> Samples:
        """The last `seconds` of sound, silences and all, at 16 kHz."""
        return self._tape.between(self._tape.ends_s - seconds, self._tape.ends_s)

    def close_turn(self) -> None:
        """The caller's turn is over; an utterance that has already begun is the first of the next one."""
        self._turn.close()

    def _keep_time(self, run: Run, now: float) -> None:
        length_s = len(run.samples) / LINE_HZ
        self._heard_s += length_s
        if run.lost_s > _NOTABLE_LOSS_S:
            log.warning("sound of the caller is missing", extra={"lost_ms": round(run.lost_s * 1000)})
        if run.restarted:
            log.warning("the media time of the line jumped")
        latest_at = now - self._heard_s
        if self._zero_at is None or run.restarted:
            self._zero_at = latest_at
        self._zero_at = min(latest_at, self._zero_at + _DRIFT * length_s)

    def _see(self, window: Samples, now: float) -> SpeechStarted | SpeechPaused | None:
        p = self._activity.probability(window)
        self._windows += 1
        edge = self._endpointer.feed(p, self._windows * WINDOW_S)
        self._refresh(p)
        self._spoken_windows = self._spoken_windows + 1 if self._endpointer.in_speech else 0
        if self._interim_every and self._spoken_windows:
            self._interim_due |= self._spoken_windows % self._interim_every == 0
        if edge is None:
            return None
        if isinstance(edge, Onset):
            self._turn.started(edge.at)
            return SpeechStarted(self._call_time(edge.at, now))
        self._turn.paused(edge.at, edge.voiced_s)
        return SpeechPaused(self._call_time(edge.at, now), edge.voiced_s)

    def _call_time(self, heard_s: float, now: float) -> float:
        """Call time of an instant of the sound; never before the last one given, never in the future."""
        assert self._zero_at is not None
        self._last_at = min(now, max(self._last_at, self._zero_at + heard_s))
        return self._last_at

    def _refresh(self, p: float) -> None:
        self._windows_since_reset += 1
        self._quiet_windows = self._quiet_windows + 1 if p < _QUIET else 0
        due = self._windows_since_reset >= _RESET_AFTER_WINDOWS and self._quiet_windows >= _QUIET_WINDOWS
        if due and not self._endpointer.in_speech:
            self._activity.reset()
            self._windows_since_reset = 0
