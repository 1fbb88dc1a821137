"""A CSM engine in a thread: it speaks the engine's protocol over a real socket, and sounds every word as a tone."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Literal

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from client_caller.speaking.csm.protocol import FRAME_SAMPLES, HZ
from client_caller.speaking.csm.wire import (
    Begun,
    Cancel,
    Ended,
    Failed,
    Heard,
    Open,
    Ready,
    Request,
    Speak,
    encode,
    pcm_of,
    read_request,
)

_quiet = logging.getLogger("csm_stand_in")
_quiet.setLevel(logging.INFO)

ENDLESS = "endless"
"""A text with this word is said until it is cancelled."""

WORD_S = 0.4
"""Five frames: about as fast as people speak."""

LATE_FRAMES = 3
"""Frames that are still sent when the cancel has come."""

Fault = Literal["break", "overloaded", "bad_request", "engine", "nonsense"]


class EngineStandIn:
    """What it was asked, and what it does wrong.

    asked: the requests of each connection;  keys: what each presented;  refuses: at the opening;
    faults: of the next utterances, in order;  silent_frames: before the first word of each.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[list[Request]] = []
        self.keys: list[str | None] = []
        self.refuses: Fault | None = None
        self.faults: list[Fault | None] = []
        self.silent_frames = 0
        self.gone = threading.Semaphore(0)  # released for each connection that has ended

    @property
    def last(self) -> list[Request]:
        """The requests of the connection that was opened last."""
        return self.asked[-1]

    def heard(self, connection: int = -1) -> list[str]:
        return [request.id for request in self.asked[connection] if isinstance(request, Heard)]

    def spoken(self, connection: int = -1) -> list[Speak]:
        return [request for request in self.asked[connection] if isinstance(request, Speak)]

    def serve(self, socket: ServerConnection) -> None:
        try:
            self._serve(socket)
        except ConnectionClosed:
            pass
        finally:
            self.gone.release()

    def _serve(self, socket: ServerConnection) -> None:
        self.keys.append(socket.request.headers.get("Authorization") if socket.request else None)
        asked: list[Request] = []
        self.asked.append(asked)
        assert isinstance(_next(socket, asked), Open)
        if self.refuses in ("overloaded", "bad_request", "engine"):
            socket.send(encode(Failed(self.refuses, "the prompt is secret")))
            return
        socket.send("{" if self.refuses == "nonsense" else encode(Ready()))
        while True:
            request = _next(socket, asked)
            if isinstance(request, Speak):
                self._speak(socket, request, asked)

    def _speak(self, socket: ServerConnection, speak: Speak, asked: list[Request]) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if fault in ("overloaded", "bad_request", "engine"):
            socket.send(encode(Failed(fault, "the prompt is secret", speak.id)))
            return
        socket.send(encode(Begun(speak.id)))
        for _ in range(self.silent_frames):
            socket.send(bytes(2 * FRAME_SAMPLES))
        frames = frames_of(speak.text)
        for frame in cycle(frames) if ENDLESS in speak.text else frames:
            socket.send(frame)
            if fault == "nonsense":
                socket.send('{"type": "secret"}')
            if fault == "break":
                socket.socket.close()
                raise ConnectionClosed(None, None)
            if _is_cancelled(socket, asked):
                for _ in range(LATE_FRAMES):
                    socket.send(pcm_of(np.full(FRAME_SAMPLES, 0.9, np.float32)))
                socket.send(encode(Ended(speak.id, "cancelled")))
                return
        socket.send(encode(Ended(speak.id, "spoken")))


def _next(socket: ServerConnection, asked: list[Request], timeout: float | None = None) -> Request:
    message = socket.recv(timeout)
    assert isinstance(message, str)
    request = read_request(message)
    asked.append(request)
    return request


def _is_cancelled(socket: ServerConnection, asked: list[Request]) -> bool:
    try:
        return isinstance(_next(socket, asked, 0.0), Cancel)
    except TimeoutError:
        return False


def frames_of(text: str) -> list[bytes]:
    """Each word as a tone of its own pitch, 24 kHz, in frames."""
    at_s = np.arange(round(WORD_S * HZ)) / HZ
    words = [0.1 * np.sin(2 * np.pi * (400 + 50 * (word % 40)) * at_s) for word in range(len(text.split()))]
    sound = np.concatenate(words).astype(np.float32)
    return [pcm_of(sound[begin : begin + FRAME_SAMPLES]) for begin in range(0, len(sound), FRAME_SAMPLES)]


@contextmanager
def standing_in_for_csm() -> Iterator[EngineStandIn]:
    """A running engine, ended with the block."""
    engine = EngineStandIn()
    server: Server
    with serve(engine.serve, "127.0.0.1", 0, compression=None, max_size=2**20, logger=_quiet) as server:
        engine.url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield engine
        finally:
            server.shutdown()
            thread.join()
            for _ in engine.asked:
                assert engine.gone.acquire(timeout=5), "a connection was left open"
