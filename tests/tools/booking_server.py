"""A company's server that does as its address says, on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class BookingServer:
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    """Sent in order, whole; the last one again and again. An empty one: the connection is reset instead."""
    hold: bool = False
    """Never answer."""


def answer(status: int, body: object = "", *headers: str, length: int | None = None) -> bytes:
    content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [
        f"HTTP/1.1 {status} As Told",
        f"Content-Length: {len(content) if length is None else length}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


@asynccontextmanager
async def booking_server() -> AsyncIterator[BookingServer]:
    told = BookingServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8").split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                told.requests.append(Request(method, target, headers, body))
                if told.hold:
                    await reader.read()
                    return
                content = told.answers.pop(0) if len(told.answers) > 1 else told.answers[0]
                writer.write(content)
                await writer.drain()
                if not content or b"Content-Length: 999999" in content:
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    told.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield told
    finally:
        server.close()
