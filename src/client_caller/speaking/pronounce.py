"""Pronunciation: from text as a language model writes it to words as a person says them on the telephone.

In:   any text, and how names are said.
Out:  words, with the marks at which a voice pauses; and for each, which written word it is of.
Rule: whatever comes in, what goes out has no digit and no sign that a voice would spell. What is ready to be said
      comes out unchanged. One pass from left to right, with a bounded look to both sides.

What is particular to a language is its `Pronunciation` (pronounce_rules.py); the English one is in english.py and the
files beside it. To add a language, write such a table and enter it in `_TABLES`; a text in a language that is not there
goes to the voice as it is, but for the names.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

from client_caller.speaking.english import BRITISH, ENGLISH
from client_caller.speaking.pronounce_letters import in_plain_signs, sayable, strongest
from client_caller.speaking.pronounce_rules import TAIL, Near, Pronunciation, Rule, rule

_TABLES: Final[Mapping[str, Pronunciation]] = {"en": ENGLISH, "en-us": ENGLISH, "en-gb": BRITISH}

_PLAIN: Final = re.compile(r"[A-Za-z]?[a-z]*(?:['’-][a-z]+)*(?:(?<=[A-Za-z])(?:\.\.\.|[,.;:!?]))?")
_HEAD: Final = re.compile(r"[^\W_]+")
_LEAD: Final = re.compile(r"[\"'“‘«(\[{*_`.,;:!?]+")
_DASHES: Final = re.compile(r"-+|[–—]")
_NEAR: Final = 60  # characters that a rule sees to each side


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text as it is said. of: for each of `words` the place in `text.split()` of what it stands for, ascending."""

    words: tuple[str, ...]
    of: tuple[int, ...]

    @property
    def text(self) -> str:
        """The words with single spaces."""
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class _Part:
    """A written word, or a part of one: `text` stands for the word `of`."""

    text: str
    of: int


class Pronouncer:
    """Says texts of one language: "en" and "en-us" (03/04 is in March), "en-gb" (it is in April).

    names: how words of the company are said ("Siobhan": "Shi-vawn"). The longest wins; upper and lower case are alike.
    """

    def __init__(self, language: str, names: Mapping[str, str]) -> None:
        self._table = _TABLES.get(language.lower().replace("_", "-"))
        self._names: tuple[Rule, ...] = ()
        self._heads: frozenset[str] = frozenset()
        given = {" ".join(name.split()).lower(): self._given(said) for name, said in names.items() if name.strip()}
        given = {said.lower(): said for said in given.values() if said} | given  # what was said so stays so
        self._names = (_names_rule(given),) if given else ()
        self._heads = frozenset(head for name in given if (head := _head(name)))

    def spoken(self, text: str) -> Spoken:
        """The text as it is said. Raises nothing."""
        said, at = _Said(), 0
        parts = self._parts(text)
        starts = list(accumulate((len(part.text) + 1 for part in parts), initial=0))
        line = " ".join(part.text for part in parts)
        while at < len(parts):
            written = parts[at].text
            named, plain = _head(written) in self._heads, self._is_plain(written)
            rules = (*(self._names if named else ()), *(self._table.rules if self._table and not plain else ()))
            lead = found.end() if rules and (found := _LEAD.match(written)) else 0
            match = _first(rules, line, starts[at], lead)
            if match is None and (plain or self._table is None):
                said.as_written(written, parts[at].of)
                at += 1
                continue
            phrase, begin, end = match or self._other(written, starts[at], lead)
            last = bisect_right(starts, max(starts[at], end - 1)) - 1
            said.pause(line[starts[at] : begin])
            tail = line[end : starts[last + 1] - 1] + ("—" if _DASHES.fullmatch(written) else "")
            said.add(phrase, [part.of for part in parts[at : last + 1]], tail)
            at = last + 1
        return Spoken(tuple(said.words), tuple(said.of))

    def _given(self, said: str) -> str:
        """A name as the company wants it said; only digits and signs in it are made words."""
        as_it_is = all(sayable(word) == word for word in said.split())
        return " ".join(said.split()).rstrip(",.;:!?") if as_it_is else self.spoken(said).text.rstrip(",.;:!?")

    def _other(self, written: str, start: int, lead: int) -> tuple[str, int, int]:
        """What no rule knows, taken apart; its parts may be known, each for itself."""
        core = written[lead:].rstrip(TAIL)
        phrase = self._table.other(core) if self._table else core
        if self._table and phrase != core:
            phrase = self.spoken(phrase + written[lead + len(core) :]).text
        return phrase, start + lead, start + lead + len(core)

    def _parts(self, text: str) -> list[_Part]:
        parts: list[_Part] = []
        for index, written in enumerate(text.split()):
            if self._table is None or self._is_plain(written):
                parts.append(_Part(written, index))
            elif parts and parts[-1].text[-1].isalnum() and not written.strip(",.;:!?"):
                parts[-1] = replace(parts[-1], text=parts[-1].text + written)  # a mark that stands alone
            else:
                for word in [written] if written.isascii() and written.isprintable() else in_plain_signs(written):
                    parts += [_Part(part, index) for part in self._table.parts(word)]
        for place in range(1, len(parts) - 1):
            if self._table and parts[place].text in {"-", "–", "—"}:
                number = self._table.number
                if number(parts[place - 1].text) and number(parts[place + 1].text):
                    parts[place] = _Part(self._table.to, parts[place].of)
        return parts

    def _is_plain(self, word: str) -> bool:
        """Whether a voice can have it as it is."""
        if self._table is None:
            return True
        if word.rstrip(",.;:!?").lower() in self._table.triggers:
            return False
        return _PLAIN.fullmatch(word) is not None or (not word.isascii() and bool(word) and sayable(word) == word)


