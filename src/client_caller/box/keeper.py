"""One of the box's processes: started, waited for until it answers, started again when it dies or hangs, stopped whole.

In:   a `Service`: its command, and how to ask whether it is warm.     Out: a process that answers, or `ServiceFailed`.
Rule: it starts no task and reads no setting; who keeps several of these decides in which order (cli/up.py).

Each process has its own session: Ctrl-C reaches the launcher only, and what a process leaves behind is found by its
group. On Linux the kernel ends it when the launcher is gone, whatever ended that.
"""

import asyncio
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from client_caller.box.watch import until_over
from client_caller.errors import ClientCallerError

log = logging.getLogger("client_caller.box")

_LOOK_EVERY_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 60.0
_LAST_LINE_BYTES: Final = 4_096
_LAST_LINE_CHARACTERS: Final = 300
_SET_DEATH_SIGNAL: Final = 1
"""PR_SET_PDEATHSIG. Source: linux/prctl.h."""


class ServiceFailed(ClientCallerError):
    """One of the processes cannot be had; the sentence names it, and has the last line of its log."""


@dataclass(frozen=True, slots=True)
class Service:
    """A process to keep.

    environment: all of it;  log: a file for what it says, None for our own output;
    warm_up: asks it for something like what it is for; empty when it has answered, else why not. It must not last long;
    ready_within_s: seconds it may take until then;  grace_s: seconds it has to end when told to, None for all it wants;
    alive: its signs of life once it is warm, as for `until_over`; None: that it runs is enough;
    let_go: called before its group (the id) is killed: frees what outlives a process, and must neither last nor raise.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path | None
    warm_up: Callable[[], Awaitable[str]]
    ready_within_s: float
    grace_s: float | None
    alive: Callable[[], Awaitable[str]] | None = None
    let_go: Callable[[int], Awaitable[None]] | None = None


class Keeper:
    """Keeps one service. first_pause_s: before it is started again in vain; doubled each time, up to a minute."""

    def __init__(self, service: Service, first_pause_s: float = 1.0) -> None:
        self.service = service
        self._first_pause_s = first_pause_s
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it is warm. Raises ServiceFailed, and leaves nothing running then."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + self.service.ready_within_s
        log.info("starting", extra={"service": self.service.name})
        self._process = await self._spawn()
        while True:
            why_not = await self.service.warm_up()
            if self._process.returncode is not None:
                raise await self._failed(f"has ended with status {self._process.returncode} before it was ready")
            if not why_not:
                log.info("ready", extra={"service": self.service.name})
                return
            if loop.time() >= latest:
                raise await self._failed(f"was not ready within {self.service.ready_within_s:g} s ({why_not})")
            await self._ends_within(_LOOK_EVERY_S)

    async def keep(self) -> None:
        """Start it again whenever it has died or hangs, without end."""
        in_vain = 0
        while True:
            await self._lost()
            while True:
                await self.stop()  # what it left behind would hold its port and the card's memory
                await asyncio.sleep(min(_LONGEST_PAUSE_S, self._first_pause_s * 2.0**in_vain) if in_vain else 0)
                try:
                    await self.start()
                except ServiceFailed as failure:
                    in_vain += 1
                    log.error("is not back", extra={"service": self.service.name, "why": str(failure)})  # noqa: TRY400
                else:
                    in_vain = 0
                    break

    async def _lost(self) -> None:
        """Until it has died; one that hangs is killed first, for it would not hear SIGTERM."""
        name = self.service.name
        if self.service.alive and (why := await until_over(self.service.alive, self._ends_within)):
            log.error("hangs", extra={"service": name, "why": why, "last_line": self._last_line()})
            await self._kill()
        status = await self.ended()
        log.error("died", extra={"service": name, "status": status, "last_line": self._last_line()})

    async def ended(self) -> int:
        """Its exit status, once it has one; 0 where it was never started."""
        return await self._process.wait() if self._process else 0

    def terminate(self) -> None:
        """Tell it to end, and do not wait."""
        if self._process and self._process.returncode is None:
            self._process.terminate()

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process and self._process.returncode is None:
            self._process.send_signal(number)

    async def stop(self) -> None:
        """End it: by SIGTERM, by SIGKILL after the grace it has, and all that it left behind in any case."""
        if self._process is None:
            return
        process = self._process
        if process.returncode is None:
            log.info("stopping", extra={"service": self.service.name})
            with suppress(ProcessLookupError):
                process.terminate()
        try:
            async with asyncio.timeout(self.service.grace_s):
                await process.wait()
        except TimeoutError:
            log.warning("killed, for it did not end", extra={"service": self.service.name})
        finally:
            await self._kill()
        self._process = None
        await process.wait()

    async def _kill(self) -> None:
        """It, and all that it has started."""
        if self._process is None:
            return
        group = self._process.pid
        try:
            if self.service.let_go:
                await self.service.let_go(group)
        finally:
            with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of the dead
                os.killpg(group, signal.SIGKILL)

    async def _spawn(self) -> asyncio.subprocess.Process:
        said = self._open_log()
        try:
            return await asyncio.create_subprocess_exec(
                *self.service.command,
                env=dict(self.service.environment),
                stdin=asyncio.subprocess.PIPE,  # nobody writes to it: its end tells that we are gone
                stdout=said,
                stderr=said,
                start_new_session=True,
                preexec_fn=_end_with_us(),
            )
        except OSError as refused:
            raise ServiceFailed(f"{self.service.name} cannot be started: {refused}") from refused
        finally:
            if said:
                said.close()

    def _open_log(self) -> BinaryIO | None:
        """A fresh file; the one of the process before stays beside it."""
        if self.service.log is None:
            return None
        try:
            self.service.log.parent.mkdir(parents=True, exist_ok=True)
            if self.service.log.exists():
                self.service.log.replace(self.service.log.with_suffix(".before.log"))
            return os.fdopen(os.open(self.service.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        except OSError as refused:
            raise ServiceFailed(
                f"{self.service.log} (CLIENT_CALLER_BOX__LOGS) cannot be written ({refused.strerror})"
            ) from refused

    async def _ends_within(self, seconds: float) -> bool:
        """Whether it has ended, after so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.ended()
        return self._process is None or self._process.returncode is not None

    async def _failed(self, what: str) -> ServiceFailed:
        await self.stop()
        said = f"; its last line in {self.service.log}: {self._last_line()}" if self.service.log else ""
        return ServiceFailed(f"{self.service.name} {what}{said}")

    def _last_line(self) -> str:
        """Of what it said; for people."""
        if self.service.log is None:
            return ""
        try:
            with self.service.log.open("rb") as said:
                said.seek(max(0, said.seek(0, os.SEEK_END) - _LAST_LINE_BYTES))
                lines = said.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return "(cannot be read)"
        return next((line.strip() for line in reversed(lines) if line.strip()), "(nothing)")[-_LAST_LINE_CHARACTERS:]


def _end_with_us() -> Callable[[], None] | None:
    """What a new process does first, so that it gets SIGTERM when we are gone."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here, for between fork and exec little may be done
    return lambda: prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
