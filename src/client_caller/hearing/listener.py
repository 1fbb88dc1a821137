"""The listener: one call's ears.

In:   the line's mu-law chunks with their media time; what the agent is made to say, and when.
Out:  SpeechStarted, SpeechPaused and Beeped, back-dated; the sound to decode and to judge, at 16 kHz.
Rule: glue. It starts no task and awaits voice activity only; which transcriber or turn model gets the sound is not
      its business.

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
from client_caller.audio.mulaw import decode
from client_caller.conversation.events import Beeped, Interim, SpeechPaused, SpeechStarted
from client_caller.hearing.beep import BeepDetector
from client_caller.hearing.caller_turn import CallerTurn, Tail
from client_caller.hearing.ears import Ears
from client_caller.hearing.echo import Echo
from client_caller.hearing.endpointing import WINDOW_S, WINDOW_SAMPLES, Offset, Onset
from client_caller.hearing.interims import Interims
from client_caller.hearing.jitter import JitterBuffer, Run, Windows
from client_caller.hearing.protocols import VoiceActivity
from client_caller.hearing.tape import Tape
from client_caller.settings import HearingSettings

log = logging.getLogger("client_caller.hearing")

_MODEL_HZ: Final = 16_000
_KEPT_S: Final = 30.0
_DRIFT: Final = 1e-4
_NOTABLE_LOSS_S: Final = 0.2
_WANTED_WITHIN_S: Final = 0.1
"""New voice after which a sound over the agent's voice is decoded: with what was heard until it was noticed, that is
about a quarter of a second, as long as "yeah" without its end."""


@dataclass(frozen=True, slots=True)
class TurnAudio:
    """The sound of the caller's turn that is still to be decoded. samples: shape (n,), 16 kHz."""

    samples: Samples
    tail: Tail


