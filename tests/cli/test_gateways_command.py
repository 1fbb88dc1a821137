"""`client-caller gateways`: who shares this ledger, and how they are."""

from datetime import timedelta
from pathlib import Path

import pytest
import typer
from sqlalchemy import update
from typer.testing import CliRunner

from client_caller.cli.gateways import gateways
from client_caller.fleet import registry
from client_caller.fleet.fleet import OFFICE
from client_caller.fleet.gateways import Gateway
from client_caller.ledger.database import open_database
from client_caller.ledger.schema import gateways as table

command = typer.Typer()
command.command()(gateways)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIENT_CALLER_LEDGER__URL", url)
    monkeypatch.setenv("COLUMNS", "160")
    return url


def test_without_any_it_says_what_makes_one() -> None:
    outcome = CliRunner().invoke(command)
    assert outcome.exit_code == 0
    assert "CLIENT_CALLER_FLEET__ADDRESS" in outcome.output


def test_each_is_a_line_and_who_has_fallen_silent_is_gone(here: str) -> None:
    north = Gateway("north", "b", "http://10.0.0.5:8080", "open", running=3, room=5, answer_p95_s=0.42)
    database = open_database(here)
    with database.writing() as connection:
        registry.say(connection, north)
        registry.say(connection, Gateway("south", "b", "http://10.0.0.6:8080", "open", running=7, room=1))
        registry.take_duty(connection, OFFICE, north, 60)
        silent_since = registry.now_of(connection) - timedelta(seconds=40)
        connection.execute(update(table).where(table.c.name == "south").values(seen_at=silent_since))
    database.close()
    first, second = [line for line in CliRunner().invoke(command).output.splitlines() if "http://" in line]
    assert [part.strip() for part in first.split("│")[1:5]] == ["north", "open", "3", "5"]
    assert "0.42 s" in first
    assert "yes" in first
    assert [part.strip() for part in second.split("│")[1:5]] == ["south", "gone", "7", "1"]
    assert "40 s ago" in second
    assert "yes" not in second
