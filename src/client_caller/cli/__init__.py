"""The command line: `client-caller`.

In:   what the operator typed.
Out:  a command's output; or one red sentence on stderr, with exit code 2 for a mistake that the operator can mend and 1
      for what else went wrong.
Rule: one file per command. A command's module imports nothing heavy at its top, so that `--help` stays quick.
"""

import sys

import typer
from rich.console import Console

from client_caller.cli import (
    agents,
    call,
    campaign,
    chat,
    demo,
    deploy,
    doctor,
    engine,
    gateways,
    models,
    numbers,
    preflight,
    replay,
    serve,
    settings,
    top,
    up,
    voices,
)
from client_caller.errors import ClientCallerError, ConfigError

app = typer.Typer(
    help="AI that talks on the telephone, with models you host yourself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo.demo)
app.command()(serve.serve)
app.command()(preflight.preflight)
app.command()(up.up)
app.command()(call.call)
app.command()(chat.chat)
app.command()(replay.replay)
app.command()(doctor.doctor)
app.command()(settings.settings)
app.command()(top.top)
app.command()(gateways.gateways)
app.add_typer(models.app, name="models")
app.add_typer(agents.app, name="agents")
app.add_typer(campaign.app, name="campaign")
app.add_typer(numbers.app, name="numbers")
app.add_typer(engine.app, name="engine")
app.add_typer(deploy.app, name="deploy")
app.add_typer(voices.app, name="voices")


def main() -> None:
    """Run the command line: entry point of `client-caller` and of `python -m client_caller`."""
    try:
        app()
    except ClientCallerError as mistake:
        Console(stderr=True, soft_wrap=True).print(str(mistake), style="red", markup=False, highlight=False)
        sys.exit(2 if isinstance(mistake, ConfigError) else 1)
