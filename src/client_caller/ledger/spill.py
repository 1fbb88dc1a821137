"""The spill: a file in which entries wait while the database is away.

In:   entries.     Out: the same entries, later, perhaps in another process, each at least once.
Rule: an entry leaves the file only after it was stored. Several processes may share one file.

Whoever takes entries out first moves the file aside under a lock, so that nobody appends to a file being emptied. A
kill at any point leaves at worst a file to be stored again, which does no harm, and a last line cut short.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

from client_caller.ledger.encoding import decode, encode
from client_caller.ledger.entries import Entry

log = logging.getLogger("client_caller.ledger")

_AT_ONCE: Final = 500
"""Entries handed on at once; a file may be long after a night without a database."""


class Spill:
    """A file of entries, one a line. Threads and processes may share it. Only `append`, `drain` raise: OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._refused = path.with_name(f"{path.name}.refused")

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits in it."""
        return not self._path.exists() and not self._taken()

    def append(self, entries: Sequence[Entry], *, sync: bool = True) -> None:
        """Add entries. With `sync` they are on the disk afterwards; without, the system writes them soon."""
        _append(self._path, [encode(entry) for entry in entries], sync=sync)

    def refuse(self, entry: Entry) -> None:
        """Put an entry aside that the database will never take, for people to look at."""
        self._put_aside([encode(entry)])

    def drain(self, store: Callable[[Sequence[Entry]], None]) -> None:
        """Store all that waits, then remove it. What `store` raises leaves everything to be drained again."""
        with _locked(self._path) as file:
            if file is not None:
                os.rename(self._path, self._path.with_name(f"{self._path.name}.taken-{uuid4().hex}"))
        for taken in self._taken():
            try:
                file = taken.open("rb")
            except FileNotFoundError:
                continue  # another process has stored and removed it
            unreadable: list[bytes] = []
            with file:
                for entries in _batches(_entries(file, unreadable)):
                    store(entries)
            if unreadable:
                self._put_aside(unreadable)
            taken.unlink(missing_ok=True)

    def _taken(self) -> list[Path]:
        return sorted(self._path.parent.glob(f"{self._path.name}.taken-*"))

    def _put_aside(self, lines: Sequence[bytes]) -> None:
        log.error("entries cannot be stored and were put aside", extra={"file": str(self._refused)})
        _append(self._refused, lines, sync=True)


def _entries(lines: Iterable[bytes], unreadable: list[bytes]) -> Iterator[Entry]:
    for line in filter(bytes.strip, lines):
        try:
            yield decode(line)
        except ValueError:
            unreadable.append(line.rstrip(b"\n"))


def _append(path: Path, lines: Sequence[bytes], *, sync: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path, make=True) as file:
        assert file is not None
        end = file.seek(0, os.SEEK_END)
        # A kill may have cut the last line short; what follows must not be lost with it.
        whole = end == 0 or os.pread(file.fileno(), 1, end - 1) == b"\n"
        file.write(b"".join([b"" if whole else b"\n", *(line + b"\n" for line in lines)]))
        file.flush()
        fcntl.flock(file, fcntl.LOCK_UN)  # nobody waits for the disk but us
        if sync:
            os.fsync(file.fileno())


@contextmanager
def _locked(path: Path, *, make: bool = False) -> Iterator[BinaryIO | None]:
    """The file under this name, with nobody else at it; None when there is none and none is to be made."""
    while True:
        try:
            file = path.open("ab+" if make else "rb")
        except FileNotFoundError:
            if make:
                raise
            yield None
            return
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_still_at(path, file):  # else it was moved aside while we waited
                yield file
                return


def _is_still_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _batches(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    while batch := list(islice(entries, _AT_ONCE)):
        yield batch
