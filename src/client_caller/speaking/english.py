"""English, as it is said on the telephone: the table of all its rules, and what to do where none applies.

In:   the rules of english_dates.py, english_money.py, english_contact.py and english_words.py.
Out:  ENGLISH (American order where a date could be both) and BRITISH.
Rule: the order of the rules decides what a text is that could be several things; the longest and strictest come
      first.
"""

import re
from typing import Final

from client_caller.speaking import english_contact, english_dates, english_money, english_words
from client_caller.speaking.english_numbers import (
    NUMBER,
    cardinal,
    decade,
    grouped,
    ordinal,
    quantity,
    whole,
    written,
    year,
)
from client_caller.speaking.english_spelling import capitals
from client_caller.speaking.pronounce_letters import is_letter
from client_caller.speaking.pronounce_rules import TAIL, Near, Pronunciation, Rule, rule, several

_YEAR_BEFORE: Final = several("in since year until till before after circa around during by from to of")
_STRICT_YEAR_BEFORE: Final = several("in since year until till before after circa")


@rule(r"(\d{1,3}(?:,\d{3})+|\d{1,15})(st|nd|rd|th|ST|ND|RD|TH)")
def _ordinal(found: re.Match[str], _: Near) -> str | None:
    return ordinal(int(found[1].replace(",", "")))


@rule(r"(\d{4})['’]?s")
def _decade(found: re.Match[str], _: Near) -> str | None:
    return decade(int(found[1])) if found[1][-1] == "0" and 1100 <= int(found[1]) < 2100 else None


@rule(r"['’]?(\d0)s")
def _short_decade(found: re.Match[str], near: Near) -> str | None:
    told = {"the", "his", "her", "their", "my", "your", "early", "late", "mid", "low", "high", "in"}
    if int(found[1]) < 20 or (found[0][0].isdigit() and near.previous.lower() not in told):
        return None
    return cardinal(int(found[1])).removesuffix("y") + "ies"


@rule(r"['’](\d\d)")
def _short_year(found: re.Match[str], _: Near) -> str | None:
    return cardinal(int(found[1])) if found[1][0] != "0" else f"oh {cardinal(int(found[1]))}"


@rule(r"(?:(\d{4})['’]s)")
def _years_own(found: re.Match[str], _: Near) -> str | None:
    return f"{year(int(found[1]))}'s" if 1100 <= int(found[1]) < 2100 else None


@rule(rf"({NUMBER})[kK]")
def _thousands(found: re.Match[str], near: Near) -> str | None:
    words = quantity(found[1])
    return words and (f"{words} thousand" if found[0][-1] == "k" or near.counted else f"{words} K")


@rule(rf"({NUMBER})(bn|mn|tn)")
def _millions(found: re.Match[str], _: Near) -> str | None:
    words = quantity(found[1])
    return words and f"{words} {({'bn': 'billion', 'mn': 'million', 'tn': 'trillion'})[found[2]]}"


@rule(rf"({NUMBER})\^(\d)")
def _power(found: re.Match[str], _: Near) -> str | None:
    words = quantity(found[1])
    power = {"2": "squared", "3": "cubed"}.get(found[2]) or f"to the power of {cardinal(int(found[2]))}"
    return words and f"{words} {power}"


@rule(rf"({NUMBER})[x×]")
def _times(found: re.Match[str], _: Near) -> str | None:
    words = quantity(found[1])
    return words and f"{words} times"


@rule(r"([vV]|[Vv]ersion )(\d+(?:\.\d+)*)")
def _version(found: re.Match[str], _: Near) -> str | None:
    number = " point ".join(whole(part, divided=True) for part in found[2].split("."))
    word, divide = ("version", " ") if len(found[1]) == 1 else (found[1].strip(), "|")
    return f"{word}{divide}{number}"


@rule(r"(\d+(?:\.\d+){2,3})")
def _points(found: re.Match[str], _: Near) -> str | None:
    return None if written(found[1]) else " point ".join(whole(part, divided=True) for part in found[1].split("."))


@rule(r"(\d+)-([a-z]+(?:-[a-z]+)*)(['’]?s)?")
def _compound(found: re.Match[str], _: Near) -> str | None:
    """A 24-hour service, a 3-year-old."""
    number = year(int(found[1])) if re.fullmatch(r"(?:19|20)\d\d", found[1]) else whole(found[1])
    return f"{number} {found[2].replace('-', ' ')}{found[3] or ''}"


