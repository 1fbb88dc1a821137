"""A PostgreSQL server of the tests' own, in a folder of its own, reached by a socket in it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


def find_postgres() -> Path | None:
    """The folder with the server's programs; None when there is none that has them all."""
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which("initdb")
    if found:
        folders.append(Path(found).parent)
    return next((folder for folder in folders if all((folder / name).exists() for name in ("initdb", "pg_ctl"))), None)


class PrivatePostgres:
    """A server that can be stopped and started, and has empty databases."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._names: set[str] = set()

    def set_up(self) -> None:
        if os.geteuid() == 0:  # the server refuses to run as root; the package has made a user for it
            shutil.chown(self._folder, "postgres")
        self._run("initdb", "-D", f"{self._folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        with (self._folder / "data/postgresql.conf").open("a") as conf:
            # Not UTC, so that whoever forgets about zones is found out; and nothing here has to survive a power cut.
            conf.write("timezone = 'Asia/Tokyo'\nfsync = off\nlisten_addresses = ''\n")
            conf.write(f"unix_socket_directories = '{self._folder}'\nmax_connections = 100\n")
        self.start()

    def start(self) -> None:
        self._run("pg_ctl", "start", "-w", "-D", f"{self._folder}/data", "-l", f"{self._folder}/log")

    def stop(self) -> None:
        """As if it were killed: connections break."""
        self._run("pg_ctl", "stop", "-m", "immediate", "-D", f"{self._folder}/data")

    def empty_database(self, name: str = "ledger") -> str:
        """The URL of the database of this name, emptied; a new one each time would take longer to make than to use."""
        where = f"host={self._folder} user=postgres dbname="
        if name not in self._names:
            with psycopg.connect(f"{where}postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            self._names.add(name)
        with psycopg.connect(f"{where}{name}", autocommit=True) as connection:
            connection.execute("SET client_min_messages = error; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        return f"postgresql+psycopg://postgres@/{name}?host={self._folder}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", *command]
        done = subprocess.run(
            command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert done.returncode == 0, done.stdout.decode()


@contextmanager
def private_postgres(programs: Path) -> Iterator[PrivatePostgres]:
    """The server, while the context lasts. Not below pytest's folder: the path of a socket must be short."""
    with tempfile.TemporaryDirectory(prefix="ledger-", ignore_cleanup_errors=True) as folder:
        server = PrivatePostgres(programs, Path(folder))
        server.set_up()
        try:
            yield server
        finally:
            server.stop()
