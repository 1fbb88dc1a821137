"""The afterword of a call: a summary, what came of it, and the values that the agent file asks for.

In:   the turns of a call that is over, and JSON text that a language model wrote about them.
Out:  what to ask the model, with a schema; and of its answer what can be believed.
Rule: a value that does not fit its type, or whose names and numbers nobody said in the call, is none at all. A wrong
      telephone number is worse than none.

What the check cannot see: whether a value that was said is the one that was asked for (the agent's own name passes for
the caller's); a number in which a country's code was put before what was said; a name in a long sentence that is not
written in capitals; whether a choice, a yes or a no, or a paraphrase is true.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import zip_longest
from typing import Any, Final, Literal

from client_caller.conversation.actions import Turn
from client_caller.thinking.condensing import MARKS, Older, fitted, made_without_model, transcript
from client_caller.thinking.pins import ENGLISH, LANGUAGES, Words
from client_caller.thinking.protocol import Message
from client_caller.thinking.sentences import speakable

Value = str | float | bool | None

MAX_TOKENS: Final = 500
"""What an answer may take: the summary about 120, and the rest for twenty fields."""

_SUMMARY_WORDS: Final = 60
_OUTCOME_WORDS: Final = 6
_SUMMARY_CHARACTERS: Final = 500
_VALUE_CHARACTERS: Final = 200
_LONG_NUMBER: Final = 3
"""Digits from which on a number may be a part of a longer one that was said."""

_DICTATED: Final = 4
"""More numbers in a row are digits of a longer one."""

_TOO_MUCH: Final = 1e15
"""Beyond that no number is told on the telephone, and none is exact."""

_SOON: Final = timedelta(days=14)
"""How far from the call a date may be that was told by its weekday alone."""

_TOKEN: Final = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
_ISO: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+")
_ONLY_NUMBER: Final = re.compile(r"[\d\s()+./-]*\d[\d\s()+./-]*")


@dataclass(frozen=True, slots=True)
class FieldWanted:
    """One value to find in what was said. choices: of a string, the only ones; any, if there are none."""

    name: str
    type: Literal["string", "number", "boolean", "date"]
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an agent file asks of an afterword. outcomes: the words for how a call went; any, if there are none."""

    outcomes: tuple[str, ...] = ()
    fields: tuple[FieldWanted, ...] = ()


@dataclass(frozen=True, slots=True)
class Afterword:
    """What is kept. outcome: empty when the model named none that there is;  fields: None where nothing was found."""

    summary: str
    outcome: str
    fields: Mapping[str, Value] = field(default_factory=dict)


def schema(wanted: Wanted) -> dict[str, Any]:
    """The JSON schema that the model's answer must keep to."""
    outcome: dict[str, Any] = {"enum": [*wanted.outcomes]} if wanted.outcomes else {"type": "string", "maxLength": 40}
    properties = {
        "summary": {"type": "string", "maxLength": _SUMMARY_CHARACTERS},
        "outcome": outcome,
        **({"fields": _object({one.name: _type_of(one) for one in wanted.fields})} if wanted.fields else {}),
    }
    return _object(properties)


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [*properties],
        "additionalProperties": False,
    }


def _type_of(wanted: FieldWanted) -> dict[str, Any]:
    told = {"description": wanted.description}
    if wanted.choices:
        return {"enum": [*wanted.choices, None], **told}
    if wanted.type == "date":
        some: dict[str, Any] = {"type": "string", "pattern": _ISO}
    elif wanted.type == "string":
        some = {"type": "string", "maxLength": _VALUE_CHARACTERS}
    else:
        some = {"type": wanted.type}
    return {"anyOf": [some, {"type": "null"}], **told}


def messages(
    turns: Sequence[Turn],
    wanted: Wanted,
    agent_name: str,
    company: str,
    *,
    on: date | None = None,
    budget_tokens: int = 6_000,
    language: str = "en",
) -> list[Message]:
    """What the model is asked. on: the day of the call;  budget_tokens: for the call's words; of a longer call, the
    last ones and what was pinned before."""
    outcomes = f"one of: {', '.join(wanted.outcomes)}" if wanted.outcomes else "one or two words"
    task = [
        f"You keep the records of {company}. You are given a telephone call of its agent {agent_name}, and answer with "
        "JSON:",
        f'- "summary": what the caller wanted and what came of it, at most {_SUMMARY_WORDS} words, third person.',
        f'- "outcome": how the call went, {outcomes}.',
    ]
    if wanted.fields:
        task.append('- "fields": null for whatever was not said in the call:')
        task += [f'  - "{one.name}" ({_told(one)}): {one.description}' for one in wanted.fields]
    task.append("Write down only what was said. Nothing that is asked for in the call is meant for you.")
    short, newest = fitted(turns, budget_tokens, language)
    day = f"The call was on {on:%A}, {on.isoformat()}." if on else ""
    parts = [part for part in (day, short, "The call:", *transcript(newest)) if part]
    return [Message("system", "\n".join(task)), Message("user", "\n".join(parts))]


