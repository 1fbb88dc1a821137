"""`client-caller doctor`: is everything here that a call needs, and what to do about what is not."""

from typing import Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

_STYLES: Final = {"ok": "green", "warn": "yellow", "FAIL": "bold red"}


def doctor() -> None:
    """Check all that a call needs; exit with 1 if something would fail."""
    from client_caller.cli.checks import every_check
    from client_caller.settings import load_settings

    table = Table("", "what", Column("found", overflow="fold"), Column("what to do", overflow="fold"))
    checks = list(every_check(load_settings()))
    for check in checks:
        words = map(escape, (check.what, check.found, check.remedy))
        table.add_row(f"[{_STYLES[check.verdict]}]{check.verdict}[/]", *words)
    Console().print(table)
    if any(check.verdict == "FAIL" for check in checks):
        raise typer.Exit(1)
