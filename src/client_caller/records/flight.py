"""The flight record: everything that happened in one call, as JSON lines that replay.

In:   events, deadlines, actions and facts, each with its call time.
Out:  a file: the header, then one line for each of them; and back into the same dataclasses.
Rule: events and deadlines with their exact times are all that the heart was told, so they suffice to run it again.
      Facts are for people; replay passes over them.

    {"header": {"format": 1, "call": "CA12", "started": "2026-11-23T14:00:00Z", "agent": "...", "conversation": {}}}
    {"t": 1.25, "event": "SpeechStarted", "at": 1.13}
    {"t": 1.25, "action": "ClearPlayout"}
    {"t": 2.5, "deadline": true}
    {"t": 2.61, "fact": "first token", "reply": 3}
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, get_args

import msgspec

from client_caller.conversation.actions import Action
from client_caller.conversation.events import Event
from client_caller.errors import ConfigError
from client_caller.records.kept_file import KeptFile

log = logging.getLogger("client_caller.records")

FORMAT: Final = 1
_EVENTS: Final = {kind.__name__: kind for kind in get_args(Event)}
_ACTIONS: Final = {kind.__name__: kind for kind in get_args(Action)}

Plain = str | int | float | bool | None
"""What a fact may carry."""


@dataclass(frozen=True, slots=True)
class Header:
    """Which call this is, and how its heart was made.

    started: wall time in ISO 8601, UTC; the only one in the record.
    conversation: the constructor arguments of the heart, as plain JSON.
    """

    call: str
    started: str
    agent: str
    conversation: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class EventEntry:
    """The heart was told of `event` at call time `t`."""

    t: float
    event: Event


@dataclass(frozen=True, slots=True)
class DeadlineEntry:
    """The heart's deadline had passed at call time `t`, and it was told so."""

    t: float


@dataclass(frozen=True, slots=True)
class ActionEntry:
    """The heart answered the entry before with `action`, at the same call time."""

    t: float
    action: Action


@dataclass(frozen=True, slots=True)
class FactEntry:
    """Something worth knowing happened at call time `t`, of which the heart was not told."""

    t: float
    name: str
    fields: dict[str, Plain] = field(default_factory=dict)


Entry = EventEntry | DeadlineEntry | ActionEntry | FactEntry


class FlightRecord:
    """Writes the record of one call, line by line. With `path` None nothing is kept.

    Every `now` is call time in seconds. A disk that refuses ends the record, with one warning, and never the call.
    header: None goes on with the record that is there, behind its last whole line.
    """

    def __init__(self, path: Path | None, header: Header | None) -> None:
        self.path = path
        self.folder = path.parent if path else Path()  # where all that is kept of the call lies
        self.is_closed = False  # nothing more is written then
        self._file = KeptFile(path, go_on=header is None) if path else None
        self._followers: list[Callable[[Entry], None]] = []
        if header is not None:
            self._line({"header": header})
        elif self._file:
            self._file.keep_whole_lines()

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Go on with the record of a call whose stream or process was lost."""
        return cls(path, None)

    @property
    def failed(self) -> bool:
        """Whether the disk refused, so that the record is not complete."""
        return self._file is not None and self._file.failed

    def follow(self, follower: Callable[[Entry], None]) -> None:
        """Tell `follower` of every entry from now on, once it is written. It must return at once, and never raise."""
        self._followers.append(follower)

    def event(self, now: float, event: Event) -> None:
        """The heart is told of `event`."""
        self._line({"t": now, "event": type(event).__name__, **_fields(event)})
        self._tell(EventEntry(now, event))

    def deadline(self, now: float) -> None:
        """The heart is told that its deadline has passed."""
        self._line({"t": now, "deadline": True})
        self._tell(DeadlineEntry(now))

    def action(self, now: float, action: Action) -> None:
        """The heart's answer to what it was told last."""
        self._line({"t": now, "action": type(action).__name__, **_fields(action)})
        self._tell(ActionEntry(now, action))

    def fact(self, now: float, name: str, **fields: Plain) -> None:
        """An observation for people, e.g. `fact(now, "first token", reply=3)`."""
        self._line({"t": now, "fact": name, **fields})
        self._tell(FactEntry(now, name, fields))

    def close(self) -> None:
        """The call is over. Safe to repeat."""
        self.is_closed = True
        if self._file:
            self._file.close()

    def _tell(self, entry: Entry) -> None:
        for follower in self._followers:
            follower(entry)

    def _line(self, content: Mapping[str, object]) -> None:
        if self._file:
            # A number out of numpy passes for a float everywhere else, so it must not end a call here.
            self._file.append(msgspec.json.encode(content, enc_hook=float) + b"\n")


class RecordTail:
    """Reads a record that is still being written.

    `more` gives the entries completed since it was last asked, none while there is no file yet. Raises ConfigError for
    a line that is not of a flight record.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._number = 0

    def more(self) -> list[Entry]:
        """The entries that are new."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        entries: list[Entry] = []
        for line in whole.splitlines():
            self._number += 1
            if self._number > 1:
                entries.append(_entry(line, f"{self._path}, line {self._number}"))
        return entries


def read_record(path: Path) -> tuple[Header, list[Entry]]:
    """A whole record. A last line cut short, as a kill leaves it, is left out with a warning in the log.

    Raises ConfigError naming file and line for anything else that is not of a flight record.
    """
    try:
        *lines, rest = path.read_bytes().split(b"\n")
    except OSError as missing:
        raise ConfigError(f"{path}: cannot be read ({missing.strerror}); give the path of a flight record") from missing
    if rest:
        log.warning("the record ends within a line", extra={"file": str(path), "line": len(lines) + 1})
    if not lines:
        raise ConfigError(f"{path}: there is no header in it; give the path of a flight record")
    header = header_of(lines[0], f"{path}, line 1")
    return header, [_entry(line, f"{path}, line {number}") for number, line in enumerate(lines[1:], start=2)]


def header_of(line: bytes, where: str) -> Header:
    """The header out of a record's first line. Raises ConfigError, which says `where` that line was found."""
    try:
        header = msgspec.json.decode(line, type=dict[str, Header])["header"]
    except (msgspec.MsgspecError, KeyError) as wrong:
        raise ConfigError(f"{where}: not the header of a flight record ({wrong})") from wrong
    if header.format != FORMAT:
        raise ConfigError(f"{where}: format {header.format} cannot be read; this version reads format {FORMAT}")
    return header


def _fields(moment: Event | Action) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(moment, enc_hook=float)
    return fields


def _entry(line: bytes, where: str) -> Entry:
    try:
        raw = msgspec.json.decode(line, type=dict[str, Any])
        t = msgspec.convert(raw.pop("t"), float)
        match raw:
            case {"event": str(name), **fields}:
                return EventEntry(t, msgspec.convert(fields, _EVENTS[name]))
            case {"action": str(name), **fields}:
                return ActionEntry(t, msgspec.convert(fields, _ACTIONS[name]))
            case {"deadline": True}:
                return DeadlineEntry(t)
            case {"fact": str(name), **fields}:
                return FactEntry(t, name, fields)
    except msgspec.MsgspecError as wrong:
        raise ConfigError(f"{where}: {wrong}") from wrong
    except KeyError as unknown:
        raise ConfigError(f"{where}: {unknown} is missing or unknown to this version") from unknown
    raise ConfigError(f"{where}: neither an event, a deadline, an action nor a fact")
