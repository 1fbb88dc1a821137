"""A caller who makes sounds on cue, at any level, in any noise, perhaps beside a loudspeaker; and what the call became.

In:   cues; 20 ms of what the agent is heard to say.     Out: 20 ms of the caller; both channels and the flight record.
Rule: no clock; one frame in, one frame out. What a figure needs is read off the two channels and the record.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ, Samples
from client_caller.audio.mulaw import decode, encode
from client_caller.conversation.events import HungUp
from client_caller.records.flight import ActionEntry, Entry, EventEntry, FactEntry, read_record
from client_caller.records.recording import wav_header
from client_caller.rehearsal.carrier import CarriedCall, place_call
from client_caller.rehearsal.clips import Clip
from client_caller.rehearsal.ear import audible
from client_caller.rehearsal.stage import ACCOUNT_SID, Stage
from client_caller.rehearsal.timeline import MEDIA_STARTED
from flow_sounds import room_noise

USUAL_NOISE_DBFS: Final = -55.0

_RECENTLY_S: Final = 0.06
"""An agent heard this recently is speaking: a gap between two words is no silence."""

_GAP_S: Final = 0.3
"""A voice that pauses for longer waits for something."""

_ROOM_S: Final = 0.08
_RECORD_WITHIN_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Cue:
    """A sound, and what it waits for; all of it counts from the end of the caller's last sound.

    after_s: seconds at least;  audible_s: seconds for which the agent has sounded;  steady_s: and without a gap of
    0.3 s;  quiet_s: and has then been quiet; 0: the agent is to be sounding right now.
    """

    clip: Clip
    after_s: float = 0.0
    audible_s: float = 0.0
    steady_s: float = 0.0
    quiet_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """The caller hangs up after the last cue: once the agent has sounded for `audible_s`, or been quiet for `quiet_s`,
    and after `within_s` at the latest. A cue that waits in vain for `patience_s`, or for an agent quiet for `quiet_s`,
    ends the call, too.
    """

    audible_s: float = 0.4
    quiet_s: float = 3.5
    within_s: float = 6.0
    patience_s: float = 12.0


@dataclass(frozen=True, slots=True)
class Echo:
    """The agent's voice, come back into the caller's microphone. room: whether by way of its walls."""

    delay_s: float
    gain_db: float = -20.0
    room: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A sound that was made: its first and last sample, in seconds of the call."""

    cue: int
    clip: Clip
    starts_at: float
    ends_at: float


class FlowCaller:
    """Gives `place_call` the caller's frames. made: the sounds made so far, in order."""

    def __init__(
        self,
        cues: Sequence[Cue],
        *,
        noise_dbfs: float = USUAL_NOISE_DBFS,
        echo: Echo | None = None,
        ending: Ending | None = None,
    ) -> None:
        self.made: list[Made] = []
        self._cues = list(cues)
        self._ending = ending or Ending()
        self._noise = room_noise(noise_dbfs)
        self._echo = _Loudspeaker(echo) if echo else None
        self._frames = 0
        self._speech: Samples = np.zeros(0, np.float32)
        self._waited_s = self._audible_s = self._quiet_s = self._steady_s = 0.0  # since the last sound ended

    @property
    def audible_s(self) -> float:
        """For how long the agent has sounded since the caller's last sound ended."""
        return self._audible_s

    def next_frame(self, heard: bytes) -> bytes | None:
        """The caller's next 20 ms; None when the caller hangs up. heard: mu-law of the 20 ms before."""
        sound = decode(heard)
        if len(self._speech) == 0:
            self._listen(sound)
            if len(self.made) < len(self._cues) and self._is_time(self._cues[len(self.made)]):
                self._begin(self._cues[len(self.made)].clip)
            elif self._is_over():
                return None
        first = self._frames * FRAME_SAMPLES % len(self._noise)
        frame = self._noise[first : first + FRAME_SAMPLES].copy()
        said, self._speech = self._speech[:FRAME_SAMPLES], self._speech[FRAME_SAMPLES:]
        frame[: len(said)] += said
        if self._echo:
            frame += self._echo.feed(sound)
        self._frames += 1
        return encode(frame)

    def _listen(self, heard: Samples) -> None:
        self._waited_s = round(self._waited_s + FRAME_S, 3)
        self._steady_s = round(self._steady_s + FRAME_S, 3) if self._quiet_s < _GAP_S else 0.0
        if np.any(audible(heard)):
            self._audible_s = round(self._audible_s + FRAME_S, 3)
            self._quiet_s = 0.0
        else:
            self._quiet_s = round(self._quiet_s + FRAME_S, 3)

    def _is_time(self, cue: Cue) -> bool:
        quiet = self._quiet_s >= cue.quiet_s if cue.quiet_s else self._quiet_s < _RECENTLY_S
        long_enough = 0 < self._audible_s >= cue.audible_s and self._steady_s >= cue.steady_s
        return quiet and self._waited_s >= cue.after_s and long_enough

    def _is_over(self) -> bool:
        ending = self._ending
        if len(self.made) < len(self._cues):
            own_s = self._cues[len(self.made)].quiet_s
            return self._waited_s >= ending.patience_s or self._quiet_s >= max(ending.quiet_s, 2 * own_s)
        waited_s = self._waited_s
        return self._audible_s >= ending.audible_s or self._quiet_s >= ending.quiet_s or waited_s >= ending.within_s

    def _begin(self, clip: Clip) -> None:
        now = self._frames * FRAME_S
        self._speech = clip.samples
        self.made.append(Made(len(self.made), clip, now + clip.speech_start_s, now + clip.speech_end_s))
        self._waited_s = self._audible_s = self._quiet_s = self._steady_s = 0.0


