"""Wishes: what a caller wants of the call itself, not of the agent's knowledge.

In:   the words of the caller's turn, as a transcriber writes them: without marks, with wrong little words.
Out:  the wish; the answer to a question of consent.
Rule: a wish not to be called is law, and no model is asked about it. In doubt it counts as said, and a consent as not
      given.

**Where the line is drawn.** "Do not call me" is OPT_OUT, whoever is said to have said it, in whatever tone, also as a
question how it is done. It is none when the caller denies it ("I never said stop calling", "don't take me off the
list"), when it is about an hour, a place or a way ("don't call me before nine", "… at work", "don't contact me by
mail"), another number ("don't call the old one") or other people who do not stop ("my boss won't stop calling"). "Not
interested", "wrong number" and a bare "stop" are none: the first two leave it open, the third means the voice. "I told
them to stop calling me" is one, though it may be a tale. Source of the duty: 47 CFR 64.1200(a)(10), a revocation by any
reasonable means that clearly expresses it; (d)(3), a request made during the call.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final, Literal

from client_caller.conversation.dictation import bare
from client_caller.conversation.language import Language, Patterns, Span, Wishes, is_wholly, spans

_BEFORE: Final = 9
"""Words before a wish in which it may be denied: the longest denial in the tables has eight."""

_BESIDE: Final = 4
"""Words beside a "yes" that do not spoil it. With more of them the turn is about something else."""


class Wish(Enum):
    """What a caller may want of the call."""

    OPT_OUT = auto()  # never to be called again
    HUMAN = auto()  # to speak to a human
    GOODBYE = auto()  # to end the call


def wish_of(text: str, language: Language) -> Wish | None:
    """What the caller wants of the call, by the words of a whole turn; None: nothing. The law comes first."""
    words, wishes = bare(text), language.wishes
    if any(not _is_denied(words, at, wishes) for at in _found(words, wishes.opt_out, wishes.other_calls)):
        return Wish.OPT_OUT
    if is_wholly(wishes.human_whole, words) and not is_wholly(wishes.courtesies, words):
        return Wish.HUMAN
    asked = _found(words, wishes.human, wishes.other_humans)
    if any(not _is_denied(words, at, wishes) and not _is_supposed(words, at, wishes) for at in asked):
        return Wish.HUMAN
    return Wish.GOODBYE if _takes_leave(words, wishes) else None


def answer_of(text: str, language: Language) -> Literal["yes", "no"] | None:
    """The answer to a question of consent; None when it is neither, or both. Half a refusal is one."""
    words, wishes = bare(text), language.wishes
    harmless = spans(wishes.harmless_no, words)
    refusals = _outside(spans(wishes.no, words), harmless)
    doubts = _outside(spans(wishes.undecided, words), harmless)
    consents = _outside(spans(wishes.yes, words), refusals + doubts) + harmless
    if refusals and not doubts:
        return "no"
    if not consents or doubts or refusals:
        return None
    said = sum(last - first for first, last in _merged(consents))
    return "yes" if len(words) - said <= _BESIDE else None


def _found(words: Sequence[str], patterns: Patterns, others: Patterns) -> list[Span]:
    """Where such a wish stands, but for what only looks like one."""
    return _outside(spans(patterns, words), spans(others, words))


def _is_denied(words: Sequence[str], at: Span, wishes: Wishes) -> bool:
    """Whether the words right before a wish make it the opposite; a complaint does not: "you never stop calling"."""
    before = words[max(0, at[0] - _BEFORE) : at[0]]
    if _starts_of_ending(before, wishes.denials):
        return True
    negated = _starts_of_ending(before, wishes.negations)
    return bool(negated) and not _starts_of_ending(before[: negated[0]], wishes.accusations)


def _is_supposed(words: Sequence[str], at: Span, wishes: Wishes) -> bool:
    """Whether a wish is only told of: "when I talk to a representative"."""
    return bool(_starts_of_ending(words[max(0, at[0] - _BEFORE) : at[0]], wishes.suppositions))


def _starts_of_ending(words: Sequence[str], patterns: Patterns) -> list[int]:
    """Where a phrase begins with which these words end; empty when they do not end with one."""
    return [first for first, last in spans(patterns, words) if last == len(words)]


def _takes_leave(words: Sequence[str], wishes: Wishes) -> bool:
    """Whether the turn ends in a goodbye, with a courtesy after it at most."""
    reported = spans(wishes.reported_goodbyes, words)
    for _, last in reversed(_outside(spans(wishes.goodbyes, words), reported)):
        rest = words[last:]
        if not rest or is_wholly(wishes.courtesies + wishes.goodbyes, rest):
            return True
    return False


def _outside(found: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Those that share no word with any of the others."""
    return [span for span in found if not any(span[0] < other[1] and other[0] < span[1] for other in others)]


def _merged(found: Sequence[Span]) -> list[Span]:
    """The same words, each in one span only."""
    merged: list[Span] = []
    for first, last in sorted(found):
        if merged and first < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
