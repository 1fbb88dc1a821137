"""The figures of one call on the line, from its two ends and its recording.

In:   a call that is over, the folder where the server left its records.     Out: `CallFigures`.
Rule: the record is asked only how the call ended; everything else is read off frames.
"""

import wave
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from client_caller.audio.frame import FRAME_SAMPLES, LINE_HZ
from client_caller.audio.mulaw import encode
from client_caller.records.flight import EventEntry, read_record
from client_caller.settings import SpeakingSettings
from common import Row
from wire_caller import Held
from wire_judging import (
    Drift,
    Followed,
    Gap,
    Losses,
    cut_short,
    drift,
    follow,
    gaps,
    heard_places,
    lateness,
    speech_losses,
    spread,
    voice_to_voice,
)

LEAD_S: Final = float(SpeakingSettings().lead_s)


@dataclass(frozen=True, slots=True)
class Kept:
    """The recording of a call beside what passed the caller's end.

    caller, agent: frames found in its channels;  unrecorded: frames of the caller, and of the agent, that came before
    the recording had begun or after it was over;  caller_drift, agent_drift: how far each channel wanders from the
    caller's end;  apart: the agent's channel against the caller's, as compared with the caller's ear: below zero, the
    agent stands earlier in the recording than the caller heard it;  length_s: of the recording;  longer_s: than the
    call was.
    """

    caller: Losses
    agent: Losses
    unrecorded: tuple[int, int]
    caller_drift: Drift | None
    agent_drift: Drift | None
    apart_ms: Row
    length_s: float
    longer_s: float


@dataclass(frozen=True, slots=True)
class CallFigures:
    """One call. length_s: from the first sample to the last;  answers: to so many bursts;  cut_short: pieces of the
    agent's before the last one that were not heard to their end;  late: frames of the agent as they came to the
    carrier, against the instant at which each was due;  caller_late_ms: the carrier's own pacing, at most;  streams:
    media sockets it took;  ended: by whom, and as what the server took it;  in_order: by the caller, on the first
    stream, and the server took it so.
    """

    length_s: float
    bursts: int
    answers: int
    voice_to_voice: Row
    voice_to_voice_ms: list[float | None]
    heard: Losses
    cut_short: int
    gaps: list[Gap]
    late: Row
    caller_late_ms: float
    clears: int
    violations: list[str]
    errors: list[int]
    streams: int
    ended: tuple[str, str]
    in_order: bool
    kept: Kept

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def judge(held: Held, records: Path) -> CallFigures:
    """The figures of a call whose server has stopped, so that its files are whole."""
    call = held.carried
    sent, played = bytes(call.sent), bytes(call.played)
    heard = heard_places(played)
    bursts = held.schedule.bursts(len(heard))
    waits_s = voice_to_voice(heard, bursts)
    (folder,) = records.glob(f"*-{call.call_sid}")
    ended_as = _last_event(folder / "record.jsonl")
    return CallFigures(
        length_s=round(len(sent) / LINE_HZ, 2),
        bursts=len(bursts),
        answers=sum(wait is not None for wait in waits_s),
        voice_to_voice=spread(waits_s),
        voice_to_voice_ms=[None if wait is None else round(wait * 1_000) for wait in waits_s],
        heard=speech_losses(heard),
        cut_short=cut_short(heard),
        gaps=gaps(heard, bursts),
        late=spread(lateness(held.arrivals.sound, LEAD_S)),
        caller_late_ms=round(call.lateness_s * 1_000, 1),
        clears=held.arrivals.clears,
        violations=call.violations,
        errors=call.codes,
        streams=call.streams,
        ended=(call.hung_up_by, ended_as),
        in_order=(call.hung_up_by, ended_as, call.streams) == ("person", "HungUp", 1),
        kept=_kept(sent, played, folder / "call.wav"),
    )


def _last_event(record: Path) -> str:
    return [type(entry.event).__name__ for entry in read_record(record)[1] if isinstance(entry, EventEntry)][-1]


def _kept(sent: bytes, played: bytes, path: Path) -> Kept:
    left, right = _channels(path)
    length_s = len(sent) / LINE_HZ
    caller = follow(_frames(sent), left)
    heard = heard_places(played)
    agent = follow((each for each in _frames(played) if heard[each[0] // FRAME_SAMPLES] is not None), right)
    return Kept(
        caller.losses,
        agent.losses,
        (caller.before + caller.after, agent.before + agent.after),
        drift(caller.offsets, length_s),
        drift(agent.offsets, length_s),
        _apart(caller, agent),
        round(len(left) / LINE_HZ, 3),
        round((len(left) - len(sent)) / LINE_HZ, 3),
    )


def _frames(track: bytes) -> list[tuple[int, bytes]]:
    return [(at, track[at : at + FRAME_SAMPLES]) for at in range(0, len(track), FRAME_SAMPLES)]


def _apart(caller: Followed, agent: Followed) -> dict[str, float | int | None]:
    """Least, median and most, of what the agent's channel is off the caller's."""
    callers = {place: here - place for place, here in caller.places}
    apart = sorted((here - place - callers[place]) / LINE_HZ for place, here in agent.places if place in callers)
    if not apart:
        return {"n": 0}
    picked = {"least_ms": apart[0], "median_ms": apart[len(apart) // 2], "most_ms": apart[-1]}
    return {"n": len(apart), **{name: round(value * 1_000, 1) for name, value in picked.items()}}


def _channels(path: Path) -> tuple[bytes, bytes]:
    """Both channels of a recording, as the mu-law that they were made of."""
    with wave.open(str(path)) as kept:
        samples = np.frombuffer(kept.readframes(kept.getnframes()), "<i2").reshape(-1, 2)
    left, right = (encode(samples[:, channel].astype(np.float32) / np.float32(32_768)) for channel in (0, 1))
    return left, right
