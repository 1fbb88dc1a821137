"""From the instants at which a policy fired to the two figures it is judged by, and to the features' worth.

In:   truths, and fires for each of them.     Out: false cut-offs and response times.
Rule: pure. The definitions are those of LiveKit's eot-bench: a false cut-off is a fire in a silence inside the turn;
      the response time is the dead air from the true end of the turn to the fire.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from client_caller.rehearsal.figures import percentile
from endpointing_records import Fire, Kind, Span, Truth

EDGE_S: Final = 0.15
"""By how much the marks of where speech begins and ends may be off, and how late new speech is noticed: a fire so
shortly before the true end is one at the end, and one so shortly after a silence is one in it."""

_NOTICED_LATE_S: Final = 0.5
"""A fire this long after a silence belongs to it still: the caller's new words had not been noticed."""

_RETRACT_S: Final = 0.3
"""What the caller hears for less than this is taken back without harm: a syllable, talked over."""


UNANSWERED_S: Final = 4.5
"""What a turn counts that was not answered before its sound ended."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A false cut-off. span: the silence in which it fell; None: in none of those that count, mid-speech."""

    span: Span | None
    fire: Fire

    @property
    def age_s(self) -> float:
        """How long the caller had been silent."""
        return self.fire.at - self.span.starts_s if self.span else 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One take under one policy. latency_s: None when the end was never answered, or does not count."""

    truth: Truth
    cuts: tuple[Cut, ...]
    latency_s: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """A policy over many takes. Shares in [0, 1]; times in seconds; those of an empty set are 0."""

    turns: int
    holds: int
    cut_holds: int
    cut_share: float  # of the silences inside turns, those in which it fired
    cut_turns_share: float  # of the timed turns, those with any cut-off, mid-speech ones too
    mid_speech: int  # fires in no silence that counts
    retracts: int  # of all cut-offs, those silenced within 0.3 s
    latency_mean_s: float
    latency_p50_s: float
    latency_p95_s: float
    never: int  # timed turns that were not answered before their sound ended


def judge(truth: Truth, fires: Sequence[Fire]) -> Verdict:
    """What the fires of one policy mean for one take."""
    answers = [fire for fire in fires if fire.at >= truth.ends_s - EDGE_S]
    cuts = [Cut(_span_of(truth, fire), fire) for fire in fires if fire.at < truth.ends_s - EDGE_S]
    if not truth.timed:
        return Verdict(truth, tuple(cut for cut in cuts if cut.span), None)
    latency_s = max(0.0, answers[0].at - truth.ends_s) if answers else None
    return Verdict(truth, tuple(cuts), latency_s)


def _span_of(truth: Truth, fire: Fire) -> Span | None:
    spans = [span for span in truth.holds if span.starts_s <= fire.at < span.ends_s + _NOTICED_LATE_S]
    return spans[-1] if spans else None


def figures(verdicts: Sequence[Verdict], kinds: Sequence[Kind] = ("natural",)) -> Figures:
    """Over silences of these kinds; turns and response times are those of the turns that are timed."""
    timed = [verdict for verdict in verdicts if verdict.truth.timed]
    holds = sum(span.kind in kinds for verdict in verdicts for span in verdict.truth.holds)
    cuts = [(verdict, cut) for verdict in verdicts for cut in verdict.cuts if cut.span and cut.span.kind in kinds]
    cut_holds = len({(verdict.truth.name, verdict.truth.floor_dbfs, cut.span) for verdict, cut in cuts})
    latencies = [UNANSWERED_S if verdict.latency_s is None else verdict.latency_s for verdict in timed]
    every = [cut for verdict in verdicts for cut in verdict.cuts]
    return Figures(
        turns=len(timed),
        holds=holds,
        cut_holds=cut_holds,
        cut_share=cut_holds / holds if holds else 0.0,
        cut_turns_share=sum(bool(verdict.cuts) for verdict in timed) / len(timed) if timed else 0.0,
        mid_speech=sum(cut.span is None for cut in every),
        retracts=sum(cut.fire.stopped_at - cut.fire.at < _RETRACT_S for cut in every),
        latency_mean_s=fmean(latencies) if latencies else 0.0,
        latency_p50_s=percentile(latencies, 0.50) or 0.0,
        latency_p95_s=percentile(latencies, 0.95) or 0.0,
        never=sum(verdict.latency_s is None for verdict in timed),
    )


def cut_by(verdicts: Sequence[Verdict], kind: Kind, pause_s: float) -> tuple[int, int]:
    """Silences of this kind that last `pause_s` at least, and those of them cut off had they lasted just as long."""
    spans = [span for verdict in verdicts for span in verdict.truth.holds if _lasts(span, kind, pause_s)]
    cut = {
        (verdict.truth.name, verdict.truth.floor_dbfs, found.span)
        for verdict in verdicts
        for found in verdict.cuts
        if found.span and _lasts(found.span, kind, pause_s) and found.age_s < pause_s + EDGE_S
    }
    return len(spans), len(cut)


def _lasts(span: Span, kind: Kind, pause_s: float) -> bool:
    return span.kind == kind and span.ends_s - span.starts_s >= pause_s - EDGE_S


@dataclass(frozen=True, slots=True)
class Point:
    """A policy on the curve."""

    policy: str
    latency_s: float
    cut_share: float


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats in both figures, quickest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda one: (one.latency_s, one.cut_share)):
        if not best or point.cut_share < best[-1].cut_share:
            best.append(point)
    return best


def at_latency(points: Sequence[Point], latency_s: float) -> float | None:
    """The smallest share of cut-offs to be had within this mean response time; None when none is as quick."""
    return min((point.cut_share for point in points if point.latency_s <= latency_s), default=None)


def at_cut_share(points: Sequence[Point], cut_share: float) -> float | None:
    """The shortest mean response time to be had with no more cut-offs than this; None when there is none."""
    return min((point.latency_s for point in points if point.cut_share <= cut_share), default=None)


def auc(ends: Sequence[float], holds: Sequence[float]) -> float | None:
    """P(an end's value lies above a hold's), ties halved: 0.5 tells nothing apart, 1 everything. None without both."""
    if not ends or not holds:
        return None
    won = sum((end > hold) + 0.5 * (end == hold) for end in ends for hold in holds)
    return won / (len(ends) * len(holds))
