"""English numbers in words: how many, which one, which year, and digits one by one.

In:   numbers as they are written.     Out: words without digits.
Rule: no "and" within a number; it is kept for what comes behind ("two hundred five euros and ten cents"). A comma
      followed by three digits divides thousands, any other a decimal comma; a point divides thousands where there are
      two or more ("1.234.567"), or where a decimal comma follows ("1.234,50").
"""

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final

from num2words import num2words

DIGITS: Final = {
    **{"0": "zero", "1": "one", "2": "two", "3": "three", "4": "four"},
    **{"5": "five", "6": "six", "7": "seven", "8": "eight", "9": "nine"},
}

NUMBER: Final = r"\d(?:[\d.,]*\d)?|\.\d+"
"""A pattern for whatever may be a number; `written` decides."""

_LONGEST: Final = 15  # digits; nobody says longer numbers as such
_THOUSANDS: Final = re.compile(r"(\d{1,3}(?:,\d{2,3})*,\d{3})(?:\.(\d+))?")
_CONTINENTAL: Final = re.compile(r"(\d{1,3}(?:\.\d{3})+)(?:,(\d+))|(\d{1,3}(?:\.\d{3}){2,})")
_DECIMAL: Final = re.compile(r"(\d*)[.,](\d+)")


@lru_cache(4096)
def cardinal(number: int) -> str:
    """1234: "one thousand two hundred thirty-four"."""
    return _without_and(num2words(number, lang="en"))


@lru_cache(1024)
def ordinal(number: int) -> str:
    """21: "twenty-first"."""
    return _without_and(num2words(number, lang="en", to="ordinal"))


@lru_cache(1024)
def year(number: int) -> str:
    """1905: "nineteen oh five"; also the numbers of houses."""
    words = "ten oh " + cardinal(number % 10) if 1000 < number < 1010 else num2words(number, lang="en", to="year")
    return _without_and(words).replace("oh-", "oh ")


def decade(number: int) -> str:
    """1990: "nineteen nineties"."""
    *words, last = year(number).split()
    stem, plural = (last[:-1], "ies") if last.endswith("y") else (last, "s")
    return " ".join([*words, stem + plural])


def digits(text: str) -> str:
    """Digits one by one: "0" is "zero"."""
    return " ".join(DIGITS[character] for character in text if character in DIGITS)


def grouped(text: str) -> str:
    """Many digits in threes, as one dictates them: "one two three, four five six seven"."""
    if len(text) <= 5:
        return digits(text)
    last = len(text) - 3 if len(text) % 3 == 1 else len(text)  # no digit is left alone
    ends = [*range(0, last, 3), len(text)]
    return ", ".join(digits(text[begin:end]) for begin, end in pairwise(ends))


def written(text: str, *, money: bool = False) -> tuple[str, str] | None:
    """The digits before and behind the decimal sign; None if it is no number. money: 1.234 is more than a thousand."""
    if found := _THOUSANDS.fullmatch(text) or _CONTINENTAL.fullmatch(text):
        return re.sub(r"\D", "", next(group for group in found.groups() if group)), found[2] or ""
    if money and re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", text):
        return text.replace(".", ""), ""
    if found := _DECIMAL.fullmatch(text):
        return found[1] or "0", found[2]
    return (text, "") if text.isdigit() else None


def whole(text: str, *, divided: bool = False) -> str:
    """The words for digits: how many they are, or one by one where a number would not be said as such.

    divided: its writer divided the thousands, so it is a quantity however long it is.
    """
    if text.startswith("0") and len(text) > 1:
        return grouped(text)
    if len(text) > _LONGEST or (len(text) >= 7 and not divided and not text.endswith("000")):
        return grouped(text)
    return cardinal(int(text))


def quantity(text: str) -> str | None:
    """A number, with or without decimals: "1,234.5". None if it is none."""
    number = written(text)
    if number is None:
        return None
    words = whole(number[0], divided="," in text or "." in text)
    return f"{words} point {digits(number[1])}" if number[1] else words


def is_one(text: str) -> bool:
    """Whether what is counted stands in the singular."""
    return text == "1"


def fraction(over: int, under: int, of: str = "") -> str | None:
    """1/2: "one half"; of a unit: "half a kilometer", "three quarters of a mile". None if nobody would say it."""
    if not 0 < over < under <= 100 or under not in {2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20, 32, 50, 64, 100}:
        return None
    part = {2: "half", 4: "quarter"}.get(under) or ordinal(under)
    article = "an" if of[:1] in "aeio" or of == "hour" else "a"
    if of and (over, under) == (1, 2):
        return f"half {article} {of}"
    words = f"{cardinal(over)} {part}{'' if over == 1 else 's'}"
    return f"{words} of {article} {of}" if of else words


def roman(text: str) -> int:
    """The value of a Roman numeral below forty; 0 if it is none."""
    found = re.fullmatch(r"(X{0,3})(IX|IV|V?I{0,3})", text)
    if not found or not text:
        return 0
    ones = {"IX": 9, "IV": 4}.get(found[2], 5 * found[2].count("V") + found[2].count("I"))
    return 10 * len(found[1]) + ones


def _without_and(words: str) -> str:
    return words.replace(",", "").replace(" and ", " ")
