"""Whether so many calls were carried, told from the caller's end alone, so that any server can be asked.

In:   calls that were held at once.     Out: one row of figures, and the verdict.
Rule: nothing is expected that Twilio does not demand: no marks, no lead of sound, no length of a message. What counts
      is whether nothing was left to play in the middle of an answer. Silence in which the caller speaks is no such.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from client_caller.audio.frame import FRAME_S
from client_caller.rehearsal.figures import percentile
from peers.callers import Together
from wire_caller import Arrival, Held
from wire_frames import Place
from wire_judging import Gap, cut_short, heard_places, speech_losses, voice_to_voice
from wire_stage import use

DRY_P99_MS: Final = 25.0
"""The most for which nothing may have been left to play, before all messages but the hundredth that was worst."""

UNANSWERED: Final = 0.05
"""The share of questions that may have got no answer."""

_ANSWERED_WITHIN_S: Final = 3.0
"""Who asks later than this before the end of the call is not counted: the answer may be cut off."""


@dataclass(frozen=True, slots=True)
class Ear:
    """One call at the caller's end. heard: what was, in each slot;  bursts: slots in which the caller spoke, as
    `Schedule.bursts` has them;  began_at: loop time of the first slot.
    """

    heard: list[Place | None]
    bursts: list[tuple[int, int]]
    began_at: float

    @staticmethod
    def of(held: Held) -> "Ear":
        """The ear of a call that is over."""
        heard = heard_places(bytes(held.carried.played))
        return Ear(heard, held.schedule.bursts(len(heard)), held.carried.began_at or 0.0)

    def spoke(self, begin: float, end: float) -> bool:
        """Whether the caller spoke at any time between two loop times."""
        slots = ((begin - self.began_at) / FRAME_S, (end - self.began_at) / FRAME_S)
        return any(first < slots[1] and slots[0] < last for first, last in self.bursts)

    def dry(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """For each message but the first of an answer: when it came, and for how long nothing had been left to play."""
        found: list[Arrival] = []
        plays_until = float("-inf")
        for each in arrivals:
            if plays_until > self.began_at and not self.spoke(plays_until, max(plays_until, each.at)):
                found.append(Arrival(each.at, max(0.0, each.at - plays_until)))
            plays_until = max(plays_until, each.at) + each.seconds
        return found

    def gaps(self) -> list[Gap]:
        """Silences in answers, as they were heard."""
        sounding = [slot for slot, place in enumerate(self.heard) if place is not None]
        return [
            Gap(round((one + 1) * FRAME_S, 2), round((other - one - 1) * FRAME_S, 2))
            for one, other in pairwise(sounding)
            if other - one > 1 and not any(first < other and one + 1 < last for first, last in self.bursts)
        ]

    def waits(self) -> list[float | None]:
        """From the end of each question to the answer, in seconds; None where there was none before the next."""
        until = len(self.heard) - round(_ANSWERED_WITHIN_S / FRAME_S)
        waits = voice_to_voice(self.heard, self.bursts)
        return [wait for wait, (_, end) in zip(waits, self.bursts, strict=True) if end <= until]


def row(together: Together) -> dict[str, Any]:
    """The figures of calls that were held at once. Times in milliseconds; dry, gaps: while all of them spoke.

    gap_ms: all gaps together;  mb_a_call: by how much the server had grown in the end, for each call but the first,
    whose memory the call before had left behind;  others_cpu_percent_of_a_core: of processes that have nothing to do
    with this: above a few, the machine was not idle, and the row says nothing.
    """
    count = len(together.held) + together.refused
    begin, end = together.before.at, together.after.at
    ears = [Ear.of(held) for held in together.held]
    dry = [each for ear, held in zip(ears, together.held, strict=True) for each in ear.dry(held.arrivals.sound)]
    gaps = [gap for ear in ears for gap in ear.gaps() if begin <= ear.began_at + gap.at_s < end]
    waits_s = [wait for ear in ears for wait in ear.waits()]
    cpu_percent = use(together.before, together.after)["cpu_percent_of_a_core"]
    grown_mb = together.after.rss_mb - together.idle.rss_mb
    figures = {
        "calls": count,
        "refused": together.refused,
        **_spread("dry", [each.seconds for each in dry if begin <= each.at < end]),
        "gaps": len(gaps),
        "gap_ms": round(1_000 * sum(gap.length_s for gap in gaps)),
        "lost": sum(speech_losses(ear.heard).lost for ear in ears),
        "cut_short": sum(cut_short(ear.heard) for ear in ears),
        "questions": len(waits_s),
        "unanswered": sum(wait is None for wait in waits_s),
        **_spread("voice_to_voice", [wait for wait in waits_s if wait is not None]),
        "cpu_percent_of_a_core": cpu_percent,
        "cpu_percent_a_call": round(cpu_percent / count, 2),
        "mb": round(together.after.rss_mb, 1),
        "mb_a_call": round(grown_mb / (count - 1), 2) if count > 1 else None,
        "callers_late_max_ms": round(1_000 * max((each.carried.lateness_s for each in together.held), default=0.0), 1),
        "callers_cpu_percent_of_a_core": round(100 * together.callers_s / (end - begin), 1),
        "others_cpu_percent_of_a_core": round(100 * together.others_s / (end - begin), 1),
    }
    return {**figures, "carried": carried(figures)}


def carried(figures: Mapping[str, Any]) -> bool:
    """Whether all calls of a row were carried: none refused, no frame lost, always something to play, answers given."""
    return not (
        figures["refused"]
        or figures["lost"]
        or figures["dry_p99_ms"] > DRY_P99_MS
        or figures["unanswered"] > UNANSWERED * figures["questions"]
    )


def most(rows: Iterable[Mapping[str, Any]], *, without_gap: bool = False) -> int:
    """The largest number of calls that was carried, as was every smaller one; without_gap: and nobody heard a gap."""
    reached = 0
    for each in sorted(rows, key=lambda each: int(each["calls"])):
        if not each["carried"] or (without_gap and each["gaps"]):
            break
        reached = int(each["calls"])
    return reached


def _spread(name: str, values_s: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the largest; 0 where nothing was measured."""
    shares = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {f"{name}_{key}_ms": round(1_000 * (percentile(values_s, share) or 0.0), 1) for key, share in shares.items()}
