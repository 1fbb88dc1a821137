"""Weights of large models, from a hub that speaks Hugging Face's protocol.

In:   a repository, patterns of file names, a folder, maybe a token.
Out:  the files in that folder, each compared with the checksum that the hub keeps, and a SHA256SUMS of all of them.
Rule: a file appears under its name only complete and verified; what broke off goes on where it was, in this run or the
      next. SHA256SUMS appears last: a folder that has it is whole. The token goes to the hub and to nobody else.

Source of the protocol: huggingface_hub, `hf_api.py` (list_repo_tree) and `file_download.py`: files of LFS state their
SHA-256, small ones the SHA-1 of git, which counts the file's size in.
"""

import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from time import sleep
from typing import Any, Final, NoReturn

import httpx2
from pydantic import SecretStr

from client_caller.errors import ModelUnavailable
from client_caller.models.progress import Progress

SUMS: Final = "SHA256SUMS"
_UNFINISHED: Final = ".unfinished"
_REVISION: Final = "main"
_PATIENCE: Final = httpx2.Timeout(30.0, connect=10.0)
_FRUITLESS: Final = 4
"""Attempts in a row that bring nothing new until a download is given up."""

_MAY_PASS: Final = (httpx2.codes.TOO_MANY_REQUESTS, httpx2.codes.RANGE_NOT_SATISFIABLE)
"""The latter comes from a copy of the file that is shorter than what is stated."""

_WRONG_TWICE: Final = 2
"""How often a file may arrive whole and wrong."""

_SUM: Final = re.compile(r"([0-9a-f]{64})  (\S.*)")
_CHUNK: Final = 2**20


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository, as the hub states it. sha256: empty where only git's SHA-1 is known."""

    path: str
    size_bytes: int
    sha256: str
    git_sha1: str


