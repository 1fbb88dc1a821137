"""The REST API of the account, as an ASGI application.

In:   requests under /2010-04-01/Accounts/{AccountSid}/.     Out: JSON, and what the requests do to calls.
Rule: it reads requests and refuses wrong ones; what an order does stands with the leg.

Source: github.com/twilio/twilio-oai, spec/json/twilio_api_v2010.json; twilio.com/docs/api/errors for the codes.
"""

import asyncio
import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Never, Protocol
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from client_caller.twin.faults import RestFault
from client_caller.twin.leg import Ending, Exchange, Leg
from client_caller.twin.numbers import Number
from client_caller.twin.orders import Order
from client_caller.twin.recordings import Recording
from client_caller.twin.resources import Page, call_json, error_json, number_json, page_json, recording_json
from client_caller.twin.rest_forms import (
    Form,
    RequestRefused,
    call_filter,
    placing,
    recording_order,
    redirection,
    refuse,
)

_NEVER_S: Final = 3_600.0
_OK: Final = 200
_CREATED: Final = 201
_MOST_ON_A_PAGE: Final = 1_000


class Account(Protocol):
    """What the API is the API of."""

    account_sid: str
    auth_token: str
    numbers: list[Number]
    exchange: Exchange

    def call_out(self, order: Order, to: str, from_: str) -> Leg:
        """Place a call."""


def rest_api(account: Account) -> Starlette:
    """The application."""
    api = _Api(account)
    base = "/2010-04-01/Accounts/{account}"
    routes = {
        "/Calls.json": {"POST": api.create_call, "GET": api.list_calls},
        "/Calls/{call}.json": {"POST": api.update_call, "GET": api.fetch_call},
        "/Calls/{call}/Recordings.json": {"POST": api.create_recording, "GET": api.list_recordings},
        "/Calls/{call}/Recordings/{recording}.json": {"POST": api.update_recording, "GET": api.fetch_recording},
        "/IncomingPhoneNumbers.json": {"GET": api.list_numbers},
        "/IncomingPhoneNumbers/{number}.json": {"POST": api.update_number, "GET": api.fetch_number},
    }
    return Starlette(
        routes=[
            Route(base + path, api.checked(do), methods=[method])
            for path, methods in routes.items()
            for method, do in methods.items()
        ]
    )


