"""The agents of this installation: files of one folder, by name.

In:   names, as they come with orders.     Out: agents; or a ConfigError that says which names there are.
Rule: a name is the name of a file and nothing else; no path leads out of the folder.
"""

import hashlib
from pathlib import Path

from client_caller.agent.file import load_agent
from client_caller.agent.model import Agent
from client_caller.errors import ConfigError


class AgentShelf:
    """Loads agents when they are asked for, and again when their file, or one with facts of theirs, has changed.

    folder: that of the answering agent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[str, tuple[_Stamp, Agent]] = {}

    def names(self) -> list[str]:
        """All there are, in order."""
        return sorted(path.stem for path in self._folder.glob("*.toml"))

    def named(self, name: str) -> Agent:
        """The agent of this name. Raises ConfigError for one that is not there or whose file is wrong."""
        path = self._path(name)
        held = self._loaded.get(name)
        if held is None or held[0] != _stamp(path, held[1]):
            changed = path.stat().st_mtime_ns  # before it is read: what changes meanwhile is read again
            agent = load_agent(path)
            held = self._loaded[name] = (changed, *_stamp(path, agent)[1:]), agent
        return held[1]

    def for_calling(self, name: str) -> Agent:
        """The same, for calls that we place. Raises ConfigError, too, when its file has no texts for them."""
        agent = self.named(name)
        if agent.outbound is None:
            raise ConfigError(
                f"the agent {name!r} cannot place calls: {self._folder / f'{name}.toml'} has no table [outbound]"
            )
        return agent

    def check_same(self, name: str, sha256: str) -> None:
        """Raises ConfigError unless the file of this name is the one with this digest, in hexadecimal."""
        path = self._path(name)
        if sha256_of(path) != sha256:
            raise ConfigError(
                f"the agent file that was given is another than the server's {path}: give that one, or copy yours there"
            )

    def _path(self, name: str) -> Path:
        if name not in self.names():
            known = ", ".join(self.names()) or "none"
            raise ConfigError(f"there is no agent {name!r} in {self._folder}; there is: {known}")
        return self._folder / f"{name}.toml"


_Stamp = tuple[int, ...]
"""When an agent's files were changed, in nanoseconds: its own first; 0 for one that is gone."""


def _stamp(path: Path, agent: Agent) -> _Stamp:
    return tuple(_changed(file) for file in (path, *(path.parent / name for name in agent.fact_files)))


def _changed(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def sha256_of(path: Path) -> str:
    """What tells an agent file from another of its name, in hexadecimal. Raises ConfigError if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as refusal:
        raise ConfigError(
            f"the agent file {path} cannot be read ({refusal.strerror}): give the path of one"
        ) from refusal
