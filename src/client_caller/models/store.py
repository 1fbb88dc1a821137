"""The store: one folder of verified model files.

In:   names of artefacts.
Out:  paths of files that are, byte for byte, the pinned ones.
Rule: a file appears under its name only complete and verified. Beside each lies a stamp, `NAME.verified`, with the
      checksum, size and modification time it had when it was last hashed: while they agree, it is not hashed again.
"""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_caller.errors import ModelUnavailable
from client_caller.models.catalogue import EMBEDDED, Artefact
from client_caller.models.progress import Progress
from client_caller.models.sources import SOURCES

_SETTING: Final = "CLIENT_CALLER_MODELS"
_PULL: Final = "run `client-caller models pull`"
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Status:
    """One artefact as it lies in the folder; `fault` is empty when it is the pinned file."""

    artefact: Artefact
    path: Path
    fault: str


class ModelStore:
    """The models folder, and the artefacts that belong in it."""

    def __init__(self, folder: Path, artefacts: Iterable[Artefact] = EMBEDDED) -> None:
        self.folder = folder.expanduser()
        self._artefacts = {artefact.name: artefact for artefact in artefacts}

    def path(self, name: str) -> Path:
        """The verified file called `name`. Raises ModelUnavailable if it is missing or not the pinned one."""
        artefact = self._artefact(name)
        fault = self._fault(artefact)
        if fault:
            raise ModelUnavailable(f"the model file {name} {fault} in {self.folder} ({_SETTING}): {_PULL}")
        return self.folder / name

    def status(self, verify: bool = False) -> list[Status]:
        """Every artefact and what is wrong with it; `verify` hashes each file anew, whatever its stamp says."""
        return [
            Status(artefact, self.folder / artefact.name, self._fault(artefact, verify))
            for artefact in self._artefacts.values()
        ]

    def pull(self, names: Iterable[str], progress: Progress) -> None:
        """Bring every named file that is missing or wrong. One process pulls at a time; others wait, then find it done.

        Raises ModelUnavailable, in one sentence, when no source has a file, or the folder has no room or no access.
        """
        wanted = [artefact for artefact in map(self._artefact, names) if self._fault(artefact)]
        if not wanted:
            return
        with self._explained(wanted), self._alone(progress):
            unfinished = self.folder / ".unfinished"
            unfinished.mkdir(exist_ok=True)
            for artefact in wanted:
                self._bring(artefact, unfinished, progress)
            shutil.rmtree(unfinished, ignore_errors=True)  # after a failure it stays, and the next pull goes on from it

    def _artefact(self, name: str) -> Artefact:
        if name not in self._artefacts:
            raise ModelUnavailable(f"no model file is called {name!r}; there are: {', '.join(self._artefacts)}")
        return self._artefacts[name]

    def _fault(self, artefact: Artefact, verify: bool = False) -> str:
        """What is wrong with the file in the folder, as the end of a sentence about it; empty if nothing is."""
        path = self.folder / artefact.name
        if not path.is_file():
            return "is missing"
        if path.stat().st_size != artefact.size_bytes:
            return f"has {path.stat().st_size} bytes instead of {artefact.size_bytes}"
        if not verify and _read(_stamp_file(path)) == _stamp(path, artefact):
            return ""
        if _sha256(path) != artefact.sha256:
            with suppress(OSError):
                _stamp_file(path).unlink(missing_ok=True)
            return "is not the pinned file (its sha256 differs)"
        _write_stamp(path, artefact)
        return ""

    def _bring(self, artefact: Artefact, unfinished: Path, progress: Progress) -> None:
        target = self.folder / artefact.name
        fault = self._fault(artefact)
        if not fault:
            return  # another process brought it while we waited
        if target.exists():
            progress.note(f"{artefact.name} {fault}: it is replaced")
        reasons = []
        for source in SOURCES:
            try:
                candidate = source(artefact, unfinished, progress)
            except ModelUnavailable as why:
                reasons.append(str(why))
                continue
            if _sha256(candidate) == artefact.sha256:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(candidate, target)
                _write_stamp(target, artefact)
                return
            candidate.unlink()
            reasons.append("what came was not the pinned file (its sha256 differs)")
        raise ModelUnavailable(
            f"the model file {artefact.name} cannot be had: {'; '.join(reasons)}. "
            f"Check the network, or put the file at {target} yourself, then {_PULL}"
        )

    @contextmanager
    def _alone(self, progress: Progress) -> Iterator[None]:
        """Hold the folder's lock, made with the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress.note(f"another process is pulling into {self.folder}; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _explained(self, wanted: Iterable[Artefact]) -> Iterator[None]:
        """Turn the file system's refusals into a sentence about the folder and its setting."""
        try:
            yield
        except OSError as refusal:
            if refusal.errno in _NO_ROOM:
                size_mb = sum(artefact.size_bytes for artefact in wanted) / 1e6
                what = f"has no room for model files of {size_mb:.0f} MB: free some space"
            else:
                what = f"cannot be written ({refusal.strerror}): give this user access to it"
            raise ModelUnavailable(f"the models folder {self.folder} {what}, or set {_SETTING} to another") from refusal


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp_file(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _stamp(path: Path, artefact: Artefact) -> str:
    return f"{artefact.sha256} {path.stat().st_size} {path.stat().st_mtime_ns}\n"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _write_stamp(path: Path, artefact: Artefact) -> None:
    """Remember that the file was verified; in a folder we may not write it is hashed each time instead."""
    with suppress(OSError):
        _stamp_file(path).write_text(_stamp(path, artefact))
