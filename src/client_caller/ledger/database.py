"""The database of the ledger: SQLite by default, PostgreSQL by URL.

In:   a URL.     Out: a database at the newest version of its tables, to read in and to write in.
Rule: whatever is wrong with it at start-up is a ConfigError that says what to do. No message holds a password, a number
      or a caller's words.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy import text as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from client_caller.errors import ClientCallerError, ConfigError
from client_caller.ledger.entries import in_utc

log = logging.getLogger("client_caller.ledger")

VERSION_TABLE: Final = "ledger_version"

_SETTING: Final = "CLIENT_CALLER_LEDGER__URL"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_UPGRADE_LOCK: Final = 0x6C6564676572
"""Processes that start at once on one PostgreSQL upgrade it one after the other. The number spells "ledger"."""

_SQLITE: Final = (
    "PRAGMA journal_mode = WAL",  # who reads does not wait for who writes
    "PRAGMA synchronous = FULL",  # an order is on the disk before the carrier is asked; NORMAL may lose the last ones
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA secure_delete = ON",  # what is deleted on request is overwritten, too
)
_POSTGRESQL: Final = ("SET statement_timeout = '30s'", "SET lock_timeout = '10s'")
_POSTGRESQL_CONNECT: Final = {"connect_timeout": 5, "keepalives_idle": 10, "tcp_user_timeout": 10_000}
"""A server that is gone is noticed within ten seconds; the defaults are minutes. Source: postgresql.org/docs, libpq."""


class LedgerFailed(ClientCallerError):
    """The ledger's database cannot be reached, or refuses. What was asked has not been done, as far as we know."""


@dataclass(frozen=True, slots=True)
class Database:
    """An open database. Threads may share it."""

    engine: Engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent look at it, that holds up nobody."""
        # What SQLite does anyway PostgreSQL has to be told: one state of things for all that is asked.
        options = {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with self.engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it is on the disk afterwards, or nothing."""
        with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Give back all connections. Safe to repeat."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open the database, make it if it is a SQLite file that is not there, and upgrade its tables.

    Raises ConfigError for a URL that is none, a missing driver, a server that cannot be reached, a folder or file that
    cannot be written, and tables that a newer version of this package has made.
    """
    parsed = _parse(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if is_sqlite:
        _make_folder(parsed)
    try:
        # Parameters are numbers and names of people: errors and logs must not show them.
        engine = create_engine(
            parsed,
            hide_parameters=True,
            pool_pre_ping=not is_sqlite,
            connect_args={} if is_sqlite else _POSTGRESQL_CONNECT,
        )
    except ImportError as missing:
        raise ConfigError(
            f"{_SETTING}: the driver for PostgreSQL is missing; install the extra `postgres`"
        ) from missing
    _prepare(engine, is_sqlite)
    database = Database(engine)
    try:
        _upgrade(database)
    except SQLAlchemyError as refused:
        database.close()
        raise ConfigError(f"{_SETTING}: {_where(parsed)} cannot be used: {reason(refused)}") from refused
    except ConfigError:
        database.close()
        raise
    return database


def spill_beside(url: str) -> Path:
    """Where entries wait while the database is away: next to a SQLite file, else in runs/. Raises ConfigError."""
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return Path(parsed.database or "").with_suffix(".spill.jsonl")
    return Path("runs/ledger-spill.jsonl")


def insert(connection: Connection, table: Table) -> Any:
    """An INSERT for which ON CONFLICT can be said, in the words of this database: alike, but of two classes."""
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def instant(value: datetime | None) -> datetime | None:
    """A time out of the database; SQLite gives them without their zone."""
    return None if value is None else in_utc(value)


def reason(refused: Exception) -> str:
    """Why the database cannot be had, on one line; of other refusals, which may quote what was given, only the kind."""
    if isinstance(refused, OperationalError) or type(refused) is DatabaseError:
        return str(refused.orig).strip().partition("\n")[0]
    return type(refused).__name__


def _parse(url: str) -> URL:
    example = "give one like sqlite:///runs/ledger.db or postgresql+psycopg://user:password@host/name"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Without its cause, which may quote the URL, and with it the password.
        raise ConfigError(f"{_SETTING}: this is no URL of a database; {example}") from None
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise ConfigError(f"{_SETTING}: {parsed.drivername} is not supported; {example}")
    if parsed.get_backend_name() == "sqlite" and (parsed.database or ":memory:") == ":memory:":
        raise ConfigError(f"{_SETTING}: a ledger in memory would forget who must not be called; name a file")
    return parsed


def _make_folder(url: URL) -> None:
    folder = Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as refused:
        raise ConfigError(f"{_SETTING}: the folder {folder} cannot be made: {refused.strerror}") from refused


def _prepare(engine: Engine, is_sqlite: bool) -> None:
    """Have every new connection set up, and transactions of SQLite begun as what they are."""
    statements = _SQLITE if is_sqlite else _POSTGRESQL

    def set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        if is_sqlite:
            # Python's driver would begin transactions late, and not at all before DDL; `begin` below does it instead.
            connection.isolation_level = None
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        connection.commit()

    def begin(connection: Connection) -> None:
        # Who writes says so at once: a reader that wants to write later is refused, not kept waiting.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", set_up)
    if is_sqlite:
        event.listen(engine, "begin", begin)


def _upgrade(database: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sql("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
        found = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()
        if not known.issuperset(found):
            raise ConfigError(
                f"{_SETTING}: the ledger there has tables of version {', '.join(found)}, which this version of "
                "client-caller does not know; install the newer one again, or name another database"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _where(url: URL) -> str:
    return str(url.database) if url.get_backend_name() == "sqlite" else f"PostgreSQL at {url.host or 'this machine'}"
