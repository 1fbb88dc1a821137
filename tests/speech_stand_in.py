"""A speech server in a thread: it sounds every word as a tone at 24 kHz, and keeps what it was asked."""

import json
import threading
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from csm_stand_in import ENDLESS, frames_of
from http_stand_in import running

_CHUNK = 1_001
"""Bytes at once, so that samples are cut in the middle."""


class StandIn(ThreadingHTTPServer):
    """requests: path, authorization and order;  status: of the answer;  lost: bytes that are missing at its end."""

    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.status, self.lost, self.breaks = 200, 0, False
        self.dropped = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, self.headers["Authorization"], order))
        sound = b"".join(frames_of(order["input"]))
        sound = sound[: len(sound) - self.server.lost]
        self.send_response(self.server.status)
        if self.server.breaks:
            self.send_header("Content-Length", str(2 * len(sound)))
        self.end_headers()
        if self.server.status >= 400:
            self.wfile.write(order["input"].encode())
            return
        try:
            for begin in range(0, len(sound), _CHUNK):
                self.wfile.write(sound[begin : begin + _CHUNK])
            while ENDLESS in order["input"]:
                self.wfile.write(sound)
        except OSError:
            self.server.dropped.set()

    def log_message(self, *_: object) -> None:
        """Silence; the tests read `requests`."""


def standing_in_for_speech() -> AbstractContextManager[StandIn]:
    """A running server, ended with the block."""
    return running(StandIn())
