"""A file kept of a call, which may fail without hurting the call.

In:   bytes to append, and a head to write anew.
Out:  the file; or, once the disk refused, one warning and nothing more.
Rule: unbuffered, so that a killed process loses at most the write in flight. Such a write goes to the page cache and
      costs microseconds, less than handing it to a thread.
"""

import logging
import os
from io import FileIO
from os import SEEK_END
from pathlib import Path

log = logging.getLogger("client_caller.records")


class KeptFile:
    """One file, written while its call runs. No method raises for what the disk does.

    go_on: keep what the file holds already, and write behind it.
    """

    def __init__(self, path: Path, *, go_on: bool = False) -> None:
        self.failed = False
        self._path = path
        self._file: FileIO | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(path, "r+", opener=_or_create) if go_on else FileIO(path, "w")
        except OSError as refused:
            self._give_up(refused)

    @property
    def size(self) -> int:
        """Bytes in the file; 0 when it cannot be written."""
        if self._file is None or self.failed:
            return 0
        try:
            return self._file.seek(0, SEEK_END)
        except OSError as refused:
            self._give_up(refused)
            return 0

    def resize(self, size: int) -> None:
        """Cut the file off at `size` bytes, or fill it up to there with zeros, which take no room on the disk."""
        if self._file is None or self.failed:
            return
        try:
            self._file.truncate(size)
        except OSError as refused:
            self._give_up(refused)

    def keep_whole_lines(self) -> None:
        """Cut off a last line without its end, which a kill may leave."""
        if self._file is None or self.failed:
            return
        try:
            self._file.seek(0)
            self._file.truncate(self._file.readall().rfind(b"\n") + 1)
        except OSError as refused:
            self._give_up(refused)

    def append(self, data: bytes) -> None:
        """Put `data` at the end."""
        self._write(data, 0, SEEK_END)

    def replace_head(self, head: bytes) -> None:
        """Write `head` over as many bytes at the start."""
        self._write(head, 0, 0)

    def close(self) -> None:
        """Nothing more will be kept. Safe to repeat; what is written afterwards is dropped."""
        if self._file is None:
            return
        try:
            self._file.close()
        except OSError as refused:
            self._give_up(refused)
        self._file = None

    def _write(self, data: bytes, offset: int, whence: int) -> None:
        if self._file is None or self.failed:
            return
        try:
            self._file.seek(offset, whence)
            # An unbuffered write to a disk that fills up writes what fits; only the next one is refused.
            while data:
                data = data[self._file.write(data) :]
        except OSError as refused:
            self._give_up(refused)

    def _give_up(self, refused: OSError) -> None:
        if not self.failed:
            log.warning("a file of this call cannot be written", extra={"file": str(self._path), "why": str(refused)})
        self.failed = True


def _or_create(path: str, flags: int) -> int:
    """Open for reading and writing. Unlike mode `r+` it makes a missing file; unlike `a+` it can rewrite the head."""
    return os.open(path, flags | os.O_CREAT, 0o666)
