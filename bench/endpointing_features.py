"""Which features of a silence tell a hold from an end.

In:   what was heard at true silences.     Out: for each feature, how well it parts the two (AUC), and counts.
Rule: only silences of 0.2 s and more; a feature that needs a longer one is compared among those that last as long.
"""

from collections.abc import Callable, Sequence
from typing import Final

from client_caller.conversation.policy import Evidence, completeness
from endpointing_figures import EDGE_S, auc
from endpointing_records import Heard, Pause, Truth

_NEAR_S: Final = 0.3
"""By how much the listener's date of a pause may differ from the marked one, for both to mean the same silence."""

Feature = Callable[[Heard, Pause], float]


def _smart_turn(age_s: float) -> Feature:
    return lambda heard, pause: heard.p_done(pause.at + age_s)


def _evidence(heard: Heard, pause: Pause) -> Evidence:
    return Evidence(pause.text or "", p_end=pause.p_end, p_done=heard.p_done(pause.at + 0.12))


FEATURES: Final[dict[str, tuple[float, Feature]]] = {
    **{f"Smart Turn at {age_s:g} s": (age_s, _smart_turn(age_s)) for age_s in (0.1, 0.2, 0.3, 0.5, 1.0)},
    "language model on the words": (0.2, lambda _, pause: pause.p_end or 0.0),
    "completeness, no verdicts": (0.2, lambda _, pause: completeness(Evidence(pause.text or ""))),
    "completeness, all verdicts": (0.2, lambda heard, pause: completeness(_evidence(heard, pause))),
    "voice since the last pause": (0.2, lambda _, pause: pause.voiced_s),
    "number of words": (0.2, lambda _, pause: float(len((pause.text or "").split()))),
    "full stop or question mark": (0.2, lambda _, pause: float((pause.text or "").endswith((".", "?", "!")))),
}
"""Name of a feature: the age of the silence at which it is there, and its value."""


def separation(recorded: Sequence[tuple[Truth, Heard]], half: str) -> dict[str, dict[str, float | int | None]]:
    """For each feature: P(a true end's value lies above a hold's), and how many of either it was compared on."""
    result: dict[str, dict[str, float | int | None]] = {}
    for name, (age_s, feature) in FEATURES.items():
        ends: list[float] = []
        holds: list[float] = []
        for truth, heard in recorded:
            if half not in (truth.half, "all"):
                continue
            if truth.timed and (pause := _pause_at(heard, truth.ends_s)):
                ends.append(feature(heard, pause))
            for span in truth.holds:
                if span.ends_s - span.starts_s >= age_s and (pause := _pause_at(heard, span.starts_s)):
                    holds.append(feature(heard, pause))
        found = auc(ends, holds)
        result[name] = {"auc": None if found is None else round(found, 3), "ends": len(ends), "holds": len(holds)}
    return result


def _pause_at(heard: Heard, at: float) -> Pause | None:
    """The pause with words that the listener dates nearest to this instant."""
    near = [pause for pause in heard.pauses if abs(pause.at - at) < _NEAR_S + EDGE_S and pause.text is not None]
    return min(near, key=lambda pause: abs(pause.at - at), default=None)
