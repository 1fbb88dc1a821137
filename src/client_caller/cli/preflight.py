"""`client-caller preflight`: can this machine carry all models, and what to do about what is missing."""

from typing import Annotated

import typer

Profile = Annotated[
    str, typer.Option("--profile", help="For which kind of machine: a name such as a100, or a file that ends in .env.")
]
"""The option by which commands take a profile; CLIENT_CALLER_PROFILE does the same."""


def preflight(profile: Profile = "") -> None:
    """Check all that one machine with everything on it needs, before anything is loaded; exit with 1 if it fails."""
    from client_caller.box.plan import plan_of
    from client_caller.cli.doctor import show
    from client_caller.cli.preflight_checks import every_check
    from client_caller.settings import load_settings

    if not show(list(every_check(plan_of(load_settings(profile))))):
        raise typer.Exit(1)
