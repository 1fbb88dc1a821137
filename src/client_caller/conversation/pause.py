"""A silence of the caller: what is known of it, and when something is to be done about it.

In:   instants and evidence, as they come.     Out: the next instant at which to act.
Rule: no decision is made here; `machine.py` acts when an instant has come.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

from client_caller.conversation.languages import LANGUAGES
from client_caller.conversation.policy import (
    UNKNOWN,
    Evidence,
    Manner,
    completeness,
    needs_sound,
    patience,
    settled_by_words,
)

_SCORE_AT_S: Final = 0.12
"""Silence at which the turn model is asked, if the words leave a doubt. It judges the fall of the voice, which 0.1 s of
silence shows; later its verdict grows with the silence itself, for unfinished sentences too."""

_SCORE_ANYWAY_S: Final = 0.3
"""Silence at which it is asked although the words or their verdict are not there yet; asked sooner, it would take from
them the processor time that they need."""

_DRAFT_TAKES_S: Final = 0.6
"""So long before the end of the wait a draft is made of words that do not look complete: on two cores the first sound
of an answer took 0.2 to 0.5 s. Sooner, it would most often be made in vain."""

DRAFTS_AT_MOST: Final = 3
"""Silent drafts in one turn; a caller who speaks haltingly must not keep the language model busy."""

DRAFT_WITHIN_S: Final = 0.8
"""A draft that has begun is waited for so long: until its first piece is there nobody could hear anything, and a caller
who goes on before is to find the turn still open."""

_GAP_S: Final = 0.3
"""Silence before which no such draft is made; most gaps between words are over by then."""

_DRAFT_FROM: Final = 0.5
"""Completeness from which a draft is made at once."""

_VERDICTS_WITHIN_S: Final = 0.4
"""Silence at which a verdict that has not come is waited for no more: its engine is slow, the caller is not."""

SPOKEN_S: Final = 0.8
"""So much voice has words in it, whatever the transcriber says; a cough or a door has less."""

_ASK_AGAIN_S: Final = 1.0
"""Silence after which a turn that could not be decoded is asked for again: long enough to be the end of most turns."""


@dataclass(slots=True)
class Pause:
    """One silence. `number` counts from 1 in a call; `at` is the call time at which the voice stopped."""

    number: int
    at: float
    said: str = ""  # what the agent said last
    voiced_s: float = 0.0  # of the caller's voice before it
    text: str | None = None  # the caller's turn; None until it is decoded, empty when nothing was said in it
    p_end: float | None = None  # the language model's verdict on them
    p_done: float | None = None  # the turn model's on the sound
    failed: bool = False  # the transcriber gave up: the words will not come
    scoring: bool = False  # the turn model has been asked
    sound_by: float = 0.0  # until then the draft's first piece is waited for
    drafted: bool = False  # a draft was made of these words, or there are enough of them in this turn

    def evidence(self, manner: Manner) -> Evidence:
        """What there is to judge by."""
        return Evidence(self.text or "", self.said, self.p_end, self.p_done, LANGUAGES[manner.language])

    def due_at(self, manner: Manner, slower: float) -> float:
        """When something is to be done about it next."""
        return min(self.score_at(manner), self.draft_at(manner, slower), self.commit_at(manner, slower))

    def draft(self, now: float) -> None:
        """A draft is being made; its first piece is worth a little waiting."""
        self.drafted, self.sound_by = True, now + DRAFT_WITHIN_S

    def score_at(self, manner: Manner) -> float:
        """When to ask the turn model; never when it has been asked or the words are enough."""
        if self.scoring or self.failed:
            return math.inf
        evidence = self.evidence(manner)
        if not self.text or (self.p_end is None and not settled_by_words(evidence)):
            return self.at + _SCORE_ANYWAY_S
        return self.at + _SCORE_AT_S if needs_sound(evidence) else math.inf

    def draft_at(self, manner: Manner, slower: float) -> float:
        """When to make a draft; never when there is one, or no words."""
        if self.drafted or not self.text:
            return math.inf
        evidence = self.evidence(manner)
        known = self.p_end is not None or settled_by_words(evidence)
        if known and completeness(evidence) >= _DRAFT_FROM:
            return self.at
        return max(self.at + _GAP_S, self.commit_at(manner, slower) - _DRAFT_TAKES_S)

    def commit_at(self, manner: Manner, slower: float) -> float:
        """When the turn counts as over, by what is known now."""
        return max(self.over_at(manner, slower), self.sound_by)

    def over_at(self, manner: Manner, slower: float) -> float:
        """When the wait is over. Only what is not there yet can put off the commit."""
        if self.failed:
            return self.at + _ASK_AGAIN_S
        if self.text is None:
            return self.at + manner.patient_s + manner.decode_within_s
        evidence = self.evidence(manner)
        p_end = UNKNOWN if self.p_end is None else self.p_end
        p_done = UNKNOWN if self.p_done is None else self.p_done
        otherwise = patience(replace(evidence, p_end=p_end, p_done=p_done), manner, slower)
        return self.at + min(patience(evidence, manner, slower), max(otherwise, _VERDICTS_WITHIN_S))
