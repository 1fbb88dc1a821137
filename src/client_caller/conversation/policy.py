"""How long to wait at a pause: from about 0.2 s when the turn is surely over to more than 3 s when it surely is not.

In:   what is known of the pause, the manner of this agent.     Out: seconds of silence.
Rule: graded, never one threshold. The public turn models cut off a caller in 10 to 35 % of pauses when asked for one
      hard decision at 300 ms (LiveKit's eot-bench, English); a wait that grows with doubt does not have to choose.

Every number has its reason beside it; `bench/endpointing.py --sweep` shows what changing it costs and saves.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Final, Literal

from client_caller.conversation.dictation import Asked, Filled, asked_for, bare, filled
from client_caller.conversation.language import Language
from client_caller.conversation.languages import LANGUAGES


@dataclass(frozen=True, slots=True)
class Manner:
    """How this agent converses: all that the heart needs to know of settings and agent file, and all that replay needs.

    Durations in seconds. The phrases are spoken without the language model.
    """

    greeting: str
    repeat: str  # asked when a turn could not be understood
    trouble: str  # said when no answer could be found
    goodbye: str  # said when the call has lasted max_call_s
    offer: str = "I cannot answer that now. Please call again later, or leave your name and number."  # next time
    fillers: tuple[str, ...] = ("One moment, please.",)  # said in turn when the answer keeps the caller waiting
    dropped: str = "Sorry, the line dropped for a moment."  # said first on a fresh stream; then one of these three:
    as_i_said: str = "I was saying:"  # before what the caller had not heard
    so_far: str = "You were saying:"  # before the caller's own unfinished words
    go_on: str = "Please go on."
    identity: str = ""  # who is speaking, and that it is an AI; said before all else, until it was heard
    recording: Literal["free", "announced", "asked"] = "free"  # what must come before the call may be recorded
    recorded: str = ""  # the announcement that it is, or the question whether it may be
    outbound: bool = False  # we placed the call, so it is open at first who has answered
    message: str = ""  # left with an answering machine; empty: none is
    screened: str = ""  # said to who or what asks on the callee's behalf who is calling
    menu_keys: str = ""  # pressed in a telephone menu; empty: the call ends there
    still_there: str = "Are you still there?"
    farewell: str = "Thank you. Goodbye."
    opted_out: str = "I have noted that you do not want to be called. You will not hear from us again. Goodbye."
    connecting: str = "One moment, please. I will connect you."
    not_reached: str = "I am sorry, nobody can take your call right now. Is there anything else that I can do?"
    transfer_to: str = ""  # the telephone of a human, in E.164 form
    briefly: str = ""  # what that human is told first, before the caller's last words; empty: nothing, the call rings
    opt_out_key: str = ""
    human_key: str = ""
    language: str = "en"
    quick_s: float = 0.22
    patient_s: float = 3.5
    max_call_s: float = 1800.0
    bridges: Mapping[str, str] = field(default_factory=dict)  # by tool: said once when it keeps the caller waiting
    bridge_after_s: float = 0.7  # silence while a tool runs after which that is said
    tool_within_s: float = 8.0  # a tool that has told nothing for so long is not waited for
    filler_after_s: float = 1.1  # silence while the agent has the floor after which a filler is played
    think_within_s: float = 4.0  # a reply that comes no step nearer to its end for this long, in silence, has failed
    decode_within_s: float = 3.0  # a pause without its words for this long past the commit is given up
    part_within_s: float = 15.0  # the longest a goodbye may take before the line is closed anyway
    silence_s: float = 10.0  # silence of the caller after which they are asked, and after as much more the call ends


@dataclass(frozen=True)
class Evidence:
    """What is known of a pause.

    text: the caller's words so far;  said: what the agent said last;  p_end: the language model's probability that a
    sentence may end after these words;  p_done: the turn model's that the voice has finished. A verdict that is missing
    (None) is taken for the worst, so one that comes later can only shorten the wait.
    """

    text: str
    said: str = ""
    p_end: float | None = None
    p_done: float | None = None
    language: Language = LANGUAGES["en"]

    @cached_property
    def words(self) -> list[str]:
        """The bare words of `text`."""
        return bare(self.text)

    @cached_property
    def asked(self) -> Asked:
        """What the agent asked for."""
        return asked_for(self.said, self.language)


UNKNOWN: Final = 0.3
"""Stands for a verdict that will not come, because its engine has failed or has none to give."""

_DANGLING: Final = 0.02  # "my name is", "my number is 5 5 5": practically never an end; wait the whole patience
_FILLER: Final = 0.04  # "um": thinking aloud
_HOLD: Final = 0.22  # "wait": about 2.3 s; the caller will go on
_PERHAPS: Final = 0.3  # digits or letters that nobody can count: about 1.7 s, longer than between two groups
_OPENER: Final = 0.55  # "yes", "hello" after an open question: about 0.8 s; mostly more follows
_ASSENT: Final = 0.8  # "okay", "yes" where nothing was asked: about 0.4 s; a "please" or more may follow
_CLOSING: Final = 0.6  # "thank you": about 0.7 s; a goodbye may follow
_WHOLE: Final = 0.97  # "yes" after a question of yes or no, the tenth digit of a telephone number

_SENTENCE: Final = 3.0
_BY_WORDS: Final = 0.9
_BY_SOUND: Final = 0.6
_LEANING: Final = -1.5
"""Log-odds that the turn is over: of words as such; by log-odds of the language model; by those of the turn model; and
for a last word that leans on a next one. Chosen by a search over the turns of `bench/endpointing.py` with noise at
-55 dBFS, both halves of the speakers, and rounded: neither half is an independent judge of them."""

_FARTHEST: Final = 6.0
"""Log-odds beyond which a verdict says no more: one model's certainty must not outweigh everything else."""

