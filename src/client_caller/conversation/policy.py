"""How long to wait at a pause: from about 0.2 s when the turn is surely over to more than 3 s when it surely is not.

In:   the words so far, the turn model's verdict, the manner of this agent.     Out: seconds of silence.
Rule: graded, never one threshold. The public turn models cut off a caller in 10 to 35 % of pauses when asked for one
      hard decision at 300 ms (LiveKit's eot-bench, English); a wait that grows with doubt does not have to choose.

Every number has its reason beside it; `bench/first_call.py` shows what they cost and save.
"""

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from client_caller.conversation.words import (
    ANSWERS,
    AUXILIARIES,
    CLOSINGS,
    DANGLING,
    DANGLING_PAIRS,
    FILLERS,
    HOLDS,
    OPEN,
    SUBJECTS,
    WHOLE_TURNS,
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How this agent converses: all that the heart needs to know of settings and agent file, and all that replay needs.

    Durations in seconds. The phrases are spoken without the language model.
    """

    greeting: str
    repeat: str  # asked when a turn could not be understood
    trouble: str  # said when the language model fails twice
    goodbye: str  # said when the call has lasted max_call_s
    quick_s: float = 0.22
    patient_s: float = 3.2
    max_call_s: float = 1800.0
    think_within_s: float = 6.0  # a committed turn without a word of reply for this long counts as a failed reply
    decode_within_s: float = 3.0  # a pause without its words for this long past the commit is given up
    part_within_s: float = 15.0  # the longest a goodbye may take before the line is closed anyway


_DANGLING: Final = 0.02  # "my name is": practically never an end; wait the whole patience
_FILLER: Final = 0.04  # "um": thinking aloud
_OPEN: Final = 0.22  # "I am looking for it in": more follows oftener than not; wait about 1.8 s
_WHOLE: Final = 0.97  # "yes", "thank you": a turn by itself
_CLOSING: Final = 0.6  # "thank you": a goodbye may follow; wait about 0.7 s
_SENTENCE: Final = 0.95  # words that could end here; the sound decides the rest

_SOUND_FLOOR: Final = 0.85
"""What a complete sentence is worth when the turn model is sure it is not over. The model is wrong about true ends too
often to be believed alone: 38 % of complete telephone clips score under 0.5 (docs/decisions/0003)."""

_WAITS: Final = (  # (completeness, seconds of silence); between them the wait is interpolated
    (0.0, 1.0),  # 1.0 stands for patient_s
    (0.1, 0.75),
    (0.3, 0.40),
    (0.5, 0.22),
    (0.6, 0.15),
    (0.75, 0.08),
    (0.9, 0.02),
    (1.0, 0.0),  # 0.0 stands for quick_s
)


def normalised(text: str) -> str:
    """The bare words, to tell whether two transcripts say the same."""
    return " ".join(re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.lower().replace("’", "'")))


def completeness(text: str, p_done: float | None) -> float:
    """P(the caller has finished), from the words and, where they leave it open, from the sound.

    p_done: the turn model's verdict in [0, 1]; while it is missing (None), the worst is assumed: a verdict that comes
    later can only shorten the wait.
    """
    words = normalised(text).split()
    turn = " ".join(words)
    if turn in WHOLE_TURNS:
        return _WHOLE
    if turn in CLOSINGS:
        return _CLOSING
    if not words or words[-1] in FILLERS:
        return _FILLER
    if words[-1] in DANGLING or tuple(words[-2:]) in DANGLING_PAIRS or _begins_a_clause(words):
        return _DANGLING
    if words[-1] in OPEN or turn in HOLDS:
        return _OPEN
    return _SENTENCE * (_SOUND_FLOOR + (1 - _SOUND_FLOOR) * math.sqrt(p_done or 0.0))


def _begins_a_clause(words: list[str]) -> bool:
    """Whether the last two are a subject and its auxiliary ("…, we had"); not in an answer such as "Yes, we had"."""
    return len(words) > 2 and words[0] not in ANSWERS and words[-2] in SUBJECTS and words[-1] in AUXILIARIES


def patience(text: str, p_done: float | None, manner: Manner) -> float:
    """Seconds of silence after which the turn counts as over."""
    p = completeness(text, p_done)
    for (p_low, share_low), (p_high, share_high) in pairwise(_WAITS):
        if p <= p_high:
            share = share_low + (share_high - share_low) * (p - p_low) / (p_high - p_low)
            return manner.quick_s + share * (manner.patient_s - manner.quick_s)
    return manner.quick_s
