"""Contacts: from a table that people keep to those who may be called.

In:   the text of a CSV file, with a header; commas, semicolons or tabs between its columns.
Out:  the contacts; or a ConfigError with every mistake of the file, each with its line and column.
Rule: nothing is guessed and nobody is left out silently. Messages name no number.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar, cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers

from client_caller.errors import ConfigError
from client_caller.outbound.judge import Consent
from client_caller.outbound.law import ConsentKind, Purpose
from client_caller.outbound.numbers import NumberError, parse_number
from client_caller.outbound.places import is_place

_NUMBER: Final = ("number", "phone", "phone_number", "telephone", "telephone_number", "mobile")
_CONSENT: Final = ("consent_kind", "consent_given_at", "consent_source", "consent_text")
_KNOWN: Final = frozenset({*_NUMBER, *_CONSENT, "zone", "region", "purpose"})
_MOST_MISTAKES: Final = 100
"""Mistakes that are told one by one; whoever made more has made the same one many times."""


@dataclass(frozen=True, slots=True)
class NewContact:
    """One row of the file.

    row: the line it begins in, counted from 1;  number: in E.164 form;  zone, region: of the contact's address;
    purpose: None: that of the campaign;  variables: the columns that have no meaning here.
    """

    row: int
    number: str
    zone: str | None = None
    region: str | None = None
    purpose: Purpose | None = None
    consent: Consent | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


class _MistakeError(ValueError):
    """One cell is wrong; the message says how."""


T = TypeVar("T")


def read_contacts(text: str, name: str, region: str | None) -> list[NewContact]:
    """The contacts of a CSV text, in its order.

    name: of the file, for messages;  region: the country numbers without a plus are meant for, None: none are.
    Columns: number; zone, region ("US-FL"), purpose, consent_kind, consent_given_at (without an offset: UTC),
    consent_source, consent_text when wanted; every other one is a variable for what the agent says.
    Raises ConfigError with all mistakes, one a line.
    """
    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        raise ConfigError(
            f"{name}: the region {region!r} is no country; give ISO 3166's two capital letters, such as GB"
        )
    records = _records(text, name)
    _, header = next(records, (1, []))
    columns = _columns(header, name)
    contacts: list[NewContact] = []
    mistakes: list[str] = []
    first_row: dict[str, int] = {}
    for line, cells in records:
        found = _contact(line, cells, columns, region)
        if isinstance(found, NewContact):
            if found.number in first_row:
                mistakes.append(
                    f"{name}, line {line}: has the number of line {first_row[found.number]}; keep one of them"
                )
                continue
            first_row[found.number] = line
            contacts.append(found)
        else:
            mistakes += [f"{name}, line {line}: {what}" for what in found]
    if mistakes:
        more = len(mistakes) - _MOST_MISTAKES
        raise ConfigError("\n".join(mistakes[:_MOST_MISTAKES] + ([f"… and {more} more mistakes"] if more > 0 else [])))
    if not contacts:
        raise ConfigError(f"{name}: has no contacts under its header")
    return contacts


def digest(text: str) -> str:
    """What tells two files apart, whatever their line ends and byte order mark: SHA-256, in hexadecimal."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()


def _records(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank, with the line it begins in; quoted cells may run over several."""
    text = text.removeprefix("\ufeff")
    head = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as wrong:
            raise ConfigError(
                f"{name}, line {line}: cannot be read as CSV ({wrong}); check its quotation marks"
            ) from wrong
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, cells


def _columns(header: list[str], name: str) -> list[str]:
    columns = ["_".join(cell.strip().casefold().replace("-", " ").split()) for cell in header]
    found = ", ".join(cell.strip() or "(one without a name)" for cell in header) or "none"
    if sum(column in _NUMBER for column in columns) != 1:
        raise ConfigError(
            f"{name}: needs one column named number (or {', '.join(_NUMBER[1:])}); its columns are: {found}"
        )
    doubled = sorted({column for column in columns if columns.count(column) > 1})
    if doubled:
        raise ConfigError(f"{name}: has columns of the same name: {', '.join(filter(None, doubled)) or 'none at all'}")
    if bad := [column for column in columns if set("{}") & set(column)]:
        raise ConfigError(f"{name}: a column's name must have no braces: {', '.join(bad)}")
    return ["number" if column in _NUMBER else column for column in columns]


def _contact(line: int, cells: list[str], columns: list[str], region: str | None) -> NewContact | list[str]:
    """The contact of a row, or what is wrong with it."""
    if len(cells) != len(columns):
        return [f"has {len(cells)} columns, and the header {len(columns)}; quote cells with a delimiter in them"]
    row = {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
    mistakes: list[str] = []

    def read(column: str, how: Callable[[str], T]) -> T | None:
        try:
            return how(row[column]) if row.get(column) else None
        except (NumberError, _MistakeError) as wrong:
            mistakes.append(f"column {column}: {wrong}")
            return None

    number = read("number", lambda text: parse_number(text, region))
    if not row["number"]:
        mistakes.append("column number: is empty")
    zone, place, purpose = read("zone", _zone), read("region", _place), read("purpose", _purpose)
    kind, given_at = read("consent_kind", _kind), read("consent_given_at", _instant)
    mistakes += _gaps(row)
    if mistakes or number is None:
        return mistakes
    consent = Consent(kind, given_at, row["consent_source"], row.get("consent_text", "")) if kind and given_at else None
    variables = {column: row[column] for column in columns if column not in _KNOWN}
    return NewContact(line, number, zone, place, purpose, consent, variables)


def _gaps(row: Mapping[str, str]) -> list[str]:
    """What is missing of a consent of which something is there."""
    if not any(row.get(column) for column in _CONSENT):
        return []
    needed = _CONSENT if row.get("consent_kind") == "marketing" else _CONSENT[:3]
    return [f"column {column}: is empty, and a consent must have it" for column in needed if not row.get(column)]


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _MistakeError(f"{text[:40]!r} is no time zone; write it as in Europe/Berlin") from None


def _place(text: str) -> str:
    if is_place(text):
        return text
    raise _MistakeError(f"{text[:40]!r} is no place; write a country or a state of the United States as in FR or US-FL")


def _purpose(text: str) -> Purpose:
    for purpose in get_args(Purpose):
        if text.casefold() == purpose:
            return cast(Purpose, purpose)
    raise _MistakeError(f"{text[:40]!r} is no purpose; there are: {', '.join(get_args(Purpose))}")


def _kind(text: str) -> ConsentKind:
    for kind in get_args(ConsentKind):
        if text.casefold() == kind:
            return cast(ConsentKind, kind)
    raise _MistakeError(f"{text[:40]!r} is no kind of consent; there are: {', '.join(get_args(ConsentKind))}")


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise _MistakeError(f"{text[:40]!r} is no date; write 2026-03-31 or 2026-03-31T09:30+02:00") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
