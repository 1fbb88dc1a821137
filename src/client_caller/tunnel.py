"""A tunnel: a public https address for a port of this machine, by a program that somebody else wrote.

In:   a port that is listened on.     Out: an address that the carrier can reach, for as long as the tunnel is kept.
Rule: for trials. Nothing heavy is imported, for the supervisor keeps it: a tunnel must outlive the serving process.

`cloudflared` comes first, if both are installed: it needs no account. `ngrok` needs one, and tells so by itself.
Sources: developers.cloudflare.com/cloudflare-one/connections/connect-networks/do-more-with-tunnels/trycloudflare and
ngrok.com/docs/agent/cli.
"""

import json
import logging
import os
import re
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import Final

from client_caller.errors import ConfigError

log = logging.getLogger("client_caller.tunnel")

_LAST_LINES: Final = 5
_END_WITHIN_S: Final = 5.0

_CLOUDFLARED_URL: Final = re.compile(r"https://(?!api\.)[a-z0-9-]+\.trycloudflare\.com")
"""The first word is random; `api` is where one is asked for, which stands in the message when that fails."""

_SECRET: Final = re.compile(r"(your authtoken:\s*)[^\s\\\"]+", re.IGNORECASE)
"""What ngrok says back of a token that it does not like (ERR_NGROK_105)."""


def _cloudflared_url(line: str) -> str | None:
    found = _CLOUDFLARED_URL.search(line)
    return found[0] if found else None


def _ngrok_url(line: str) -> str | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    if not isinstance(told, dict) or told.get("msg") != "started tunnel":
        return None
    url = told.get("url")
    return url if isinstance(url, str) and url.startswith("https://") else None


@dataclass(frozen=True, slots=True)
class _Program:
    """arguments: `{port}` stands for the port;  url_in: the public address, if this line of its output has it."""

    name: str
    arguments: Sequence[str]
    url_in: Callable[[str], str | None]


_PROGRAMS: Final = (
    _Program("cloudflared", ("tunnel", "--url", "http://127.0.0.1:{port}", "--no-autoupdate"), _cloudflared_url),
    _Program("ngrok", ("http", "{port}", "--log", "stdout", "--log-format", "json"), _ngrok_url),
)


@contextmanager
def open_tunnel(port: int, within_s: float = 20.0) -> Iterator[str]:
    """A public address, without a slash at its end, of what listens on `port` of this machine; closed with the block.

    A tunnel that ends by itself is told in the log; it is not opened again, for its address would be another.
    within_s: seconds it may take to come up.
    Raises ConfigError when neither program is installed, or the one that is does not bring an address.
    """
    if port == 0:
        raise ConfigError("a tunnel needs to know the port: set CLIENT_CALLER_SERVER__PORT to one that is not 0")
    program, path = _installed()
    with _started([path, *(argument.format(port=port) for argument in program.arguments)]) as process:
        output = _Output(process, program)
        try:
            yield output.url(within_s)
        finally:
            output.is_wanted = False
            _end(process)
            output.reader.join()


def _installed() -> tuple[_Program, str]:
    for program in _PROGRAMS:
        if path := shutil.which(program.name):
            return program, path
    raise ConfigError(
        "a tunnel needs cloudflared or ngrok, and neither is on the PATH: install cloudflared (no account needed) from "
        "https://github.com/cloudflare/cloudflared/releases, or ngrok from https://ngrok.com/download; or set "
        "CLIENT_CALLER_PUBLIC_URL to an address of your own"
    )


def _started(command: Sequence[str]) -> "subprocess.Popen[str]":
    """The program, in a session of its own: Ctrl-C must not take the address from calls that are to end in peace."""
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as wrong:
        raise ConfigError(f"the tunnel's program {command[0]} cannot be run: {wrong.strerror}") from wrong


class _Output:
    """What a tunnel's program says, read to its end by a thread: the program would stand still if nobody read it."""

    def __init__(self, process: "subprocess.Popen[str]", program: _Program) -> None:
        self.is_wanted = True
        self._process = process
        self._program = program
        self._url: str | None = None
        self._settled = Event()  # there is an address, or there will be none
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self.reader = Thread(target=self._read, name="tunnel", daemon=True)
        self.reader.start()

    def url(self, within_s: float) -> str:
        """The address, waited for. Raises ConfigError with the last that the program said."""
        in_time = self._settled.wait(within_s)
        if self._url:
            return self._url
        what = "ended without an address" if in_time else f"brought no address within {within_s:g} s"
        said = _SECRET.sub(r"\1…", "\n".join(list(self._last))) or "nothing"
        raise ConfigError(f"the tunnel {what}; {self._program.name} said at last:\n{said}")

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.strip():
                self._last.append(line.strip())
            if self._url is None and (url := self._program.url_in(line)):
                self._url = url
                self._settled.set()
        self._settled.set()
        if self._url and self.is_wanted:
            log.error("the tunnel has ended; no call can come in", extra={"program": self._program.name})


def _end(process: "subprocess.Popen[str]") -> None:
    """End the program and whatever it has started: what is installed by that name may be a script around it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_WITHIN_S)
    with suppress(ProcessLookupError, PermissionError):  # the latter is how macOS tells that only the dead are left
        os.killpg(process.pid, signal.SIGKILL)
