"""The API: what an operator may ask for over HTTP, as JSON.

In:   requests with the operator's key, `Authorization: Bearer KEY`.
Out:  plain data, its times as in ISO 8601; or {"detail": a sentence that says what to do}, and "until" for what is not
      allowed before then.
Rule: without the key nothing of a request is looked at, and nothing tells what there is. Nothing is logged here, and no
      answer repeats what it was sent. How things are done is the office's business.

    POST /api/calls {"to": "+15550100001", "agent": "reminder", "vars": {"name": "Ada"}, "consent": "asked for it"}
    GET  /api/orders/{order}             how an order stands
    GET  /api/calls?limit=20&before=ID   calls, the newest first        GET /api/calls/{call}    all that can be proved
    POST /api/calls/{call}/transfer {"to": "+1…", "briefing": "…"}      …/keys {"keys": "12#"}   …/hang-up {}
    POST /api/campaigns {"name": "june", "agent": "reminder", "csv": "number,name\\n…"}
    GET  /api/campaigns                  GET /api/campaigns/{campaign}  POST …/stop              POST …/start
    GET  /api/do-not-call                POST /api/do-not-call {"numbers": ["+1…"]}
    POST /api/consents {"number": "+1…", "kind": "informational", "source": "…", "text": "…", "given_at": "…"}
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Protocol

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from client_caller.errors import ClientCallerError

_BODY_BYTES: Final = 8 * 1024 * 1024
"""A list of about two hundred thousand contacts."""

_TOO_LONG: Final = f"a request may have {_BODY_BYTES} bytes at most: part a long list into several campaigns"

_NO_CALLS: Final = (
    "this server places no calls, for it knows no carrier: set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN (or "
    "TELNYX_API_KEY, TELNYX_PUBLIC_KEY and TELNYX_CONNECTION_ID), CLIENT_CALLER_PUBLIC_URL and "
    "CLIENT_CALLER_OUTBOUND__FROM_NUMBER, and start it again"
)

_STRICT = ConfigDict(extra="forbid")

_NO_NUL: Final = r"^[^\x00]*$"
"""PostgreSQL keeps no text with a NUL in it."""

Keys = Annotated[str, StringConstraints(pattern=r"^[0-9*#A-Dw]{1,32}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=_NO_NUL)]
Text = Annotated[str, StringConstraints(max_length=500, pattern=_NO_NUL)]
Table = Annotated[str, StringConstraints(pattern=_NO_NUL)]
Digest = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]


class Office(Protocol):
    """What is asked of whoever places and holds the calls."""

    def check_agent(self, agent: str, sha256: str) -> None: ...
    async def call(
        self, to: str, agent: str, variables: Mapping[str, str], consent: str = "", region: str | None = None
    ) -> str: ...
    async def order(self, order_id: str) -> dict[str, Any] | None: ...
    def transfer(self, call_id: str, to: str, briefing: str) -> bool: ...
    def press(self, call_id: str, keys: str) -> bool: ...
    def hang_up(self, call_id: str, reason: str) -> bool: ...
    async def calls(self, limit: int, before: str | None) -> list[dict[str, Any]]: ...
    async def audit(self, call_id: str) -> dict[str, Any] | None: ...
    async def start_campaign(
        self,
        name: str,
        text: str,
        agent: str,
        region: str | None = None,
        purpose: str | None = None,
        max_at_once: int | None = None,
    ) -> dict[str, Any]: ...
    async def campaign(self, campaign_id: str) -> dict[str, Any] | None: ...
    async def campaigns(self) -> list[dict[str, Any]]: ...
    async def set_campaign(self, campaign_id: str, state: Literal["running", "stopped"]) -> bool: ...
    async def forbidden(self) -> list[dict[str, Any]]: ...
    async def forbid(self, numbers: list[str], region: str | None) -> int: ...
    async def add_consent(self, number: str, kind: str, source: str, text: str, given_at: datetime) -> None: ...


class NewCall(BaseModel):
    """A call to be placed.

    agent: the name of a file beside that of the agent who answers, without .toml; empty: that one;  agent_sha256: of
    the file that is meant, in hexadecimal, so that no other of that name is taken; empty: any.
    """

    model_config = _STRICT
    to: Text
    agent: Text = ""
    agent_sha256: Digest = ""
    vars: dict[Name, Text] = Field(default_factory=dict, max_length=50)
    consent: Text = ""
    region: Text | None = None


class NewTransfer(BaseModel):
    """Where to connect a caller to; empty: where the agent file says."""

    model_config = _STRICT
    to: Annotated[str, StringConstraints(pattern=r"^(\+[1-9][0-9]{6,14})?$")] = ""
    briefing: Text = ""


class NewKeys(BaseModel):
    """Keys to press: 0-9, *, #, A-D, and w for half a second's rest."""

    model_config = _STRICT
    keys: Keys


