"""`client-caller agents`: start an agent file, check it, show what it comes to, test it; print the schema."""

import re
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from client_caller.cli import agent_tests
from client_caller.errors import ConfigError

if TYPE_CHECKING:
    from client_caller.agent import Agent

app = typer.Typer(help="Agent files: start one, check it, show it, test it.", no_args_is_help=True)
app.command("test")(agent_tests.examine)

AgentFile = Annotated[Path, typer.Argument(metavar="FILE", help="The agent file, in TOML.")]

_SCHEMA: Final = "docs/agent-file.schema.json"


class Kind(Enum):
    """What a new agent is to do."""

    RECEPTION = "reception"
    REMINDER = "reminder"
    QUALIFICATION = "qualification"


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The file's name, without its ending.")],
    kind: Annotated[Kind, typer.Option(help="What the agent is to do.")] = Kind.RECEPTION,
    folder: Annotated[Path, typer.Option(help="Where the file goes.")] = Path("agents"),
) -> None:
    """Write an agent file to start from, with a comment on every part. No file is overwritten."""
    if not re.fullmatch(r"\w[\w-]*", name):
        raise ConfigError(f"an agent's name may hold letters, digits, - and _ only (it is {name!r})")
    path = folder / f"{name}.toml"
    text = (files("client_caller.agent") / "templates" / f"{kind.value}.toml").read_text(encoding="utf-8")
    schema = folder.parent / _SCHEMA
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(f"#:schema ../{_SCHEMA}\n{text}" if schema.is_file() else text)
    except FileExistsError as there:
        raise ConfigError(f"{there.filename} is there already: choose another name, or remove it") from there
    except OSError as refusal:
        raise ConfigError(f"{path} cannot be written ({refusal.strerror}): choose another --folder") from refusal
    _say(f"{path} is written. Change its texts, then: client-caller agents check {path}")


@app.command()
def check(file: AgentFile) -> None:
    """Tell every mistake of an agent file with its line, or that there is none and which variables its calls need."""
    from client_caller.agent import load_agent

    agent = load_agent(file)
    _say(f"{file} is in order: {agent.name} of {agent.company}.")
    for sentence in _needs(agent):
        _say(sentence)


@app.command()
def show(file: AgentFile) -> None:
    """Print an agent with all its defaults, as JSON."""
    from client_caller.agent import load_agent

    Console(soft_wrap=True).print_json(load_agent(file).model_dump_json())


@app.command()
def schema() -> None:
    """Print the JSON schema of agent files, for editors."""
    from client_caller.agent.schema import schema_text

    typer.echo(schema_text(), nl=False)


def _needs(agent: "Agent") -> list[str]:
    """What calls must bring along, a sentence for each direction that needs something, then each variable declared."""
    from client_caller.agent import needed

    told = []
    if agent.outbound and (names := needed(agent, outbound=True)):
        told.append(f"A call that it places needs: {', '.join(names)}.")
    if names := needed(agent, outbound=False):
        told.append(f"It cannot answer calls, for nobody then knows: {', '.join(names)}.")
    for name, variable in agent.variables.items():
        default = f"; if a call has none: {variable.default}" if variable.default.strip() else ""
        told.append(f"  {name}: {variable.description}{default}")
    return told


def _say(sentence: str) -> None:
    Console(soft_wrap=True).print(sentence, markup=False, highlight=False)
