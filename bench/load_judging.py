"""What so many calls at once were like: gaps at the ear, where the time went, and the knee.

In:   figures of turns;  sound of the agent as it came to the carrier.     Out: numbers, and the one word for them.
Rule: arithmetic only. Instants are on one clock; a gap is silence at the caller's ear in the midst of what the agent
      says. When it lasts longer than the callers' courtesy (0.6 s), they take it for the end, and so it counts as one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from client_caller.rehearsal.figures import percentile
from client_caller.rehearsal.timeline import TurnFigures
from common import Row
from wire_caller import Arrival

MOST_S: Final = 1.0
"""The p95 from the caller's last word to the agent's first sound beyond which it is no conversation any more."""

GAP_S: Final = 0.02
"""One frame. The carrier holds 0.3 s of a voice that keeps up, so that it never runs dry in a piece."""

_COURTESY_S: Final = 0.6

STEPS: Final[Mapping[str, str]] = {
    "noticed": "the voice activity, and the loop",
    "words": "the transcriber's workers",
    "first token": "the language model",
    "first sound": "the voice",
    "heard": "what waits for the turn to be over, and the loop",
}
"""The steps of an answer in their order, each with who makes it longer."""

Span = tuple[float, float]


def gaps(arrivals: Sequence[Arrival], spoken: Sequence[Span]) -> list[float]:
    """How long each gap was, in seconds. spoken: from when to when the caller spoke."""
    ends_at, found = float("-inf"), []
    for each in arrivals:
        dry_s = each.at - ends_at
        alone = not any(begins < each.at and ends > ends_at for begins, ends in spoken)
        if GAP_S <= dry_s <= _COURTESY_S and alone:
            found.append(dry_s)
        ends_at = max(ends_at, each.at) + each.seconds
    return found


def spread(values_s: Sequence[float | None]) -> Row:
    """n, p50, p95, p99 and the largest, in milliseconds; nearest-rank, so of fewer than 100 p99 is the largest."""
    known = [value * 1_000 for value in values_s if value is not None]
    shares = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99, "max_ms": 1.0}
    figures = {name: percentile(known, share) for name, share in shares.items()}
    return {"n": len(known), **{name: None if value is None else round(value) for name, value in figures.items()}}


def steps(turns: Sequence[TurnFigures]) -> dict[str, Row]:
    """How long each step of the answers took; 0 where a draft had taken it before the step that comes first."""
    found: dict[str, list[float | None]] = {name: [] for name in STEPS}
    for turn in turns:
        if turn.cut_off or turn.voice_to_voice_s is None:
            continue
        reached = (turn.noticed_s, turn.words_s, turn.first_token_s, turn.first_audio_s, turn.voice_to_voice_s)
        at_s = [0.0]
        for at in reached:
            at_s.append(max(at_s[-1], at_s[-1] if at is None else at))
        for name, (before, after) in zip(STEPS, pairwise(at_s), strict=True):
            found[name].append(after - before)
    return {name: spread(values) for name, values in found.items()}


@dataclass(frozen=True, slots=True)
class Held:
    """So many calls at once. p95_s: voice to voice, None when nothing was answered;  gaps: at the ear;  lost: calls and
    streams;  steps: as above."""

    calls: int
    p95_s: float | None
    gaps: int
    lost: int
    steps: Mapping[str, Row]

    @property
    def is_good(self) -> bool:
        """Whether it was a conversation."""
        return self.p95_s is not None and self.p95_s <= MOST_S and not self.gaps and not self.lost


def knee(runs: Sequence[Held]) -> int:
    """The most calls at once that were good, as were all that were fewer; 0 when one was too many."""
    most = 0
    for run in sorted(runs, key=lambda each: each.calls):
        if not run.is_good:
            break
        most = run.calls
    return most


def bottleneck(fewer: Held, more: Held) -> tuple[str, float]:
    """The step that grew most from fewer calls to more, and by how many ms its p95 did; ("", 0) when none grew."""
    grown = {
        name: float(more.steps[name]["p95_ms"] or 0) - float(fewer.steps[name]["p95_ms"] or 0)
        for name in STEPS
        if more.steps[name]["n"] and fewer.steps[name]["n"]
    }
    worst = max(grown, key=lambda name: grown[name], default="")
    return (worst, grown[worst]) if worst and grown[worst] > 0 else ("", 0.0)
