"""Settings by the names of their variables: which there are, what they hold, and where in a file they stand.

In:   settings, or the files that they were read from.     Out: names, places, and settings changed by name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from dotenv.parser import Binding, parse_stream
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from client_caller.errors import ConfigError
from client_caller.settings import Settings

Group = TypeVar("Group", bound=BaseModel)

_NAMED: Final = re.compile(r"^setting ([A-Z][A-Z0-9_]*)", re.MULTILINE)
"""How a ConfigError of the settings names a variable."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting. name: of its environment variable;  path: of its field, from the settings down."""

    name: str
    path: tuple[str, ...]
    value: Any
    field: FieldInfo


def each(group: BaseModel, prefix: str = "CLIENT_CALLER_", path: tuple[str, ...] = ()) -> Iterator[Variable]:
    """Every setting of a group, and of the groups in it, in order."""
    for name, field in type(group).model_fields.items():
        value = getattr(group, name)
        variable = str(field.validation_alias or prefix + name.upper())
        if isinstance(value, BaseModel):
            yield from each(value, f"{variable}__", (*path, name))
        else:
            yield Variable(variable, (*path, name), value, field)


def differing(one: Settings, other: Settings) -> list[Variable]:
    """What `other` has of each setting in which the two differ."""
    before = {variable.name: variable.value for variable in each(one)}
    return [variable for variable in each(other) if variable.value != before[variable.name]]


def changed(settings: Settings, variables: Sequence[Variable]) -> Settings:
    """The settings with these values in them."""
    for variable in variables:
        settings = _with(settings, variable.path, variable.value)
    return settings


def _with(group: Group, path: Sequence[str], value: object) -> Group:
    head, *rest = path
    return group.model_copy(update={head: _with(getattr(group, head), rest, value) if rest else value})


def check_files(files: Sequence[Path]) -> None:
    """Raises ConfigError for a line that would be passed over because it makes no sense."""
    for file in files:
        for line in _lines(file):
            if line.error or (line.key and line.value is None):
                raise ConfigError(f"{file}, line {_number(line)}: this is no line of the form NAME=value")


def placed(complaint: str, files: Sequence[Path]) -> str:
    """A complaint about settings, with file and line of each that stands in one of these files."""
    where: Mapping[str, str] = {
        line.key.upper(): f"{file}, line {_number(line)}: " for file in files for line in _lines(file) if line.key
    }
    return _NAMED.sub(lambda named: where.get(named[1], "") + named[0], complaint)


def _lines(file: Path) -> list[Binding]:
    """What a file sets, as the settings read it. Raises ConfigError when it is there and cannot be read."""
    try:
        with file.open(encoding="utf-8") as stream:
            return list(parse_stream(stream))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as refused:
        raise ConfigError(f"{file} cannot be read as UTF-8 text: give this user access, or mend it") from refused


def _number(line: Binding) -> int:
    """Blank lines before a setting are counted to it."""
    text = line.original.string
    return line.original.line + len(text[: len(text) - len(text.lstrip())].splitlines())