def sums_in(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file by its name, from the folder's SHA256SUMS; empty where there is none."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    found = (_SUM.fullmatch(line) for line in lines)
    return {match[2]: match[1] for match in found if match}


def is_whole(folder: Path) -> bool:
    """Whether all files were fetched, verified, and are still there. It does not read them."""
    sums = sums_in(folder)
    return bool(sums) and all((folder / name).is_file() for name in sums)


def damaged_in(folder: Path) -> list[str]:
    """The files of a folder that are no longer what was fetched; all are read for it."""
    return [name for name, sha256 in sums_in(folder).items() if _digest(folder / name, hashlib.sha256()) != sha256]


class Hub:
    """A hub. token: for repositories whose licence must be accepted;  pause: waits so many seconds."""

    def __init__(
        self,
        url: str,
        token: SecretStr,
        transport: httpx2.BaseTransport | None = None,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        secret = token.get_secret_value()
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._url = url.rstrip("/")
        self._pause = pause
        # A redirect leads to storage elsewhere; httpx2 leaves the header out where the host is another.
        self._http = httpx2.Client(headers=headers, timeout=_PATIENCE, follow_redirects=True, transport=transport)

    def close(self) -> None:
        """Let its connections go."""
        self._http.close()

    def pull(self, repository: str, patterns: Sequence[str], folder: Path, progress: Progress) -> None:
        """Bring what is missing of a repository's files whose names match one of the patterns.

        Raises ModelUnavailable, in one sentence, when that cannot be done.
        """
        folder = folder.expanduser()
        if is_whole(folder):
            return
        commit, files = self._listed(repository, patterns)
        try:
            unfinished = folder / _UNFINISHED
            unfinished.mkdir(parents=True, exist_ok=True)
            sums = {file.path: self._bring(repository, commit, file, folder, progress) for file in files}
            listed = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(sums.items()))
            (unfinished / SUMS).write_text(listed, encoding="utf-8")
            os.replace(unfinished / SUMS, folder / SUMS)
            for part in unfinished.iterdir():
                part.unlink()
            unfinished.rmdir()
        except OSError as refusal:
            raise ModelUnavailable(_explained(refusal, folder, files)) from refusal
        progress.note(f"{repository} at {commit[:12]}: {len(files)} files in {folder}, verified")

    def _listed(self, repository: str, patterns: Sequence[str]) -> tuple[str, list[HubFile]]:
        """The commit that is meant, and its files in question."""
        commit = str(self._told(f"{self._url}/api/models/{repository}/revision/{_REVISION}", repository)[0]["sha"])
        page = f"{self._url}/api/models/{repository}/tree/{commit}?recursive=true"
        found = []
        while page:
            entries, page = self._told(page, repository)
            found += [_file(entry) for entry in entries if entry.get("type") == "file"]
        files = [file for file in found if any(fnmatchcase(file.path, pattern) for pattern in patterns)]
        for file in files:
            path = PurePosixPath(file.path)
            if path.is_absolute() or ".." in path.parts or path.name in (SUMS, _UNFINISHED):
                raise ModelUnavailable(f"{repository} names a file {file.path!r}, which is refused")
        if not files:
            raise ModelUnavailable(f"{repository} has no file like {', '.join(patterns)}")
        return commit, files

    def _told(self, url: str, repository: str) -> tuple[Any, str]:
        """What the hub answers, and the address of what follows; empty at the end."""
        try:
            answer = self._http.get(url)
            answer.raise_for_status()
            return answer.json(), answer.links.get("next", {}).get("url", "")
        except httpx2.HTTPStatusError as refused:
            _refuse(refused, repository)
        except (httpx2.HTTPError, ValueError) as wrong:
            raise ModelUnavailable(f"{self._url} (HF_ENDPOINT) cannot be asked for {repository}: {wrong}") from wrong

    def _bring(self, repository: str, commit: str, file: HubFile, folder: Path, progress: Progress) -> str:
        """Have this file in the folder; gives its SHA-256."""
        target = folder / file.path
        if target.is_file() and _is(target, file):
            return file.sha256 or _digest(target, hashlib.sha256())
        part = folder / _UNFINISHED / f"{file.sha256 or file.git_sha1}.part"
        progress.begin(file.path, file.size_bytes)
        url = f"{self._url}/{repository}/resolve/{commit}/{file.path}"
        for _ in range(_WRONG_TWICE):
            self._download(url, repository, file, part, progress)
            if _is(part, file):
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(part, target)
                return file.sha256 or _digest(target, hashlib.sha256())
            part.unlink()
            progress.note(f"{file.path}: what came has another checksum than the hub states; it is fetched anew")
        raise ModelUnavailable(
            f"{repository}, {file.path}: what comes is not what the hub states (its checksum differs)"
        )

    def _download(self, url: str, repository: str, file: HubFile, part: Path, progress: Progress) -> None:
        """Until the part has the size that is stated."""
        fruitless, most = 0, _size(part)
        while _size(part) != file.size_bytes or not part.exists():
            try:
                self._go_on(url, file, part, progress)
            except httpx2.HTTPStatusError as refused:
                status = refused.response.status_code
                if status < 500 and status not in _MAY_PASS:
                    _refuse(refused, repository)
            except httpx2.TransportError as trouble:
                progress.note(f"{file.path}: the download broke off ({type(trouble).__name__})")
            if _size(part) > file.size_bytes:
                part.unlink()
                raise ModelUnavailable(f"{repository}, {file.path}: more comes than the hub states; it is refused")
            fruitless = 0 if _size(part) > most else fruitless + 1
            most = max(most, _size(part))
            if fruitless == _FRUITLESS:
                raise ModelUnavailable(
                    f"{repository}, {file.path}: the download breaks off at {_size(part)} of {file.size_bytes} bytes; "
                    "what came is kept: try again"
                )
            self._pause(2.0**fruitless - 1)

    def _go_on(self, url: str, file: HubFile, part: Path, progress: Progress) -> None:
        """One request, from where the part ends; more than the size that is stated is not taken."""
        have = _size(part)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with self._http.stream("GET", url, headers=headers) as answer:
            answer.raise_for_status()
            resumed = answer.status_code == httpx2.codes.PARTIAL_CONTENT and _starts_at(answer) == have
            if answer.status_code == httpx2.codes.PARTIAL_CONTENT and not resumed:
                part.unlink(missing_ok=True)  # it is not what was asked for: from the start, then
                return
            with part.open("ab" if resumed else "wb") as growing:
                for chunk in answer.iter_bytes():  # as it comes: of a larger chunk the begun one would be lost
                    growing.write(chunk[: file.size_bytes - growing.tell() + 1])
                    progress.reached(growing.tell())
                    if growing.tell() > file.size_bytes:
                        return


def _file(entry: dict[str, Any]) -> HubFile:
    large = entry.get("lfs") or {}
    return HubFile(
        str(entry["path"]), int(large.get("size", entry["size"])), str(large.get("oid", "")), str(entry["oid"])
    )


def _refuse(refused: httpx2.HTTPStatusError, repository: str) -> NoReturn:
    status = refused.response.status_code
    host = refused.request.url.host
    if status in (401, 403):
        raise ModelUnavailable(
            f"{host} does not give {repository} to us (status {status}): accept its licence on its page there, and set "
            "HF_TOKEN to a token of that account that may read it"
        ) from refused
    raise ModelUnavailable(f"{host} does not give {repository} (status {status})") from refused


def _is(path: Path, file: HubFile) -> bool:
    """Whether this is the file that the hub states."""
    if _size(path) != file.size_bytes:
        return False
    if file.sha256:
        return _digest(path, hashlib.sha256()) == file.sha256
    # Git's own checksum of a file, which is no protection against malice, only against mistakes.
    counted = hashlib.sha1(f"blob {file.size_bytes}\0".encode(), usedforsecurity=False)
    return _digest(path, counted) == file.git_sha1


def _digest(path: Path, hashing: "hashlib._Hash") -> str:
    """The checksum of a file's bytes, after what was hashed before; empty where it cannot be read."""
    try:
        for chunk in _chunks(path):
            hashing.update(chunk)
    except FileNotFoundError:
        return ""
    return hashing.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _starts_at(answer: httpx2.Response) -> int:
    found = re.match(r"bytes (\d+)-", answer.headers.get("content-range", ""))
    return int(found[1]) if found else -1


def _explained(refusal: OSError, folder: Path, files: Sequence[HubFile]) -> str:
    if refusal.errno in (errno.ENOSPC, errno.EDQUOT):
        size_gb = sum(file.size_bytes for file in files) / 1e9
        return f"{folder} has no room for files of {size_gb:.1f} GB: enlarge the volume, or give another with --to"
    return f"{folder} cannot be written ({refusal.strerror}): give this user access to it, or another with --to"
