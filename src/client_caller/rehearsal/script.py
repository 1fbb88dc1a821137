"""A caller who follows a script and listens while doing so.

In:   20 ms of what the agent is heard to say.     Out: 20 ms of the caller, or the end; and what was said when.
Rule: no clock; one frame in, one frame out, and a frame is 20 ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ, Samples
from client_caller.audio.mulaw import decode, encode
from client_caller.rehearsal.clips import Clip
from client_caller.rehearsal.ear import audible

NOISE_DBFS: Final = -55.0
"""Room noise around the caller: no telephone call is digitally silent."""

_NOISE_FRAMES: Final = 100  # after which the same noise comes again
_NOISE_SEED: Final = 8_000


@dataclass(frozen=True, slots=True)
class Say:
    """Speak once the agent has spoken and then been quiet for a while."""

    clip: Clip
    after_agent_quiet_s: float = 0.6


@dataclass(frozen=True, slots=True)
class SayWithPause:
    """Speak as `Say` does, but stop in the middle to think."""

    first: Clip
    pause_s: float
    second: Clip
    after_agent_quiet_s: float = 0.6


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Speak over the agent once it has been audible for a while."""

    clip: Clip
    after_agent_audible_s: float = 1.0


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call once the agent has spoken and then been quiet for a while."""

    after_agent_quiet_s: float = 0.6


Step = Say | SayWithPause | Interrupt | HangUp
Kind = Literal["say", "say with pause", "interrupt"]


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the caller said, in seconds of the call; pause_at is where a thinking pause began."""

    kind: Kind
    text: str
    started_at: float
    ended_at: float
    pause_at: float | None = None
    pause_s: float = 0.0


class ScriptedCaller:
    """Plays the steps in order and hangs up after the last.

    patience_s: seconds to wait for what a step waits for; then the step is taken all the same.
    spoken: what has been said so far.
    """

    def __init__(self, steps: Sequence[Step], patience_s: float = 12.0) -> None:
        self.spoken: list[Spoken] = []
        self._steps = [*steps, HangUp()]
        self._patience_s = patience_s
        noise = np.random.default_rng(_NOISE_SEED).standard_normal(_NOISE_FRAMES * FRAME_SAMPLES)
        self._noise: Samples = (noise * 10 ** (NOISE_DBFS / 20)).astype(np.float32)
        self._frames = 0
        self._speech: Samples = np.zeros(0, np.float32)
        self._speaks_until = 0.0
        self._waited_s = self._audible_s = self._quiet_s = 0.0  # since the caller last spoke

    def next_frame(self, heard: bytes) -> bytes | None:
        """The caller's next 20 ms; None when the caller hangs up. heard: mu-law of the 20 ms before."""
        if self._frames * FRAME_S >= self._speaks_until:
            self._listen(heard)
            if self._is_time():
                step = self._steps.pop(0)
                if isinstance(step, HangUp):
                    return None
                self._begin(step)
        frame, self._speech = self._speech[:FRAME_SAMPLES], self._speech[FRAME_SAMPLES:]
        noise_from = self._frames * FRAME_SAMPLES % len(self._noise)
        sound = self._noise[noise_from : noise_from + FRAME_SAMPLES].copy()
        sound[: len(frame)] += frame
        self._frames += 1
        return encode(sound)

    def _listen(self, heard: bytes) -> None:
        self._waited_s += FRAME_S
        if np.any(audible(decode(heard))):
            self._audible_s += FRAME_S
            self._quiet_s = 0.0
        else:
            self._quiet_s += FRAME_S

    def _is_time(self) -> bool:
        """Whether what the next step waits for has come, or will be waited for no longer."""
        if self._waited_s >= self._patience_s:
            return True
        match self._steps[0]:
            case Interrupt(after_agent_audible_s=wanted_s):
                return self._audible_s >= wanted_s
            case step:
                return self._audible_s > 0 and self._quiet_s >= step.after_agent_quiet_s

    def _begin(self, step: Say | SayWithPause | Interrupt) -> None:
        now = self._frames * FRAME_S
        match step:
            case SayWithPause(first=first, pause_s=pause_s, second=second):
                lead = first.samples[: round(first.speech_end_s * LINE_HZ)]
                rest = second.samples[round(second.speech_start_s * LINE_HZ) :]
                gap = np.zeros(round(pause_s * LINE_HZ), np.float32)
                self._speech = np.concatenate((lead, gap, rest))
                pause_at = now + len(lead) / LINE_HZ
                started_at = now + first.speech_start_s
                ended_at = pause_at + pause_s + second.speech_end_s - second.speech_start_s
                text = f"{first.text} {second.text}"
                self.spoken.append(Spoken("say with pause", text, started_at, ended_at, pause_at, pause_s))
            case Say(clip=clip) | Interrupt(clip=clip):
                self._speech = clip.samples
                kind: Kind = "say" if isinstance(step, Say) else "interrupt"
                self.spoken.append(Spoken(kind, clip.text, now + clip.speech_start_s, now + clip.speech_end_s))
        self._speaks_until = self.spoken[-1].ended_at
        self._waited_s = self._audible_s = self._quiet_s = 0.0
