"""Twilio's side of the house: which address is asked what, and the way of a call through them.

In:   signed webhooks and WebSocket upgrades.     Out: TwiML; one `Line` a stream, and news, for the desk.
Rule: webhooks are answered from memory, at once; no model and no carrier is waited for.

The call outlives its stream: when that breaks, Twilio asks `/twilio/resume` what is next and gets a fresh one, a few
times within a while. It does so of another process, too, when the one that held the call is gone; that process asks the
desk what is kept of the call. A call that leaves its stream for an errand asks there as well, and is not lost.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from client_caller.errors import ConfigError
from client_caller.line import twiml
from client_caller.line.control import Dials, Steers
from client_caller.line.protocol import Desk
from client_caller.line.twilio_callbacks import Callbacks
from client_caller.line.twilio_calls import Call, Calls
from client_caller.line.twilio_queue import Reception
from client_caller.line.twilio_requests import Answer, Asked, Refusals, Requests, resume_url
from client_caller.line.twilio_signature import SignatureCheck
from client_caller.line.twilio_streams import Streams
from client_caller.line.twilio_transfer import Errands
from client_caller.settings import Settings

log = logging.getLogger("client_caller.line")

_VOICE: Final = "/twilio/voice"


def twilio_router(
    settings: Settings,
    desk: Desk,
    *,
    insecure: bool = False,
    dials: Dials | None = None,
    steers: Steers | None = None,
) -> APIRouter:
    """Everything below `/twilio`: webhooks, callbacks and the media socket.

    insecure: do without signatures when no auth token is set; for trials on this machine only.  dials, steers: what is
    needed to brief a colleague before a call is handed over; without them the call simply rings there.
    Raises ConfigError when a setting that this needs is missing.
    """
    board = _Switchboard(settings, desk, signature_check(settings, insecure), dials, steers)
    router = APIRouter()
    for path, answer in {
        _VOICE: board.voice,
        _VOICE + "/{id}": board.voice,
        _VOICE + "/{id}/status": board.plainly(board.callbacks.status),
        _VOICE + "/{id}/machine": board.plainly(board.callbacks.machine),
        "/twilio/resume": board.resume,
        "/twilio/fallback": board.fallback,
        "/twilio/wait": board.plainly(board.reception.wait),
        "/twilio/queue": board.plainly(board.reception.left),
        "/twilio/dialled": board.plainly(board.dialled),
        "/twilio/held": board.plainly(board.held),
        "/twilio/colleague/{id}": board.impersonally(board.errands.colleague),
        "/twilio/colleague/{id}/choice": board.impersonally(board.errands.choice),
        "/twilio/colleague/{id}/status": board.impersonally(board.errands.colleague_status),
        "/twilio/status": board.plainly(board.callbacks.status),
        "/twilio/recording": board.plainly(board.callbacks.recording),
        "/twilio/stream": board.impersonally(board.callbacks.stream),
    }.items():
        router.add_api_route(path, answer, methods=["POST"])
    router.add_api_websocket_route("/twilio/media/{token}", board.streams.media)
    return router


def signature_check(settings: Settings, insecure: bool) -> SignatureCheck | None:
    """How requests are checked; None: not at all. Raises ConfigError that names the setting to change."""
    if not settings.twilio_auth_tokens:
        if insecure:
            return None
        raise ConfigError("setting TWILIO_AUTH_TOKEN is empty: set it to the token that signs Twilio's requests")
    public, streams = settings.public_url, settings.fleet.stream_url
    for name, url in (("PUBLIC_URL", public), *([("FLEET__STREAM_URL", streams)] if streams else [])):
        parts = urlsplit(url)
        is_here = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}
        if parts.scheme != "https" and not is_here:
            raise ConfigError(
                f"setting CLIENT_CALLER_{name} must be the https address at which Twilio reaches this server "
                f"(it is {url!r})"
            )
    return SignatureCheck(public.rstrip("/"), settings.twilio_auth_tokens, streams.rstrip("/"))


_Endpoint = Callable[[Request], Awaitable[Response]]


class _Switchboard:
    def __init__(
        self,
        settings: Settings,
        desk: Desk,
        check: SignatureCheck | None,
        dials: Dials | None,
        steers: Steers | None,
    ) -> None:
        refusals = Refusals()
        self._attempts = settings.server.resume_attempts
        self._desk = desk
        self._requests = Requests(settings, check, refusals)
        self._calls = Calls(desk, settings.server.resume_window_s)
        self.streams = Streams(settings, desk, self._calls, check, refusals, steers)
        self.reception = Reception(desk, self.streams)
        self.errands = Errands(self._calls, dials, steers)
        self.callbacks = Callbacks(desk, self._end)

    def plainly(self, find: Callable[[Asked, Call], Answer]) -> _Endpoint:
        """A route about a call for which nothing has to be waited for."""

        async def endpoint(request: Request) -> Response:
            asked = await self._requests.read(request)
            return self._requests.answer(asked, lambda: find(asked, self._calls.meet(asked)))

        return endpoint

    def impersonally(self, find: Callable[[Asked], Answer]) -> _Endpoint:
        """The same, where the call that asks is none of those that are held here."""

        async def endpoint(request: Request) -> Response:
            asked = await self._requests.read(request)
            return self._requests.answer(asked, lambda: find(asked))

        return endpoint

    async def voice(self, request: Request) -> Response:
        """A call comes in, or one that we placed was answered. The same call asked again gets the same answer."""
        asked = await self._requests.read(request)
        return self._requests.answer(asked, lambda: self._voice(asked, self._calls.meet(asked)))

    async def resume(self, request: Request) -> Response:
        """A stream has ended: what the call left it for, or a fresh one if it broke, or else the end of the call."""
        return await self._go_on(await self._requests.read(request))

    async def fallback(self, request: Request) -> Response:
        """Another address of ours could not be had, and the call is still there: as if it were asked again."""
        asked = await self._requests.read(request)
        call = self._calls.meet(asked)
        self._calls.recall(call)
        if call.held:
            return await self._go_on(asked)
        return self._requests.answer(asked, lambda: self._voice(asked, call))

    async def _go_on(self, asked: Asked) -> Response:
        if (answered := self._requests.answered(asked)) is not None:
            return answered
        call = self._calls.meet(asked)
        if call.errand is None or asked.back:  # to run an errand needs no place on the line
            await self.streams.wind_down(call)
        return self._requests.answer(asked, lambda: self._resume(asked, call))

    def _voice(self, asked: Asked, call: Call) -> Answer:
        if call.has_ended() or asked.is_over:
            return Answer(twiml.hang_up())
        if wait_s := self._desk.ask_again_s:
            path = f"{_VOICE}/{call.parties.order}" if call.parties.order else _VOICE
            return Answer(twiml.ask_again(asked.public + path, wait_s, self._desk.phrases.wait))
        return self.reception.connect(asked, call)

    def _resume(self, asked: Asked, call: Call) -> Answer:
        self._calls.recall(call)
        if call.has_ended() or asked.is_over:
            return self._over(call)
        if asked.back:
            return self._come_back(asked, call, asked.back)
        if call.errand is not None:
            return self.errands.run(asked, call, call.errand)
        if self._desk.ask_again_s:
            return self._ask_again(asked, call)
        if (streams := self._calls.count_stream(call)) > self._attempts:
            log.warning("a call was given up", extra={"call": call.id, "streams": streams})
            call.over = True
            return Answer(self._parting())
        return self.reception.connect(asked, call)

    def dialled(self, asked: Asked, call: Call) -> Answer:
        """A caller was put through, or was not."""
        back = self.errands.dialled(asked)
        return self._come_back(asked, call, back) if back else self._over(call)

    def held(self, asked: Asked, call: Call) -> Answer:
        """A caller is on hold no more."""
        back = self.errands.held(asked, call)
        return self._come_back(asked, call, back) if back else self._over(call)

    def _come_back(self, asked: Asked, call: Call, back: str) -> Answer:
        """A call is back from an errand, and has its stream again."""
        call.errand, call.held, call.back_from = None, True, back
        return self._ask_again(asked, call, back) if self._desk.ask_again_s else self.reception.connect(asked, call)

    def _ask_again(self, asked: Asked, call: Call, back: str = "") -> Answer:
        url = resume_url(asked.public, call.parties.order, back)
        return Answer(twiml.ask_again(url, self._desk.ask_again_s, self._desk.phrases.wait))

    def _over(self, call: Call) -> Answer:
        return Answer(twiml.hang_up(), self._end(call))

    def _end(self, call: Call) -> Callable[[], Awaitable[None]] | None:
        """Let go of a call that is over; what is left to be done, if anything."""
        self.streams.end(call)
        self.reception.forget(call)
        return self.errands.end(call)

    def _parting(self) -> str:
        """What a caller is told whose streams keep breaking."""
        phrases = self._desk.phrases
        if phrases.transfer_to:
            return twiml.say_and_dial(phrases.dropped, phrases.transfer_to)
        return twiml.say_and_hang_up(phrases.dropped)
