"""Callers who ask a question every few seconds, in a voice that is one; and many of them at once.

In:   a server, how many call, for how long.     Out: the calls as the carrier had them, and what the server used.
Rule: who answers is not asked. Everything is counted while all of them speak: neither how calls begin nor how they end.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES
from client_caller.audio.mulaw import SILENCE, encode
from client_caller.demo import render_with_espeak
from client_caller.errors import ConfigError
from client_caller.rehearsal.cast import Line, spoken
from client_caller.rehearsal.stage import ACCOUNT_SID, Stage
from client_caller.twin.account import Twin
from client_caller.twin.carried import CarriedCall
from client_caller.twin.numbers import Number
from client_caller.twin.people import QUIET, Person
from flow_sounds import trimmed
from wire_caller import OURS, Arrivals, Held, Schedule, Tapped
from wire_stage import Used, used_by

APART_S: Final = 0.1
"""Between two callers."""

_SETTLES_S: Final = 1.0
_EVERY_S: Final = 6.0
_CONNECTED_WITHIN_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Together:
    """Calls that were held at once. held: each;  refused: how many never got a media socket;  idle: the server before
    the first of them;  before, after: the server at the two instants between which all of them spoke;  callers_s,
    others_s: processor time between those, of this process, and of all others but the server's.
    """

    held: list[Held]
    refused: int
    idle: Used
    before: Used
    after: Used
    callers_s: float
    others_s: float


async def question(text: str) -> list[bytes]:
    """A question as it sounds over a telephone, frame by frame, from its first sample to its last."""
    clip = trimmed(await spoken(Line(text), render_with_espeak))
    sound = encode(clip.samples)
    whole = sound + bytes([SILENCE]) * (-len(sound) % FRAME_SAMPLES)
    return [whole[at : at + FRAME_SAMPLES] for at in range(0, len(whole), FRAME_SAMPLES)]


def schedule_of(asked: Sequence[bytes]) -> Schedule:
    """When a caller asks: after the greeting, and then every six seconds; an answer takes less."""
    return Schedule(first_s=2.0, burst_s=len(asked) * FRAME_S, every_s=_EVERY_S)


class AskingCaller:
    """Asks by the schedule, whatever is heard, and hangs up after `lasts_s`."""

    def __init__(self, lasts_s: float, asked: Sequence[bytes]) -> None:
        self.schedule = schedule_of(asked)
        self._asked = asked
        self._slots = round(lasts_s / FRAME_S)
        self._slot = 0
        self._first = round(self.schedule.first_s / FRAME_S)

    def next_frame(self, heard: bytes) -> bytes | None:
        """The next 20 ms."""
        slot, self._slot = self._slot, self._slot + 1
        if slot == self._slots:
            return None
        if not self.schedule.speaks(slot):
            return QUIET
        return self._asked[(slot - self._first) % round(_EVERY_S / FRAME_S)]


async def hold(stage: Stage, count: int, lasts_s: float, asked: Sequence[bytes]) -> Together:
    """So many call, one after the other, and ask; to the end of the last call.

    Raises ConfigError when the first would hang up before the last has called.
    """
    if lasts_s < count * APART_S + 4 * _SETTLES_S:
        raise ConfigError(f"{count} callers are not all there within {lasts_s:g} s: let their calls last longer")
    loop, network, idle = asyncio.get_running_loop(), Tapped(), used_by(stage.process_id)
    numbers = [Number(OURS, stage.voice_url, f"{stage.url}/twilio/status")]
    callers = [AskingCaller(lasts_s, asked) for _ in range(count)]
    async with Twin(ACCOUNT_SID, stage.auth_token, network, numbers=numbers, voice=None) as twin:
        for caller in callers:
            twin.begin_call_in(Person(next_frame=caller.next_frame), OURS)
            await asyncio.sleep(APART_S)
        calls = twin.calls
        await _connected(calls)
        before, own_s, all_s = used_by(stage.process_id), time.process_time(), _all_s()
        first_at = min((call.began_at for call in calls if call.began_at is not None), default=before.at)
        await asyncio.sleep(first_at + lasts_s - FRAME_S - loop.time())
        after, own_s, all_s = used_by(stage.process_id), time.process_time() - own_s, _all_s() - all_s
        await twin.quiet()
    held = [
        Held(call, network.by_call.get(call.call_sid, Arrivals()), caller.schedule)
        for call, caller in zip(calls, callers, strict=True)
        if call.streams
    ]
    others_s = all_s - own_s - (after.cpu_s - before.cpu_s)
    return Together(held, count - len(held), idle, before, after, own_s, others_s)


def _all_s() -> float:
    """Processor time of the whole machine since it was started, what other machines stole of it with it."""
    user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


async def _connected(calls: Sequence[CarriedCall]) -> None:
    """Wait until all are, and have been for a second; but not for ever: who is missing is counted."""
    for _ in range(round(_CONNECTED_WITHIN_S / FRAME_S)):
        if all(call.began_at is not None for call in calls):
            break
        await asyncio.sleep(FRAME_S)
    await asyncio.sleep(_SETTLES_S)
