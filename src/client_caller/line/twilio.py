"""Twilio's side of the house: the webhooks of a call and its media socket.

In:   signed webhooks and WebSocket upgrades.     Out: TwiML, and one `Line` a call, handed to the desk.
Rule: webhooks are answered from memory, at once; no model is waited for. A socket is accepted only with a valid
      signature and an unused ticket, and a call has one live stream at most.

The call outlives its stream: when that breaks, Twilio asks `/twilio/resume` what is next and gets a fresh one, a few
times within a while. It does so of another process, too, when the one that held the call is gone; that process asks the
desk what is kept of the call.
"""

import asyncio
import logging
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, HTTPException, Request, Response, WebSocket
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import ClientDisconnect

from client_caller.errors import ConfigError, LineError, LineLost, LineProtocolError
from client_caller.line import twiml
from client_caller.line.codec import Started, is_safe_id
from client_caller.line.media_line import FAILED, POLICY, TRY_AGAIN, MediaLine, close_socket, read_start
from client_caller.line.protocol import Desk
from client_caller.line.tickets import Tickets
from client_caller.line.twilio_messages import TwilioCodec
from client_caller.line.twilio_signature import HEADER, SignatureCheck, socket_url
from client_caller.settings import Settings

log = logging.getLogger("client_caller.line")

Form = ImmutableMultiDict[str, str]

_FORM_BYTES: Final = 65_536
_FORM_FIELDS: Final = 500
_CALLS_KNOWN: Final = 1_000
"""Calls whose state the webhooks remember; the oldest finished ones are forgotten."""