_SURE: Final = 0.9
"""Completeness by the words from which the sound could hardly shorten the wait."""

_WAITS: Final = (  # (completeness, seconds of silence); between them the wait is interpolated
    (0.0, 1.0),  # 1.0 stands for patient_s
    (0.08, 1.0),
    (0.3, 0.45),
    (0.5, 0.25),
    (0.6, 0.15),
    (0.75, 0.08),
    (0.9, 0.0),  # 0.0 stands for quick_s
    (1.0, 0.0),
)


def needs_sound(evidence: Evidence) -> bool:
    """Whether the words leave a doubt that the turn model could lessen."""
    return not settled_by_words(evidence) and completeness(replace(evidence, p_done=None)) < _SURE


def settled_by_words(evidence: Evidence) -> bool:
    """Whether the words alone tell how complete the turn is, so that no model need be asked."""
    return _by_rule(evidence) is not None


def completeness(evidence: Evidence) -> float:
    """P(the caller has finished): by the words where they settle it, else by all that is known together.

    The sound can only speak for an end, never against it: 38 % of complete telephone clips score under 0.5
    (docs/decisions/0003), and no synthetic voice scores more than 0.02.
    """
    by_rule = _by_rule(evidence)
    if by_rule is not None:
        return by_rule
    leans = evidence.words[-1] in evidence.language.leaning
    sounds_finished = max(0.0, _log_odds(evidence.p_done))
    odds = _SENTENCE + _BY_WORDS * _log_odds(evidence.p_end) + _BY_SOUND * sounds_finished + leans * _LEANING
    return 1 / (1 + math.exp(-odds))


def _by_rule(evidence: Evidence) -> float | None:
    words, language = evidence.words, evidence.language
    turn = " ".join(words)
    if turn in language.openers:
        return {Asked.YES_OR_NO: _WHOLE, Asked.NOTHING: _ASSENT}.get(evidence.asked, _OPENER)
    if turn in language.whole_turns:
        return _WHOLE
    if turn in language.closings:
        return _CLOSING
    if turn in language.holds:
        return _HOLD
    if not words or words[-1] in language.fillers:
        return _FILLER
    if words[-1] in language.dangling or tuple(words[-2:]) in language.dangling_pairs or _begins_a_clause(evidence):
        return _DANGLING
    slot = filled(evidence.text, evidence.asked, language)
    return {Filled.NO: _DANGLING, Filled.PERHAPS: _PERHAPS, Filled.YES: _WHOLE}[slot] if slot else None


def _begins_a_clause(evidence: Evidence) -> bool:
    """Whether the last two are a subject and its auxiliary ("…, we had"); not in an answer such as "Yes, we had"."""
    words, language = evidence.words, evidence.language
    begins = len(words) > 2 and words[-2] in language.subjects and words[-1] in language.auxiliaries
    return begins and words[0] not in language.answers


def _log_odds(p: float | None) -> float:
    if not p:
        return -_FARTHEST
    return max(-_FARTHEST, min(_FARTHEST, math.log(p / (1 - p)))) if p < 1 else _FARTHEST


def patience(evidence: Evidence, manner: Manner, slower: float = 1.0) -> float:
    """Seconds of silence after which the turn counts as over.

    slower: this caller's factor (see habits.py). It stretches what a doubt adds to quick_s: who pauses to think does so
    in mid-sentence, and wants to be answered at once after a whole one.
    """
    p = completeness(evidence)
    for (p_low, share_low), (p_high, share_high) in pairwise(_WAITS):
        if p <= p_high:
            share = share_low + (share_high - share_low) * (p - p_low) / (p_high - p_low)
            return manner.quick_s + min(1.0, share * slower) * (manner.patient_s - manner.quick_s)
    return manner.quick_s