class _Loudspeaker:
    """What comes back of the last second that was heard."""

    def __init__(self, echo: Echo) -> None:
        response = np.zeros(round(_ROOM_S * LINE_HZ) if echo.room else 1)
        response[0] = 1.0
        if echo.room:  # direct sound, then walls: noise that decays by 60 dB in 0.2 s
            at_s = np.arange(1, len(response)) / LINE_HZ
            response[1:] = 0.12 * np.random.default_rng(3).standard_normal(len(at_s)) * 10 ** (-3 * at_s / 0.2)
        self._response = response * 10 ** (echo.gain_db / 20) / np.sqrt(np.sum(response**2))
        self._delay = max(FRAME_SAMPLES, round(echo.delay_s * LINE_HZ))
        self._past: Samples = np.zeros(self._delay + len(response) + FRAME_SAMPLES, np.float32)

    def feed(self, heard: Samples) -> Samples:
        """The echo in the frame that follows the one that was heard."""
        self._past = np.concatenate((self._past[FRAME_SAMPLES:], heard))
        end = len(self._past) - self._delay + FRAME_SAMPLES
        begin = end - FRAME_SAMPLES - len(self._response) + 1
        return np.convolve(self._past[begin:end], self._response, "valid").astype(np.float32)


@dataclass(slots=True)
class FlowCall:
    """A call that is over. Instants are seconds from the caller's first frame.

    agent: whether the agent was audible, for every 10 ms;  entries: the flight record on the caller's clock;
    carried: the same call as the carrier had it.
    """

    sent: bytes
    played: bytes
    made: list[Made]
    entries: list[Entry]
    lateness_s: float
    agent: NDArray[np.bool_] = field(repr=False)
    carried: CarriedCall = field(repr=False)

    def did(self, *names: str) -> list[tuple[float, Any]]:
        """The heart's actions of these kinds, each with its time. By name: a kind may be newer than this file."""
        return [
            (each.t, each.action)
            for each in self.entries
            if isinstance(each, ActionEntry) and type(each.action).__name__ in names
        ]

    def happened(self, *names: str) -> list[tuple[float, Any]]:
        """The heart's events of these kinds, each with its time."""
        return [
            (each.t, each.event)
            for each in self.entries
            if isinstance(each, EventEntry) and type(each.event).__name__ in names
        ]


async def hold(stage: Stage, caller: FlowCaller, **carriage: Any) -> FlowCall:
    """One call to its end. carriage: what else `place_call` takes."""
    call = await place_call(stage.voice_url, ACCOUNT_SID, stage.auth_token, caller.next_frame, **carriage)
    return FlowCall(
        bytes(call.sent),
        bytes(call.played),
        caller.made,
        on_callers_clock(await _record_of(stage, call)),
        call.lateness_s,
        audible(decode(bytes(call.played))),
        call,
    )


def on_callers_clock(entries: Sequence[Entry]) -> list[Entry]:
    """Counted from the caller's first frame; only the entries' own time is shifted. Nothing without that frame."""
    began_at = next((e.t for e in entries if isinstance(e, FactEntry) and e.name == MEDIA_STARTED), None)
    return [] if began_at is None else [replace(entry, t=entry.t - began_at) for entry in entries]


async def _record_of(stage: Stage, call: CarriedCall) -> list[Entry]:
    """The record, once it tells of the end."""
    for _ in range(round(_RECORD_WITHIN_S / 0.1)):
        path = next(stage.records.glob(f"*{call.call_sid}*/record.jsonl"), None) or stage.newest_record()
        entries = read_record(path)[1] if path else []
        if any(isinstance(entry, EventEntry) and isinstance(entry.event, HungUp) for entry in entries):
            break
        await asyncio.sleep(0.1)
    return entries


def keep_example(call: FlowCall, kind: str, folder: Path) -> None:
    """Write the latest call of a kind as a stereo WAV: caller left, agent right, as they passed the caller's end."""
    path = folder / f"{''.join(c if c.isalnum() else '-' for c in kind).strip('-')}.wav"
    both = np.stack([decode(call.sent), decode(call.played)], axis=1)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav_header(len(both)) + (both * 32_767).astype("<i2").tobytes())
