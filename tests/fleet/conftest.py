"""Every test that names `database` runs twice: on SQLite, and on a PostgreSQL server of the tests' own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from client_caller.ledger.database import Database, open_database
from ledger.private_postgres import PrivatePostgres, find_postgres, private_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    programs = find_postgres()
    if programs is None:
        pytest.skip("no PostgreSQL server here: install the Debian package `postgresql` (scripts/system-packages.sh)")
    with private_postgres(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: PrivatePostgres = request.getfixturevalue("postgres")
    return server.empty_database()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = open_database(url)
    yield opened
    opened.close()
