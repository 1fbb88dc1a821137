"""What a rehearsed call sounded like from the caller's end.

In:   both channels of the call on one timeline, and what the caller said when.     Out: a `HeardCall`.
Rule: only the sound counts; nothing the agent says of itself is believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.mulaw import decode
from client_caller.rehearsal.ear import BLOCK_S, audible
from client_caller.rehearsal.script import Kind, Spoken

SILENCED_S: Final = 0.2
"""Seconds of quiet after which an interrupted agent has stopped; a gap between words is shorter."""


@dataclass(frozen=True, slots=True)
class TurnHeard:
    """One turn of the caller and what came of it. Instants are seconds of the call.

    agent_audible_at: the agent's first audible sound that answers it, or None: no answer.
    voice_to_voice_s: from the caller's last speech sample to that sound; None without an answer or when cut off.
    cut_off: the agent became audible before the caller had finished, be it in a thinking pause.
    barge_in_silence_s: for an interruption, from the caller's first speech sample to the agent's last audible one; None
                        when it was not one, the agent was not speaking, or it did not stop.
    """

    kind: Kind
    text: str
    started_at: float
    speech_ended_at: float
    pause_s: float
    agent_audible_at: float | None
    voice_to_voice_s: float | None
    cut_off: bool
    barge_in_silence_s: float | None


@dataclass(frozen=True, slots=True)
class HeardCall:
    """A whole call. sent, played: mu-law at 8 kHz of caller and agent, equally long, on one timeline.

    greeting_at: the agent's first audible sound;  lateness_s: the most by which the caller's own pacing was late, which
    bounds what the measured times are worth.
    """

    sent: bytes
    played: bytes
    turns: tuple[TurnHeard, ...]
    greeting_at: float | None
    lateness_s: float


def measure(sent: bytes, played: bytes, spoken: Sequence[Spoken], lateness_s: float) -> HeardCall:
    """Judge a call. sent, played: mu-law at 8 kHz, equally long."""
    agent = audible(decode(played))
    ends_at = len(agent) * BLOCK_S
    next_starts = [*(turn.started_at for turn in spoken), ends_at][1:]
    turns = tuple(_turn(turn, agent, until) for turn, until in zip(spoken, next_starts, strict=True))
    return HeardCall(sent, played, turns, _first(agent, 0.0, ends_at), lateness_s)


def _turn(turn: Spoken, agent: NDArray[np.bool_], until: float) -> TurnHeard:
    listen_from, silence_s = turn.started_at, None
    if turn.kind == "interrupt" and _was_audible(agent, turn.started_at):
        stopped_at = _stop(agent, turn.started_at, until)
        listen_from = until if stopped_at is None else stopped_at
        silence_s = None if stopped_at is None else stopped_at - turn.started_at
    answer_at = _first(agent, listen_from, until)
    cut_off = answer_at is not None and answer_at < turn.ended_at
    return TurnHeard(
        kind=turn.kind,
        text=turn.text,
        started_at=turn.started_at,
        speech_ended_at=turn.ended_at,
        pause_s=turn.pause_s,
        agent_audible_at=answer_at,
        voice_to_voice_s=None if answer_at is None or cut_off else answer_at - turn.ended_at,
        cut_off=cut_off,
        barge_in_silence_s=silence_s,
    )


def _was_audible(agent: NDArray[np.bool_], at: float) -> bool:
    """Whether the agent was speaking when the caller broke in; a gap between its words counts as speaking."""
    block = round(at / BLOCK_S)
    return bool(agent[max(0, block - round(SILENCED_S / BLOCK_S)) : block + 1].any())


def _first(agent: NDArray[np.bool_], since: float, until: float) -> float | None:
    """The first audible instant in [since, until)."""
    first = round(since / BLOCK_S)
    found = np.flatnonzero(agent[first : round(until / BLOCK_S)])
    return (first + int(found[0])) * BLOCK_S if len(found) else None


def _stop(agent: NDArray[np.bool_], since: float, until: float) -> float | None:
    """The instant from which the agent is quiet for 200 ms, not before `since`; None when it never is."""
    first, last, wanted = round(since / BLOCK_S), round(until / BLOCK_S), round(SILENCED_S / BLOCK_S)
    quiet = 0
    for block in range(first, min(last, len(agent))):
        quiet = 0 if agent[block] else quiet + 1
        if quiet == wanted:
            return (block + 1 - wanted) * BLOCK_S
    return None
