"""The WebSocket of a call: what its client asks of the engine, and what it gets.

In:   requests as `wire` has them.     Out: answers, and sound as it is made.
Rule: a connection is a call, and its end frees all of it. A bad message is answered with Failed, and
      the connection stays; it is given up when it is hopeless: nothing but nonsense, more than anybody says, or a
      reader that takes nothing. No word of the caller's gets into the log or into an answer.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from client_caller.audio import mulaw
from client_caller.audio.frame import LINE_HZ
from client_caller.audio.resample import resample
from client_caller.errors import ConfigError, EngineError, EngineOverloaded
from client_caller.speaking.csm import wire
from client_caller.speaking.csm.protocol import HZ
from client_caller.speaking.csm.turns import CallerTurn, Manner, Utterance
from client_caller.speaking.csm.wire import Failed, MessageError
from client_caller.speaking.csm.worker import ENGINE, OpenCall, Worker

log = logging.getLogger("client_caller.csm")

NORMAL: Final = 1000
POLICY: Final = 1008
FAILED: Final = 1011
TRY_AGAIN: Final = 1013
"""Close codes of RFC 6455 section 7.4.1 and of IANA's registry: done; we will not have this; the engine broke; there
is no room now."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What a connection may do.

    open_within_s: seconds it has to say in whose voice;  send_within_s: seconds in which it must take a message;
    messages, messages_per_s: that may come at once, and in the long run;
    heard_s, heard_per_s: seconds of the caller's sound, likewise: nobody says more than a second in a second, but who
    connects again repeats what was said before;  bad_messages: after which it is given up.
    """

    open_within_s: float = 5.0
    send_within_s: float = 10.0
    messages: float = 200.0
    messages_per_s: float = 50.0
    heard_s: float = 240.0
    heard_per_s: float = 2.0
    bad_messages: int = 50


class _Hopeless(Exception):
    """The connection is given up, with this close code; None when it is gone already."""

    def __init__(self, code: int | None, failed: Failed | None = None) -> None:
        super().__init__()
        self.code = code
        self.failed = failed


class CallSocket:
    """One connection. `begin`, then `listen` and `tell` beside each other until either is over, then `end`."""

    def __init__(self, socket: WebSocket, worker: Worker, limits: CallLimits) -> None:
        now = asyncio.get_running_loop().time()
        self._socket = socket
        self._worker = worker
        self._limits = limits
        self._messages = _Allowance(limits.messages, limits.messages_per_s, now)
        self._heard_s = _Allowance(limits.heard_s, limits.heard_per_s, now)
        self._bad = 0
        self._call: OpenCall | None = None
        self._saying: set[str] = set()  # utterances that have not ended
        self._code: int | None = NORMAL

    async def begin(self) -> bool:
        """Accept it and open its call; false when there is nothing to be listened to."""
        await self._socket.accept()
        try:
            async with asyncio.timeout(self._limits.open_within_s):
                while self._call is None:
                    await self._attend()
        except TimeoutError:
            await self._give_up(_Hopeless(POLICY, Failed("bad_request", "no open came in time")))
        except _Hopeless as end:
            await self._give_up(end)
        return self._call is not None

    async def listen(self) -> None:
        """Do what the client asks, until it is gone or given up."""
        try:
            while True:
                await self._attend()
        except _Hopeless as end:
            await self._give_up(end)

    async def tell(self) -> None:
        """Send what is made, until the engine is over or the client takes no more."""
        assert self._call is not None
        begun = ""
        try:
            async for made in self._call.made():
                if len(made.sound):
                    if made.utterance != begun:
                        begun = made.utterance
                        await self._send(wire.Begun(begun))
                    await self._send(wire.pcm_of(made.sound))
                if made.ended is not None:
                    self._saying.discard(made.utterance)
                    await self._send(wire.Ended(made.utterance, made.ended))
        except EngineError as broken:
            await self._give_up(_Hopeless(FAILED, Failed("engine", str(broken))))
        except _Hopeless as end:
            await self._give_up(end)

    async def end(self) -> None:
        """Free the call at once, and close the connection. Safe to repeat."""
        if self._call is not None:
            self._call.close()
        if self._code is not None:
            with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
                async with asyncio.timeout(self._limits.send_within_s):
                    await self._socket.close(self._code)

    async def _attend(self) -> None:
        """Take one message and do what it asks. Raises _Hopeless."""
        try:
            await self._do(wire.read_request(await self._receive()))
        except MessageError as wrong:
            self._bad += 1
            failed = Failed("bad_request", str(wrong), wrong.id)
            if self._bad >= self._limits.bad_messages:
                raise _Hopeless(POLICY, failed) from wrong
            await self._send(failed)

    async def _receive(self) -> str:
        """The next message. Raises MessageError when it cannot be one, _Hopeless when none comes, or too many do."""
        received: Any = await self._socket.receive()
        if received["type"] == "websocket.disconnect":
            raise _Hopeless(None)
        if not self._messages.has(1, asyncio.get_running_loop().time()):
            much = f"more than {self._limits.messages_per_s:g} messages a second"
            raise _Hopeless(POLICY, Failed("bad_request", much))
        text: str | None = received.get("text")
        if text is None:
            raise MessageError("a message is text")
        if len(text) > wire.MESSAGE_BYTES:
            raise MessageError(f"a message has at most {wire.MESSAGE_BYTES} bytes")
        return text

    async def _do(self, asked: wire.Request) -> None:
        """Raises MessageError for what cannot be meant, _Hopeless when the engine is over."""
        about = "" if isinstance(asked, wire.Open) else asked.id
        try:
            if isinstance(asked, wire.Open):
                await self._open(asked)
            elif self._call is None:
                raise MessageError("type: the first message must be open", about)
            else:
                await self._in_call(self._call, asked)
        except ConfigError as unknown:
            log.warning("a voice could not be had", extra={"why": str(unknown)})
            raise MessageError(f"voice: {wire.NO_VOICE}", about) from unknown
        except EngineOverloaded as full:
            failed = Failed("overloaded", str(full), about)
            if self._call is None:
                raise _Hopeless(TRY_AGAIN, failed) from full
            await self._send(failed)
        except EngineError as broken:
            raise _Hopeless(FAILED, Failed("engine", str(broken), about)) from broken

    async def _open(self, asked: wire.Open) -> None:
        if self._call is not None:
            raise MessageError("type: this call is open already")
        self._call = await self._worker.open(asked.voice, Manner(asked.temperature, asked.top_k, asked.seed))
        await self._send(wire.Ready())

    async def _in_call(self, call: OpenCall, asked: wire.Heard | wire.Speak | wire.Cancel) -> None:
        match asked:
            case wire.Heard(id=id, text=text, audio=audio):
                if not self._heard_s.has(len(audio) / LINE_HZ, asyncio.get_running_loop().time()):
                    raise EngineOverloaded(ENGINE, "audio: more comes than anybody says")
                # Half a minute takes some ten milliseconds, which other calls need not wait for.
                sound = await asyncio.to_thread(resample, mulaw.decode(audio), LINE_HZ, HZ)
                await call.hear(CallerTurn(id, text, sound))
            case wire.Speak(id=id, text=text, turns=turns):
                if id in self._saying:
                    raise MessageError("id: an utterance of this id has not ended yet", id)
                self._saying.add(id)
                try:
                    await call.speak(Utterance(id, text, turns))
                except EngineError:
                    self._saying.discard(id)
                    raise
            case wire.Cancel(id=id):
                await call.cancel(id)

    async def _send(self, message: wire.Answer | bytes) -> None:
        """Raises _Hopeless when the client is gone, or takes nothing."""
        try:
            async with asyncio.timeout(self._limits.send_within_s):
                if isinstance(message, bytes):
                    await self._socket.send_bytes(message)
                else:
                    await self._socket.send_text(wire.encode(message))
        except TimeoutError as late:
            raise _Hopeless(POLICY) from late
        except (WebSocketDisconnect, RuntimeError) as gone:
            raise _Hopeless(None) from gone

    async def _give_up(self, end: _Hopeless) -> None:
        """Say why, if anybody listens; `end` closes."""
        self._code = end.code
        if end.failed is None:
            return
        log.warning("a connection was given up", extra={"why": end.failed.message})
        with suppress(_Hopeless):
            await self._send(end.failed)


class _Allowance:
    """So much at once, and so much a second in the long run."""

    def __init__(self, most: float, per_s: float, now: float) -> None:
        self._most = self._left = most
        self._per_s = per_s
        self._counted_at = now

    def has(self, amount: float, now: float) -> bool:
        """Take it off; false, and nothing taken, when so much is not left."""
        self._left = min(self._most, self._left + (now - self._counted_at) * self._per_s)
        self._counted_at = now
        if self._left < amount:
            return False
        self._left -= amount
        return True
