"""Word error rate: how many words a transcriber got wrong, of how many.

In:   what was said, what was understood.     Out: errors, which add up over clips.
Rule: pure. Only what sounds the same is made the same before words are compared: case, punctuation, numerals and the
      words for them, a few abbreviations, hesitations. A homophone, a contraction written out and a British spelling
      are errors, so that nobody's guess about what was meant flatters the figure.
"""

import re
from dataclasses import dataclass
from typing import Final

# fmt: off
_ONES: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
_TENS: Final = ("", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# fmt: on
_ORDINALS: Final = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_SAME: Final = {
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "ok": "okay",
    "&": "and",
    "%": "percent",
    "alright": "all right",
}
_HESITATIONS: Final = frozenset({"uh", "um", "er", "hm", "hmm", "mm", "mhm"})

_LONGEST_CARDINAL: Final = 6
"""Digits. A longer numeral is a telephone number, and is said digit by digit; so is one that begins with 0."""

_YEARS: Final = range(1100, 2000)
"""Said in pairs: eighteen thirteen."""

_PATTERNS: Final = (
    (re.compile(r"[’‘`]"), "'"),
    (re.compile(r"\b([a-z])\.(?=[a-z]\b)"), r"\1"),  # p.m., u.s.
    (re.compile(r"(?<=\d),(?=\d{3}\b)"), ""),
    (re.compile(r"\$(\d+(?:\.\d+)?)"), r"\1 dollars"),
    (re.compile(r"(?<=\d)\.(?=\d)"), " point "),
    (re.compile(r"(\d)(?:\s*:\s*)(\d)"), r"\1 \2"),
    (re.compile(r"(\d)(?=(am|pm|oz)\b)"), r"\1 "),
    (re.compile(r"([%&])"), r" \1 "),
    (re.compile(r"\bto-(?=day|night|morrow)"), "to"),  # as books of the last century print it, and Moonshine
    (re.compile(r"'"), ""),
)
_WORD: Final = re.compile(r"[^\W_]+|[%&]")
_NUMERAL: Final = re.compile(r"(\d+)(st|nd|rd|th)?")


@dataclass(frozen=True, slots=True)
class Errors:
    """words: of the reference;  the rest: the fewest changes that turn it into what was understood."""

    words: int = 0
    substituted: int = 0
    deleted: int = 0
    inserted: int = 0

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(
            self.words + other.words,
            self.substituted + other.substituted,
            self.deleted + other.deleted,
            self.inserted + other.inserted,
        )

    @property
    def count(self) -> int:
        """All of them."""
        return self.substituted + self.deleted + self.inserted

    @property
    def rate(self) -> float | None:
        """Word error rate; it can exceed 1. None when nothing was said."""
        return self.count / self.words if self.words else None


def errors(said: str, understood: str) -> Errors:
    """The errors in one clip."""
    reference, found = normalised(said), normalised(understood)
    row = [Errors(inserted=count) for count in range(len(found) + 1)]
    for word in reference:
        above, row = row, [row[0] + Errors(deleted=1)]
        for column, other in enumerate(found, start=1):
            row.append(
                min(
                    above[column - 1] + Errors(substituted=word != other),
                    above[column] + Errors(deleted=1),
                    row[-1] + Errors(inserted=1),
                    key=lambda changes: changes.count,
                )
            )
    return Errors(len(reference)) + row[-1]


def normalised(text: str) -> list[str]:
    """The words of `text`, written as they sound."""
    text = text.lower()
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    words = " ".join(_SAME.get(word, _spelt(word)) for word in _WORD.findall(text)).split()
    return [word for word in words if word not in _HESITATIONS]


def _spelt(word: str) -> str:
    numeral = _NUMERAL.fullmatch(word)
    if not numeral:
        return word
    spelt = _in_words(numeral[1])
    return _ordinal(spelt) if numeral[2] else spelt


def _in_words(digits: str) -> str:
    number = int(digits)
    if len(digits) > _LONGEST_CARDINAL or (digits[0] == "0" and len(digits) > 1):
        return " ".join(_ONES[int(digit)] for digit in digits)
    if number in _YEARS and number % 100:
        rest = number % 100
        return f"{_cardinal(number // 100)} {'oh ' if rest < 10 else ''}{_cardinal(rest)}"
    return _cardinal(number)


def _cardinal(number: int) -> str:
    if number < 20:
        return _ONES[number]
    for size, name in ((1_000, "thousand"), (100, "hundred")):
        if number >= size:
            return _with_rest(f"{_cardinal(number // size)} {name}", number % size)
    return _with_rest(_TENS[number // 10], number % 10)


def _with_rest(words: str, rest: int) -> str:
    return f"{words} {_cardinal(rest)}" if rest else words


def _ordinal(spelt: str) -> str:
    *before, last = spelt.split()
    if last not in _ORDINALS:
        last = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return " ".join([*before, _ORDINALS.get(last, last)])
