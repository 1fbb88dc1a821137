"""What became of every frame of a call: lost, doubled, late, or somewhere else in the recording.

In:   numbered frames as they were sent, as they were heard, and as they stand in the recording; instants of arrival.
Out:  counts, and distances in seconds.
Rule: arithmetic only. A place is a number of samples from the beginning of a track; a slot is 20 ms.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ
from client_caller.rehearsal.figures import percentile
from common import Row
from wire_caller import Arrival
from wire_frames import Place, number_in

MINUTE_S: Final = 60.0

_AWAY_SAMPLES: Final = LINE_HZ
"""A frame is looked for within a second of where the one before it makes it be."""

_NEW_SPEECH_S: Final = 1.0
"""A silence that is longer parts two answers; none of the server's own is."""


def heard_places(played: bytes) -> list[Place | None]:
    """What was heard in each slot: a whole frame of the agent's, or nothing, or no whole frame."""
    numbers = (number_in(played[at : at + FRAME_SAMPLES]) for at in range(0, len(played), FRAME_SAMPLES))
    return [None if number is None else Place.of(number) for number in numbers]


@dataclass(frozen=True, slots=True)
class Losses:
    """Of so many frames."""

    frames: int
    lost: int
    doubled: int


def speech_losses(heard: Sequence[Place | None]) -> Losses:
    """What is missing of the pieces, up to the last frame that was heard of each, or was heard twice."""
    lost = doubled = frames = 0
    for places in _by_piece(heard).values():
        indices = {place.index for place in places}
        lost += max(indices) + 1 - len(indices)
        doubled += len(places) - len(indices)
        frames += len(places)
    return Losses(frames, lost, doubled)


def cut_short(heard: Sequence[Place | None]) -> int:
    """Pieces that were not heard to their end, be it that the caller broke in; but for the last, which the end of the
    call may cut.
    """
    pieces = list(_by_piece(heard).values())[:-1]
    return sum(max(place.index for place in places) + 1 < places[0].total for places in pieces)


def _by_piece(heard: Sequence[Place | None]) -> dict[int, list[Place]]:
    pieces: dict[int, list[Place]] = {}
    for place in heard:
        if place is not None:
            pieces.setdefault(place.piece, []).append(place)
    return pieces


@dataclass(frozen=True, slots=True)
class Gap:
    """Slots in the agent's speech in which nothing of it was heard, in seconds of the call."""

    at_s: float
    length_s: float


def gaps(heard: Sequence[Place | None], bursts: Iterable[tuple[int, int]]) -> list[Gap]:
    """Silences between the first and the last frame of each answer; an answer ends before the caller's next burst."""
    found = []
    for begin, end in pairwise([0, *(first for first, _ in bursts), len(heard)]):
        sounding = [slot for slot in range(begin, end) if heard[slot] is not None]
        found += [
            Gap(round((one + 1) * FRAME_S, 2), round((other - one - 1) * FRAME_S, 2))
            for one, other in pairwise(sounding)
            if other - one > 1
        ]
    return found


def voice_to_voice(heard: Sequence[Place | None], bursts: Sequence[tuple[int, int]]) -> list[float | None]:
    """From the end of each burst to the first frame of the answer; None where there was none before the next burst."""
    nexts = [first for first, _ in bursts[1:]] + [len(heard)]
    answers = [
        next((slot for slot in range(end, until) if heard[slot] is not None), None)
        for (_, end), until in zip(bursts, nexts, strict=True)
    ]
    return [None if slot is None else (slot - end) * FRAME_S for slot, (_, end) in zip(answers, bursts, strict=True)]


def lateness(arrivals: Sequence[Arrival], lead_s: float) -> list[float]:
    """By how much each stretch of sound came later than was due: when all before it will have been played, less the
    lead that the carrier may have. Due at once is what begins an answer; that is where counting begins.
    """
    late: list[float] = []
    ends_at = began_at = float("-inf")
    for each in arrivals:
        if each.at > ends_at + _NEW_SPEECH_S:
            began_at = ends_at = each.at
        due_at = max(began_at, ends_at + each.seconds - lead_s)
        late.append(max(0.0, each.at - due_at))
        ends_at = max(ends_at, each.at) + each.seconds
    return late


@dataclass(frozen=True, slots=True)
class Followed:
    """Frames found in a track. places: of each in what it was taken from, and in the track;  losses: between the first
    that was found and the last;  before, after: how many there are at either end that were not.
    """

    places: list[tuple[int, int]]
    losses: Losses
    before: int
    after: int

    @property
    def offsets(self) -> "list[Offset]":
        """How much later each stands in the track than it was."""
        return [Offset(there / LINE_HZ, (here - there) / LINE_HZ) for there, here in self.places]


@dataclass(frozen=True, slots=True)
class Offset:
    """A distance, in seconds, between where a frame is and was; at_s: where it was."""

    at_s: float
    by_s: float


def follow(frames: Iterable[tuple[int, bytes]], track: bytes) -> Followed:
    """Find in a track, bit by bit, frames that were at these places."""
    places: list[tuple[int, int]] = []
    lost = doubled = before = offset = missing = 0
    for place, frame in frames:
        begin, end = max(0, place + offset - _AWAY_SAMPLES), place + offset + _AWAY_SAMPLES + FRAME_SAMPLES
        found = track.find(frame, begin, end)
        if found < 0:
            missing += 1
            continue
        if places:
            lost += missing
        else:
            before = missing
        missing = 0
        doubled += track.find(frame, found + 1, end) >= 0
        places.append((place, found))
        offset = found - place
    return Followed(places, Losses(len(places) + lost, lost, doubled), before, missing)


@dataclass(frozen=True, slots=True)
class Drift:
    """How offsets change, in milliseconds: their median in the first minute and in the last, or in the halves of a
    shorter call;  drift: the latter less the former;  least, most: of all.
    """

    first: float
    last: float
    drift: float
    least: float
    most: float


def drift(offsets: Sequence[Offset], length_s: float) -> Drift | None:
    """Over a call of this length; None when nothing was found in one of the two minutes."""
    span_s = min(MINUTE_S, length_s / 2)
    first = [each.by_s for each in offsets if each.at_s < span_s]
    last = [each.by_s for each in offsets if each.at_s >= length_s - span_s]
    if not first or not last:
        return None
    every = [each.by_s for each in offsets]
    figures = (median(first), median(last), median(last) - median(first), min(every), max(every))
    return Drift(*(round(figure * 1_000, 2) for figure in figures))


def spread(values_s: Iterable[float | None]) -> Row:
    """n, p50, p95 and the largest in milliseconds, with one decimal; nearest-rank. None: not measured."""
    known = [value * 1_000 for value in values_s if value is not None]
    figures = {"p50_ms": percentile(known, 0.50), "p95_ms": percentile(known, 0.95), "max_ms": max(known, default=None)}
    return {"n": len(known), **{name: None if value is None else round(value, 1) for name, value in figures.items()}}
