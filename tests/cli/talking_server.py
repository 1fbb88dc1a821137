"""An OpenAI-compatible server that says what a script has, for commands that are run whole."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from client_caller.thinking.protocol import ToolCall

Script = Mapping[str, str | ToolCall]
"""What is said or called, by the last message's text; without one, "Hm."."""


def _delta(said: str | ToolCall) -> dict[str, Any]:
    if isinstance(said, str):
        return {"content": said}
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": said.name, "arguments": said.arguments}}
    return {"tool_calls": [call]}


@contextmanager
def talking_server(script: Script) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The server's address, and the bodies of the requests that it gets."""
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            bodies.append(body)
            said = script.get(body["messages"][-1]["content"].rpartition("\n")[2], "Hm.")
            choice = {"index": 0, "delta": _delta(said), "finish_reason": "stop"}
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
