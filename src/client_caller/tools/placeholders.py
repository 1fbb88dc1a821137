"""Placeholders: what stands in braces in a tool's URL, headers, query, body and answer.

In:   a text of the operator's.     Out: its parts, in order: literal text and slots to be filled.
Rule: nothing is filled here. Each place escapes what it fills in by its own grammar, so a slot is never mere text.
"""

import re
from dataclasses import dataclass
from typing import Final

from client_caller.errors import ConfigError

SECRET: Final = "secret."
"""Before the name of a secret: {secret.BOOKING_KEY}."""

CALLS_OWN: Final = frozenset({"caller_number", "call_id"})
"""What every call can tell of itself, beside its variables."""

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME: Final = re.compile(r"[\w -]{1,60}(\.[\w -]{1,60}){0,9}")
"""A list of contacts may have a column called "first name"; JSON and code are no names."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for the value called `name`: an argument, a variable of the call, or a secret."""

    name: str

    @property
    def secret(self) -> str:
        """The name of the secret that belongs here, in lower case, as settings are read; empty when none does."""
        return self.name.removeprefix(SECRET).lower() if self.name.startswith(SECRET) else ""


def parts_of(template: str) -> tuple[str | Slot, ...]:
    """The parts of a text; {{ and }} stand for braces. Raises ConfigError for a stray brace or an odd name."""
    parts: list[str | Slot] = []
    literal, end = "", 0
    for token in _TOKEN.finditer(template):
        literal += template[end : token.start()]
        end = token.end()
        if token[0] in {"{{", "}}"}:
            literal += token[0][0]
            continue
        name = (token[1] or "").strip()
        if not _NAME.fullmatch(name):
            raise ConfigError("a brace stands alone: write {name} for a placeholder, and {{ or }} for a brace itself")
        if literal:
            parts.append(literal)
        parts.append(Slot(name))
        literal = ""
    literal += template[end:]
    return (*parts, literal) if literal else tuple(parts)


def slots_of(template: str) -> tuple[Slot, ...]:
    """The slots of a text, each once. Raises ConfigError as `parts_of`."""
    return tuple(dict.fromkeys(part for part in parts_of(template) if isinstance(part, Slot)))