class NewEnd(BaseModel):
    """Why a call is ended, for the record."""

    model_config = _STRICT
    reason: Name = "the operator ended it"


class NewCampaign(BaseModel):
    """A campaign.

    csv: the text of the file;  agent, agent_sha256: as of a call;  region: the country of numbers without a plus, e.g.
    US;  purpose: None: as the agent's file says;  max_at_once: calls at once, None: as many as the server allows.
    """

    model_config = _STRICT
    name: Name
    csv: Table
    agent: Text = ""
    agent_sha256: Digest = ""
    region: Text | None = None
    purpose: Literal["informational", "marketing"] | None = None
    max_at_once: int | None = Field(None, ge=1)


class NotToCall(BaseModel):
    """Numbers that must not be called any more."""

    model_config = _STRICT
    numbers: list[Text] = Field(max_length=10_000)
    region: Text | None = None


class NewConsent(BaseModel):
    """A consent that somebody gave."""

    model_config = _STRICT
    number: Text
    kind: Text = "informational"
    source: Name
    text: Text = ""
    given_at: datetime


def api_app(office: Office, key: SecretStr, statuses: Mapping[type[ClientCallerError], int]) -> ASGIApp:
    """The API, to be mounted at `/api`. statuses: with which HTTP status an error's sentence is told."""
    api = FastAPI(openapi_url=None, redirect_slashes=False)
    routes = _Routes(office)
    for method, path, endpoint, status in (
        ("POST", "/calls", routes.call, 202),
        ("GET", "/orders/{order_id}", routes.order, 200),
        ("GET", "/calls", routes.calls, 200),
        ("GET", "/calls/{call_id}", routes.audit, 200),
        ("POST", "/calls/{call_id}/transfer", routes.transfer, 202),
        ("POST", "/calls/{call_id}/keys", routes.press, 202),
        ("POST", "/calls/{call_id}/hang-up", routes.hang_up, 202),
        ("POST", "/campaigns", routes.start_campaign, 202),
        ("GET", "/campaigns", routes.campaigns, 200),
        ("GET", "/campaigns/{campaign_id}", routes.campaign, 200),
        ("POST", "/campaigns/{campaign_id}/start", routes.go_on, 202),
        ("POST", "/campaigns/{campaign_id}/stop", routes.stop, 202),
        ("GET", "/do-not-call", routes.forbidden, 200),
        ("POST", "/do-not-call", routes.forbid, 200),
        ("POST", "/consents", routes.add_consent, 201),
    ):
        # Without a model of the answer: whoever checks one tells in the log what was in it.
        api.add_api_route(path, endpoint, methods=[method], status_code=status, response_model=None)

    async def explain(request: Request, mistake: Exception) -> JSONResponse:
        until = getattr(mistake, "until", None)
        status = next(statuses[kind] for kind in type(mistake).__mro__ if kind in statuses)
        return JSONResponse({"detail": str(mistake), **({"until": until.isoformat()} if until else {})}, status)

    for kind in statuses:
        api.add_exception_handler(kind, explain)
    api.add_exception_handler(RequestValidationError, _unfit)
    return _Gate(api, key)


def has_key(request: Request, key: bytes) -> bool:
    """Whether the header Authorization bears this key; nobody has an empty one."""
    scheme, _, offered = request.headers.get("authorization", "").partition(" ")
    return bool(key) and scheme.lower() == "bearer" and hmac.compare_digest(offered.encode(), key)


async def no_api(scope: Scope, receive: Receive, send: Send) -> None:
    """What is mounted at `/api` where no calls are placed: it says so, and what to set."""
    if scope["type"] == "http":
        await JSONResponse({"detail": _NO_CALLS}, 503)(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1000})


