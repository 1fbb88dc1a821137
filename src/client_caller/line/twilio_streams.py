"""The media streams of calls: who is promised one, who may open it, and who holds it.

In:   calls that are to have a stream, and later the WebSockets that claim to carry it.     Out: a `Line` for the desk.
Rule: a socket is accepted only with a valid signature and an unused ticket, and a call has one live stream at most.
      Room is promised before a stream is, so that no two calls are promised the same.
"""

import asyncio
import logging
import secrets
from collections import Counter
from typing import Final

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from client_caller.errors import CarrierFailed, LineError, LineLost, LineProtocolError
from client_caller.line import twiml
from client_caller.line.codec import Started
from client_caller.line.control import Steers
from client_caller.line.media_line import FAILED, POLICY, TRY_AGAIN, MediaLine, close_socket, read_start
from client_caller.line.protocol import Desk, Errand
from client_caller.line.tickets import Promises, Tickets
from client_caller.line.twilio_calls import CALLS_KNOWN, Call, Calls
from client_caller.line.twilio_messages import TwilioCodec
from client_caller.line.twilio_requests import Asked, Refusals, resume_url
from client_caller.line.twilio_signature import HEADER, SignatureCheck, socket_url
from client_caller.settings import Settings

log = logging.getLogger("client_caller.line")

_CODEC: Final = TwilioCodec()
_AWAY_S: Final = 60.0
"""Seconds for which room is kept for a call on an errand: those that come to nothing are mostly back by then."""


