"""`client-caller doctor`: is everything here that a call needs, and what to do about what is not."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

if TYPE_CHECKING:
    from client_caller.cli.checks import Check

_STYLES: Final = {"ok": "green", "warn": "yellow", "FAIL": "bold red"}


def doctor() -> None:
    """Check all that a call needs; exit with 1 if something would fail."""
    from client_caller.cli.checks import every_check
    from client_caller.settings import load_settings

    if not show(list(every_check(load_settings()))):
        raise typer.Exit(1)


def show(checks: "Sequence[Check]") -> bool:
    """Print them as a table, and tell whether nothing would fail."""
    table = Table("", "what", Column("found", overflow="fold"), Column("what to do", overflow="fold"))
    for check in checks:
        words = map(escape, (check.what, check.found, check.remedy))
        table.add_row(f"[{_STYLES[check.verdict]}]{check.verdict}[/]", *words)
    Console().print(table)
    return not any(check.verdict == "FAIL" for check in checks)