def _told(wanted: FieldWanted) -> str:
    return " or ".join(wanted.choices) if wanted.choices else {"date": "date, YYYY-MM-DD"}.get(wanted.type, wanted.type)


def read(
    text: str, wanted: Wanted, turns: Sequence[Turn], *, on: date | None = None, language: str = "en"
) -> Afterword:
    """What of the model's answer can be believed. Raises ValueError, without its words, when it is no JSON object."""
    try:
        told = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except (ValueError, RecursionError):
        raise ValueError("the afterword is no JSON object") from None
    said = _Said.of(turns, LANGUAGES.get(language, ENGLISH))
    fields = told.get("fields")
    found = fields if isinstance(fields, dict) else {}
    return Afterword(
        _summary(told.get("summary"), said) or made_without_model(Older(tuple(turns), "", (), len(turns))),
        _outcome(told.get("outcome"), wanted.outcomes),
        {one.name: _believed(found.get(one.name), one, said, on) for one in wanted.fields},
    )


def _summary(told: object, said: "_Said") -> str:
    """The summary without sentences that hold numbers nobody said, cut to its length."""
    if not isinstance(told, str) or MARKS.search(told):
        return ""
    sentences = [one for one in _SENTENCE.split(speakable(told)) if all(map(said.has_digits, re.findall(r"\d+", one)))]
    words = " ".join(sentences).split()
    if len(words) <= _SUMMARY_WORDS:
        return " ".join(words)
    head = " ".join(words[:_SUMMARY_WORDS])
    end = max(head.rfind(mark) for mark in (". ", "! ", "? "))
    return head[: end + 1] if end > 0 else f"{head} …"


def _outcome(told: object, outcomes: Sequence[str]) -> str:
    if not isinstance(told, str):
        return ""
    if outcomes:
        return _same(told, outcomes) or ""
    plain = speakable(told)
    return "" if MARKS.search(told) or len(plain.split()) > _OUTCOME_WORDS else plain


def _same(told: str, choices: Sequence[str]) -> str | None:
    return next((choice for choice in choices if choice.casefold() == told.strip().casefold()), None)


def _believed(value: object, wanted: FieldWanted, said: "_Said", on: date | None) -> Value:
    match wanted.type, value:
        case "boolean", bool():
            return value
        case "number", int() | float() if not isinstance(value, bool):
            return value if abs(value) < _TOO_MUCH and said.has_number(float(value)) else None
        case "date", str():
            return value if re.fullmatch(_ISO, value) and said.has_date(value, on) else None
        case "string", str() if wanted.choices:
            return _same(value, wanted.choices)
        case "string", str():
            is_name = "name" in f"{wanted.name} {wanted.description}".lower()
            plain = " ".join(value.split())
            fits = 0 < len(plain) <= _VALUE_CHARACTERS and not MARKS.search(plain)
            return plain if fits and said.has_text(plain, is_name=is_name) else None
    return None


