"""What the benchmark of endpointing knows of a caller's turn: the truth, and what our ears made of it.

In:   nothing.     Out: plain records; instants are seconds of the take's own sound.
Rule: no policy and no model is named here; both sides of the comparison read the same records.
"""

from dataclasses import dataclass
from typing import Final, Literal

from client_caller.hearing.endpointing import WINDOW_S

Kind = Literal["natural", "constructed", "incomplete"]
"""How a silence inside a turn came about: the speaker made it; it was stretched or put in where the speaker had made
one; it was put in after words that cannot be an end."""

VOICED_P: Final = 0.5
"""Silero's probability from which a window counts as voice for the policies we compare with: its own default."""


@dataclass(frozen=True, slots=True)
class Span:
    """A silence inside a turn, in which nobody may answer."""

    starts_s: float
    ends_s: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class Truth:
    """One turn of a human speaker through one line.

    style: read aloud or declaimed, with long pauses between whole clauses, or spoken as callers speak;
    ends_s: where the speech really ends;  timed: whether the silence after it counts for the response time. A turn
    that was lengthened counts for its long silence only: everything else in it is counted in the turn it was made of.
    """

    name: str
    half: Literal["tuning", "held-out"]
    style: Literal["read", "spoken"]
    floor_dbfs: float
    holds: tuple[Span, ...]
    ends_s: float
    timed: bool
    asked: str = ""  # what the agent has just said; empty: its greeting


@dataclass(frozen=True, slots=True)
class Onset:
    """The voice set in at `at`, which was noticed at `noticed_at`."""

    noticed_at: float
    at: float


@dataclass(frozen=True, slots=True)
class Pause:
    """The voice stopped at `at`, which was noticed at `noticed_at`, after `voiced_s` seconds of it.

    text: the turn's words, None when the pause was too short to find them;  p_end: the language model's probability
    that a sentence may end after them.
    """

    noticed_at: float
    at: float
    voiced_s: float
    text: str | None = None
    p_end: float | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What the ears made of one take.

    onsets, pauses: of our listener, by turns;  probabilities: Silero's, one per window of 32 ms;
    scores: (instant, Smart Turn's probability that the turn was over then), oldest first;  asked: as in `Truth`.
    """

    onsets: tuple[Onset, ...]
    pauses: tuple[Pause, ...]
    probabilities: tuple[float, ...]
    scores: tuple[tuple[float, float], ...]
    asked: str = ""

    def p_done(self, at: float) -> float:
        """Smart Turn's probability at the instant nearest to `at` for which there is one; 0.5 when there is none."""
        return min(self.scores, key=lambda score: abs(score[0] - at), default=(at, 0.5))[1]


@dataclass(frozen=True, slots=True)
class Fire:
    """The agent was let speak at `at`; the caller's voice silenced it at `stopped_at`, infinite when it did not."""

    at: float
    stopped_at: float = float("inf")


def silences(probabilities: tuple[float, ...]) -> list[tuple[float, float]]:
    """Stretches without a voiced window after the first voiced one; the last one ends with the sound."""
    found: list[tuple[float, float]] = []
    voiced = [index for index, p in enumerate(probabilities) if p >= VOICED_P]
    for index, following in zip(voiced, [*voiced[1:], len(probabilities)], strict=True):
        if following - index > 1:
            found.append(((index + 1) * WINDOW_S, following * WINDOW_S))
    return found
