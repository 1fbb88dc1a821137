"""What is wrong with a database is said at start-up, in words that help; and its tables are what schema.py says."""

import ast
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from client_caller.errors import ConfigError
from client_caller.ledger import database as database_module
from client_caller.ledger.database import VERSION_TABLE, open_database, spill_beside
from client_caller.ledger.entries import OPEN
from client_caller.ledger.schema import OPEN_ORDER, metadata
from private_postgres import PrivatePostgres

SETTING = "CLIENT_CALLER_LEDGER__URL"
VERSIONS = Path(database_module.__file__).parent / "migrations" / "versions"


def definitions(url: str) -> set[tuple[str, ...]]:
    """Every table, column, constraint and index, as the database itself describes it."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        query = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    else:
        query = (
            "SELECT 'column', table_name || '.' || column_name, ordinal_position || data_type || is_nullable"
            " || coalesce(column_default, '') FROM information_schema.columns WHERE table_schema = 'public'"
            " UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
            " UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace"
        )
    with engine.connect() as connection:
        found = {tuple(" ".join(str(part).split()) for part in row) for row in connection.execute(text(query))}
    engine.dispose()
    return {row for row in found if VERSION_TABLE not in row[1]}


def test_the_steps_lead_to_exactly_the_tables_of_the_schema(
    url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    open_database(url).close()
    made_url = (
        f"sqlite:///{tmp_path}/made.db"
        if url.startswith("sqlite")
        else request.getfixturevalue("postgres").empty_database("second")
    )
    engine = create_engine(made_url)
    metadata.create_all(engine)
    engine.dispose()
    assert definitions(url) == definitions(made_url)
    assert any("WHERE" in row[2] for row in definitions(url))  # the partial index is among what was compared


def test_alembic_sees_no_difference_either(url: str) -> None:
    database = open_database(url)
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_the_states_of_an_open_order_are_said_alike_in_all_places() -> None:
    assert set(ast.literal_eval(OPEN_ORDER.removeprefix("state IN "))) == OPEN


def test_to_open_a_ledger_again_changes_nothing(url: str) -> None:
    open_database(url).close()
    before = definitions(url)
    open_database(url).close()
    assert definitions(url) == before


def test_no_step_leads_back() -> None:
    for path in VERSIONS.glob("v*.py"):
        assert "downgrade" not in path.read_text()


def test_every_step_is_a_module_that_a_wheel_carries() -> None:
    steps = list(VERSIONS.glob("*.py"))
    assert (VERSIONS / "__init__.py") in steps
    assert all(path.stem.isidentifier() for path in steps)


def test_a_ledger_of_a_newer_version_is_left_alone(url: str) -> None:
    open_database(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigError, match=f"{SETTING}: .* version 9999, .* does not know"):
        open_database(url)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("ledger.db", "no URL of a database"),
        ("", "no URL of a database"),
        ("postgresql://someone:geheim@host:port/name", "no URL of a database"),
        ("mysql://someone:geheim@host/name", "mysql is not supported"),
        ("postgresql+psycopg2://someone:geheim@host/name", r"postgresql\+psycopg2 is not supported"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
    ],
)
def test_a_url_that_is_none_is_said_to_be_so_without_its_password(wrong: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"{SETTING}: .*{said}") as refused:
        open_database(wrong)
    assert "geheim" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_missing_driver_is_named_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=f"{SETTING}: .* install the extra `postgres`"):
        open_database("postgresql://host/name")


def test_a_server_that_cannot_be_reached_is_named_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{SETTING}: PostgreSQL at .* cannot be used: .*No such file") as refused:
        open_database(f"postgresql+psycopg://someone:geheim@/name?host={tmp_path}")
    assert "geheim" not in str(refused.value)


def test_a_database_that_the_server_does_not_have_is_said_to_be_missing(postgres: PrivatePostgres) -> None:
    url = postgres.empty_database().replace("@/ledger", "@/elsewhere")
    with pytest.raises(ConfigError, match=f'{SETTING}: .* database "elsewhere" does not exist'):
        open_database(url)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=f"{SETTING}: the folder .*file/ledger cannot be made"):
        open_database(f"sqlite:///{tmp_path}/file/ledger/ledger.db")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(ConfigError, match=f"{SETTING}: .*ledger.db cannot be used: unable to open"):
        open_database(f"sqlite:///{tmp_path}/ledger.db")


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("Dear diary, " * 100)
    with pytest.raises(ConfigError, match=f"{SETTING}: .*ledger.db cannot be used: file is not a database"):
        open_database(f"sqlite:///{tmp_path}/ledger.db")
    assert (tmp_path / "ledger.db").read_text().startswith("Dear diary")


def test_a_sqlite_ledger_is_durable_and_keeps_its_references(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/a/folder/that/is/new/ledger.db")
    with database.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "secure_delete")
        }
    database.close()
    full = 2
    assert found == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "secure_delete": 1,
    }


def test_tables_are_made_once_when_processes_start_together(url: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        for database in threads.map(open_database, 6 * [url]):
            assert inspect(database.engine).has_table("orders")
            database.close()


def test_the_spill_lies_next_to_a_sqlite_file() -> None:
    assert spill_beside("sqlite:///runs/ledger.db") == Path("runs/ledger.spill.jsonl")
    assert spill_beside("postgresql://host/name") == Path("runs/ledger-spill.jsonl")