@rule(r"([A-Za-z][a-z]+)-(\d{1,15})(s)?")
def _compound_end(found: re.Match[str], _: Near) -> str | None:
    """Mid-2026, the mid-1990s."""
    number = found[2]
    as_year = len(number) == 4 and 1100 <= int(number) < 2100
    if found[3]:
        return f"{found[1]} {decade(int(number))}" if as_year and number[-1] == "0" else None
    return f"{found[1]} {year(int(number)) if as_year else whole(number) if len(number) < 3 else grouped(number)}"


@rule(rf"([-+]?)({NUMBER})")
def _number(found: re.Match[str], near: Near) -> str | None:
    sign = {"-": "minus ", "+": "plus "}.get(found[1], "")
    if len(found[2]) == 4 and found[2].isdigit() and not sign and _is_year(int(found[2]), near):
        return year(int(found[2]))
    words = quantity(found[2])
    return words and sign + words


def _is_year(number: int, near: Near) -> bool:
    if near.counted:
        return False
    return 1900 <= number < 2100 or (1100 <= number < 1900 and near.previous.lower() in _STRICT_YEAR_BEFORE)


_SIGNS: Final = {
    **{"&": "and", "@": "at", "#": "number", "%": "percent", "+": "plus", "=": "equals", "/": "or", "×": "times"},
    **{"÷": "divided by", "±": "plus or minus", "≈": "about", "≤": "at most", "≥": "at least", "<": "less than"},
    **{">": "greater than", "→": "to", "°": "degrees", "§": "section", "€": "euros", "$": "dollars", "£": "pounds"},
    **{"¢": "cents", "¥": "yen", "₹": "rupees", "Ω": "ohms"},
}
_WITHIN: Final = {**_SIGNS, "/": "slash", "_": "", "#": "hash", "<": "", ">": "", "→": "", "*": "times"}
"""Between letters or digits; what is not here is not said."""


def _other(text: str) -> str:
    """Whatever no rule knows: its words, its numbers, and its signs where they mean something."""
    if len(text) == 1 or not any(is_letter(c) or c.isdigit() for c in text):
        lone = _SIGNS.get(text, "")
        return text if not lone and is_letter(text[:1] or " ") else lone
    words: list[str] = []
    hyphenated = _is_hyphenated(text)
    for run in re.findall(r"\d+|[^\W\d_](?:[^\W\d_]|['’](?=[^\W\d_]))*|.", text):
        if run.isdigit():
            short = len(run) <= 2 and not run.startswith("0")
            words.append(cardinal(int(run)) if short or run == "0" else grouped(run))
        elif run.isascii() and len(run) > 1 and run.isalpha():
            words.append(capitals(run) if run.isupper() else run)
        elif is_letter(run[0]):
            words.append(run)
        elif run in ",.;:!?" and words:
            words[-1] += run
        elif run in "—–" and words:
            words[-1] += ","
        else:
            words.append(_sign(run, hyphenated=hyphenated))
    return _joined(words)


def _is_hyphenated(text: str) -> bool:
    """Whether hyphens only join words that stay as they are."""
    return all(part.isalpha() and (len(part) == 1 or not part.isupper()) for part in re.split(r"[-'’]", text))


def _sign(sign: str, *, hyphenated: bool) -> str:
    return "-" if sign == "-" and hyphenated else _WITHIN.get(sign, "")


def _joined(words: list[str]) -> str:
    return " ".join(word for word in words if word).replace(" - ", "-")


_STRAY: Final = "([{<|\\~^=&@"  # behind a word they mean nothing
_DAY: Final = r"Mon(?:day)?|Tue(?:s|sday)?|Wed(?:nesday)?|Thu(?:r|rs|rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?"
_PLAIN_NUMBER: Final = rf"(?:{english_money.STARTS_MONEY})?\d{{1,6}}(?:[.,:]\d{{1,3}}){{0,3}}"
_FROM: Final = rf"(?:{_PLAIN_NUMBER}(?:st|nd|rd|th|[ap]\.?m\.?|h|%|€|k)?|{_DAY}|{english_dates.MONTH})\.?"
_RANGE: Final = re.compile(
    rf"({_FROM})[-–—]((?:{_PLAIN_NUMBER}[A-Za-z%°€²/.]{{0,6}}|{_DAY}|{english_dates.MONTH}).{{0,3}})", re.I
)
_NO_RANGE: Final = re.compile(r"(?!\d00-\d000)\d{3}-\d{4}|\d{5}-\d{4}|0\d.*-0\d+|0\d{2,}-.*")
_NUMERIC: Final = re.compile(rf"{_FROM}[A-Za-z%°€]{{0,4}}[,.]?", re.IGNORECASE)
_BETWEEN: Final = re.compile(
    r"(?<=[^\W\d_])(?:—|–|--)(?=[^\W\d_])|(?<=[^\W\d_]),(?=[^\W\d_])|[;!?](?=[^\W_])|,(?=\d{1,2}:\d\d)"
)
_PREFIX: Final = re.compile(r"([~≈±<>≤≥])(=?)(?=(?:[€$£¥])?\d)")
_PREFIXES: Final = {
    "~": "about",
    "≈": "about",
    "±": "plus or minus",
    "<": "less than",
    ">": "more than",
    "≤": "at most",
    "≥": "at least",
}
_MORE: Final = re.compile(r"(?<=\d)\+(?=[,.;:!?)]*$)")
_PER: Final = re.compile(
    r"(?<=[\d€£$%a-zA-Z])/(month|mo|year|yr|week|wk|day|hour|hr|h|person|night|user|item|minute|min|unit|call|"
    r"line)(?=\W*$)"
)
_PER_WORDS: Final = {"mo": "month", "yr": "year", "wk": "week", "hr": "hour", "h": "hour", "min": "minute"}
_EITHER: Final = re.compile(r"([A-Za-z]{2,}(?:['’]s)?)(?:/([A-Za-z]{2,}))+(?=[,.;:!?)]*$)")