class Listener:
    """Hears one caller.

    Feed it the line's audio. At a pause, decode `turn_audio().samples` and hand the text to `decoded`, which answers
    with all words of the turn so far; what is settled is not decoded again (see caller_turn.py). When `interim_due`,
    do the same with `interim_audio` and `interim`; when the pause comes, `words` may have them already.
    """

    def __init__(self, activity: VoiceActivity, settings: HearingSettings) -> None:
        self._beeps: BeepDetector | None = None  # while tones are wanted
        self._jitter = JitterBuffer()
        self._unseen = Windows(WINDOW_SAMPLES)
        self._seen = 0  # windows
        self._echo = Echo()
        self._ears = Ears(activity, settings, self._echo)
        self._turn = CallerTurn(settings.preroll_s)
        self._tape = Tape(_KEPT_S)
        self._heard_s = 0.0  # length of all sound so far
        self._zero_at: float | None = None  # call time of the first sample of the sound
        self._last_at = 0.0  # of the last event
        self._interims = Interims(settings.interim_s)
        self._interim_due = False

    async def feed(
        self, mulaw: bytes, media_s: float, now: float, *, beeps: bool = False
    ) -> list[SpeechStarted | SpeechPaused | Beeped]:
        """What this chunk, which begins at media time `media_s` and arrived at call time `now`, brings to light.

        beeps: whether tones of answering machines are told, too.  Raises EngineError when the activity model fails.
        """
        run = self._jitter.feed(mulaw, media_s)
        self._keep_time(run, now)
        self._tape.append(run.mulaw)
        self._unseen.add(run)
        events = self._tones(mulaw, media_s, now) if beeps else []
        self._beeps = self._beeps if beeps else None
        while (taken := self._unseen.take()) is not None:
            self._seen += 1
            window, heard = taken
            edge = await self._ears.feed(decode(window), heard)
            self._follow_voice(edge)
            if isinstance(edge, Onset):
                events.append(SpeechStarted(self._call_time(edge.at, now)))
            elif isinstance(edge, Offset):
                events.append(SpeechPaused(self._call_time(edge.at, now), edge.voiced_s))
        return events

    def _tones(self, mulaw: bytes, media_s: float, now: float) -> list[SpeechStarted | SpeechPaused | Beeped]:
        self._beeps = self._beeps or BeepDetector()
        tone = self._beeps.feed(mulaw, media_s)
        if tone is None or tone.kind == "tone":
            return []
        return [Beeped(now - (media_s + len(mulaw) / LINE_HZ - tone.ended_s), tone.kind)]

    def agent_plays(self, mulaw: bytes, plays_at: float) -> None:
        """The agent's sound whose first sample should sound at call time `plays_at`; in order, up to 0.3 s ahead."""
        self._echo.agent_plays(mulaw, plays_at)

    def agent_silenced(self, at: float) -> None:
        """What should have sounded at call time `at` or later was dropped."""
        self._echo.agent_silenced(at)

    def agent_hushed(self) -> None:
        """The agent waits for what this sound is: its first words are wanted soon."""
        if self._ears.in_speech:
            self._interims.hurry(_WANTED_WITHIN_S)

    def interim_due(self) -> bool:
        """Whether the caller has spoken for long enough to be decoded in between; true once each time."""
        due, self._interim_due = self._interim_due, False
        return due

    def turn_audio(self) -> TurnAudio:
        """The sound of the caller's turn up to now, but for what is frozen; long silences in it are cut short."""
        return self._audio_of(self._turn.tail(self._heard_s))

    def interim_audio(self) -> TurnAudio:
        """The same while the caller speaks; in a long turn only up to the last lull, so that it can be settled."""
        return self._audio_of(self._turn.interim_tail(self._heard_s))

    def words(self) -> str | None:
        """All words of the turn, if `decoded` or `interim` was given a text that holds all voice heard so far."""
        return self._turn.words()

    def holds_all(self, audio: TurnAudio) -> bool:
        """Whether no voice has been heard but what is in `audio`."""
        return self._turn.holds_all(audio.tail)

    def decoded(self, audio: TurnAudio, text: str) -> str:
        """All words of the turn that `audio` was taken from, as of then, now that `audio` has been read as `text`."""
        return self._turn.decoded(audio.tail, text)

    def interim(self, audio: TurnAudio, text: str) -> Interim:
        """The same as what is told while the caller speaks."""
        agreed = self._turn.agreed(audio.tail, self.decoded(audio, text))
        return Interim(agreed.text, agreed.stable)

    def recent_audio(self, seconds: float) -> Samples:
        """The last `seconds` of sound, silences and all, at 16 kHz."""
        return self._tape.between(self._tape.ends_s - seconds, self._tape.ends_s)

    def close_turn(self) -> None:
        """The caller's turn is over; an utterance that has already begun is the first of the next one."""
        self._turn.close()

    def _keep_time(self, run: Run, now: float) -> None:
        length_s = len(run.mulaw) / LINE_HZ
        self._heard_s += length_s
        if run.lost_s > _NOTABLE_LOSS_S:
            log.warning("sound of the caller is missing", extra={"lost_ms": round(run.lost_s * 1000)})
        if run.restarted:
            log.warning("the media time of the line jumped")
        latest_at = now - self._heard_s
        if self._zero_at is None or run.restarted:
            self._zero_at = latest_at
        self._zero_at = min(latest_at, self._zero_at + _DRIFT * length_s)
        self._echo.tie(self._zero_at)

    def _follow_voice(self, edge: Onset | Offset | None) -> None:
        """Tell the turn where the voice sets in and stops, also for lulls too short to be a pause."""
        began_s = (self._seen - 1) * WINDOW_S
        voiced = self._ears.voiced
        if isinstance(edge, Onset):
            self._turn.started(edge.at)
        elif isinstance(edge, Offset):
            self._turn.paused(edge.at)
            self._interims.forget()  # the pause is decoded anyway
            self._interim_due = False
        elif self._ears.in_speech and voiced != self._turn.speaking:
            (self._turn.started if voiced else self._turn.paused)(began_s)
        if self._ears.in_speech:
            self._interim_due |= self._interims.feed(voiced)

    def _audio_of(self, tail: Tail) -> TurnAudio:
        sound = [self._tape.between(*cut) for cut in tail.cuts]
        silence = np.zeros(round(tail.silence_s * _MODEL_HZ), np.float32)
        return TurnAudio(np.concatenate((*sound, silence)), tail)

    def _call_time(self, heard_s: float, now: float) -> float:
        """Call time of an instant of the sound; never before the last one given, never in the future."""
        assert self._zero_at is not None
        self._last_at = min(now, max(self._last_at, self._zero_at + heard_s))
        return self._last_at
