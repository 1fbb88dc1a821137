"""A process that does what a keeper expects of a gateway, and nothing else.

    python ray_tiny_gateway.py PORT [--never-ready] [--stubborn]

It tells in ended.txt, in its folder, that it was told to end; --stubborn: and does not.
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_ready = self.path == "/readyz" and "--never-ready" not in sys.argv
        self.send_response(200 if is_ready else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def end(number: int, frame: object) -> None:
    with Path("ended.txt").open("a") as told:
        told.write(f"{os.getpid()}\n")
    if "--stubborn" not in sys.argv:
        os._exit(0)


class Server(HTTPServer):
    allow_reuse_address = True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    Server(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