def _parts(word: str) -> list[str]:
    """The words that a written one is made of: "8-10km" is "8", "to", "10km"."""
    if english_contact.WEB.search(word) or word.strip("(),.;:!?").lower() in english_words.SLASHED:
        return [word]
    core = word.rstrip(TAIL + _STRAY)
    word = core + "".join(sign for sign in word[len(core) :] if sign not in _STRAY) if core else word
    unit, sign, rest = word.partition("/")
    if sign and unit in english_money.UNITS and rest[:1].isdigit():
        return [unit, "slash", *_parts(rest)]
    word = _BETWEEN.sub(lambda found: (found[0] if found[0] in ";!?," else ",") + " ", word.replace("(s)", "s"))
    return [part for each in word.split() for part in _ranged(each)]


def _ranged(word: str) -> list[str]:
    before: list[str] = []
    if found := _PREFIX.match(word):
        word = word[found.end() :]
        before = ["at" if found[2] and found[1] in "<>" else "", _PREFIXES[found[1]]]
        if before[0]:
            before = ["at", "most" if found[1] == "<" else "least"]
    after: list[str] = []
    if re.match(r"[\W]*\d", word) or word[:1] in "€$£":
        if found := _PER.search(word):
            after = ["per", _PER_WORDS.get(found[1], found[1]) + word[found.end() :]]
            word = word[: found.start()]
        elif found := _MORE.search(word):
            after = ["plus" + word[found.end() :]]
            word = word[: found.start()]
    if (found := _RANGE.fullmatch(word)) and word.count("-") + word.count("–") + word.count("—") == 1:
        if not _NO_RANGE.match(word):
            sign = re.match(english_money.STARTS_MONEY, found[1])
            moved = sign and not re.match(english_money.STARTS_MONEY, found[2])
            first, second = (found[1][sign.end() :], sign[0] + found[2]) if sign and moved else (found[1], found[2])
            return [*filter(None, before), first, "to", second, *after]
    elif (found := _EITHER.match(word)) and word.split("/")[0] not in english_money.UNITS:
        return " or ".join(word.split("/")).split()
    return [*(each for text in before for each in text.split()), word, *after]


def _is_numeric(word: str) -> bool:
    """Whether a dash behind this word, or before it, leads from one to another."""
    return _NUMERIC.fullmatch(word) is not None


def _rules(*, month_first: bool) -> tuple[Rule, ...]:
    return (
        *english_words.SLASHES,
        *english_contact.PLACES,
        *english_dates.numeric(month_first=month_first),
        *english_dates.WORDED_DATES,
        *english_words.ADDRESSES,
        *english_contact.TELEPHONES,
        *english_dates.TIMES,
        *english_money.RULES,
        *english_contact.CODES,
        *(_ordinal, _decade, _short_decade, _short_year, _years_own, _version, _points, _power, _times),
        *(_thousands, _millions, _compound, _number),
        *english_contact.MIXED,
        _compound_end,
        *english_words.SHORT,
    )


ENGLISH: Final = Pronunciation(
    rules=_rules(month_first=True),
    triggers=english_dates.TRIGGERS | english_words.TRIGGERS | {"version"},
    parts=_parts,
    other=_other,
    to="to",
    number=_is_numeric,
)
BRITISH: Final = Pronunciation(
    rules=_rules(month_first=False),
    triggers=ENGLISH.triggers,
    parts=_parts,
    other=_other,
    to="to",
    number=_is_numeric,
)
