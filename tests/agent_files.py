"""Agent files for tests: the smallest there is, and what is said of one."""

from pathlib import Path

import pytest

from client_caller.agent import load_agent
from client_caller.errors import ConfigError

AGENTS = Path(__file__).parents[1] / "agents"

SMALLEST = 'name = "Anna"\ncompany = "Maple"\ngreeting = "Hello"\npersona = "You are Anna."\n'
SAYS_WHO = 'identity = "Hello, this is {agent}, the automated assistant of {company}."\n'
OUTBOUND = (
    '[outbound]\nreason = "I call about your appointment on {day}, {name}."\nmessage = "Please call us, {name}."\n'
)


def write(folder: Path, text: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return path


def complaints(folder: Path, text: str) -> list[str]:
    """What is said about the text, without the file's name."""
    path = write(folder, text)
    with pytest.raises(ConfigError) as told:
        load_agent(path)
    return [line.removeprefix(f"{path}, ") for line in str(told.value).splitlines()]
