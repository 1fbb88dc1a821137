"""A server with fakes for engines in a process of its own, for the benchmark of the line to call.

In:   a folder.     Out: its address and where it leaves its records, while the block lasts; what the process uses.
Rule: it is reached over sockets only. What it wrote is whole once the block has ended.
"""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_caller.rehearsal.stage import ACCOUNT_SID, Stage, announced_url, log_in, serving_process, stop
from client_caller.settings import environment_with

SERVER: Final = Path(__file__).with_name("wire_server.py")


@asynccontextmanager
async def light_server(folder: Path, calls_at_once: int, *options: str) -> AsyncIterator[Stage]:
    """Start it on a free port, with options of its own; stop it at the end of the block.

    Raises ConfigError when it does not come up.
    """
    auth_token, records = secrets.token_hex(16), folder / "calls"
    environment = environment_with(
        {
            "TWILIO_AUTH_TOKEN": auth_token,
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "CLIENT_CALLER_SERVER__DRAIN_S": "0",
            "CLIENT_CALLER_SERVER__CALLS_AT_ONCE": str(calls_at_once),
            "CLIENT_CALLER_RECORDS__FOLDER": str(records),
            "CLIENT_CALLER_LEDGER__URL": f"sqlite:///{folder / 'ledger.db'}",
        }
    )
    with log_in(folder) as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(SERVER), *options),
            env=environment,
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        try:
            url = await announced_url(process, Path(log.name))
            yield Stage(url, auth_token, records, await serving_process(url))
        finally:
            await stop(process)


@dataclass(frozen=True, slots=True)
class Used:
    """What a process has used by now. at: loop time;  cpu_s: of all its threads;  rss_mb: memory that it holds now."""

    at: float
    cpu_s: float
    rss_mb: float


def used_by(process_id: int) -> Used:
    """Linux only."""
    behind_name = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    ticks = int(behind_name[11]) + int(behind_name[12])
    memory_kb = next(
        int(line.split()[1])
        for line in Path(f"/proc/{process_id}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    return Used(asyncio.get_running_loop().time(), ticks / os.sysconf("SC_CLK_TCK"), memory_kb / 1024)


def use(before: Used, after: Used) -> dict[str, float]:
    """What was used between two instants; a core that is busy all the time is 100 %."""
    return {
        "cpu_percent_of_a_core": round(100 * (after.cpu_s - before.cpu_s) / (after.at - before.at), 1),
        "rss_mb_before": round(before.rss_mb, 1),
        "rss_mb_after": round(after.rss_mb, 1),
    }
