"""A caller in memory, for calls without a carrier.

In:   what the caller is made to say and do.     Out: `Inbound` messages in the loop's time, and what was heard.
Rule: only the loop's clock, so that a test's clock may jump. Nothing moves on its own: the call's reading moves it.

The carrier goes in ticks of 20 ms. At each one a frame of the caller's sound leaves, and the next frame
of what waits begins to play to the caller.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from heapq import heappop, heappush
from itertools import count

from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES
from client_caller.audio.mulaw import SILENCE
from client_caller.audio.playback import Playback
from client_caller.errors import LineLost
from client_caller.line.protocol import (
    CallerAudio,
    Clear,
    Errand,
    Inbound,
    KeyTone,
    Mark,
    MarkReturned,
    Outbound,
    Parties,
    Play,
)

_STRANGERS = Parties()
_QUIET = bytes([SILENCE]) * FRAME_SAMPLES


class SimulatedLine:
    """A Line whose caller does as told and remembers what was played.

    mark_delay_s: seconds a mark takes to come back;  lose_marks: whether none ever does;
    has_marks: whether this carrier knows marks at all;
    lateness_s: seconds by which frame number n is late; frames stay in order.
    parties, back_from: as of any line;  errands: what it was asked to leave for.
    heard: what was played, as (loop time at which a frame began, its mu-law bytes).
    """

    def __init__(
        self,
        call_id: str = "simulated",
        *,
        mark_delay_s: float = 0.0,
        lose_marks: bool = False,
        has_marks: bool = True,
        lateness_s: Callable[[int], float] = lambda number: 0.0,
        parties: Parties = _STRANGERS,
        back_from: str = "",
    ) -> None:
        self.parties = parties
        self.back_from = back_from
        self.errands: list[Errand] = []
        self.heard: list[tuple[float, bytes]] = []
        self._call_id = call_id
        self._mark_delay_s = mark_delay_s
        self._lose_marks = lose_marks or not has_marks
        self._has_marks = has_marks
        self._lateness_s = lateness_s
        self._speech = bytearray()
        self._playback = Playback()
        self._arrivals: list[tuple[float, int, Inbound]] = []  # a heap: loop time, tie-breaker, message
        self._order = count()
        self._last_frame_at = 0.0
        self._news = asyncio.Event()
        self._ended = False
        self._over = False  # and that is known: it was read, or the agent hung up
        self._lost = False

    @property
    def call_id(self) -> str:
        """The name given."""
        return self._call_id

    @property
    def has_marks(self) -> bool:
        """As given."""
        return self._has_marks

    def say(self, mulaw: bytes) -> None:
        """Have the caller say this, behind what is still being said; silence follows."""
        self._speech += mulaw

    def press(self, key: str) -> None:
        """Have the caller press a key now."""
        self._arrive(0.0, KeyTone(key))

    def hang_up_by_caller(self) -> None:
        """End the call from the caller's side."""
        self._ended = True
        self._news.set()

    def break_off(self) -> None:
        """Break the stream: whoever reads or sends gets LineLost."""
        self._lost = True
        self._news.set()

    async def receive(self) -> AsyncIterator[Inbound]:
        """The caller's sound, keys and returned marks, each when it is due. Raises LineLost after `break_off`."""
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        ticks = 0
        while True:
            self._news.clear()
            if self._lost:
                raise LineLost("the simulated stream broke off")
            if self._ended:
                self._over = True
                return
            while (tick_at := began_at + ticks * FRAME_S) <= loop.time():
                self._tick(ticks, tick_at)
                ticks += 1
            if self._arrivals and self._arrivals[0][0] <= loop.time():
                yield heappop(self._arrivals)[2]
                continue
            next_at = min(tick_at, self._arrivals[0][0]) if self._arrivals else tick_at
            await self._sleep_until(next_at)

    async def send(self, command: Outbound) -> None:
        """Do to the carrier's buffer what the command says. Raises LineLost once it is known that the call is over.

        What is sent to a caller who has hung up is dropped until that has been read, as with any line.
        """
        if self._over or self._lost:
            raise LineLost("the simulated call is over")
        if self._ended:
            return
        match command:
            case Play(mulaw=mulaw):
                self._playback.queue(mulaw)
            case Mark(name=name):
                self._playback.mark(name)
            case Clear():
                self._playback.clear()
        self._return_marks()

    async def leave(self, errand: Errand) -> None:
        """Note the errand, and break the stream."""
        self.errands.append(errand)
        self.break_off()

    async def hang_up(self) -> None:
        """End the call from the agent's side."""
        self._ended = self._over = True
        self._news.set()

    def _tick(self, number: int, at: float) -> None:
        """One frame of the caller leaves; the frame that began 20 ms ago has been played, and the next begins."""
        if played := self._playback.play(FRAME_SAMPLES):
            self.heard.append((at, played))
        self._return_marks()
        spoken = bytes(self._speech[:FRAME_SAMPLES])
        del self._speech[:FRAME_SAMPLES]
        self._last_frame_at = max(self._last_frame_at, at + self._lateness_s(number))
        frame = CallerAudio(spoken + _QUIET[len(spoken) :], number * FRAME_S)
        heappush(self._arrivals, (self._last_frame_at, next(self._order), frame))

    def _return_marks(self) -> None:
        for name in self._playback.passed():
            if not self._lose_marks:
                self._arrive(self._mark_delay_s, MarkReturned(name))

    def _arrive(self, in_s: float, message: Inbound) -> None:
        heappush(self._arrivals, (asyncio.get_running_loop().time() + in_s, next(self._order), message))
        self._news.set()

    async def _sleep_until(self, at: float) -> None:
        try:
            async with asyncio.timeout_at(at):
                await self._news.wait()
        except TimeoutError:
            return
