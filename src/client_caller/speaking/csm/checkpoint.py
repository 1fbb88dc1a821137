"""The folder that the model was fetched into, and whether its files are those that were published.

In:   a folder with config.json, tokenizer.json and shards, as transformers publishes models; maybe a SHA256SUMS.
Out:  paths of files that are there and, where the SHA256SUMS names them, have the checksum that it states.
Rule: no torch. What is wrong is a WeightsError that names the file and says what to do.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final

from client_caller.errors import ConfigError
from client_caller.speaking.csm.config import CsmConfig, parse_config

SUMS: Final = "SHA256SUMS"
_SUM: Final = re.compile(r"([0-9a-fA-F]{64}) [ *](?:\./)?(\S.*)")
"""A line of sha256sum's: checksum, blank, blank or asterisk, name. Source: its manual page in GNU coreutils."""


class WeightsError(ConfigError):
    """A file of the model is missing, damaged, or holds something else than the model."""


class ModelFolder:
    """A folder with a model's files. Raises WeightsError when it is none, or its SHA256SUMS cannot be read.

    unverified: the files used so far whose checksum nobody knows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser()
        if not self.folder.is_dir():
            raise WeightsError(f"there is no folder {self.folder}: give the one that the model was fetched into")
        self.unverified: set[str] = set()
        self._sums = self._read_sums() if self.has(SUMS) else {}

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return (self.folder / name).is_file()

    def verified(self, name: str) -> Path:
        """The path of a file, once it has been read through and has its checksum.

        Hashing takes a second or two a gigabyte, and brings the file into memory, from which it is read next.
        """
        path = self.folder / name
        if not path.is_file():
            raise WeightsError(f"{path} is missing: fetch it")
        if name not in self._sums:
            self.unverified.add(name)
        elif (found := _sha256(path)) != self._sums[name]:
            raise WeightsError(
                f"{path} has the checksum {found}, and {SUMS} states {self._sums[name]}: fetch it again, "
                f"or, if it was changed on purpose, write {SUMS} anew"
            )
        return path

    def table(self, name: str) -> dict[str, Any]:
        """A JSON object in a file."""
        text = self._text(name)
        try:
            table = json.loads(text)
        except ValueError as wrong:
            raise WeightsError(f"{self.folder / name} is no JSON: fetch it again ({wrong})") from wrong
        if not isinstance(table, dict):
            raise WeightsError(f"{self.folder / name} holds no JSON object: fetch it again")
        return table

    def config(self) -> CsmConfig:
        """The sizes that its config.json states. Raises ConfigError that names the field, too."""
        return parse_config(self._text("config.json"), str(self.folder / "config.json"))

    def _text(self, name: str) -> str:
        path = self.verified(name)
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as wrong:
            raise WeightsError(f"{path} cannot be read as text: fetch it again ({wrong})") from wrong

    def _read_sums(self) -> dict[str, str]:
        sums = {}
        for number, line in enumerate((self.folder / SUMS).read_bytes().decode("utf-8", "replace").splitlines(), 1):
            if not line.strip():
                continue
            if (found := _SUM.fullmatch(line)) is None:
                raise WeightsError(
                    f"{self.folder / SUMS}, line {number} is not of the form `checksum  name`: "
                    f"write it anew with `sha256sum FILES > {SUMS}`"
                )
            sums[found[2]] = found[1].lower()
        return sums


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as refusal:
        raise WeightsError(f"{path} cannot be read ({refusal.strerror}): give this user access to it") from refusal