class _Api:
    def __init__(self, account: Account) -> None:
        self._account = account

    @property
    def _exchange(self) -> Exchange:
        return self._account.exchange

    def checked(self, do: Callable[[Request, Form], Response]) -> Callable[[Request], Awaitable[Response]]:
        """The same, for who may ask; with the faults that were ordered."""

        async def handle(request: Request) -> Response:
            form = _form(await request.body())
            try:
                self._admit(request)
                fault = self._exchange.faults.rest(request.method, request.url.path)
                if fault is None:
                    return do(request, form)
                if fault.done:
                    do(request, form)
            except RequestRefused as refused:
                return _error(refused.status, refused.code, str(refused))
            return await _failing(fault)

        return handle

    def _admit(self, request: Request) -> None:
        kind, _, credentials = request.headers.get("authorization", "").partition(" ")
        expected = f"{self._account.account_sid}:{self._account.auth_token}"
        if kind.lower() != "basic" or not secrets.compare_digest(_decoded(credentials), expected.encode()):
            refuse(401, 20003, "Authenticate")
        if request.path_params["account"] != self._account.account_sid:
            self._not_found(request)

    def create_call(self, request: Request, form: Form) -> Response:
        to, from_, order = placing(form, {each.number for each in self._account.numbers})
        return self._call(self._account.call_out(order, to, from_), _CREATED)

    def fetch_call(self, request: Request, form: Form) -> Response:
        return self._call(self._leg(request))

    def update_call(self, request: Request, form: Form) -> Response:
        leg = self._leg(request)
        status, step = form.get("Status"), redirection(form)
        if leg.is_over and self._exchange.faults.forgets_ended:
            self._not_found(request)
        if status not in {None, "completed", "canceled"}:
            refuse(400, 20001, "Status must be completed or canceled")
        if (leg.is_over and status) or (step and leg.status != "in-progress"):
            refuse(400, 21220, "Unable to update call. Call is not in-progress.")
        if status == "completed" or (status == "canceled" and leg.status != "in-progress"):
            leg.interrupt(Ending("completed", "request"))
        elif step:
            leg.interrupt(step)
        return self._call(leg)

    def list_calls(self, request: Request, form: Form) -> Response:
        wanted = call_filter(request.query_params)
        now, young_s = asyncio.get_running_loop().time(), self._exchange.faults.listed_after_s
        legs = [leg for leg in self._exchange.legs.values() if leg.created_at <= now - young_s]
        shown = [call_json(leg, self._account.numbers) for leg in reversed(legs) if wanted(leg)]
        return JSONResponse(page_json("calls", shown, _page(request)))

    def create_recording(self, request: Request, form: Form) -> Response:
        leg = self._leg(request)
        if leg.status != "in-progress":
            refuse(400, 21220, "The requested call is not eligible for recording: it is not in-progress.")
        recording = leg.record_from_now(recording_order(form, "StartCallRecordingAPI"))
        return JSONResponse(recording_json(self._exchange, recording), _CREATED)

    def fetch_recording(self, request: Request, form: Form) -> Response:
        return JSONResponse(recording_json(self._exchange, self._recording(request)))

    def update_recording(self, request: Request, form: Form) -> Response:
        recording, now = self._recording(request), asyncio.get_running_loop().time()
        if not recording.is_running:
            refuse(400, 21220, "The recording is over.")
        match form.get("Status"):
            case "paused":
                recording.pause(now, form.get("PauseBehavior") == "skip")
            case "in-progress":
                recording.go_on(now)
            case "stopped":
                self._leg(request).stop_recording(recording)
            case _:
                refuse(400, 20001, "Status must be paused, in-progress or stopped")
        return JSONResponse(recording_json(self._exchange, recording))

    def list_recordings(self, request: Request, form: Form) -> Response:
        leg = self._leg(request)
        kept = [each for each in self._exchange.recordings.values() if each.call_sid == leg.sid]
        shown = [recording_json(self._exchange, each) for each in reversed(kept)]
        return JSONResponse(page_json("recordings", shown, _page(request)))

    def list_numbers(self, request: Request, form: Form) -> Response:
        wanted = request.query_params.get("PhoneNumber", "")
        found = [number for number in self._account.numbers if wanted in number.number]
        shown = [number_json(self._exchange, number) for number in found]
        return JSONResponse(page_json("incoming_phone_numbers", shown, _page(request)))

    def fetch_number(self, request: Request, form: Form) -> Response:
        return JSONResponse(number_json(self._exchange, self._number(request)))

    def update_number(self, request: Request, form: Form) -> Response:
        number = self._number(request)
        number.voice_url = form.get("VoiceUrl", number.voice_url)
        number.voice_method = form.get("VoiceMethod", number.voice_method)
        number.voice_fallback_url = form.get("VoiceFallbackUrl", number.voice_fallback_url)
        number.voice_fallback_method = form.get("VoiceFallbackMethod", number.voice_fallback_method)
        number.status_callback = form.get("StatusCallback", number.status_callback)
        number.status_callback_method = form.get("StatusCallbackMethod", number.status_callback_method)
        number.name = form.get("FriendlyName", number.name)
        return JSONResponse(number_json(self._exchange, number))

    def _call(self, leg: Leg, status: int = _OK) -> Response:
        return JSONResponse(call_json(leg, self._account.numbers), status)

    def _leg(self, request: Request) -> Leg:
        leg = self._exchange.legs.get(request.path_params["call"])
        return leg if leg is not None else self._not_found(request)

    def _recording(self, request: Request) -> Recording:
        leg, sid = self._leg(request), request.path_params["recording"]
        if sid == "Twilio.CURRENT" and (running := leg.running_recordings()):
            return running[-1]
        recording = self._exchange.recordings.get(sid)
        return recording if recording is not None and recording.call_sid == leg.sid else self._not_found(request)

    def _number(self, request: Request) -> Number:
        sid = request.path_params["number"]
        return next((each for each in self._account.numbers if each.sid == sid), None) or self._not_found(request)

    def _not_found(self, request: Request) -> Never:
        refuse(404, 20404, f"The requested resource {request.url.path} was not found")


async def _failing(fault: RestFault) -> Response:
    """Answer with the fault; if it is that there is no answer, not before an hour."""
    if fault.status is None:
        await asyncio.sleep(_NEVER_S)
        return _error(504, 20504, "Gateway timeout")
    return _error(fault.status, fault.code, "as ordered")


def _error(status: int, code: int, message: str) -> Response:
    return JSONResponse(error_json(status, code, message), status)


def _decoded(credentials: str) -> bytes:
    try:
        return base64.b64decode(credentials, validate=True)
    except binascii.Error:
        return b""


def _form(body: bytes) -> Form:
    return ImmutableMultiDict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _page(request: Request) -> Page:
    query = request.query_params
    rest = [(name, value) for name, value in query.multi_items() if name not in {"PageSize", "Page", "PageToken"}]
    size = min(max(1, int(query.get("PageSize", "50"))), _MOST_ON_A_PAGE)
    return Page(request.url.path, urlencode(rest), int(query.get("Page", "0")), size)
