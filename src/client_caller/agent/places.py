"""Places: on which line of a TOML text each of its values stands.

In:   a text that a TOML parser has taken.     Out: the line of every table, key and element of an array.
Rule: nothing is judged and no value is read here. Of what is not valid TOML anything may be said.

Source of the grammar: TOML 1.0.0, toml.io/en/v1.0.0.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

Place = tuple[int | str, ...]
"""Where a value lies: names of tables and keys, and numbers of elements counted from 0."""

_GAP: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_DOT: Final = re.compile(r"[ \t]*\.[ \t]*")
_EQUALS: Final = re.compile(r"[ \t]*=[ \t]*")
_COMMA: Final = re.compile(r",")
_HEADER_OPENS: Final = re.compile(r"\[\[?[ \t]*")
_HEADER_CLOSES: Final = re.compile(r"[ \t]*\]\]?")
_STRING: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'{3}(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE: Final = re.compile(r"[^,\]}#\n]*")
"""A number, a truth value, a date."""


def lines_of(text: str) -> Mapping[Place, int]:
    """The line, counted from 1, of every table, key and element."""
    scan = _Scan(text)
    scan.document()
    starts = list(accumulate((len(line) for line in text.split("\n")), lambda at, length: at + length + 1, initial=0))
    return {place: bisect_right(starts, at) for place, at in scan.found.items()}


class _Scan:
    """One walk over the text. found: where each value begins, in characters."""

    def __init__(self, text: str) -> None:
        self.found: dict[Place, int] = {}
        self._text = text
        self._at = 0
        self._last_element: dict[Place, int] = {}  # of each array of tables

    def document(self) -> None:
        table: Place = ()
        while opens := self._next():
            if opens == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Place:
        at, opens = self._at, self._take(_HEADER_OPENS)
        *above, last = self._keys()
        self._take(_HEADER_CLOSES)
        table: Place = ()
        for name in above:
            table = self._newest((*table, name))
        table = (*table, last)
        if opens.startswith("[["):
            self._last_element[table] = self._last_element.get(table, -1) + 1
        self.found.setdefault(table, at)
        self.found.setdefault(self._newest(table), at)
        return self._newest(table)

    def _newest(self, table: Place) -> Place:
        """The table itself, or the last so far of an array of tables, for later headers speak of that one."""
        return (*table, self._last_element[table]) if table in self._last_element else table

    def _pair(self, table: Place) -> None:
        at = self._at
        for name in self._keys():
            table = (*table, name)
            self.found.setdefault(table, at)
        self._take(_EQUALS)
        self._value(table)

    def _keys(self) -> list[str]:
        names = [self._key()]
        while self._take(_DOT):
            names.append(self._key())
        return names

    def _key(self) -> str:
        written = self._take(_KEY)
        return str(tomllib.loads(f"it = {written}")["it"]) if written[:1] in {'"', "'"} else written

    def _value(self, place: Place) -> None:
        opens = self._text[self._at : self._at + 1]
        if opens == "[":
            self._array(place)
        elif opens == "{":
            self._inline_table(place)
        elif not self._take(_STRING):
            self._take(_BARE)

    def _array(self, place: Place) -> None:
        self._at += 1
        number = 0
        while self._next() not in {"]", ""}:
            self.found[(*place, number)] = self._at
            self._value((*place, number))
            self._next()
            self._take(_COMMA)
            number += 1
        self._at += 1

    def _inline_table(self, place: Place) -> None:
        self._at += 1
        while self._next() not in {"}", ""}:
            self._pair(place)
            self._next()
            self._take(_COMMA)
        self._at += 1

    def _next(self) -> str:
        """The character after blanks, lines and comments, where the walk now stands; empty at the end."""
        self._take(_GAP)
        return self._text[self._at : self._at + 1]

    def _take(self, pattern: re.Pattern[str]) -> str:
        """What the pattern finds here, which is then behind us; empty if that is nothing."""
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found[0] if found else ""
