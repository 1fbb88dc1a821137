"""`client-caller engine csm` with a tiny model of random weights, as its own process; and who listens in to it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx2
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side, State

from client_caller.speaking.csm.wire import Request, read_request

COMMAND = [sys.executable, "-m", "client_caller", "engine", "csm", "--random", "tiny", "--device", "cpu", "--port", "0"]
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@contextmanager
def running_csm(folder: Path, *words: str, key: str = "") -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Its address, and its supervisor, which is stopped at the end if it still runs. words: more of the command."""
    environment = {**os.environ, **THREADS, "CLIENT_CALLER_SPEAKING__CSM_KEY": key}
    pipe = subprocess.PIPE
    with subprocess.Popen([*COMMAND, *words], cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True) as csm:
        try:
            assert csm.stdout is not None
            yield csm.stdout.readline().split()[-1], csm
        finally:
            csm.terminate()


def process_at(url: str) -> int:
    """The id of the process that answers; if there is none, of the next."""
    with httpx2.Client(transport=httpx2.HTTPTransport(retries=10), timeout=60) as client:  # of the connection
        try:
            answer = client.get(f"{url}/health")
        except (httpx2.ReadError, httpx2.RemoteProtocolError):  # taken for one that was just killed, and broken off
            answer = client.get(f"{url}/health")
    health = answer.json()
    assert health["status"] == "alive"
    return int(health["process"])


def figure(url: str, name: str) -> float:
    """One of the engine's figures."""
    lines = httpx2.get(f"{url}/metrics", timeout=60).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


class Wiretap:
    """What goes to and from an engine, as bytes of each connection."""

    def __init__(self, to_port: int) -> None:
        self.url = ""
        self.sent: list[bytearray] = []  # by the client
        self.received: list[bytearray] = []
        self.relaying: set[asyncio.Task[None] | None] = set()
        self._to_port = to_port

    def requests(self, connection: int) -> list[Request]:
        """The messages that the client of a connection has sent."""
        _, _, frames = bytes(self.sent[connection]).partition(b"\r\n\r\n")
        reader = Protocol(Side.SERVER, state=State.OPEN, max_size=None)
        reader.receive_data(frames)
        return [read_request(frame.data.decode()) for frame in reader.events_received() if frame.opcode is Opcode.TEXT]

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self.relaying.add(asyncio.current_task())
        from_engine, to_engine = await asyncio.open_connection("127.0.0.1", self._to_port)
        self.sent.append(bytearray())
        self.received.append(bytearray())
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(reader, to_engine, self.sent[-1]))
            both.create_task(_pump(from_engine, writer, self.received[-1]))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
    with suppress(ConnectionError):
        while octets := await reader.read(65_536):
            kept += octets
            writer.write(octets)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def wiretapped(url: str) -> AsyncIterator[Wiretap]:
    """Somebody who listens in to the engine at `url`, at an address of their own."""
    tap = Wiretap(httpx2.URL(url).port or 0)
    server = await asyncio.start_server(tap.relay, "127.0.0.1", 0)
    async with server:
        tap.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield tap
        async with asyncio.timeout(5):
            await asyncio.gather(*filter(None, tap.relaying))
