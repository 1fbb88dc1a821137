"""The API: what an operator may ask for over HTTP, as JSON.

In:   requests with the operator's key.     Out: plain data; or an error with a sentence that says what to do.
Rule: nothing is answered without the key, and nothing here knows how it is done.

    POST /api/calls {"to": "+15550100001", "agent": "clinic", "vars": {"name": "Ada"}, "consent": "asked for it"}
    GET  /api/orders/{order}             how an order stands
    GET  /api/calls?limit=20&before=ID   calls, the newest first        GET /api/calls/{call}    all that can be proved
    POST /api/calls/{call}/transfer {"to": "+1…", "briefing": "…"}      …/keys {"keys": "12#"}   …/hang-up {}
    POST /api/campaigns {"name": "june", "agent": "clinic", "csv": "number,name\\n…"}
    GET  /api/campaigns                  GET /api/campaigns/{campaign}  POST …/stop              POST …/start
    GET  /api/do-not-call                POST /api/do-not-call {"numbers": ["+1…"]}
    POST /api/consents {"number": "+1…", "kind": "informational", "source": "…", "text": "…", "given_at": "…"}
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Protocol

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from client_caller.errors import ClientCallerError, ConfigError

_BODY_BYTES: Final = 32 * 1024 * 1024
"""A list of a few hundred thousand contacts."""

NO_CALLS: Final = (
    "this server places no calls: set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, CLIENT_CALLER_PUBLIC_URL and "
    "CLIENT_CALLER_OUTBOUND__FROM_NUMBER, and start it again"
)

_STRICT = ConfigDict(extra="forbid")

Keys = Annotated[str, StringConstraints(pattern=r"^[0-9*#A-Dw]{1,32}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Text = Annotated[str, StringConstraints(max_length=500)]


class Office(Protocol):
    """What is asked of whoever places and holds the calls."""

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
    """A call to be placed. agent: the name of a file beside that of the agent who answers; empty: that one."""

    model_config = _STRICT
    to: Text
    agent: Text = ""
    vars: dict[str, Text] = Field(default_factory=dict, max_length=50)
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
    """A campaign. csv: the text of the file;  region: the country of numbers without a plus, e.g. US."""

    model_config = _STRICT
    name: Name
    csv: str
    agent: Text = ""
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


def api_router(office: Office | None, key: SecretStr) -> APIRouter:
    """The routes under `/api`. office: None answers that no calls are placed here."""

    async def admit(request: Request) -> None:
        offered = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(offered.encode(), key.get_secret_value().encode()):
            raise HTTPException(
                401, "the header Authorization must be: Bearer, and the API key", {"WWW-Authenticate": "Bearer"}
            )
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _BODY_BYTES or "transfer-encoding" in request.headers:
            raise HTTPException(413, f"the request must tell its length, of {_BODY_BYTES} bytes at most")
        if office is None:
            raise HTTPException(503, NO_CALLS)

    router = APIRouter(prefix="/api", dependencies=[Depends(admit)])
    if office is None:
        router.add_api_route("/{rest:path}", _nothing, methods=["GET", "POST"])
        return router
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
        router.add_api_route(path, endpoint, methods=[method], status_code=status)
    return router


def explain_errors(app: FastAPI) -> None:
    """Have what the operator can mend answered with its sentence, and not with a traceback."""

    async def explain(request: Request, mistake: Exception) -> JSONResponse:
        until = getattr(mistake, "until", None)
        told = {"detail": str(mistake), **({"until": until.isoformat()} if until else {})}
        return JSONResponse(told, 422 if isinstance(mistake, ConfigError) else 409)

    app.add_exception_handler(ClientCallerError, explain)


async def _nothing() -> None:
    """Never reached: without an office everything is refused before."""


class _Routes:
    """One method a route."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def call(self, wanted: NewCall) -> dict[str, str]:
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
