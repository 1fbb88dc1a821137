"""The client of our CSM engine: one WebSocket a call, over which the engine hears the call that it speaks in.

In:   pieces, each with the talk before it.     Out: speech at 8 kHz as it is made, with the times of its words.
Rule: every piece says what it follows on, so nothing is lost with a connection but time: on a new one the caller's
      turns are sent again. A piece that is given up is cancelled by its name, and what still comes of it passed over.
      Nothing is tried twice: the next voice of the chain is sooner there. Words and keys are in no error and no log.

A piece without a talk is asked for over HTTP: in a call the engine speaks no faster than one listens, and the phrases
of a bank, some dozens, are made while the start waits for them.

What an engine was told over a connection, and what it has said over it, is in `csm_talk.py`.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.protocol import State

from client_caller.audio.frame import Samples
from client_caller.errors import ConfigError, EngineCrashed, EngineError, EngineOverloaded, refusal
from client_caller.speaking.csm.protocol import HZ
from client_caller.speaking.csm.wire import (
    Answer,
    Begun,
    Cancel,
    Ended,
    Failed,
    MessageError,
    Open,
    Ready,
    Speak,
    encode,
    read_answer,
    sound_of,
)
from client_caller.speaking.csm_talk import Told
from client_caller.speaking.finished import Finish, FinishedPiece
from client_caller.speaking.protocol import Speech, Talk
from client_caller.speaking.speech_client import SpeechClient

_socket_log = logging.getLogger("client_caller.speaking.csm_socket")
_socket_log.setLevel(logging.INFO)  # below that, the library writes down every message

_ENGINE: Final = "voice"
_PATH: Final = "/v1/calls"
_MODEL: Final = "csm-1b"
_PING_S: Final = 5.0
"""How often an idle connection is tried, and how long an answer may take: between two pieces nothing else would tell
that it is dead."""

_WAITING: Final = 256
"""Messages that may wait to be read, about 20 s of sound: what comes of a cancelled piece is read with the next one."""

_CLOSE_S: Final = 0.3
"""How long the engine may take to say goodbye; a voice has half a second to be closed."""


class CsmVoice:
    """One voice of the engine's, in any number of calls.

    url: of the engine, http://… or https://…;  key: that it asks for, may be empty;  voice: name of a voice prompt;
    hears_caller: whether the engine is told what the caller says, or only what it has said itself.
    Raises ConfigError when the address is none, or the voice has no name.
    """

    def __init__(self, url: str, key: str, voice: str, *, hears_caller: bool = True) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"set CLIENT_CALLER_SPEAKING__CSM_URL to http://… or https://… (it is {url!r})")
        if not voice:
            raise ConfigError(
                "CLIENT_CALLER_SPEAKING__ENGINE is csm, which speaks with a voice prompt: name one in the agent file, "
                "[voice] prompt, or in CLIENT_CALLER_SPEAKING__CSM_VOICE; `client-caller voices list` shows them"
            )
        self._alone = SpeechClient(f"{url.rstrip('/')}/v1", key, _MODEL, voice)
        self._url = f"ws{url.removeprefix('http').rstrip('/')}{_PATH}"
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._voice = voice
        self._hears_caller = hears_caller
        self._finish = Finish()
        self._calls: dict[str, _Connection] = {}

    async def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
        """The piece as it is made. Raises EngineError."""
        if not text.strip():
            return
        if talk is None:
            made = self._finish.speech(text, self._alone.sound(text), HZ)
        else:
            made = (await self._of_call(talk.call_id)).speech(text, talk)
        async with aclosing(made) as speeches:
            async for speech in speeches:
                yield speech

    def leave(self, call_id: str) -> None:
        """Close the call's connection, if it has one."""
        if connection := self._calls.pop(call_id, None):
            connection.drop()

    async def close(self) -> None:
        """Close all connections."""
        await self._alone.close()
        while self._calls:
            await self._calls.popitem()[1].close()

    async def _of_call(self, call_id: str) -> "_Connection":
        known = self._calls.get(call_id)
        if known and known.is_usable:
            return known
        self.leave(call_id)
        self._calls[call_id] = connection = await self._opened()
        return connection

    async def _opened(self) -> "_Connection":
        try:
            async with AsyncExitStack() as undo:
                socket = await connect(
                    self._url,
                    additional_headers=self._headers,
                    compression=None,
                    proxy=None,
                    open_timeout=None,
                    ping_interval=_PING_S,
                    ping_timeout=_PING_S,
                    close_timeout=_CLOSE_S,
                    max_queue=_WAITING,
                    logger=_socket_log,
                )
                undo.callback(socket.transport.abort)
                await socket.send(encode(Open(self._voice)))
                ready = await _ready(socket, self._voice)
                connection = _Connection(socket, ready.hz, self._finish, Told(self._hears_caller))
                undo.pop_all()
                return connection
        except InvalidStatus as refused:
            raise refusal(_ENGINE, refused.response.status_code) from refused
        except (OSError, WebSocketException, MessageError) as wrong:
            raise _translated(wrong) from wrong


