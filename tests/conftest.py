"""Fixtures that every room's tests may use."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from client_caller.errors import ModelUnavailable
from client_caller.models.store import ModelStore
from client_caller.settings import load_settings
from private_postgres import PrivatePostgres, find_postgres, private_postgres

settings.register_profile("no time limits", deadline=None)  # a busy machine is no failure
settings.load_profile("no time limits")


@pytest.fixture(scope="session")
def models() -> Callable[[str], Path]:
    """The real model files: `models("silero_vad.onnx")` is the path of a verified file."""
    store = ModelStore(load_settings().models)

    def path(name: str) -> Path:
        try:
            return store.path(name)
        except ModelUnavailable as missing:
            pytest.fail(f"{missing}; `make test` pulls it", pytrace=False)

    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A PostgreSQL server of the tests' own."""
    programs = find_postgres()
    if programs is None:
        pytest.skip("no PostgreSQL server here: install the Debian package `postgresql` (scripts/system-packages.sh)")
    with private_postgres(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database; a test that names it runs twice."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: PrivatePostgres = request.getfixturevalue("postgres")
    return server.empty_database()
