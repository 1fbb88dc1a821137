"""The supervisor: a small process that keeps another one serving.

In:   the command of the serving process, and the socket it is to answer on.     Out: the exit status to end with.
Rule: it must not die of what kills the serving process, so it imports nothing heavy and does nothing but wait. It owns
      the socket, so that nobody is refused between one serving process and the next; without one, everybody is, which
      is better for those who have somewhere else to go.

The serving process has its own session, so that Ctrl-C reaches this one only, and is passed on once. Its standard input
is a pipe that nobody writes to: when this process is gone, the other reads the end of it.
"""

import asyncio
import logging
import signal
import socket
from collections import deque
from collections.abc import Sequence
from typing import Final

from client_caller.sighup import hold_sighup, on_sighup

log = logging.getLogger("client_caller.supervisor")

MISTAKE: Final = 2
"""The exit status of a process that the operator must help; to start it again would change nothing."""

_DEATHS: Final = 5
_WITHIN_S: Final = 60.0
"""So many deaths within so long are no accidents; whoever runs this process must be told."""


def supervise(command: Sequence[str], listener: socket.socket | None = None) -> int:
    """Keep `command` running, with the listener's descriptor, if any, behind `--listen-fd`, until it ends by itself.

    SIGTERM and SIGINT are passed on as SIGTERM, every time, and SIGHUP as what it is. Gives the exit status: that of
    the serving process, or 1 when it dies too often.
    """
    if listener is None:
        return asyncio.run(_Supervisor(command, ()).run())
    descriptor = listener.fileno()
    return asyncio.run(_Supervisor([*command, "--listen-fd", str(descriptor)], (descriptor,)).run())


class _Supervisor:
    def __init__(self, command: Sequence[str], descriptors: Sequence[int]) -> None:
        self._command = command
        self._descriptors = descriptors
        self._child: asyncio.subprocess.Process | None = None
        self._is_stopping = False
        self._died_at: deque[float] = deque(maxlen=_DEATHS)

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        on_sighup(self._have_reread, self._stop)
        while True:
            self._child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                pass_fds=self._descriptors,
                start_new_session=True,
                preexec_fn=hold_sighup,
            )
            if self._is_stopping:  # the signal came while it was being started
                self._child.terminate()
            status = await self._child.wait()
            if self._is_stopping:
                return 0 if status == -signal.SIGTERM else _as_exit_status(status)
            if status in (0, MISTAKE):
                return status
            log.error("the serving process died", extra={"status": status})
            if self._dies_too_often(loop.time()):
                log.critical("the serving process dies too often", extra={"deaths": _DEATHS, "within_s": _WITHIN_S})
                return 1

    def _stop(self) -> None:
        self._is_stopping = True
        if self._child and self._child.returncode is None:
            self._child.terminate()

    def _have_reread(self) -> None:
        """A process that is just being started reads its configuration anyway."""
        if self._child and self._child.returncode is None:
            self._child.send_signal(signal.SIGHUP)

    def _dies_too_often(self, now: float) -> bool:
        self._died_at.append(now)
        return len(self._died_at) == _DEATHS and now - self._died_at[0] <= _WITHIN_S


def _as_exit_status(status: int) -> int:
    """As a shell tells it: 128 and the number of the signal that killed a process."""
    return 128 - status if status < 0 else status
