"""Dictation: how much of a telephone number, a card, an e-mail address or a spelling is there.

In:   the caller's words; what the agent has just said.     Out: whether the slot is full, or still being filled.
Rule: only what can be counted is judged here. Who dictates pauses between groups, and no tone of voice tells the pause
      after seven digits of ten from the end; the count does.
"""

import re
from collections.abc import Callable
from enum import Enum, auto
from itertools import dropwhile, takewhile
from typing import Final

from client_caller.conversation.language import Language, Words

_CARD_DIGITS: Final = 16
_AMEX_DIGITS: Final = 15
"""Digits of a payment card; of one that begins with 34 or 37. Source: ISO/IEC 7812 and the issuers' ranges."""

_RUN: Final = 3
"""So many digits or letters, one by one, end a turn that dictates even though nobody asked: "… it is 4 5 7"."""

_ADDRESS: Final = re.compile(r"\S+@\S+\.[a-z]{2,}[.!?]?$", re.IGNORECASE)


class Asked(Enum):
    """What the agent has just asked for."""

    NOTHING = auto()
    ANYTHING = auto()  # an open question
    YES_OR_NO = auto()
    NAME = auto()
    NUMBER = auto()  # of unknown length
    PHONE = auto()
    CARD = auto()
    EMAIL = auto()
    SPELLING = auto()


class Filled(Enum):
    """How much of what is being dictated is there."""

    NO = auto()  # more must come
    PERHAPS = auto()  # nobody can count it
    YES = auto()


def bare(text: str) -> list[str]:
    """The words without case and marks."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.lower().replace("’", "'"))


def asked_for(said: str, language: Language) -> Asked:
    """What the last sentence of what the agent said asks for; said: text with its marks."""
    sentences = re.findall(r"[^.!?]+[.!?]*", said.strip())
    last = sentences[-1] if sentences else ""
    words = bare(last)
    cues = (
        (language.asks_for_email, Asked.EMAIL),
        (language.asks_to_spell, Asked.SPELLING),
        (language.asks_for_card, Asked.CARD),
        (language.asks_for_phone, Asked.PHONE),
        (language.asks_for_number, Asked.NUMBER),
        (language.asks_for_name, Asked.NAME),
    )
    slot = next((asked for phrases, asked in cues if _mentions(words, phrases)), None)
    if slot:
        return slot
    if not last.endswith("?"):
        return Asked.NOTHING
    return Asked.YES_OR_NO if words and words[0] in language.asks_yes_or_no else Asked.ANYTHING


def filled(text: str, asked: Asked, language: Language) -> Filled | None:
    """How much of what the caller dictates is there; None when `text` does not end in dictation."""
    words = bare(text)
    if "@" in text or (asked is Asked.EMAIL and words):
        return _address(text, words, language)
    letters = _ending(words, lambda word: len(word) == 1 and word.isalpha())
    if len(letters) >= (2 if asked is Asked.SPELLING else _RUN):
        return Filled.YES if "".join(letters) in words[: -len(letters)] else Filled.PERHAPS
    return _number(words, asked, language)


def _address(text: str, words: list[str], language: Language) -> Filled | None:
    if _ADDRESS.search(text.strip()) or (
        len(words) > 3 and words[-1] in language.domains and words[-2] in language.dot and language.at & set(words)
    ):
        return Filled.YES
    begun = "@" in text or language.at & set(words[1:]) or words[-1] in language.at | language.dot
    return Filled.NO if begun else None


def _number(words: list[str], asked: Asked, language: Language) -> Filled | None:
    group = _ending(words, lambda word: word in language.separators or _is_digits(word, language))
    group = list(dropwhile(lambda word: word in language.separators, group))
    digits = _digits(group, language)
    wanted = asked if asked in (Asked.PHONE, Asked.CARD, Asked.NUMBER) else None
    if wanted is None and len(group) >= _RUN and len(digits) >= _RUN:
        wanted = Asked.PHONE if _mentions(words, language.asks_for_phone) else Asked.NUMBER
    if wanted is None or not digits:
        return None
    if wanted is Asked.NUMBER:
        return Filled.PERHAPS
    enough = _card_digits(digits) if wanted is Asked.CARD else _phone_digits(digits, language)
    return Filled.YES if len(digits) >= enough else Filled.NO


def _card_digits(digits: str) -> int:
    return _AMEX_DIGITS if digits.startswith(("34", "37")) else _CARD_DIGITS


def _phone_digits(digits: str, language: Language) -> int:
    beginnings = [beginning for beginning in language.phone_digits if digits.startswith(beginning)]
    return language.phone_digits[max(beginnings, key=len)]


def _is_digits(word: str, language: Language) -> bool:
    return word.isdecimal() or word in language.digits or word in language.tens or word in language.repeats


def _digits(words: list[str], language: Language) -> str:
    """The digits that number words stand for: "double five twenty one oh" is "55210"."""
    digits, times, after_tens = "", 1, False
    for word in words:
        if word in language.repeats:
            times = language.repeats[word]
            continue
        if word in language.tens:
            digits, after_tens = digits + language.tens[word], True
            continue
        meant = word if word.isdecimal() else language.digits.get(word, "")
        if after_tens and not word.isdecimal() and len(meant) == 1 and meant != "0":
            digits = digits[:-1]
        digits, times, after_tens = digits + meant * times, 1, False
    return digits


def _ending(words: list[str], belongs: Callable[[str], bool]) -> list[str]:
    """The words at the end that belong together."""
    return list(takewhile(belongs, reversed(words)))[::-1]


def _mentions(words: list[str], phrases: Words) -> bool:
    spaced = f" {' '.join(words)} "
    return any(f" {phrase} " in spaced for phrase in phrases)
