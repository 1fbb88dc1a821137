"""Entries as lines of JSON, and back; and the name by which a fact is known, so that it is kept once.

In:   an entry, or a line.     Out: the line, or the entry.
Rule: the same fact gives the same line, in whatever time zone it was told; and every line can be stored.

    {"entry":"CallNoted","call_id":"CA12","at":"2026-11-23T14:00:00Z","what":"opted out","detail":""}
"""

from dataclasses import fields, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, TypeVar, get_args

import msgspec

from client_caller.ledger.entries import Consent, Entry, in_utc

_KINDS: Final[dict[str, type[Entry]]] = {kind.__name__: kind for kind in get_args(Entry)}

_Fact = TypeVar("_Fact", bound=Entry | Consent)


def storable(fact: _Fact) -> _Fact:
    """The same fact with its times in UTC and its texts such as every database takes.

    PostgreSQL refuses U+0000, and half a surrogate pair is not text; a caller's words may hold both.
    """
    changes: dict[str, Any] = {}
    for part in fields(fact):
        value = getattr(fact, part.name)
        if isinstance(value, str):
            changes[part.name] = value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
        elif isinstance(value, datetime):
            changes[part.name] = in_utc(value)
    return replace(fact, **changes)


def encode(entry: Entry) -> bytes:
    """One line, without its end."""
    return msgspec.json.encode({"entry": type(entry).__name__, **msgspec.to_builtins(storable(entry))})


def decode(line: bytes | str) -> Entry:
    """The entry of a line. Raises ValueError for one that is not of an entry."""
    raw = msgspec.json.decode(line, type=dict[str, Any])  # its errors are ValueErrors
    kind = _KINDS.get(raw.pop("entry", ""))
    if kind is None:
        raise ValueError("not an entry of the ledger")
    entry: Entry = msgspec.convert(raw, kind)
    return storable(entry)


def name_of(*parts: object) -> str:
    """The name of a fact that consists of these parts: equal for equal facts, and for no others."""
    return sha256(msgspec.json.encode(parts)).hexdigest()
