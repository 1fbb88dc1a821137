"""One machine's gateway: its process is started, started again, replaced in peace, and found again.

In:   what to run there.     Out: how it is; a log file.
Rule: the process belongs to nobody: it outlives this one, and Ray, and its calls go on; whoever keeps the place next
      finds it by the note that lies in the folder. What ends a process is SIGTERM, so that its calls may end first.
"""

import asyncio
import json
import logging
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
from deploy.ray.roll import Fitting, Place, Seen, State

log = logging.getLogger("client_caller.cluster")

_LOOK_EVERY_S: Final = 0.25
_REST_S: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Before a process that ended is started again; the longer, the more have ended one after the other."""

_STEADY_S: Final = 60.0
"""Who has lived as long counts as one that lives."""

_LAST_S: Final = 15.0
"""What does not end in time is told once more, which hands its calls over at once; and after this it is killed."""

_NOT_FOR_GATEWAYS: Final = ("RAY_", "OMP_NUM_THREADS", "PYTHONPATH", "LD_PRELOAD")
"""Of this process's environment, what Ray has put there for its own."""


@dataclass(frozen=True, slots=True)
class Note:
    """Of a process that was started. born: its start by /proc, for a number may come to be another's."""

    pid: int
    born: int
    mark: str


class Keeper:
    """Keeps the gateway of one place. `run` goes on until it is cancelled; the process then lives on.

    look_every_s: how often it looks after it;  last_s: how long a process has that does not end in time.
    """

    def __init__(self, place: Place, look_every_s: float = _LOOK_EVERY_S, last_s: float = _LAST_S) -> None:
        self._place = place
        self._look_every_s = look_every_s
        self._last_s = last_s
        self._fitting: Fitting | None = None
        self._note: Note | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._state: State = "down"
        self._ended = 0  # processes, one after the other, that did not live long
        self._began_at = 0.0
        self._why = ""
        self._at_work = asyncio.Lock()  # over starting and ending

    def seen(self) -> Seen:
        """How it is."""
        return Seen(self._place.name, self._state, self._note.mark if self._note else "")

    def status(self) -> dict[str, Any]:
        """The same for people, with the process and what went wrong last."""
        return {**asdict(self.seen()), "pid": self._note.pid if self._note else 0, "why": self._why}

    async def keep(self, fitting: Fitting) -> None:
        """Have a gateway here: the process that there is, whatever it was started by, or else a new one by this."""
        self._fitting = fitting
        if self._note is None:
            self._find(fitting)

    async def replace(self, fitting: Fitting) -> bool:
        """End the process that there is in peace, and start one by this; gives whether it is ready in time."""
        async with self._at_work:
            await self._end()
            self._fitting, self._ended = fitting, 0
            self._start(fitting)
        try:
            async with asyncio.timeout(fitting.ready_within_s):
                while self._state != "ready":  # noqa: ASYNC110  (it is the loop beside this one that looks)
                    await asyncio.sleep(self._look_every_s)
        except TimeoutError:
            self._why = f"it was not ready within {fitting.ready_within_s:.0f} s; see {self._log_of(fitting)}"
            return False
        return True

    async def stop(self) -> None:
        """End the process in peace, and start none any more."""
        async with self._at_work:
            await self._end()
            self._fitting = None

    async def run(self) -> None:
        """Look after it, until cancelled."""
        async with httpx2.AsyncClient(timeout=2.0, trust_env=False) as client:
            while True:
                if self._fitting and not self._at_work.locked():
                    await self._look(self._fitting, client)
                await asyncio.sleep(self._look_every_s)

    async def _look(self, fitting: Fitting, client: httpx2.AsyncClient) -> None:
        now = asyncio.get_running_loop().time()
        if self._note is not None and not self._lives(self._note):
            self._why = f"process {self._note.pid} ended"
            log.error("a gateway ended", extra={"gateway": self._place.name, "pid": self._note.pid})
            self._ended = 0 if now - self._began_at > _STEADY_S else self._ended + 1
            self._note, self._state, self._began_at = None, "down", now
        if self._note is None:
            if now - self._began_at >= _REST_S[min(self._ended, len(_REST_S) - 1)]:
                self._start(fitting)
        elif self._state == "starting" and await self._is_ready(client):
            self._state, self._why = "ready", ""

    async def _is_ready(self, client: httpx2.AsyncClient) -> bool:
        try:
            url = f"http://{self._place.node_ip}:{self._place.port}/readyz"
            return (await client.get(url)).status_code == httpx2.codes.OK
        except httpx2.HTTPError:
            return False

    def _start(self, fitting: Fitting) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_GATEWAYS)}
        command = [self._place.fill(part) for part in fitting.command]
        self._began_at = asyncio.get_running_loop().time()
        try:
            log_file = self._log_of(fitting)
            log_file.parent.mkdir(parents=True, exist_ok=True)
            with log_file.open("ab") as said:
                self._child = subprocess.Popen(
                    command,
                    cwd=fitting.folder,
                    env={**kept, **fitting.environment_at(self._place)},
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,  # a signal for Ray's processes is none for a gateway
                )
            self._note = Note(self._child.pid, _born(self._child.pid), fitting.mark)
            self._note_of(fitting).write_text(json.dumps(asdict(self._note)), encoding="utf-8")
        except OSError as wrong:
            self._why, self._note, self._state = f"{command[0]}: {wrong.strerror}", None, "down"
            self._ended += 1
            return
        self._state = "starting"

    def _find(self, fitting: Fitting) -> None:
        """Take up a process that was left here."""
        with suppress(OSError, ValueError, TypeError):
            note = Note(**json.loads(self._note_of(fitting).read_text(encoding="utf-8")))
            if self._lives(note):
                self._note, self._state = note, "starting"
                self._began_at = asyncio.get_running_loop().time()

    async def _end(self) -> None:
        note = self._note
        if note is None or not self._lives(note):
            self._note, self._state = None, "down"
            return
        last_s = self._last_s
        within_s = self._fitting.end_within_s if self._fitting else last_s
        self._state = "ending"
        for number, patience_s in ((signal.SIGTERM, within_s), (signal.SIGTERM, last_s), (signal.SIGKILL, last_s)):
            with suppress(ProcessLookupError):
                os.kill(note.pid, number)
            if await self._has_ended(note, patience_s):
                break
            log.warning("a gateway does not end", extra={"gateway": self._place.name, "told": number.name})
        self._note, self._state = None, "down"

    async def _has_ended(self, note: Note, within_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._lives(note):  # noqa: ASYNC110  (a process that is not our child tells nobody)
                    await asyncio.sleep(self._look_every_s)
                return True
        return False

    def _lives(self, note: Note) -> bool:
        if self._child is not None and self._child.pid == note.pid:
            return self._child.poll() is None  # which buries it, too
        return _born(note.pid) == note.born

    def _note_of(self, fitting: Fitting) -> Path:
        return fitting.folder / "runs" / f"gateway-{self._place.name}.json"

    def _log_of(self, fitting: Fitting) -> Path:
        return fitting.folder / "runs" / "logs" / f"gateway-{self._place.name}.log"


def _born(pid: int) -> int:
    """When a process started, in ticks since the machine did; 0 when there is none. A dead one that is not yet buried
    is none. Source: proc(5), fields 3 and 22 of /proc/PID/stat."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])
