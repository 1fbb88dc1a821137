"""What the figures of thinking are made of.

In:   seconds, fragments, states of a server.     Out: ratios, rows.
Rule: pure, and tested on made-up samples.
"""

from collections.abc import Sequence
from typing import Final

from client_caller.rehearsal.figures import percentile
from common import Row

AIM_PERCENT: Final = 10.0
"""How much longer our own path may take than the bare server."""

SHARES: Final = {"p50": 0.50, "p75": 0.75, "p95": 0.95}


def spread(values_s: Sequence[float | None]) -> Row:
    """n, p50, p95 and the largest in milliseconds, with one decimal; nearest-rank. None: not measured."""
    known = [value * 1_000 for value in values_s if value is not None]
    figures = {"p50_ms": percentile(known, 0.50), "p95_ms": percentile(known, 0.95), "max_ms": max(known, default=None)}
    return {"n": len(known), **{name: None if value is None else round(value, 1) for name, value in figures.items()}}


def overhead(ours_s: Sequence[float | None], bare_s: Sequence[float | None]) -> Row:
    """By how many percent ours is longer, percentile by percentile; and the middle one of the differences in pairs."""
    ours, bare = _known(ours_s), _known(bare_s)
    row: Row = {}
    for name, share in SHARES.items():
        one, other = percentile(ours, share), percentile(bare, share)
        row[f"{name}_percent"] = None if one is None or not other else round(100 * (one / other - 1), 1)
    pairs = [one - other for one, other in zip(ours_s, bare_s, strict=True) if one is not None and other is not None]
    middle = percentile(pairs, 0.50)
    row["paired_ms"] = None if middle is None else round(1_000 * middle, 1)
    return row


def words_whole_at(fragments: Sequence[tuple[float, str]], ended_s: float, words: int) -> float | None:
    """When so many words had come, the last of them whole: a space stands behind it, or it is the end.

    None when there were fewer.
    """
    text = ""
    for at_s, fragment in fragments:
        text += fragment
        so_far = text.split()
        if len(so_far) > words or (len(so_far) == words and text[-1].isspace()):
            return at_s
    return ended_s if words and len(text.split()) == words else None


def made_after(taken: int, before: int, after: int) -> int:
    """Tokens made for nobody: those made from `before` to `after`, less those that were taken."""
    return max(0, after - before - taken)


def hit_percent(prompt_tokens: int | None, cached_tokens: int | None) -> float | None:
    """What share of a prompt the server had not to read; None when it does not say."""
    if not prompt_tokens or cached_tokens is None:
        return None
    return round(100 * cached_tokens / prompt_tokens, 1)


def verdict(row: Row, aim_percent: float = AIM_PERCENT) -> str:
    """Whether the aim is held at every percentile."""
    over = {name: value for name, value in row.items() if name.endswith("_percent") and value is not None}
    missed = [name.removesuffix("_percent") for name, value in over.items() if value > aim_percent]
    if not over:
        return "not measured"
    return f"over {aim_percent:g} % at {', '.join(missed)}" if missed else f"within {aim_percent:g} %"


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]