class Streams:
    """Gives calls their streams. steers: leads a call away from its stream; None: the stream is closed for that."""

    def __init__(
        self,
        settings: Settings,
        desk: Desk,
        calls: Calls,
        check: SignatureCheck | None,
        refusals: Refusals,
        steers: Steers | None,
    ) -> None:
        self._limits = settings.server
        self._account = settings.twilio_account_sid
        self._stream_url = settings.fleet.stream_url.rstrip("/")
        self._desk = desk
        self._calls = calls
        self._check = check
        self._refusals = refusals
        self._steers = steers
        self._tickets = Tickets(settings.server.token_life_s, CALLS_KNOWN, secrets.token_urlsafe)
        self._promises = Promises()
        self._pending: Counter[str] = Counter()  # sockets that wait for their start, by address

    def has_room(self, call: Call, ahead: int = 0) -> bool:
        """Whether this call can be promised a stream, beside those promised already and `ahead` that come first."""
        now = _now()
        if call.held or self._promises.hold(call.id, now):
            return True
        return self._desk.has_room(self._promises.to_others(call.id, now) + ahead)

    def promise(self, call: Call) -> None:
        """Keep room for this call until it has a stream, for as long as a ticket lasts."""
        self._promises.make(call.id, _now() + self._limits.token_life_s)

    def document(self, asked: Asked, call: Call) -> str:
        """A stream for this call, under the ticket it has not used yet, or a new one."""
        if call.line is None:
            self.promise(call)
        token = self._tickets.issue(call.id, _now())
        return twiml.connect(
            f"{socket_url(self._stream_url or asked.public)}/twilio/media/{token}",
            resume_url(asked.public, call.parties.order),
            f"{asked.public}/twilio/stream",
        )

    def end(self, call: Call) -> None:
        """Nobody is on the line any more: let go of whatever the call still holds."""
        call.over = True
        self._tickets.cancel(call.id)
        self._promises.drop(call.id)
        if call.line is not None:
            call.line.over = True
            call.line.break_off()

    async def wind_down(self, call: Call) -> None:
        """Let go of a stream that Twilio knows to be over and we do not yet, so that the next finds the call free."""
        if call.line is None or call.line.over:
            return
        within_s = self._limits.send_within_s
        await call.line.close(FAILED)
        try:
            async with asyncio.timeout(within_s):
                await call.idle.wait()
        except TimeoutError:
            log.warning("a broken stream is slow to end", extra={"waited_s": within_s})

    async def media(self, socket: WebSocket, token: str) -> None:
        """One media socket, from its upgrade to its end."""
        address = socket.client.host if socket.client else ""
        call_id = self._admit(socket, address, token)
        if call_id is None:
            await close_socket(socket, POLICY, self._limits.send_within_s)
            return
        call = self._calls.of(call_id)
        self._pending[address] += 1
        try:
            await socket.accept()
            started = await read_start(socket, _CODEC, self._limits.start_within_s)
            self._check_start(started, call)
        except (LineError, WebSocketDisconnect) as wrong:
            log.warning("a media socket was refused", extra={"call": call_id, "why": str(wrong)})
            self._promises.drop(call_id)
            await close_socket(socket, POLICY, self._limits.send_within_s)
            return
        finally:
            self._pending -= Counter([address])
        await self._hold(socket, started, call)

    def _admit(self, socket: WebSocket, address: str, token: str) -> str | None:
        """The call whose ticket a socket carries; None, and a line in the log, when it must not be accepted."""
        if self._check and not self._check.upgrade(str(socket.scope["path"]), socket.headers.get(HEADER, "")):
            self._turn_away("its signature is not Twilio's")
            return None
        if self._pending.total() >= self._limits.pending_sockets:
            self._turn_away("too many wait for their start")
            return None
        if self._pending[address] >= self._limits.pending_per_address:
            self._turn_away("too many from its address wait for their start")
            return None
        call_id = self._tickets.redeem(token, _now())
        if call_id is None:
            self._turn_away("its token is unknown, used or expired")
        return call_id

    def _turn_away(self, why: str) -> None:
        self._refusals.note("a media socket was turned away", why=why)

    def _check_start(self, started: Started, call: Call) -> None:
        """Raises LineError when this stream may not be held."""
        if started.call_id != call.id:
            raise LineProtocolError("start.callSid is not the call the token was given for")
        if self._account not in ("", started.account_id):
            raise LineProtocolError("start.accountSid is not TWILIO_ACCOUNT_SID")
        if call.over:
            raise LineProtocolError("the call is over")
        if call.line is not None:
            raise LineProtocolError("the call has a live stream already")
        if self._desk.ask_again_s:
            raise LineLost("this process takes no streams")
        # Whoever holds a ticket was promised room; but the house may have been closed since.
        if not call.held and not self._desk.has_room(self._promises.to_others(call.id, _now())):
            raise LineLost("no room")

    async def _hold(self, socket: WebSocket, started: Started, call: Call) -> None:
        """Have the desk answer. If it leaves without hanging up, only the stream is over, and the call is resumed."""

        async def take_away(errand: Errand) -> None:
            await self._take_away(call, errand)

        line = MediaLine(socket, _CODEC, started, self._limits, call.parties, call.back_from, take_away)
        call.line, call.held, call.back_from = line, True, ""
        call.idle.clear()
        self._promises.drop(call.id)  # the desk counts it from now on
        try:
            await self._desk.answer(line)
        finally:
            call.over = call.over or line.over
            if not call.over:
                self._promises.make(call.id, _now() + (twiml.ALL_TRIES_S if call.errand is None else _AWAY_S))
            await line.close(TRY_AGAIN if self._desk.ask_again_s else FAILED)
            call.line = None
            call.idle.set()

    async def _take_away(self, call: Call, errand: Errand) -> None:
        """Have Twilio ask what is next, and know then. If it cannot be told to, it does when the stream is closed."""
        call.errand = errand
        if self._steers is None:
            return
        try:
            await self._steers.lead_to(call.id, resume_url(call.public, call.parties.order))
        except CarrierFailed as failed:
            log.warning("a call is led away by closing its stream", extra={"call": call.id, "why": str(failed)})


def _now() -> float:
    return asyncio.get_running_loop().time()
