"""The agents of this installation: files of one folder, by name.

In:   names, as they come with orders.     Out: agents; or a ConfigError that says which names there are.
Rule: a name is the name of a file and nothing else; no path leads out of the folder.
"""

import hashlib
from pathlib import Path

from client_caller.agent import Agent, load_agent
from client_caller.errors import ConfigError


class AgentShelf:
    """Loads agents when they are asked for, and again when their file has changed. folder: of the answering agent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[str, tuple[int, Agent]] = {}  # by name: when the file was changed, and what it held

    def names(self) -> list[str]:
        """All there are, in order."""
        return sorted(path.stem for path in self._folder.glob("*.toml"))

    def named(self, name: str) -> Agent:
        """The agent of this name. Raises ConfigError for one that is not there or whose file is wrong."""
        path = self._path(name)
        changed_at = path.stat().st_mtime_ns
        held = self._loaded.get(name)
        if held is None or held[0] != changed_at:
            self._loaded[name] = held = changed_at, load_agent(path)
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


def sha256_of(path: Path) -> str:
    """What tells an agent file from another of its name, in hexadecimal. Raises ConfigError if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as refusal:
        raise ConfigError(
            f"the agent file {path} cannot be read ({refusal.strerror}): give the path of one"
        ) from refusal
