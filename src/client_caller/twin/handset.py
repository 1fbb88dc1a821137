"""The telephone of one person, on the timeline of the call.

In:   what sounds in the ear.     Out: what is said into the mouthpiece, and the keys pressed.
Rule: time goes in slots of 20 ms, and every slot is lived through once, whoever fills it.

During slot k the person speaks frame k and hears frame k. Sample i of either channel is the instant i / 8000 from
`began_at`. While nothing but the carrier itself is to be heard, several slots are lived through at a time.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final

from client_caller.audio.frame import FRAME_S
from client_caller.twin.carried import CarriedCall
from client_caller.twin.people import QUIET, Person

STRIDE_S: Final = 0.1
"""How often it is looked who hung up or pressed a key, while no stream runs."""


class PersonHungUp(Exception):
    """The person at a telephone has hung up. handset: which."""

    def __init__(self, handset: "Handset") -> None:
        super().__init__("the person has hung up")
        self.handset = handset


def _never() -> bool:
    return False


class Handset:
    """Where a person speaks and hears.

    slot: the one to be lived through next;  heard, said: the frames of the slot before;
    pressed: keys that nobody has taken up yet.
    """

    def __init__(self, person: Person, record: CarriedCall, keeps_sound: bool) -> None:
        self.person = person
        self.slot = 0
        self.heard = QUIET
        self.said = QUIET
        self.pressed: deque[str] = deque()
        self._record = record
        self._keeps_sound = keeps_sound
        self._presses = deque(sorted(person.keys, key=lambda press: press.at_s))

    @property
    def now_s(self) -> float:
        """Seconds of the call that have been lived through."""
        return self.slot * FRAME_S

    def begin(self, now: float) -> float:
        """Loop time of the first slot: now, unless it has begun already."""
        if self._record.began_at is None:
            self._record.began_at = now
        return self._record.began_at

    def due(self, now: float) -> int:
        """How many slots have passed and were not lived through."""
        began_at = self._record.began_at
        return 0 if began_at is None else round((now - began_at) / FRAME_S) - self.slot

    def step(self, sound: bytes) -> bytes:
        """Live through one slot: the frame said in it, while `sound` is heard. Raises PersonHungUp."""
        said = self.person.next_frame(self.heard)
        if said is None:
            raise PersonHungUp(self)
        self.heard, self.said = sound, said
        if self._keeps_sound:
            self._record.sent += said
            self._record.played += sound
        if self._presses and self._presses[0].at_s <= self.slot * FRAME_S:
            self.pressed.append(self._presses.popleft().key)
        self.slot += 1
        return said

    def catch_up(self, now: float, sound: bytes = QUIET) -> None:
        """Live through what has passed, hearing `sound` all the time. Raises PersonHungUp."""
        for _ in range(self.due(now)):
            self.step(sound)

    def press(self, key: str) -> None:
        """Press a key now, whatever was planned."""
        self.pressed.append(key)

    def hear_key(self, key: str) -> None:
        """A key was sent to this telephone."""
        self._record.keys_heard += key
        self.person.hears_key(key)

    async def listen(self, for_s: float = inf, sound: bytes = QUIET, until: Callable[[], bool] = _never) -> None:
        """Let time pass, with `sound` in the ear, for so many seconds or until it is so. Raises PersonHungUp."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + for_s
        while not until() and (left_s := ends_at - loop.time()) > 0:
            await asyncio.sleep(min(STRIDE_S, left_s))
            self.catch_up(loop.time(), sound)


def converse(one: Handset, other: Handset, now: float) -> None:
    """Live through what has passed on both telephones, each hearing the other. Raises PersonHungUp."""
    for _ in range(max(one.due(now), other.due(now))):
        from_one, from_other = one.said, other.said
        if one.due(now) > 0:
            one.step(from_other)
        if other.due(now) > 0:
            other.step(from_one)
