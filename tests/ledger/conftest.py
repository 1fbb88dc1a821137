"""Every test that names `url` or `play` runs twice: on SQLite, and on a PostgreSQL server of the tests' own."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_scenes import Play, Scene
from private_postgres import PrivatePostgres, find_postgres, private_postgres

from client_caller.ledger.ledger import open_ledger


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
def spill(tmp_path: Path) -> Path:
    return tmp_path / "ledger.spill.jsonl"


@pytest.fixture
def play(url: str, spill: Path) -> Play:
    """Plays a scene with an open ledger, which is closed afterwards. May be called again, to open it once more."""

    def run(scene: Scene) -> None:
        async def main() -> None:
            ledger = open_ledger(url, spill)
            try:
                await scene(ledger)
            finally:
                await ledger.close()

        asyncio.run(main())

    return run