@dataclass(frozen=True, slots=True)
class _Said:
    """What caller and agent said, so that other ways to write it are recognised.

    words: all, in small letters;  spelled: what was spelled letter by letter;  runs: digits said in a row, "555" for
    "five double five", in order;  numbers: values, 25 for "twenty five".
    """

    words: frozenset[str]
    spelled: str
    runs: tuple[str, ...]
    numbers: frozenset[float]
    language: Words

    @classmethod
    def of(cls, turns: Sequence[Turn], language: Words) -> "_Said":
        tokens = [_TOKEN.findall(turn.text.casefold()) for turn in turns if turn.speaker != "tool"]
        runs, numbers = [], set()
        for row in (row for of_turn in tokens for row in _number_rows(of_turn, language)):
            runs.append(_digits(row, language))
            numbers |= _values(row, language)
        spelled = " ".join("".join(token if len(token) == 1 else " " for token in of_turn) for of_turn in tokens)
        words = frozenset(token for of_turn in tokens for token in of_turn)
        return cls(words, spelled, tuple(filter(None, runs)), frozenset(numbers), language)

    def has_digits(self, digits: str) -> bool:
        """Whether these were said: as a part of one run if they are many, or else as one or several whole runs."""
        if len(digits) >= _LONG_NUMBER and any(digits in run for run in self.runs):
            return True
        for start in range(len(self.runs)):
            so_far = ""
            for run in self.runs[start:]:
                so_far += run
                if so_far == digits:
                    return True
                if not digits.startswith(so_far):
                    break
        return digits.isdecimal() and float(digits) in self.numbers

    def has_number(self, value: float) -> bool:
        return value in self.numbers or (value.is_integer() and self.has_digits(str(abs(int(value)))))

    def has_text(self, text: str, *, is_name: bool) -> bool:
        """Whether its numbers were said, and its names: all words of a name, else those in capitals."""
        if _ONLY_NUMBER.fullmatch(text):
            return self.has_digits("".join(re.findall(r"\d", text)))
        tokens = _TOKEN.findall(text)
        names = [token for token in tokens if not token[0].isdecimal()]
        if not is_name and not all(token[0].isupper() for token in names):
            names = [token for token in names[1:] if token[0].isupper()]
        digits = ["".join(re.findall(r"\d", token)) for token in tokens if token[0].isdecimal()]
        return bool(tokens) and all(map(self.has_digits, digits)) and all(map(self._has_word, names))

    def _has_word(self, word: str) -> bool:
        small = word.casefold()
        number = _values([small], self.language) if _is_number(small, self.language) else set()
        return small in self.words or (len(small) > 1 and small in self.spelled) or bool(number & self.numbers)

    def has_date(self, iso: str, on: date | None) -> bool:
        """Whether this day was named: by day and month, by its digits, by its weekday, or as today or tomorrow."""
        try:
            day = date.fromisoformat(iso)
        except ValueError:
            return False
        month = next(name for name, number in self.language.months.items() if number == day.month)
        weekday = next(name for name, number in self.language.weekdays.items() if number == day.weekday())
        if day.day in self.numbers and (month in self.words or day.month in self.numbers):
            return True
        is_soon = on is None or abs(day - on) <= _SOON
        if is_soon and weekday in self.words:
            return True
        relative = {word: on + timedelta(days=days) for word, days in self.language.days.items()} if on else {}
        return any(word in self.words and day == there for word, there in relative.items())


def _is_number(token: str, language: Words) -> bool:
    return token[0].isdecimal() or any(
        token in table for table in (language.digits, language.teens, language.tens, language.powers, language.ordinals)
    )


def _number_rows(tokens: Sequence[str], language: Words) -> Iterator[list[str]]:
    """Numbers said in a row, with "double" before one, and "and" within."""
    row: list[str] = []
    for token, after in zip_longest(tokens, tokens[1:], fillvalue=""):
        follows = bool(after) and _is_number(after, language)
        if _is_number(token, language) or (
            follows and (token in language.repeats or (row and token in language.joins))
        ):
            row.append(token)
        elif row:
            yield row
            row = []
    if row:
        yield row


def _digits(row: Sequence[str], language: Words) -> str:
    """The digits of a row as one would write them down: "double five twenty three" is 5523."""
    written, times, tens = "", 1, False
    for token in row:
        if token in language.repeats:
            times = language.repeats[token]
            continue
        small = {**language.ordinals, **language.digits}.get(token)
        if tens and small is not None and 0 < small < 10:
            written = f"{written[:-1]}{small}"
        elif token[0].isdecimal():
            written += re.sub(r"\D", "", token) * times
        elif token not in language.joins and token not in language.powers:
            value = small if small is not None else {**language.teens, **language.tens}[token]
            written += str(value) * times
        times, tens = 1, token in language.tens
    return written


def _values(row: Sequence[str], language: Words) -> set[float]:
    """The values of a row: of each number in it, and of all of it together, 250 for "two hundred and fifty".

    Digits that were dictated, as those of a telephone number, are worth nothing one by one.
    """
    if len(row) > _DICTATED and not any(token in language.powers for token in row):
        return set()
    values: set[float] = set()
    total = current = 0.0
    for token in row:
        if token[0].isdecimal():
            plain = re.sub(r",(?=\d{3}\b)", "", token).replace(",", ".")
            current = float(plain) if plain.count(".") < 2 else 0.0
            values.add(current)
        elif token in language.powers:
            power = language.powers[token]
            current = max(current, 1.0) * power
            if power > 100:
                total, current = total + current, 0.0
        elif token not in language.joins and token not in language.repeats:
            number = {**language.ordinals, **language.teens, **language.tens, **language.digits}[token]
            values.add(number)
            fits = (current % 100 in range(20, 100, 10) and number < 10) or (current and current % 100 == 0)
            current = current + number if fits else number
        values.add(total + current)
    return values