async def _ready(socket: ClientConnection, voice: str) -> Ready:
    """The engine takes the call. Raises EngineError, MessageError."""
    match await _answer(socket):
        case Ready() as ready:
            return ready
        case Failed(code="bad_request"):
            raise EngineCrashed(_ENGINE, f"the CSM engine does not take the voice prompt {voice!r}")
        case Failed() as failed:
            raise _failure(failed)
    raise MessageError("the engine's first answer is not `ready`")


async def _answer(socket: ClientConnection) -> Answer | Samples:
    """What comes next: an answer, or sound. Raises MessageError, ConnectionClosed."""
    message = await socket.recv()
    return read_answer(message) if isinstance(message, str) else sound_of(message)


class _Connection:
    """One WebSocket to the engine."""

    def __init__(self, socket: ClientConnection, hz: int, finish: Finish, told: Told) -> None:
        self._socket = socket
        self._finish = finish
        self._hz = hz
        self._told = told
        self._busy = self._broken = False

    @property
    def is_usable(self) -> bool:
        """Whether a piece can be said over it now."""
        return self._socket.state is State.OPEN and not self._busy and not self._broken

    async def speech(self, text: str, talk: Talk) -> AsyncGenerator[Speech, None]:
        """The piece as it is made; one at a time. Raises EngineError."""
        told, self._busy = self._told, True
        news, speak = told.what_to_send(text, talk)
        try:
            for heard in news:
                told.hears(heard.id)
                await self._socket.send(encode(heard))
            piece = FinishedPiece(self._finish, text, self._hz)
            async with aclosing(self._sound(speak)) as sounds:
                async for sound in sounds:
                    if speech := piece.feed(sound):
                        told.said(speak.id, speech, piece.skipped_s)
                        yield speech
            last = piece.end()
            told.ended(speak.id, last)
            if last:
                yield last
        except (OSError, WebSocketException, MessageError) as wrong:
            self._broken = True
            raise _translated(wrong) from wrong
        finally:
            self._busy = False

    async def _sound(self, speak: Speak) -> AsyncGenerator[Samples, None]:
        """The sound of this utterance, at `_hz`. Raises EngineError, MessageError, ConnectionClosed."""
        name, sounding, over = speak.id, "", False
        try:
            await self._socket.send(encode(speak))
            while True:
                match await _answer(self._socket):
                    case Begun(id=begun):
                        sounding = begun
                    case Ended(id=ended) if ended == name:
                        over = True
                        return
                    case Failed(id=about) as failed if about in ("", name):
                        over = True
                        self._broken = failed.code == "engine"
                        raise _failure(failed)
                    case Failed(id=about):
                        self._told.hears_not(about)
                    case Ready() | Ended():
                        pass
                    case sound if sounding == name:
                        yield sound
        finally:
            if not over:
                with suppress(ConnectionClosed):
                    await self._socket.send(encode(Cancel(name)))

    def drop(self) -> None:
        """Close it without a goodbye."""
        self._socket.transport.close()

    async def close(self) -> None:
        """Close it."""
        await self._socket.close()


def _failure(failed: Failed) -> EngineError:
    """What the engine could not do, without what it says of it."""
    if failed.code == "overloaded":
        return EngineOverloaded(_ENGINE, "the CSM engine has no room")
    return EngineCrashed(_ENGINE, f"the CSM engine failed: {failed.code}")


def _translated(wrong: Exception) -> EngineError:
    """What went wrong, in our own terms."""
    if isinstance(wrong, MessageError):
        return EngineCrashed(_ENGINE, "the CSM engine does not keep to the protocol")
    return EngineCrashed(_ENGINE, "the connection to the CSM engine failed")
