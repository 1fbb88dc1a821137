"""A stage: a whole server process with its models, for a rehearsal to call.

In:   settings that differ from the usual.     Out: its address and where it leaves its records, while the block lasts.
Rule: the server is started as anybody would start it, and is reached over sockets only.
"""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import httpx2

from client_caller.errors import ConfigError
from client_caller.settings import environment_with

ACCOUNT_SID: Final = "AC" + "0" * 32
"""The account that the simulated carrier calls from."""

_UP_WITHIN_S: Final = 120.0
_DOWN_WITHIN_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A server that answers.

    records: the folder with one folder per call;  process_id: the process that held calls when the stage was set, and
    not its supervisor.
    """

    url: str
    auth_token: str
    records: Path
    process_id: int

    @property
    def voice_url(self) -> str:
        """The webhook of an incoming call."""
        return f"{self.url}/twilio/voice"

    def newest_record(self) -> Path | None:
        """The flight record of the call that began last."""
        found = sorted(self.records.glob("*/record.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        return found[-1] if found else None


@asynccontextmanager
async def serving(folder: Path, changes: Mapping[str, str] | None = None) -> AsyncIterator[Stage]:
    """Start `client-caller serve` on a free port, with `changes` to its environment; stop it at the end of the block.

    folder: where records (`calls/`) and the server's log (`server.log`) go. Raises ConfigError with the end of the log
    when the server does not come up.
    """
    auth_token, records = secrets.token_hex(16), folder / "calls"
    environment = environment_with(
        {
            "TWILIO_AUTH_TOKEN": auth_token,
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "CLIENT_CALLER_PUBLIC_URL": "",
            "CLIENT_CALLER_SERVER__DRAIN_S": "0",  # a stage is struck when the block ends, whoever is still on it
            "CLIENT_CALLER_RECORDS__FOLDER": str(records),
            **(changes or {}),
        }
    )
    with log_in(folder) as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "client_caller", "serve", "--host", "127.0.0.1", "--port", "0"),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        try:
            url = await announced_url(process, folder / "server.log")
            yield Stage(url, auth_token, records, await serving_process(url))
        finally:
            await stop(process)


async def serving_process(url: str) -> int:
    """The id of the process that answers at `url` now. Raises ConfigError when none does."""
    try:
        async with httpx2.AsyncClient(timeout=_UP_WITHIN_S, trust_env=False) as client:
            return int((await client.get(f"{url}/healthz")).json()["process"])
    except httpx2.HTTPError as wrong:
        raise ConfigError(f"nobody answers at {url}: {wrong}") from wrong


def log_in(folder: Path) -> BinaryIO:
    """The server's log in a folder, which is made; to be closed."""
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / "server.log").open("wb")


async def announced_url(process: asyncio.subprocess.Process, log: Path) -> str:
    """Where a server says that it answers calls, once it does. Raises ConfigError with the end of its log."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_UP_WITHIN_S):
            while line := (await process.stdout.readline()).decode():
                if " answers calls at " in line:
                    return line.split(" answers calls at ")[1].strip()
    except TimeoutError:
        pass
    raise ConfigError(f"the server did not come up: {_end_of(log)}")


def _end_of(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " / ".join(lines[-5:]) or f"it said nothing in {log}"


async def stop(process: asyncio.subprocess.Process) -> None:
    """Have a server process end, if it has not yet; after 15 s it is killed."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_DOWN_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
