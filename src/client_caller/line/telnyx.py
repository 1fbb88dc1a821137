"""Telnyx's side of the house: the webhook of its calls and their media sockets.

In:   signed webhooks and WebSocket upgrades.     Out: commands to Telnyx, and one `Line` a call, handed to the desk.
Rule: a webhook is answered at once; what it leads to is done after the answer. A socket is accepted only with an unused
      ticket, and a call has one live stream at most.

Telnyx asks nothing: it tells what has happened, in any order and more than once, and is told what to do. So where
Twilio asks how a call goes on whose stream has broken, a fresh stream is started here: by the socket that has lost it,
or by whoever is told that it has failed when no socket has noticed. A process that takes no streams refuses such
webhooks, and Telnyx tells them again, to the next process if there is one by then. Streams are told apart by the
tickets in their addresses.

A caller for whom there is no room hears the busy tone: it says the same as a sentence, costs nobody anything, and
leaves no call to be looked after.

Source: developers.telnyx.com/docs/voice/programmable-voice. No live account has proved it yet.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Final, Protocol
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Request, Response, WebSocket
from starlette.background import BackgroundTask

from client_caller.conversation.actions import Transfer
from client_caller.errors import CarrierFailed, ConfigError, LineError, LineLost, LineProtocolError
from client_caller.line.body import whole_body
from client_caller.line.codec import Started
from client_caller.line.media_line import FAILED, POLICY, TRY_AGAIN, MediaLine, close_socket, read_start
from client_caller.line.protocol import AnswererFound, Desk, Errand
from client_caller.line.telnyx_calls import Away, Calls, KnownCall
from client_caller.line.telnyx_events import Event, read_event, transfer_state, untaken, who_answered
from client_caller.line.telnyx_messages import TelnyxCodec
from client_caller.line.telnyx_signature import SIGNATURE, TIMESTAMP, TelnyxSignature
from client_caller.line.tickets import Tickets
from client_caller.settings import Settings

log = logging.getLogger("client_caller.line")

_BODY_BYTES: Final = 65_536
_TICKETS: Final = 1_000
_MEDIA: Final = "/telnyx/media/"
_AGAIN_S: Final = 1.0
"""Between two tries to start a stream."""

_KEY_S: Final = 0.5
"""What a key takes at most, with the rest behind it; and what a `w` takes."""

_NEEDS_A_LINE: Final = frozenset({"call.initiated", "call.answered", "streaming.failed", "streaming.stopped"})
"""Events that may lead to a stream."""

_VOICE: Final = {"voice": "female", "language": "en-US"}


class CallControl(Protocol):
    """Does things with calls."""

    async def command(self, call_id: str, action: str, **fields: object) -> bool:
        """Have something done with a call; false when it is gone. Raises CarrierFailed."""


def telnyx_router(
    settings: Settings, desk: Desk, control: CallControl, wall: Callable[[], float], *, insecure: bool = False
) -> APIRouter:
    """Routes `/telnyx/voice`, for all webhooks, and the socket `/telnyx/media/{token}`.

    wall: the time now, in seconds since 1970;  insecure: do without signatures when no public key is set.
    Raises ConfigError when a setting that this needs is missing.
    """
    switchboard = _Switchboard(settings, desk, control, telnyx_signature(settings, wall, insecure=insecure))
    router = APIRouter()
    router.add_api_route("/telnyx/voice", switchboard.webhook, methods=["POST"])
    router.add_api_websocket_route(_MEDIA + "{token}", switchboard.media)
    return router


def telnyx_signature(
    settings: Settings, wall: Callable[[], float], *, insecure: bool = False
) -> TelnyxSignature | None:
    """How webhooks are checked; None: not at all. Raises ConfigError that names the setting to change."""
    url = urlsplit(settings.public_url)
    is_here = url.scheme == "http" and url.hostname in {"127.0.0.1", "localhost", "::1"}
    if url.scheme != "https" and not is_here:
        raise ConfigError(
            "setting CLIENT_CALLER_PUBLIC_URL must be the https address at which Telnyx reaches this server "
            f"(it is {settings.public_url!r})"
        )
    if settings.telnyx_public_key:
        return TelnyxSignature(settings.telnyx_public_key, wall)
    if insecure:
        return None
    raise ConfigError("setting TELNYX_PUBLIC_KEY is empty: set it to the key with which Telnyx signs its webhooks")


class _Switchboard:
    def __init__(self, settings: Settings, desk: Desk, control: CallControl, check: TelnyxSignature | None) -> None:
        self._limits = settings.server
        self._sockets = "ws" + settings.public_url.rstrip("/").removeprefix("http") + _MEDIA
        self._desk = desk
        self._control = control
        self._check = check
        self._tickets = Tickets(settings.server.token_life_s, _TICKETS, secrets.token_urlsafe)
        self._calls = Calls(settings.server, desk)
        self._pending: list[str] = []  # addresses of sockets that wait for their start

    async def webhook(self, request: Request) -> Response:
        """Something has happened. The same told again changes nothing."""
        body = await whole_body(request, _BODY_BYTES)
        if self._check and not self._check.holds(
            body, request.headers.get(TIMESTAMP, ""), request.headers.get(SIGNATURE, "")
        ):
            log.warning("a webhook was refused", extra={"why": "its signature is not Telnyx's, or too old"})
            raise HTTPException(403, "the signature is not Telnyx's")
        try:
            event = read_event(body)
        except LineProtocolError as wrong:
            raise HTTPException(400, str(wrong)) from wrong
        if event.kind in _NEEDS_A_LINE and self._desk.ask_again_s:
            raise HTTPException(503, "no line is taken now", {"Retry-After": str(self._desk.ask_again_s)})
        if not event.call_id or not self._calls.is_new(event):
            return Response()
        return Response(background=BackgroundTask(self._take, event))

    async def _take(self, event: Event) -> None:
        """Do what an event leads to."""
        call = self._calls.of(event.transferred_call or event.call_id)
        try:
            if event.transferred_call:
                await self._transfer_told(call, event)
            else:
                await self._call_told(call, event)
        except LineError as failed:
            log.warning("a command came to nothing", extra={"call": call.id, "why": str(failed)})

    async def _call_told(self, call: KnownCall, event: Event) -> None:
        self._calls.note(call, event)
        match event.kind:
            case "call.initiated" if event.is_incoming:
                await self._come_in(call)
            case "call.answered" if event.order:
                await self._connect(call)
            case "call.hangup" if call.line:
                call.line.over = True
                call.line.break_off()
            case "streaming.failed" | "streaming.stopped":
                await self._stream_told(call, event)
            case "call.speak.ended" if call.parting_to is not None:
                await self._let_go(call, call.parting_to)
            case _ if who := who_answered(event):
                self._desk.hear_of(AnswererFound(call.id, who))

    async def _come_in(self, call: KnownCall) -> None:
        """A telephone of ours rings: take the call off, with a stream, or let it hear that we are busy."""
        if call.over or call.token:
            return
        if not self._calls.have_room_for(call):
            log.warning("a call found no room", extra={"call": call.id})
            await self._control.command(call.id, "reject", cause="USER_BUSY")
            return
        await self._control.command(call.id, "answer", **self._stream(call))

    async def _connect(self, call: KnownCall) -> None:
        """Somebody whom we called has answered."""
        if call.over or call.token:
            return
        if self._calls.have_room_for(call):
            await self._start(call)
        else:
            log.warning("a call found no room", extra={"call": call.id})
            await self._part(call, self._desk.phrases.busy)

    async def _stream_told(self, call: KnownCall, event: Event) -> None:
        """A stream is over: start another, unless that is done already, or nobody needs it."""
        if call.token and not event.stream_url.endswith(_MEDIA + call.token):
            return
        if call.line is not None:
            call.line.break_off()  # and who reads it starts another
            return
        self._calls.recall(call)
        if call.over or call.away or call.is_starting or call.parting_to is not None:
            return
        if self._calls.have_room_for(call):
            await self._start(call, again=True)
        else:
            await self._part(call, self._desk.phrases.busy)

    async def _transfer_told(self, call: KnownCall, leg: Event) -> None:
        """When nobody has taken a transfer, the caller comes back."""
        reason = untaken(leg.cause) if leg.kind == "call.hangup" else ""
        if not reason or call.away != "transfer" or call.over:
            return
        call.away, call.back_from = "", reason
        if call.parting_to is None:
            await self._start(call)
        else:
            await self._let_go(call, "")

    async def media(self, socket: WebSocket, token: str) -> None:
        """One media socket, from its upgrade to its end."""
        address = socket.client.host if socket.client else ""
        call_id = self._admit(address, token)
        if call_id is None:
            await close_socket(socket, POLICY, self._limits.send_within_s)
            return
        call, codec = self._calls.of(call_id), TelnyxCodec()
        self._pending.append(address)
        try:
            await socket.accept()
            started = await read_start(socket, codec, self._limits.start_within_s)
            self._check_start(started, call)
        except LineError as wrong:
            log.warning("a media socket was refused", extra={"call": call_id, "why": str(wrong)})
            await close_socket(socket, POLICY, self._limits.send_within_s)
            return
        finally:
            self._pending.remove(address)
        await self._hold(call, socket, codec, started)

    async def _hold(self, call: KnownCall, socket: WebSocket, codec: TelnyxCodec, started: Started) -> None:
        """Have the desk answer, and see to it that the call goes on, or ends, when that is over."""

        async def take_away(errand: Errand) -> None:
            await self._run(errand, call)

        line = MediaLine(socket, codec, started, self._limits, call.parties, call.back_from, take_away)
        call.line, call.held, call.back_from = line, True, ""
        try:
            await self._desk.answer(line)
        finally:
            await line.close(TRY_AGAIN if self._desk.ask_again_s else FAILED)
            call.line = None
        try:
            await self._go_on(call, line)
        except LineError as failed:
            log.warning("a command came to nothing", extra={"call": call.id, "why": str(failed)})

    async def _go_on(self, call: KnownCall, line: MediaLine) -> None:
        if line.over or call.over:
            if not call.over:
                call.over = True
                await self._control.command(call.id, "hangup")
        elif call.away == "keys":
            await asyncio.sleep(call.keys_s)
            call.away, call.back_from = "", "keys"
            await self._start(call)
        elif not call.away and not self._desk.ask_again_s:
            await self._start(call, again=True)

    async def _run(self, errand: Errand, call: KnownCall) -> None:
        """Have Telnyx run an errand; the stream ends, as the line promises, though Telnyx would not need it to.

        Nobody can be briefed before a transfer: the caller is put through cold. Raises LineError.
        """
        if isinstance(errand, Transfer):
            if errand.briefing:
                log.warning("a transfer goes unannounced", extra={"call": call.id, "why": "Telnyx briefs nobody"})
            await self._transfer(call, errand.to)
        else:
            call.keys_s = len(errand.keys) * _KEY_S
            await self._lead_away(call, "keys", "send_dtmf", digits=errand.keys)

    async def _transfer(self, call: KnownCall, to: str) -> None:
        """Put the caller through. Raises LineError."""
        ours = {"from": call.parties.ours} if call.parties.ours else {}
        leg = transfer_state(call.id)
        await self._lead_away(call, "transfer", "transfer", to=to, target_leg_client_state=leg, **ours)

    async def _lead_away(self, call: KnownCall, away: Away, action: str, **fields: object) -> None:
        call.away = away  # first, for what its stream's end tells may come before the answer
        try:
            is_there = await self._control.command(call.id, action, **fields)
        except CarrierFailed:
            call.away = ""
            raise
        if not is_there:
            call.away = ""
            raise LineProtocolError("the call is gone")

    async def _start(self, call: KnownCall, *, again: bool = False) -> None:
        """Start a stream, and say goodbye when that fails too often. again: it makes up for one that was lost."""
        call.is_starting = True
        try:
            while not call.over:
                if again and not self._calls.may_start_again(call):
                    log.warning("a call was given up", extra={"call": call.id})
                    await self._part(call, self._desk.phrases.dropped, self._desk.phrases.transfer_to or "")
                    return
                try:
                    if not await self._control.command(call.id, "streaming_start", **self._stream(call)):
                        call.over = True
                except CarrierFailed as failed:
                    log.warning("a stream could not be started", extra={"call": call.id, "why": str(failed)})
                    again = True
                    await asyncio.sleep(_AGAIN_S)
                else:
                    return
        finally:
            call.is_starting = False

    def _stream(self, call: KnownCall) -> dict[str, object]:
        """What Telnyx must know to open a stream for this call."""
        call.token = self._tickets.issue(call.id, asyncio.get_running_loop().time())
        self._calls.promise(call)
        return {
            "stream_url": self._sockets + call.token,
            "stream_track": "inbound_track",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "PCMU",
        }

    async def _part(self, call: KnownCall, sentence: str, to: str = "") -> None:
        """Tell a caller who cannot be helped here, and then ring up whoever may help, or hang up."""
        call.parting_to = to
        try:
            await self._control.command(call.id, "speak", payload=sentence, **_VOICE)
        except CarrierFailed:
            await self._let_go(call, to)

    async def _let_go(self, call: KnownCall, to: str) -> None:
        if to:
            await self._transfer(call, to)
        else:
            await self._control.command(call.id, "hangup")

    def _admit(self, address: str, token: str) -> str | None:
        """The call whose ticket a socket carries; None, and a line in the log, when it must not be accepted."""
        why, call_id = "", None
        if len(self._pending) >= self._limits.pending_sockets:
            why = "too many wait for their start"
        elif self._pending.count(address) >= self._limits.pending_per_address:
            why = "too many from its address wait for their start"
        else:
            call_id = self._tickets.redeem(token, asyncio.get_running_loop().time())
            why = "" if call_id else "its token is unknown, used or expired"
        if why:
            log.warning("a media socket was turned away", extra={"why": why})
        return call_id

    def _check_start(self, started: Started, call: KnownCall) -> None:
        """Raises LineError when this stream may not be held."""
        if started.call_id != call.id:
            raise LineProtocolError("start.call_control_id is not the call the token was given for")
        if call.over:
            raise LineProtocolError("the call is over")
        if call.line is not None:
            raise LineProtocolError("the call has a live stream already")
        if self._desk.ask_again_s:
            raise LineLost("this process takes no streams")
        if not self._calls.have_room_for(call):
            raise LineLost("no room")