class _Said:
    """What is said so far."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.of: list[int] = []

    def as_written(self, word: str, owner: int) -> None:
        """A word that the voice can have as it is."""
        self.words.append(word)
        self.of.append(owner)

    def add(self, phrase: str, owners: Sequence[int], tail: str) -> None:
        """`phrase` for the written words `owners`, with what stands behind them."""
        groups = [group.split() for group in phrase.split("|")]
        if len(groups) != len(owners):
            words = [word for group in groups for word in group]
            groups = [[] for _ in owners]
            for place, word in enumerate(words):
                groups[place * len(owners) // max(len(words), len(owners))].append(word)
        said = [
            (clean, owner)
            for group, owner in zip(groups, owners, strict=True)
            for word in group
            if (clean := sayable(word))
        ]
        self.words += [word for word, _ in said]
        self.of += [owner for _, owner in said]
        self.pause(tail)

    def pause(self, signs: str) -> None:
        """Pause behind the last word, if these signs ask for it and it has no stronger pause yet."""
        if not self.words:
            return
        core = self.words[-1].rstrip(",.;:!?")
        mark = strongest(self.words[-1][len(core) :] + signs) or (
            "," if any(sign in "()[]{}–—" for sign in signs) else ""
        )
        self.words[-1] = core + mark


def _head(word: str) -> str:
    found = _HEAD.search(word)
    return found.group().lower() if found else ""


def _names_rule(said: Mapping[str, str]) -> Rule:
    names = "|".join(re.escape(name) for name in sorted(said, key=len, reverse=True))

    @rule(rf"({names})(['’]s)?", re.IGNORECASE)
    def name(found: re.Match[str], _: Near) -> str | None:
        known = said.get(found[1].lower())
        return known and known + (found[2] or "")

    return name


def _first(rules: Sequence[Rule], line: str, start: int, lead: int) -> tuple[str, int, int] | None:
    """The answer of the first rule that has one, and from where to where it stands for the line."""
    for begin in (start, start + lead) if lead else (start,):
        for each in rules:
            if found := each.pattern.match(line, begin):
                near = Near(line[max(0, begin - _NEAR) : begin], line[found.end() : found.end() + _NEAR])
                if (phrase := each.say(found, near)) is not None:
                    return phrase, begin, found.end()
    return None
