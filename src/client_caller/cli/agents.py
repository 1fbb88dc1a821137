"""`client-caller agents`: is an agent file in order, and what does it come to with all defaults filled in."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="Agent files: check them, show them.", no_args_is_help=True)

AgentFile = Annotated[Path, typer.Argument(metavar="FILE", help="The agent file, in TOML.")]


@app.command()
def check(file: AgentFile) -> None:
    """Tell every mistake of an agent file with its line, or that there is none."""
    from client_caller.agent import load_agent

    agent = load_agent(file)
    Console(soft_wrap=True).print(
        f"{file} is in order: {agent.name} of {agent.company}.", markup=False, highlight=False
    )


@app.command()
def show(file: AgentFile) -> None:
    """Print an agent with all its defaults, as JSON."""
    from client_caller.agent import load_agent

    Console(soft_wrap=True).print_json(load_agent(file).model_dump_json())
