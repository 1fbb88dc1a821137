"""The turns of the endpointing benchmark: human clips, some with a long silence put in, through three telephone lines.

In:   `corpus.human_clips()`.     Out: takes: a turn's sound as the line carries it, and the truth about it.
Rule: every figure can be told by half. Speakers, not clips, are dealt to the halves, so that a number
      tuned on one half can be judged on voices that it has not seen.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from corpus import HZ, Clip, human_clips, room_tone, silences, telephone, with_pause
from endpointing_figures import UNANSWERED_S
from endpointing_records import Kind, Span, Truth

FLOORS_DBFS: Final = (-65.0, -55.0, -45.0)
"""Noise of a good line, of a usual one, of a bad one."""

_LEVEL_DBFS: Final = -23.0
"""A usual level of speech on the line."""

_HOLD_S: Final = 0.2
"""The shortest silence in which an answer counts as a false cut-off. Source: eot-bench."""

_STRETCHED_FROM_S: Final = 0.4
_LONG_S: Final = 3.0
"""A silence that is put in; what happens in its first second happens in a silence of one second, too."""

UNFINISHED: Final = (
    ("ls1272_quilter", 1.10, "Mister Quilter is the"),
    ("ls1995_sorrow", 4.25, "not so much the loss of the"),
    ("ls116_sobs", 1.74, "nothing was heard in that"),
    ("ls116_sobs", 4.21, "exclamations and"),
    ("jfk_asknot", 1.01, "and so my"),
    ("nasa_spacewalk", 2.06, "as much as um"),
    ("ibm_autoloan_t1", 2.96, "last night and at"),
    ("ibm_autoloan_t1", 4.08, "it says to"),
    ("ibm_support", 2.62, "I just"),
    ("goog_chromecast_t1", 1.44, "I'd like to buy a"),
    ("mfa_slow", 0.75, "um this"),
    ("mfa_slow", 5.14, "slightly lower in"),
    ("mfa_longpause", 2.59, "uh and"),
    ("mfa_longpause", 4.44, "a long pause and"),
    ("mfa_surround", 4.55, "Montreal is going to be"),
    ("mfa_slowfox", 1.72, "has read many"),
    ("mfa_slowfox", 2.79, "many books but"),
    ("js_testing", 5.25, "this is only a"),
    ("cmu_intervals", 1.41, "the first interval of"),
    ("bush_columbia_2", 5.89, "lost contact with our"),
    ("lyra_gov", 2.12, "in Westminster is simply not"),
    ("pr_bring", 1.95, "bring these things with"),
    ("pr_snake", 2.89, "a small plastic snake and a"),
    ("pr_snake", 4.16, "a big toy frog for the"),
    ("arctic_aew_hands", 1.40, "for the twentieth time that"),
    ("arctic_aew_hands", 2.06, "that evening the"),
    ("s2i_9e12a10d", 3.31, "mocha with a little"),
    ("s2i_0b2aa010", 1.08, "may I have a"),
    ("s2i_0b2aa010", 4.66, "iced coffee with a lot of"),
    ("s2i_d0bf9206", 0.84, "can I get a small"),
    ("s2i_2a06482c", 2.30, "a dark roast latte with"),
    ("two_cities_1.05", 0.97, "it was the best of"),
    ("two_cities_1.05", 2.73, "it was the worst of"),
    ("two_cities_21.05", 1.72, "we had"),
)
"""Quiet instants after which the sentence must go on: clip, seconds after the voice set in, the words before."""


ASKED: Final = {
    "df_230pm": "At what time would you like to come?",
    "df_half_an_hour": "For how long do you need it?",
    "df_today": "For which day, please?",
    "df_two_people": "For how many people?",
    "df_mountain_view": "In which city are you?",
    "fsdd": "Which number would you like to choose?",
    "cv_six": "Which number would you like to choose?",
    "cmu_numbers": "What are the three numbers?",
    "cmu_green": "Which one would you like?",
    "tf_no": "Do you already have an account with us?",
    "ibm_autoloan_t2": "Would you like to trade in your old car?",
    "ibm_autoloan_t3": "So it is a loan for a new car?",
    "goog_chromecast_t2": "Which colour would you like?",
    "goog_chromecast_t3": "Would you like the regular Chromecast or the Ultra?",
    "goog_chromecast_t4": "Would you like standard or express shipping?",
}
"""What the agent had asked where a clip answers a question, by the beginning of its name. The questions are ours: the
recordings have none, or leave it out. All other clips follow the agent's greeting."""


@dataclass(frozen=True, slots=True)
class Take:
    """One turn through one line. mulaw: 8 kHz, ending 4.5 s after the speech."""

    truth: Truth
    mulaw: bytes


def half_of(speaker: str) -> Literal["tuning", "held-out"]:
    """The half to which all turns of this speaker belong."""
    return "tuning" if hashlib.sha256(speaker.encode()).digest()[0] % 2 else "held-out"


def takes(floors_dbfs: Sequence[float] = FLOORS_DBFS, every: int = 1) -> Iterator[Take]:
    """All takes, or only those of every so many clips. Without the corpus, those of the package's recordings only."""
    clips = [clip for clip in human_clips() if clip.timing_use][::every]
    turns = [_natural(clip) for clip in clips] + [turn for clip in clips for turn in _lengthened(clip)]
    for clip, holds, timed in turns:
        tail = room_tone(clip.samples, UNANSWERED_S - (len(clip.samples) / HZ - clip.speech_end_s), seed=3)
        sound = np.concatenate((clip.samples, tail))[: round((clip.speech_end_s + UNANSWERED_S) * HZ)]
        for floor_dbfs in floors_dbfs:
            truth = Truth(
                clip.name,
                half_of(clip.speaker),
                _style_of(clip),
                floor_dbfs,
                holds,
                clip.speech_end_s,
                timed,
                next((asked for beginning, asked in ASKED.items() if clip.name.startswith(beginning)), ""),
            )
            yield Take(truth, telephone(sound, level_dbfs=_LEVEL_DBFS, noise_floor_dbfs=floor_dbfs))


def _style_of(clip: Clip) -> Literal["read", "spoken"]:
    return "read" if {"read", "speech"} & set(clip.tags) else "spoken"


_Turn = tuple[Clip, tuple[Span, ...], bool]


def _natural(clip: Clip) -> _Turn:
    inner = [span for span in silences(clip)[:-1] if span[1] < clip.speech_end_s]
    holds = tuple(Span(*span, "natural") for span in inner if span[1] - span[0] >= _HOLD_S)
    if not clip.turn_complete:
        holds += (Span(clip.speech_end_s, clip.speech_end_s + _LONG_S, "incomplete"),)
    return clip, holds, clip.turn_complete


def _lengthened(clip: Clip) -> Iterator[_Turn]:
    """The clip with its longest silence stretched, and with one put in at each place where the sentence must go on."""
    longest = max(silences(clip)[:-1], key=lambda span: span[1] - span[0], default=(0.0, 0.0))
    if _STRETCHED_FROM_S <= longest[1] - longest[0] < _LONG_S and longest[1] < clip.speech_end_s:
        yield _with_silence(clip, sum(longest) / 2, "constructed")
    for name, after_s, _ in UNFINISHED:
        if name == clip.name:
            yield _with_silence(clip, clip.speech_start_s + after_s, "incomplete")


def _with_silence(clip: Clip, at_s: float, kind: Kind) -> _Turn:
    longer = with_pause(clip, at_s, _LONG_S)
    begin_s, end_s = next(pause for pause in longer.pauses if pause[0] <= at_s <= pause[1])
    return longer, (Span(begin_s, end_s, kind),), False
