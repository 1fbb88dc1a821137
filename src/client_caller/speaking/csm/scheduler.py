"""What the engine does next: frames for which slots, rows of whose prompt, or nothing for a while.

In:   how far ahead of its listener each slot is, and how long steps took.     Out: one piece of work, or a rest.
Rule: no clock. A voice that runs is never made to wait below one frame in hand for the sake of one that begins; apart
      from that, who waits for its first frame comes first.

A step costs nearly the same for one slot as for all. So nothing is made before some slot needs it, then for everybody
who has room; between two batches the GPU is free for its neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from client_caller.speaking.csm.protocol import FRAME_S

TARGET_S: Final = 3 * FRAME_S
"""A batch is made when somebody has no more than this in hand: a neighbour's step on the GPU may take 30 ms or more."""

LOOK_AHEAD_S: Final = 8 * FRAME_S
"""Nobody gets further ahead: what a caller who breaks in does not hear was made for nothing."""

CHUNKS: Final = (32, 64, 128, 256, 512, 1024)
"""Rows that are read at once."""

_SLACK_S: Final = FRAME_S
"""What a running voice keeps in hand, by prediction, whatever is done for others."""

_SHARE: Final = 0.6
"""Of the time that frames last, making them may take so much; the rest is for reading, and for surprises."""

_PATIENCE: Final = 16
"""Batches that pass over somebody who waits to begin. More of them only pass when the engine is overloaded."""

_LONGEST_READ_S: Final = FRAME_S
"""A chunk that takes longer is read at once only if it is the smallest: meanwhile nothing else is heard of."""

_LONGEST_DEFERRAL_S: Final = FRAME_S / 2
"""So long a first frame may wait for others with which it can share a batch."""

_SLOWER: Final = 1.25
"""So much longer than usual a step may take before a voice falls silent that was not read in time for it."""

_EASE_S: Final = 0.001
"""Nobody rests for less."""

_WEIGHT: Final = 0.1
_SYMPATHY: Final = 0.8
_WILDEST: Final = 4.0
"""The newest of a moving average counts for a tenth, and for four times the average at most. What slows one size, a
neighbour on the GPU above all, slows the others as well, so they follow by most of it."""


@dataclass(frozen=True, slots=True)
class SlotNeed:
    """A slot that has more to say.

    ahead_s: seconds of sound given out and not yet played by the clock, 0 or less when it is late or has not begun
    (what `Ending` holds back is not given out);  unread: rows still to be read before its next frame;
    begun: it has given out a frame of this utterance;  idle: it has nothing to say just now, and is read for the next
    time, when nobody else wants the time.
    """

    slot: int
    ahead_s: float
    unread: int
    begun: bool
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """The next thing to do: one of the three.

    prefill: a slot and how many rows of its prompt;  frames: the slots of one batch, the most urgent first;
    wait_s: nothing for so long, unless something changes; infinity when nothing will by itself.
    """

    prefill: tuple[int, int] | None = None
    frames: tuple[int, ...] = ()
    wait_s: float | None = None


