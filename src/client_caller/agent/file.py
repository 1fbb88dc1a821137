"""The agent file: read whole, with the files that it names, or refused.

In:   a TOML file written by the operator.
Out:  one `Agent`; or a ConfigError with every mistake of the file, each with its line, its field and what is allowed.
Rule: what an agent file names lies in the file's own folder; no path leads out of it.
"""

import tomllib
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from client_caller.agent.consistency import mistakes_of
from client_caller.agent.mistakes import Kind, Mistake, text_of, told
from client_caller.agent.model import Agent
from client_caller.agent.places import Place, lines_of
from client_caller.errors import ConfigError

_LARGEST_FACTS_BYTES: Final = 256 * 1024
_FACTS: Final = (".md", ".txt")
_READ_WITH_THE_FILE: Final = "documents"

_KIND: Final = Kind("an agent file", Agent, unwritten=_READ_WITH_THE_FILE)


def load_agent(path: Path) -> Agent:
    """The agent described by the file. Raises ConfigError with all mistakes at once, one a line: file, line, field."""
    text = text_of(path, "the agent file", "name another with CLIENT_CALLER_AGENT")
    try:
        agent = _whole(tomllib.loads(text), path.parent)
    except tomllib.TOMLDecodeError as wrong:
        raise ConfigError(f"the agent file {path} is not valid TOML: {wrong}") from wrong
    except _MistakesError as wrong:
        lines = lines_of(text)
        raise ConfigError("\n".join(told(mistake, str(path), lines) for mistake in wrong.mistakes)) from None
    return agent


class _MistakesError(Exception):
    """What is wrong with an agent file, not yet with lines."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__(f"{len(mistakes)} mistakes")
        self.mistakes = mistakes


def _whole(tables: dict[str, Any], folder: Path) -> Agent:
    """The agent of these tables, with the texts of its files. Raises _MistakesError."""
    unfit = [(place, _KIND.not_a_field(place)) for place in [(_READ_WITH_THE_FILE,)] if place[0] in tables]
    try:
        agent = Agent.model_validate({name: it for name, it in tables.items() if name != _READ_WITH_THE_FILE})
    except ValidationError as wrong:
        raise _MistakesError([*unfit, *((error["loc"], _KIND.complaint(error)) for error in wrong.errors())]) from None
    mistakes: list[Mistake] = [*unfit, *mistakes_of(agent)]
    documents = [_document(folder, name, ("fact_files", at), mistakes) for at, name in enumerate(agent.fact_files)]
    functions = [_function(folder, name, ("functions", at), mistakes) for at, name in enumerate(agent.functions)]
    if mistakes:
        raise _MistakesError(mistakes)
    return agent.model_copy(update={_READ_WITH_THE_FILE: tuple(documents), "functions": tuple(functions)})


def _document(folder: Path, name: str, place: Place, mistakes: list[Mistake]) -> str:
    """The text of a file of facts; or one mistake more."""
    wrong = _misplaced(folder, name, _FACTS)
    if not wrong and (folder / name).stat().st_size > _LARGEST_FACTS_BYTES:
        wrong = f"must not be larger than {_LARGEST_FACTS_BYTES // 1024} KiB"
    if not wrong:
        try:
            return (folder / name).read_text(encoding="utf-8-sig")
        except OSError as refusal:
            wrong = f"cannot be read ({refusal.strerror})"
        except UnicodeDecodeError:
            wrong = "must be UTF-8 text"
    mistakes.append((place, f"{wrong} (it is {name!r})"))
    return ""


def _function(folder: Path, name: str, place: Place, mistakes: list[Mistake]) -> str:
    """The whole path of a file with functions; or one mistake more."""
    if wrong := _misplaced(folder, name, (".py",)):
        mistakes.append((place, f"{wrong} (it is {name!r})"))
    return str((folder / name).resolve())


def _misplaced(folder: Path, name: str, endings: tuple[str, ...]) -> str:
    """What is wrong with a name of a file beside the agent's, before it is opened; empty when nothing is."""
    path = folder / name
    if "\0" in name or not path.resolve().is_relative_to(folder.resolve()):
        return "must be a file in the agent file's own folder, or in a folder below it"
    if path.suffix.lower() not in endings:
        return f"must end in {' or '.join(endings)}"
    return "" if path.is_file() else "is not there"
