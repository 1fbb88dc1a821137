"""Callers whose frames are numbered, calls held by them at once, and the instants at which the agent's sound arrives.

In:   a server; how many call, and for how long.     Out: each call, as the carrier had it.
Rule: a caller speaks by a schedule, whatever is heard. The instants are those of the carrier's end of the socket.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2

from client_caller.audio.frame import FRAME_S, LINE_HZ
from client_caller.rehearsal.stage import ACCOUNT_SID, Stage
from client_caller.twin.account import Twin
from client_caller.twin.carried import CarriedCall
from client_caller.twin.network import Internet, MediaSocket
from client_caller.twin.numbers import Number
from client_caller.twin.people import Person
from wire_frames import numbered

OURS: Final = "+15550100002"
_ENDS_WITHIN_S: Final = 5.0
"""From the end of a call at the carrier to that at the server, however busy it is."""

_TAIL_BYTES: Final = 8_192
"""Of a record, in which its end is looked for: what the heart does at the end stands behind it."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a caller speaks: loud for `burst_s`, for the first time at `first_s`, and then every `every_s`."""

    first_s: float = 2.0
    burst_s: float = 1.0
    every_s: float = 6.0

    def speaks(self, slot: int) -> bool:
        """Whether this slot of 20 ms is loud."""
        since = slot - round(self.first_s / FRAME_S)
        return since >= 0 and since % round(self.every_s / FRAME_S) < round(self.burst_s / FRAME_S)

    def bursts(self, slots: int) -> list[tuple[int, int]]:
        """First slot, and the one after the last, of every burst that is whole within so many slots."""
        length, every = round(self.burst_s / FRAME_S), round(self.every_s / FRAME_S)
        return [(at, at + length) for at in range(round(self.first_s / FRAME_S), slots - length + 1, every)]


class NumberedCaller:
    """Sends frame 0, 1, 2 …, loud ones by the schedule, for `lasts_s` or until `to_hang_up` is set."""

    def __init__(self, lasts_s: float, schedule: Schedule) -> None:
        self.to_hang_up = False
        self.schedule = schedule
        self._slots = round(lasts_s / FRAME_S)
        self._slot = 0

    def next_frame(self, heard: bytes) -> bytes | None:
        """The next 20 ms."""
        if self.to_hang_up or self._slot == self._slots:
            return None
        slot, self._slot = self._slot, self._slot + 1
        return numbered(slot, loud=self.schedule.speaks(slot))


@dataclass(frozen=True, slots=True)
class Arrival:
    """Sound of the agent that came to the carrier. at: loop time."""

    at: float
    seconds: float


@dataclass(slots=True)
class Arrivals:
    """All that came on the streams of one call. clears: times at which the agent was cut off."""

    sound: list[Arrival] = field(default_factory=list)
    clears: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """A call that is over."""

    carried: CarriedCall
    arrivals: Arrivals
    schedule: Schedule


class Tapped:
    """Real sockets, at which it is noted when what of the agent arrives. by_call: by the call's SID."""

    def __init__(self) -> None:
        self.by_call: dict[str, Arrivals] = {}
        self._network = Internet()

    @property
    def http(self) -> httpx2.AsyncClient:
        """The client that webhooks are asked with."""
        return self._network.http

    async def open(self, url: str, headers: Mapping[str, str], within_s: float) -> MediaSocket:
        """Open a media socket."""
        return _TappedSocket(await self._network.open(url, headers, within_s), self.by_call)

    async def aclose(self) -> None:
        """Let go of everything."""
        await self._network.aclose()


class _TappedSocket:
    def __init__(self, socket: MediaSocket, by_call: dict[str, Arrivals]) -> None:
        self._socket = socket
        self._by_call = by_call
        self._arrivals = Arrivals()
        self.freeze, self.abort, self.close = socket.freeze, socket.abort, socket.close

    async def send(self, text: str, *, may_drop: bool = False) -> bool:
        if not may_drop and (message := json.loads(text))["event"] == "start":
            self._arrivals = self._by_call.setdefault(message["start"]["callSid"], self._arrivals)
        return await self._socket.send(text, may_drop=may_drop)

    async def receive(self) -> str | bytes:
        text = await self._socket.receive()
        at, message = asyncio.get_running_loop().time(), dict[str, Any](json.loads(text))
        if message["event"] == "media":
            samples = len(message["media"]["payload"]) // 4 * 3 - message["media"]["payload"].count("=")
            self._arrivals.sound.append(Arrival(at, samples / LINE_HZ))
        self._arrivals.clears += message["event"] == "clear"
        return text


async def hold(stage: Stage, callers: Sequence[NumberedCaller], apart_s: float = 0.0) -> list[Held]:
    """All of them call, one after the other `apart_s` later; to the end of the last call."""
    network = Tapped()
    numbers = [Number(OURS, stage.voice_url, f"{stage.url}/twilio/status")]
    async with Twin(ACCOUNT_SID, stage.auth_token, network, numbers=numbers, voice=None) as twin:
        for caller in callers:
            twin.begin_call_in(Person(next_frame=caller.next_frame), OURS)
            await asyncio.sleep(apart_s)
        await twin.quiet()
        calls = twin.calls
    await _have_ended(stage, calls)
    return [
        Held(call, network.by_call.get(call.call_sid, Arrivals()), caller.schedule)
        for call, caller in zip(calls, callers, strict=True)
    ]


async def _have_ended(stage: Stage, calls: Sequence[CarriedCall]) -> None:
    """Wait until the server has written the end of every call; but not for ever: what is missing will show."""
    for _ in range(round(_ENDS_WITHIN_S / 0.1)):
        await asyncio.sleep(0.1)
        records = [path for call in calls for path in stage.records.glob(f"*-{call.call_sid}/record.jsonl")]
        if len(records) == len(calls) and all(_tells_of_end(path) for path in records):
            return


def _tells_of_end(record: Path) -> bool:
    return b'"event":"HungUp"' in record.read_bytes()[-_TAIL_BYTES:]