class _Gate:
    """Lets in whoever has the key, with no more than may be sent; before a body is read, or a path looked up."""

    def __init__(self, inside: ASGIApp, key: SecretStr) -> None:
        self._inside = inside
        self._key = key.get_secret_value().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refusal := self._refusal(Request(scope))):
            await refusal(scope, receive, send)
        else:
            await self._inside(scope, _bounded(receive), send)

    def _refusal(self, request: Request) -> JSONResponse | None:
        if not has_key(request, self._key):
            what = "the header Authorization must be: Bearer, and the API key"
            return JSONResponse({"detail": what}, 401, {"WWW-Authenticate": "Bearer"})
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _BODY_BYTES:
            return JSONResponse({"detail": _TOO_LONG}, 413, {"Connection": "close"})
        return None


def _bounded(receive: Receive) -> Receive:
    """The same, for a body that does not tell its length beforehand, up to where it is too long."""
    so_far = 0

    async def next_part() -> Message:
        nonlocal so_far
        message = await receive()
        so_far += len(message.get("body", b""))
        if so_far > _BODY_BYTES:
            raise HTTPException(413, _TOO_LONG, {"Connection": "close"})
        return message

    return next_part


async def _unfit(request: Request, wrong: Exception) -> JSONResponse:
    """Which fields are not as they must be, without what was in them: that may be a whole list of people."""
    assert isinstance(wrong, RequestValidationError)
    errors = wrong.errors()
    if any(error["type"] == "json_invalid" for error in errors):
        return JSONResponse({"detail": "the body is not JSON"}, 422)
    told = (f"{'.'.join(map(str, error['loc'][1:])) or error['loc'][0]}: {error['msg']}" for error in errors)
    return JSONResponse({"detail": "; ".join(told)}, 422)


class _Routes:
    """One method a route."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def call(self, wanted: NewCall) -> dict[str, str]:
        self._office.check_agent(wanted.agent, wanted.agent_sha256)
        order = await self._office.call(wanted.to, wanted.agent, wanted.vars, wanted.consent, wanted.region)
        return {"order": order}

    async def order(self, order_id: str) -> dict[str, Any]:
        return _found(await self._office.order(order_id), "order")

    async def calls(self, limit: Annotated[int, Query(ge=1, le=1_000)] = 50, before: str | None = None) -> list[Any]:
        return await self._office.calls(limit, before)

    async def audit(self, call_id: str) -> dict[str, Any]:
        return _found(await self._office.audit(call_id), "call")

    async def transfer(self, call_id: str, wanted: NewTransfer) -> dict[str, str]:
        return _running(self._office.transfer(call_id, wanted.to, wanted.briefing))

    async def press(self, call_id: str, wanted: NewKeys) -> dict[str, str]:
        return _running(self._office.press(call_id, wanted.keys))

    async def hang_up(self, call_id: str, wanted: NewEnd) -> dict[str, str]:
        return _running(self._office.hang_up(call_id, wanted.reason))

    async def start_campaign(self, wanted: NewCampaign) -> dict[str, Any]:
        self._office.check_agent(wanted.agent, wanted.agent_sha256)
        return await self._office.start_campaign(
            wanted.name, wanted.csv, wanted.agent, wanted.region, wanted.purpose, wanted.max_at_once
        )

    async def campaigns(self) -> list[dict[str, Any]]:
        return await self._office.campaigns()

    async def campaign(self, campaign_id: str) -> dict[str, Any]:
        return _found(await self._office.campaign(campaign_id), "campaign")

    async def go_on(self, campaign_id: str) -> dict[str, Any]:
        await self._office.set_campaign(campaign_id, "running")
        return _found(await self._office.campaign(campaign_id), "campaign")

    async def stop(self, campaign_id: str) -> dict[str, Any]:
        await self._office.set_campaign(campaign_id, "stopped")
        return _found(await self._office.campaign(campaign_id), "campaign")

    async def forbidden(self) -> list[dict[str, Any]]:
        return await self._office.forbidden()

    async def forbid(self, wanted: NotToCall) -> dict[str, int]:
        return {"numbers": await self._office.forbid(wanted.numbers, wanted.region)}

    async def add_consent(self, given: NewConsent) -> dict[str, str]:
        given_at = given.given_at if given.given_at.tzinfo else given.given_at.replace(tzinfo=UTC)
        await self._office.add_consent(given.number, given.kind, given.source, given.text, given_at)
        return {"consent": "kept"}


def _found(told: dict[str, Any] | None, what: str) -> dict[str, Any]:
    if told is None:
        raise HTTPException(404, f"there is no such {what}")
    return told


def _running(is_running: bool) -> dict[str, str]:
    if not is_running:
        raise HTTPException(404, "there is no such call running in this process")
    return {"call": "told"}
