"""A rehearsal that somebody watches: the call is held while its flight record is shown as it grows.

In:   a stage, a script, a console.     Out: what the caller heard.
Rule: watching changes nothing; the record is read from the disk, like anybody could.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from client_caller.records.flight import RecordTail
from client_caller.rehearsal.caller import rehearse
from client_caller.rehearsal.live import LiveView
from client_caller.rehearsal.measure import HeardCall
from client_caller.rehearsal.script import Step
from client_caller.rehearsal.stage import ACCOUNT_SID, Stage

_LOOK_EVERY_S: Final = 0.1


@asynccontextmanager
async def shown(stage: Stage, console: Console) -> AsyncIterator[None]:
    """Show the call that begins within the block, while the block runs."""
    known = stage.newest_record()
    async with asyncio.TaskGroup() as tasks:
        showing = tasks.create_task(_show(stage, console, known))
        yield
        showing.cancel()


async def watched(stage: Stage, steps: Sequence[Step], console: Console) -> HeardCall:
    """Hold one call, shown live. Raises LineLost or LineProtocolError as `rehearse` does."""
    async with shown(stage, console):
        heard = await rehearse(stage.voice_url, steps, account_sid=ACCOUNT_SID, auth_token=stage.auth_token)
        await asyncio.sleep(2 * _LOOK_EVERY_S)  # the last lines of the record
    return heard


async def _show(stage: Stage, console: Console, known: Path | None) -> None:
    """Show the first record that is newer than the one known."""
    tail: RecordTail | None = None
    with LiveView(console) as view:
        while True:
            if tail is None and (path := stage.newest_record()) not in (None, known):
                tail = RecordTail(path)
            view.show(tail.more() if tail else ())
            await asyncio.sleep(_LOOK_EVERY_S)