class Scheduler:
    """The order of work on one model.

    batch: slots that it steps at once;  target_s, look_ahead_s, chunks: as the constants that they default to.
    """

    def __init__(
        self,
        batch: int,
        target_s: float = TARGET_S,
        look_ahead_s: float = LOOK_AHEAD_S,
        chunks: Sequence[int] = CHUNKS,
    ) -> None:
        self._batch = batch
        self._target_s = target_s
        self._look_ahead_s = look_ahead_s
        self._chunks = tuple(chunks)
        self._steps = _Costs()
        self._reads = _Costs()
        self._tickets: dict[int, int] = {}  # of those who wait to begin: by slot, the first to come the least
        self._ticket = 0
        self._passed_over = 0  # batches in a row that did nothing for them
        self._deferred_s = 0.0  # how long who could begin has waited for prompts of others

    def measured_step(self, count: int, seconds: float) -> None:
        """A batch of so many took so long. A model that is slow the first time is run before it is measured."""
        self._steps.measured(count, seconds)

    def measured_prefill(self, rows: int, seconds: float) -> None:
        """Reading so many rows at once took so long."""
        self._reads.measured(rows, seconds)

    def predicted_step_s(self, count: int) -> float:
        """How long a frame for so many slots takes, in several batches if need be; 0 before anything was measured."""
        full, rest = divmod(count, self._batch)
        return full * self._steps.predicted(self._batch) + (self._steps.predicted(rest) if rest else 0.0)

    def admits(self, running: int) -> bool:
        """Whether there is room for one more voice beside so many; for a single one there always is."""
        return running == 0 or self.predicted_step_s(running + 1) <= _SHARE * FRAME_S

    def plan(self, needs: Sequence[SlotNeed]) -> Work:
        """What to do now. needs: of every slot that has more to say, each once."""
        waiting = self._queued(needs)
        work = self._next(needs, waiting)
        if work.frames:
            served = not waiting or any(need.slot in work.frames for need in waiting)
            self._passed_over = 0 if served else self._passed_over + 1
            self._deferred_s = 0.0
        elif work.prefill:
            self._passed_over = 0
            if any(not need.unread for need in waiting):
                self._deferred_s += self._reads.predicted(work.prefill[1])
        return work

    def _next(self, needs: Sequence[SlotNeed], waiting: Sequence[SlotNeed]) -> Work:
        running = sorted((need for need in needs if need.begun and not need.idle), key=lambda need: need.ahead_s)
        idle = [need for need in needs if need.idle]
        ready = [need for need in [*waiting, *running] if not need.unread and self._has_room(need)]
        unread = [need for need in [*waiting, *running, *idle] if need.unread]
        spare_s = self._spare_s(running)
        hurried = bool(running) and spare_s < self._reads.predicted(self._chunks[0]) and not self._is_unfair
        if hurried and (pressed := self._cannot_wait(running)):
            return self._read(pressed, 0.0)
        begins = any(not need.begun for need in ready)
        if unread and not hurried and not (begins and self._begins_now(self._most_pressing(unread))):
            return self._read(self._most_pressing(unread), spare_s)
        if begins or (ready and (self._is_due(running) or (hurried and unread))):
            return Work(frames=self._batched(ready))
        if unread:
            return self._read(self._most_pressing(unread), 0.0)
        return Work(wait_s=max(_EASE_S, running[0].ahead_s - self._target_s) if running else inf)

    def _queued(self, needs: Sequence[SlotNeed]) -> list[SlotNeed]:
        """Those who wait to begin, the first to come first."""
        waiting = {need.slot: need for need in needs if not need.begun and not need.idle}
        self._tickets = {slot: ticket for slot, ticket in self._tickets.items() if slot in waiting}
        for slot in waiting:
            if slot not in self._tickets:
                self._ticket += 1
                self._tickets[slot] = self._ticket
        return [waiting[slot] for slot in self._tickets]

    @property
    def _is_unfair(self) -> bool:
        return self._passed_over >= _PATIENCE

    def _has_room(self, need: SlotNeed) -> bool:
        return not need.begun or need.ahead_s + FRAME_S <= self._look_ahead_s

    def _is_due(self, running: Sequence[SlotNeed]) -> bool:
        return any(need.ahead_s < self._target_s + _EASE_S for need in running)

    def _spare_s(self, running: Sequence[SlotNeed]) -> float:
        """How long something else may take before the frames that everybody running needs, the shortest lead first."""
        spare_s, reading_s = inf, 0.0
        for count, need in enumerate(running, 1):
            reading_s += self._reads.predicted(need.unread) if need.unread else 0.0
            spare_s = min(spare_s, need.ahead_s - reading_s - self.predicted_step_s(count) - _SLACK_S)
        return spare_s

    def _cannot_wait(self, running: Sequence[SlotNeed]) -> SlotNeed | None:
        """Whose prompt is read before the next batch: the first's, or that of who would not last until the one after.

        The latter if the first can spare that time.
        """
        step_s = _SLOWER * self.predicted_step_s(self._batch)
        first = running[0]
        for need in (each for each in running if each.unread):
            reading_s = self._reads.predicted(need.unread)
            if need is first or (need.ahead_s < reading_s + 2 * step_s and reading_s + step_s <= first.ahead_s):
                return need
        return None

    def _most_pressing(self, unread: Sequence[SlotNeed]) -> SlotNeed:
        """Whose prompt is read next: that of a voice which would fall silent, else the first."""
        for need in unread:
            if need.begun and need.ahead_s < self._target_s + self._reads.predicted(need.unread):
                return need
        return unread[0]

    def _begins_now(self, other: SlotNeed) -> bool:
        """Whether who could begin does not wait until this prompt is read too.

        It does wait where that saves the other one a batch of its own that takes longer, within limits.
        """
        reading_s = self._reads.predicted(other.unread)
        return reading_s > min(self.predicted_step_s(1), _LONGEST_DEFERRAL_S - self._deferred_s)

    def _read(self, need: SlotNeed, spare_s: float) -> Work:
        """A chunk that takes no longer than this, the smallest if there is none; also when nothing is known."""
        within_s = min(spare_s, _LONGEST_READ_S)
        known = self._reads.is_known
        fitting = [rows for rows in self._chunks if known and self._reads.predicted(rows) <= within_s]
        return Work(prefill=(need.slot, min(need.unread, max(fitting, default=self._chunks[0]))))

    def _batched(self, ready: Sequence[SlotNeed]) -> tuple[int, ...]:
        """The slots of a batch: who would fall silent, who waits to begin, and all others; each the worst first."""
        in_danger_s = -inf if self._is_unfair else _SLACK_S + 2 * self.predicted_step_s(self._batch)

        def urgency(need: SlotNeed) -> tuple[int, float]:
            if not need.begun:
                return 1, self._tickets[need.slot]
            return (0 if need.ahead_s < in_danger_s else 2), need.ahead_s

        return tuple(need.slot for need in sorted(ready, key=urgency)[: self._batch])


class _Costs:
    """How long a kind of work takes, by the power of two that holds its size."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}

    @property
    def is_known(self) -> bool:
        return bool(self._seconds)

    def measured(self, size: int, seconds: float) -> None:
        bucket = _bucket(size)
        if bucket not in self._seconds:
            self._seconds[bucket] = seconds
            return
        usual_s = max(self._seconds[bucket], 1e-9)
        change = _WEIGHT * (min(seconds / usual_s, _WILDEST) - 1)
        for other in self._seconds:
            self._seconds[other] *= 1 + (change if other == bucket else _SYMPATHY * change)

    def predicted(self, size: int) -> float:
        """As measured, but no more than a smaller one several times; else as the next larger. 0 if none is known."""
        bucket = _bucket(size)
        smaller = [seconds * (bucket // known) for known, seconds in self._seconds.items() if known <= bucket]
        larger = [self._seconds[known] for known in sorted(self._seconds) if known > bucket]
        return min(smaller) if smaller else next(iter(larger), 0.0)


def _bucket(size: int) -> int:
    return 1 << max(0, size - 1).bit_length()
