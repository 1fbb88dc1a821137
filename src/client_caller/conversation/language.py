"""What the rules of a conversation must know of a language. Data, and how phrases with choices are found in a text: a
second language is a second `Language`.

All words are lower case and bare, as `dictation.bare` leaves them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

Words = frozenset[str]
"""Single words, or phrases whose words are parted by one space."""

Patterns = tuple[str, ...]
"""Phrases with choices. "leave (me|us) a|your message" also stands for "leave me your message": `a|b` is one of these,
in brackets it may be missing, `_` is a space within a choice, and `..` stands for up to four words of any kind.
Apostrophes count for nothing, since transcribers forget them."""

Span = tuple[int, int]
"""First and past-the-last index of the words that fit."""


def spans(patterns: Patterns, words: Sequence[str]) -> list[Span]:
    """Where these phrases stand in the bare words, from the left, none over another."""
    text = _plain(words)
    return [
        (text.count(" ", 0, match.start()) - 1, text.count(" ", 0, match.end()) - 1)
        for match in _compiled(patterns).finditer(text)
    ]


def mentions(patterns: Patterns, words: Sequence[str]) -> bool:
    """Whether one of these phrases stands in the bare words."""
    return _compiled(patterns).search(_plain(words)) is not None


def is_wholly(patterns: Patterns, words: Sequence[str]) -> bool:
    """Whether the bare words are nothing but such phrases, one or several."""
    rest = _plain(words)
    while len(rest) > 1:
        match = _compiled(patterns).match(rest, 1)
        if match is None:
            return False
        rest = rest[match.end() - 1 :]
    return bool(words)


def _plain(words: Sequence[str]) -> str:
    return f" {' '.join(words)} ".replace("'", "")


@cache
def _compiled(patterns: Patterns) -> re.Pattern[str]:
    """Matches from the first letter of a phrase to the space after it, the longest choice first."""
    phrases = sorted(patterns, key=len, reverse=True)
    return re.compile("(?<= )(?:" + "|".join("".join(map(_slot, phrase.split())) for phrase in phrases) + ")")


def _slot(slot: str) -> str:
    if slot.count("(") != slot.count(")") or "(" in slot[1:] or ")" in slot[:-1]:
        raise ValueError(f"{slot!r} is no slot of a phrase: brackets are around all of it, without a space")
    if slot == "..":
        return "(?:[^ ]+ ){0,4}?"
    choices = sorted(slot.strip("()").replace("'", "").replace("_", " ").split("|"), key=len, reverse=True)
    return f"(?:(?:{'|'.join(choices)}) )" + ("?" if slot.startswith("(") else "")


@dataclass(frozen=True, slots=True)
class Answering:
    """What is said by who, or what, answers a call that we placed."""

    screening: Patterns  # by an assistant that asks on the callee's behalf who is calling
    asking: Patterns  # by one, or by a human whom we have told something
    names: Patterns  # what both ask for
    no_messages: Patterns  # by a recording that takes no message
    voicemail: Patterns  # by an answering machine, whatever came before …
    offers: Patterns  # … unless a human offers to take a message
    tones: Patterns  # by one that will beep
    menu: Patterns  # by a telephone menu
    unavailable: Patterns  # by a machine if nobody has asked yet, else by a human, too
    reached: Patterns  # mostly by a machine; people at work say it, too
    receptions: Patterns  # by people who answer for others
    hellos: Patterns  # by people, as all that they say
    present: Patterns  # by people who hear that they are taken for a machine


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller says who wants something of the call itself."""

    opt_out: Patterns
    other_calls: Patterns  # look like it, and mean something else
    human: Patterns
    human_whole: Patterns  # as all that is said
    other_humans: Patterns
    goodbyes: Patterns  # as the end of a turn …
    courtesies: Patterns  # … after which these may follow
    reported_goodbyes: Patterns
    negations: Patterns  # right before a wish they make it the opposite …
    accusations: Patterns  # … unless it is a complaint about us: "you never stop calling"
    denials: Patterns  # they make it the opposite in any case: "you don't need to"
    suppositions: Patterns  # before a wish they make it a tale: "when I talk to a representative"
    yes: Patterns  # answers to a question of consent
    no: Patterns
    harmless_no: Patterns  # have a "no" in them, and consent
    undecided: Patterns


@dataclass(frozen=True, slots=True)
class Language:
    """One language's words, by what they tell of a pause that follows them."""

    # Last words of a turn.
    dangling: Words  # a sentence is practically never over after these
    dangling_pairs: frozenset[tuple[str, str]]  # nor after these two
    leaning: Words  # more follows oftener than not, though some sentences end on them
    fillers: Words  # sounds of somebody still thinking
    subjects: Words  # a subject and its auxiliary begin a clause ("… and then we had") …
    auxiliaries: Words
    answers: Words  # … unless the turn answers with them ("Yes, we had")

    # Whole turns.
    whole_turns: Words  # complete by themselves
    openers: Words  # complete as the answer to a question of yes or no; else mostly a beginning ("Yes, I have …")
    holds: Words  # ask for silence, not for an answer
    closings: Words  # a goodbye often follows, and nobody minds a late answer

    # Said while the agent speaks.
    assents: Words  # "I am listening, go on", also several of them in a row

    # Dictation.
    digits: Mapping[str, str]  # the digits that a number word stands for: "seven" -> "7", "twelve" -> "12"
    tens: Mapping[str, str]  # "twenty" -> "20"; a digit after it is not a new one
    repeats: Mapping[str, int]  # "double" -> 2
    separators: Words  # may stand between the groups of a number
    phone_digits: Mapping[str, int]  # how many a telephone number has, by its beginning; "" for any other
    at: Words  # how "@" and "." are said
    dot: Words
    domains: Words  # last parts of a mail address

    # What the agent asks for, by words of its question; looked for in this order.
    asks_for_email: Words
    asks_to_spell: Words
    asks_for_card: Words
    asks_for_phone: Words
    asks_for_number: Words
    asks_for_name: Words
    asks_yes_or_no: Words  # first words of a question

    # Of calls as such.
    answering: Answering
    wishes: Wishes
