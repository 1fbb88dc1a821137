"""Every test that names `database` runs twice: on SQLite, and on PostgreSQL."""

from collections.abc import Iterator

import pytest

from client_caller.ledger.database import Database, open_database


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = open_database(url)
    yield opened
    opened.close()
