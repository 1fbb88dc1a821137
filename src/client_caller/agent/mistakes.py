"""Mistakes of a TOML file, told so that its writer finds and mends them.

In:   what pydantic refuses, or what is said of a place.     Out: a sentence with file, line, field and what is allowed.
Rule: what may be a secret is not repeated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import GenericAlias
from typing import Final, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from client_caller.agent.places import Place
from client_caller.errors import ConfigError

Mistake = tuple[Place, str]
"""Where it stands, and what is said of that place."""

_UNREPEATED: Final = frozenset({"url", "headers", "query", "body"})
"""What may hold a secret where none belongs: it is not said again in a complaint."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file. name: as it is spoken of;  root: the model of it;  unwritten: a field that no file may have."""

    name: str
    root: type[BaseModel]
    unwritten: str = ""

    def complaint(self, error: ErrorDetails) -> str:
        """What is said of the place of an error."""
        place, given = error["loc"], error["input"]
        if error["type"] == "missing":
            return "is missing"
        if error["type"] == "extra_forbidden":
            return self.not_a_field(place)
        if error["type"] == "string_too_short":
            return "must not be empty"
        what: str = error["msg"].removeprefix("Input ")
        secret = place[0] == "tools" and _UNREPEATED & set(place)
        return what if secret or not isinstance(given, str | int | float) else f"{what} (it is {given!r})"

    def not_a_field(self, place: Place) -> str:
        """What is said of a field that does not exist."""
        fields = self._table_around(place).model_fields
        names = (field.alias or name for name, field in fields.items() if name != self.unwritten)
        return f"is not a field of {self.name}; here may stand: {', '.join(names)}"

    def _table_around(self, place: Place) -> type[BaseModel]:
        """The model of the table that holds this place."""
        table = self.root
        for part in place[:-1]:
            if isinstance(part, str) and part in table.model_fields:
                table = next(_tables_in(table.model_fields[part].annotation), table)
        return table


def text_of(path: Path, kind: str, otherwise: str) -> str:
    """The text of a file. Raises ConfigError when there is none. otherwise: what to do then."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as refusal:
        raise ConfigError(f"{kind} {path} cannot be read ({refusal.strerror}): {otherwise}") from refusal
    except UnicodeDecodeError as wrong:
        raise ConfigError(f"{kind} {path} is not UTF-8 text: save it as UTF-8") from wrong


def told(mistake: Mistake, file: str, lines: Mapping[Place, int]) -> str:
    """The mistake with its file, its line and its field."""
    place, what = mistake
    found = next((lines[place[:depth]] for depth in range(len(place), 0, -1) if place[:depth] in lines), 1)
    field = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
    return f"{file}, line {found}: {field} {what}"


def _tables_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, GenericAlias) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _tables_in(part)
