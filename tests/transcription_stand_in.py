"""A transcription server in a thread: it finds in a tone the word for its pitch, and keeps what it was asked."""

import io
import json
import threading
import wave
from contextlib import AbstractContextManager
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from http_stand_in import running

Form = dict[str, str | bytes]


class StandIn(ThreadingHTTPServer):
    """Answers what `answer` makes of a form: status and body."""

    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.requests: list[tuple[str, str, Form]] = []  # path, authorization, form
        self.hold, self.holding, self.dropped = threading.Event(), threading.Event(), threading.Event()
        self.hold.set()

    def answer(self, form: Form) -> tuple[int, bytes]:
        return 200, json.dumps({"text": f" pitch {pitch_of(form['file'])}", "usage": {"seconds": 1}}).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
        form: Form = {}
        for part in parts:
            content = part.get_payload(decode=True)
            form[part.get_param("name", header="content-disposition")] = (
                content if part.get_filename() else content.decode()
            )
        self.server.requests.append((self.path, self.headers["Authorization"], form))
        self.server.holding.set()
        if not self.server.hold.is_set():
            self._wait_until_dropped()
            return
        status, answer = self.server.answer(form)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _wait_until_dropped(self) -> None:
        self.connection.settimeout(5)
        if not self.connection.recv(1):
            self.server.dropped.set()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Silence; the tests read `requests`."""


def pitch_of(wav: str | bytes) -> int:
    """The loudest frequency of 16-bit mono sound in Hz, to 5 Hz."""
    assert isinstance(wav, bytes)
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return 5 * round(float(np.argmax(spectrum)) * 16_000 / len(samples) / 5)


def standing_in() -> AbstractContextManager[StandIn]:
    """A running server, ended with the block."""
    return running(StandIn())
