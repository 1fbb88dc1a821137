"""The agents of this installation: files of one folder, by name.

In:   names, as they come with orders.     Out: agents; or a ConfigError that says which names there are.
Rule: a name is the name of a file and nothing else; no path leads out of the folder.
"""

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
        if name not in self.names():
            known = ", ".join(self.names()) or "none"
            raise ConfigError(f"there is no agent {name!r} in {self._folder}; there is: {known}")
        path = self._folder / f"{name}.toml"
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
