"""Pins: what must not be lost in other words, and so is kept as it was said.

In:   the turns of a call.
Out:  a caller's sentences with names, numbers, dates, addresses, and what tools did; oldest first.
Rule: a pin of the caller is a stretch of what the recogniser wrote, character by character. Corrections are pinned
      behind what they correct, and nobody judges here which of the two is true.

Recognisers write what they like: lower case without marks, "five five five" or "555". A fact that the agent said and
the caller only said yes to has no words of the caller's to pin.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from client_caller.conversation.actions import Turn

MOST: Final = 30
LONGEST: Final = 200
"""Pins, and characters of one. Thirty are more than a call of an hour has given (names and numbers of two people, an
address, a few appointments)."""

Kind = Literal["number", "when", "done", "contact", "name"]
_LEAST_FIRST: Final[tuple[Kind, ...]] = ("number", "when", "done", "contact", "name")
"""What goes first where there is no room: the oldest of the first kind that is left. The first name goes never."""


@dataclass(frozen=True, slots=True)
class Words:
    """By which words one language's facts are known: patterns that ignore case.

    digits: words for 0-9;  teens, tens: for 10-19 and 20-90;  powers: for 100 and beyond;  repeats: "double" and the
    like;  ordinals: for 1-30;  joins: what may stand within a number;  months: from 1;  weekdays: from 0;  days: from
    today;  facts: the dearest first;  asked: with what the agent asks for one;  no_answers: clauses that never tell
    one;  corrections: what takes something back;  breaks: where a long sentence may be cut;  titles: what ends in a
    full stop and ends no sentence.
    """

    digits: dict[str, int]
    teens: dict[str, int]
    tens: dict[str, int]
    powers: dict[str, int]
    repeats: dict[str, int]
    ordinals: dict[str, int]
    joins: frozenset[str]
    months: dict[str, int]
    weekdays: dict[str, int]
    days: dict[str, int]
    facts: tuple[tuple[Kind, re.Pattern[str]], ...]
    asked: tuple[tuple[Kind, re.Pattern[str]], ...]
    no_answers: re.Pattern[str]
    corrections: re.Pattern[str]
    breaks: re.Pattern[str]
    titles: re.Pattern[str]


def _counted(line: str, first: int, step: int = 1) -> dict[str, int]:
    return {word: first + step * place for place, word in enumerate(line.split())}


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# English

_DIGITS: Final = {**_counted("zero one two three four five six seven eight nine", 0), "oh": 0, "nought": 0}
_TEENS: Final = _counted("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen", 10)
_TENS: Final = _counted("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10)
_ORDINALS: Final = {
    **_counted("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth", 1),
    **_counted("fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth", 14),
    "thirtieth": 30,
}
_MONTHS: Final = _counted("january february march april may june july august september october november december", 1)
_WEEKDAYS: Final = _counted("monday tuesday wednesday thursday friday saturday sunday", 0)

_UNIT: Final = "|".join((*_DIGITS, *_TEENS, *_TENS))
_NUMBER: Final = rf"(?:\d+|{_UNIT})"
_DIGIT: Final = rf"(?:\d|(?:{_UNIT})\b|(?:double|triple)\b)"
_STREET: Final = "street|road|avenue|lane|drive|boulevard|square|court|place|terrace|crescent|close|way"
_NOT_NAMES: Final = "the|an?|my|about|why|what|not|it|just|so|very|too|also"
_WHEN_CALLED_BACK: Final = "back|at|on|in|when|if|later|again|tomorrow|today|tonight|this|next|any"
_NUMBERED: Final = (
    "order|customer|account|reference|policy|booking|invoice|case|claim|member(?:ship)?|tracking|confirmation|"
    "insurance|phone|telephone|mobile|cell|passport|room|house|flat"
)

_NAME: Final = _any(
    r"\b(?:first|last|full|middle|maiden|family|sur|my|the|her|his|their|whose) ?name(?:'s|s| is| was)\b",
    r"\bname(?:'s| is)\b",
    r"\b(?:am|'m|is|are|'s|was) called\b",
    r"\bthey call me\b",
    rf"\bcall me (?!(?:{_WHEN_CALLED_BACK})\b)\w",
    rf"\bthis is (?!(?:{_NOT_NAMES})\b)[\w' -]{{1,40}}? (?:speaking|here|calling)\b",
    r"\b(?:it's|it is|i'm|i am) [\w' -]{1,30}? speaking\b",
    r"(?-i:\b(?:I'm|I am|It's|it's|This is|this is) (?:Mrs?\.? |Ms\.? |Dr\.? )?(?!I\b)[A-Z][a-z]+)",
    r"\bspell(?:ed|s|ing)?\b|\bspelt\b",
    r"\b(?:[a-z](?:[-.,]? |[-.])){2,}[a-z]\b",
    r"\b[a-z],? (?:as in|for|like) [a-z]{3,}\b",
)

_CONTACT: Final = _any(
    r"\S@\S",
    r"\b[\w.-]+ at [\w .-]{1,40}? ?dot [a-z]{2,}\b",
    r"\be-?mail\b",
    rf"\b(?:{_NUMBERED}) (?:number|code|id|no)\b",
    r"\bmy (?:number|address|post ?code|zip)\b",
    r"\b(?:post ?code|zip code|postal code|home address)\b",
    r"\b(?:i|we) live (?:at|in|on)\b",
    rf"{_NUMBER} (?:[a-z']+ ){{1,3}}(?:{_STREET})\b",
    r"\b(?:apartment|suite|flat) (?:\d|[a-z]\b)",
    rf"{_DIGIT}(?:[-., ()/+]*(?:and )?{_DIGIT}){{4,}}",
)

_WHEN: Final = _any(
    rf"\b(?:{'|'.join(_WEEKDAYS)})s?\b",
    rf"\b(?:{'|'.join(month for month in _MONTHS if month not in {'march', 'may'})})\b",
    r"\b(?:in|of|this|next|last|by|until) (?:may|march)\b|\b(?:may|march) (?:the |\d)",
    r"\b(?:tomorrow|today|tonight|yesterday)\b",
    rf"\b(?:next|this|last|in a|in {_NUMBER}) (?:day|week|weekend|month|year|hour|minute)s?\b",
    r"\b(?:this|next|last) (?:morning|afternoon|evening)\b",
    r"\bin the (?:morning|afternoon|evening)\b",
    r"\b(?:at|around|about|by|before|after|until|till|from|between|past|to) (?:half |quarter )?(?:past |to )?"
    rf"{_NUMBER}\b",
    rf"\bo'?clock\b|\bnoon\b|\bmidday\b|\bmidnight\b|\bhalf past\b|\b{_NUMBER} ?[ap]\.?m\b|\d:\d\d",
    rf"\bthe (?:(?:twenty|thirty)[- ])?(?:{'|'.join(_ORDINALS)})\b|\b\d+(?:st|nd|rd|th)\b",
)

_PLAIN: Final = _any(r"\d", rf"\b(?!(?:one|oh|zero)\b)(?:{_UNIT})\b", rf"\b(?:one|oh|zero) (?:{_UNIT})\b")

_CORRECTION: Final = _any(
    r"^(?:(?:no|nope|sorry|wait|actually|oh|well)[,.]? )+"
    r"(?:it's|it is|that's|that is|its|my|the|not|with|i (?:said|meant|mean))\b"
    r"(?! (?:all|fine|ok|okay|it|right|correct|everything|good|great|perfect|problem)\b)",
    r"\bi meant? (?!to\b)|\bi said\b|\bcorrection\b|\bscratch that\b",
    r"\b(?:make|change) (?:it|that) (?:to )?\w",
    r"\bnot [\w' -]{1,30}?,? but\b",
)

_NO_ANSWERS: Final = (
    "yes|yeah|yep|yup|no|nope|sure|okay|ok|right|correct|hello|hi|hey|why|what|sorry|pardon|please|thanks|thank you|"
    "uh|um|hm|hmm|well|exactly|of course|that's|it|is"
)
_ASKED: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    (
        "name",
        _any(
            r"\b(?:your|what|whose|which|have|get|the) (?:\w+ ){0,2}name\b",
            r"\bwho (?:am i|is|do i|are you)\b.*\b(?:speak|call|talk)",
            r"\bspell\b",
        ),
    ),
    ("contact", _any(r"\bnumber\b", r"\be-?mail\b", r"\baddress\b", r"\b(?:post|zip) ?code\b")),
    ("when", _any(r"\bwhen\b", r"\b(?:what|which) (?:day|date|time)\b", r"\bdate of birth\b")),
)

ENGLISH: Final = Words(
    digits=_DIGITS,
    teens=_TEENS,
    tens=_TENS,
    powers={"hundred": 100, "thousand": 1_000, "million": 1_000_000},
    repeats={"double": 2, "triple": 3},
    ordinals=_ORDINALS,
    joins=frozenset({"and"}),
    months=_MONTHS,
    weekdays=_WEEKDAYS,
    days={"today": 0, "tonight": 0, "tomorrow": 1, "yesterday": -1},
    facts=(("name", _NAME), ("contact", _CONTACT), ("when", _WHEN), ("number", _PLAIN)),
    asked=_ASKED,
    no_answers=_any(rf"^(?:(?:{_NO_ANSWERS})\b\W*)+$"),
    corrections=_CORRECTION,
    breaks=_any(r"[,;:] ", r"(?= (?:and|but|because|so|or|then|also) )"),
    titles=_any(r"\b(?:mrs?|ms|dr|st|no|nr|[a-z]|[ap]\.m)\.$"),
)

LANGUAGES: Final = {"en": ENGLISH}
"""Every language that facts are found in; in any other only digits, e-mail addresses and what tools did are pinned."""

_ANY: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("contact", re.compile(r"\S@\S|\d(?:[-., ()/+]*\d){4,}")),
    ("number", re.compile(r"\d")),
)
_SENTENCE_END: Final = re.compile(r"[.!?]+[\"')]*\s+")
_ANSWER_WORDS: Final = 12
"""A longer first sentence is no answer to "What is your name?"; what else is in it is found by itself."""


@dataclass(frozen=True, slots=True)
class _Pin:
    """is_sure: its own words tell what it is, and not only what it was the answer to."""

    kind: Kind
    text: str
    is_sure: bool = True


def pins(
    turns: Sequence[Turn],
    *,
    language: str = "en",
    reads_only: Collection[str] = (),
    most: int = MOST,
    room: int = MOST * LONGEST,
    cost: Callable[[str], int] = len,
) -> tuple[str, ...]:
    """What these turns have given, oldest first, each once, where it was said last.

    reads_only: tools that change nothing, whose results may be asked for again and are not pinned;
    most, room: how many pins, and what they may cost together, each by `cost`. The first name stays in any case.
    """
    found: dict[str, _Pin] = {}
    named: dict[bool, str] = {}  # the first name, by whether it was surely one
    for before, turn in zip((None, *turns), turns, strict=False):
        for pin in _of(turn, before, LANGUAGES.get(language), reads_only):
            key = " ".join(pin.text.casefold().split())
            # Who says Tuesday, then Wednesday, then Tuesday again means Tuesday.
            kind = max(pin.kind, found.pop(key, pin).kind, key=_LEAST_FIRST.index)
            found[key] = _Pin(kind, pin.text)
            if kind == "name":
                named.setdefault(pin.is_sure, key)
    first_name = found.get(named.get(True, named.get(False, "")))
    kept = _fitting(list(found.values()), first_name, most, room, cost)
    return tuple(pin.text for pin in kept)


def _of(turn: Turn, before: Turn | None, words: Words | None, reads_only: Collection[str]) -> Iterator[_Pin]:
    if turn.speaker == "tool" and turn.tool not in reads_only:
        yield _Pin("done", _shortened(f"{turn.tool} {turn.arguments}: {turn.text}"))
    if turn.speaker != "caller":
        return
    facts, asked = words.facts if words else _ANY, _asked(before, words)
    last: Kind = "when"
    for clause in _clauses(turn.text, words):
        kind = found = next((kind for kind, pattern in facts if pattern.search(clause)), None)
        if asked and words and len(clause.split()) <= _ANSWER_WORDS and not words.no_answers.search(clause):
            kind = max(found or asked, asked, key=_LEAST_FIRST.index)
        if kind is None and words and words.corrections.search(clause):
            kind = last  # as dear as what it puts right, as far as that was said in the same breath
        asked = None
        if kind is not None:
            last = kind
            yield _Pin(kind, clause, is_sure=found == kind)


def _asked(before: Turn | None, words: Words | None) -> Kind | None:
    """What the agent has just asked for: "What is your name?" - "Ada Lovelace." has no word that tells a name."""
    if before is None or before.speaker != "agent" or words is None:
        return None
    question = _SENTENCE_END.split(before.text.strip())[-1]
    return next((kind for kind, pattern in words.asked if pattern.search(question)), None)


def _clauses(text: str, words: Words | None) -> Iterator[str]:
    """The sentences of a text, and of those that are too long, as recognisers write them, stretches of each."""
    start = 0
    ends = [end.end() for end in _SENTENCE_END.finditer(text)]
    for end in (*ends, len(text)):
        sentence = text[start:end].strip()
        if end != len(text) and words and words.titles.search(sentence):
            continue
        start = end
        while len(sentence) > LONGEST:
            cut = _cut_of(sentence, words)
            yield sentence[:cut].strip()
            sentence = sentence[cut:].strip()
        if sentence:
            yield sentence


def _cut_of(sentence: str, words: Words | None) -> int:
    """Where to cut a sentence that is too long: between clauses, else words, and through no telephone number."""
    facts = words.facts if words else _ANY
    near = sentence[: 2 * LONGEST]
    closed = [found.span() for kind, pattern in facts if kind != "when" for found in pattern.finditer(near)]
    between_clauses = [found.end() for found in words.breaks.finditer(near)] if words else []
    between_words = [place for place, character in enumerate(sentence[: LONGEST + 1]) if character.isspace()]
    for places, least in ((between_clauses, LONGEST // 4), (between_words, LONGEST // 4), (between_words, 1)):
        for place in reversed(places):
            is_open = least == 1 or not any(start < place < end for start, end in closed)
            if least <= place <= LONGEST and is_open:
                return place
    return LONGEST


def _fitting(
    found: list[_Pin], first_name: _Pin | None, most: int, room: int, cost: Callable[[str], int]
) -> list[_Pin]:
    too_many, too_dear = len(found) - most, sum(cost(pin.text) for pin in found) - room
    gone: set[str] = set()
    for pin in sorted(found, key=lambda pin: _LEAST_FIRST.index(pin.kind)):
        if (too_many > 0 or too_dear > 0) and pin is not first_name:
            gone.add(pin.text)
            too_many, too_dear = too_many - 1, too_dear - cost(pin.text)
    return [pin for pin in found if pin.text not in gone]


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