_CODEC: Final = TwilioCodec()
_VOICE: Final = "/twilio/voice"
_RESUME: Final = "/twilio/resume"
_FINISHED: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Values of CallStatus after which nobody is on the line. Source: twilio.com/docs/voice/api/call-resource."""


def twilio_router(settings: Settings, desk: Desk, *, insecure: bool = False) -> APIRouter:
    """Routes `/twilio/voice`, `/twilio/resume` and the socket `/twilio/media/{token}`.

    insecure: do without signatures when no auth token is set; for trials on this machine only.
    Raises ConfigError when a setting that this needs is missing.
    """
    switchboard = _Switchboard(settings, desk, signature_check(settings, insecure))
    router = APIRouter()
    router.add_api_route(_VOICE, switchboard.voice, methods=["POST"])
    router.add_api_route(_RESUME, switchboard.resume, methods=["POST"])
    router.add_api_websocket_route("/twilio/media/{token}", switchboard.media)
    return router


def signature_check(settings: Settings, insecure: bool) -> SignatureCheck | None:
    """How requests are checked; None: not at all. Raises ConfigError that names the setting to change."""
    if not settings.twilio_auth_tokens:
        if insecure:
            return None
        raise ConfigError("setting TWILIO_AUTH_TOKEN is empty: set it to the token that signs Twilio's requests")
    url = urlsplit(settings.public_url)
    if url.scheme == "https" or (url.scheme == "http" and url.hostname in {"127.0.0.1", "localhost", "::1"}):
        return SignatureCheck(settings.public_url.rstrip("/"), settings.twilio_auth_tokens)
    raise ConfigError(
        "setting CLIENT_CALLER_PUBLIC_URL must be the https address at which Twilio reaches this server "
        f"(it is {settings.public_url!r})"
    )


@dataclass(slots=True)
class _Call:
    """What the webhooks know of one call.

    held: whether it has had a stream, here or elsewhere;  resumed_at: loop times at which it was given another.
    """

    over: bool = False
    held: bool = False
    resumed_at: deque[float] = field(default_factory=deque)
    last_request: str = ""
    line: MediaLine | None = None
    idle: asyncio.Event = field(default_factory=asyncio.Event)  # set while no stream is live

    def has_ended(self) -> bool:
        return self.over or (self.line is not None and self.line.over)


class _Switchboard:
    def __init__(self, settings: Settings, desk: Desk, check: SignatureCheck | None) -> None:
        self._settings = settings
        self._desk = desk
        self._check = check
        self._tickets = Tickets(settings.server.token_life_s, _CALLS_KNOWN, secrets.token_urlsafe)
        self._calls: dict[str, _Call] = {}
        self._pending = 0

    async def voice(self, request: Request) -> Response:
        """A call comes in: connect it to a stream. The same call asked again gets the same answer."""
        call_id = _call_id(await self._form(request))
        if self._call(call_id).has_ended():
            return _xml(twiml.hang_up())
        if wait_s := self._desk.ask_again_s:
            return _xml(twiml.ask_again(self._public(request) + _VOICE, wait_s, self._desk.phrases.wait))
        return self._stream(request, call_id)

    async def resume(self, request: Request) -> Response:
        """A stream has ended: a fresh one if it broke, else the end of the call."""
        form = await self._form(request)
        call_id = _call_id(form)
        call = self._call(call_id)
        await self._wind_down(call)
        if not call.held:
            self._recall(call_id, call)
        if call.has_ended() or form.get("CallStatus") in _FINISHED:
            return _xml(twiml.hang_up())
        if wait_s := self._desk.ask_again_s:
            return _xml(twiml.ask_again(self._public(request) + _RESUME, wait_s, self._desk.phrases.wait))
        this_request = request.headers.get("i-twilio-idempotency-token", "")
        if not this_request or this_request != call.last_request:
            call.last_request = this_request
            call.resumed_at.append(asyncio.get_running_loop().time())
        if self._attempts(call) > self._settings.server.resume_attempts:
            log.warning("a call was given up", extra={"call": call_id, "streams": len(call.resumed_at)})
            call.over = True
            return _xml(self._parting())
        return self._stream(request, call_id)

    def _recall(self, call_id: str, call: _Call) -> None:
        """Learn what is kept of a call that another process held before this one."""
        past = self._desk.past(call_id)
        if past is None:
            return
        now = asyncio.get_running_loop().time()
        call.held, call.over = True, past.over
        call.resumed_at.extend(now - ago for ago in past.lost_s_ago)

    def _attempts(self, call: _Call) -> int:
        """How often the call was given another stream of late."""
        oldest_at = asyncio.get_running_loop().time() - self._settings.server.resume_window_s
        while call.resumed_at and call.resumed_at[0] < oldest_at:
            call.resumed_at.popleft()
        return len(call.resumed_at)

    def _parting(self) -> str:
        """What a caller is told whose streams keep breaking."""
        phrases = self._desk.phrases
        if phrases.transfer_to:
            return twiml.say_and_dial(phrases.dropped, phrases.transfer_to)
        return twiml.say_and_hang_up(phrases.dropped)

    async def media(self, socket: WebSocket, token: str) -> None:
        """One media socket, from its upgrade to its end."""
        call_id = self._admit(socket, token)
        limits = self._settings.server
        if call_id is None:
            await close_socket(socket, POLICY, limits.send_within_s)
            return
        self._pending += 1
        try:
            await socket.accept()
            started = await read_start(socket, _CODEC, limits.start_within_s)
            self._check_start(started, call_id)
        except LineError as wrong:
            log.warning("a media socket was refused", extra={"call": call_id, "why": str(wrong)})
            await close_socket(socket, POLICY, limits.send_within_s)
            return
        finally:
            self._pending -= 1
        await self._hold(MediaLine(socket, _CODEC, started, limits))

    async def _hold(self, line: MediaLine) -> None:
        """Have the desk answer. If it leaves without hanging up, only the stream is over, and the call is resumed."""
        call = self._call(line.call_id)
        call.line = line
        call.held = True
        call.idle.clear()
        try:
            await self._desk.answer(line)
        finally:
            await line.close(TRY_AGAIN if self._desk.ask_again_s else FAILED)
            call.over = line.over
            call.line = None
            call.idle.set()

    async def _wind_down(self, call: _Call) -> None:
        """Let go of a stream that Twilio knows to be over and we do not yet, so that the next finds the call free."""
        if call.line is None or call.line.over:
            return
        within_s = self._settings.server.send_within_s
        await call.line.close(FAILED)
        try:
            async with asyncio.timeout(within_s):
                await call.idle.wait()
        except TimeoutError:
            log.warning("a broken stream is slow to end", extra={"waited_s": within_s})

    def _stream(self, request: Request, call_id: str) -> Response:
        """A stream for this call, under the ticket it has not used yet, or a new one if there is room."""
        now = asyncio.get_running_loop().time()
        if self._tickets.unused(call_id, now) is None and not self._has_room(call_id):
            log.warning("a call found no room", extra={"call": call_id})
            return _xml(twiml.say_and_hang_up(self._desk.phrases.busy))
        token = self._tickets.issue(call_id, now)
        public = self._public(request)
        return _xml(twiml.connect(f"{socket_url(public)}/twilio/media/{token}", public + _RESUME))

    def _has_room(self, call_id: str) -> bool:
        return self._call(call_id).held or self._desk.has_room()

    def _public(self, request: Request) -> str:
        return (self._settings.public_url or str(request.base_url)).rstrip("/")

    def _admit(self, socket: WebSocket, token: str) -> str | None:
        """The call whose ticket a socket carries; None, and a line in the log, when it must not be accepted."""
        if self._check and not self._check.upgrade(socket.url.path, socket.headers.get(HEADER, "")):
            log.warning("a media socket was turned away", extra={"why": "its signature is not Twilio's"})
            return None
        if self._pending >= self._settings.server.pending_sockets:
            log.warning("a media socket was turned away", extra={"why": "too many wait for their start"})
            return None
        call_id = self._tickets.redeem(token, asyncio.get_running_loop().time())
        if call_id is None:
            log.warning("a media socket was turned away", extra={"why": "its token is unknown, used or expired"})
        return call_id

    def _check_start(self, started: Started, call_id: str) -> None:
        """Raises LineProtocolError when this stream may not be held."""
        if started.call_id != call_id:
            raise LineProtocolError("start.callSid is not the call the token was given for")
        if self._settings.twilio_account_sid not in ("", started.account_id):
            raise LineProtocolError("start.accountSid is not TWILIO_ACCOUNT_SID")
        call = self._call(call_id)
        if call.over:
            raise LineProtocolError("the call is over")
        if call.line is not None:
            raise LineProtocolError("the call has a live stream already")
        if self._desk.ask_again_s:
            raise LineLost("this process takes no streams")
        if not self._has_room(call_id):
            raise LineLost("no room")

    async def _form(self, request: Request) -> Form:
        """The form of a webhook that is truly Twilio's and our account's; otherwise an HTTP error with a short body."""
        body = await _body(request)
        form = Form(_fields(body))
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if not self._is_signed(path, form, request):
            log.warning("a webhook was refused", extra={"path": path, "why": "its signature is not Twilio's"})
            raise HTTPException(403, "the signature is not Twilio's")
        if self._settings.twilio_account_sid not in ("", form.get("AccountSid")):
            log.warning("a webhook was refused", extra={"path": path, "why": "AccountSid is not TWILIO_ACCOUNT_SID"})
            raise HTTPException(403, "the account may not call us")
        return form

    def _is_signed(self, path: str, form: Form, request: Request) -> bool:
        """Whether Twilio signed it. What stands behind # is never sent; whether it is signed is written nowhere."""
        check, signature = self._check, request.headers.get(HEADER, "")
        return check is None or any(check.webhook(path + end, form, signature) for end in ("", twiml.PERSISTENTLY))

    def _call(self, call_id: str) -> _Call:
        if call_id not in self._calls and len(self._calls) >= _CALLS_KNOWN:
            oldest = next((known for known, call in self._calls.items() if call.line is None), None)
            if oldest is not None:
                del self._calls[oldest]
        return self._calls.setdefault(call_id, _Call())


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _FORM_BYTES:
                raise HTTPException(413, f"the form is longer than {_FORM_BYTES} bytes")
    except ClientDisconnect as gone:
        raise HTTPException(400, "the form broke off") from gone
    return bytes(body)


def _fields(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_FORM_FIELDS)
    except ValueError as wrong:
        raise HTTPException(400, "the body is not a form") from wrong


def _call_id(form: Form) -> str:
    """The call's SID, which becomes part of file names."""
    call_id = form.get("CallSid")
    if call_id is None or not is_safe_id(call_id):
        raise HTTPException(400, "CallSid is missing or not an id")
    return call_id


def _xml(document: str) -> Response:
    return Response(document, media_type="text/xml")
