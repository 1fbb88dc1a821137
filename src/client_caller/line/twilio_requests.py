"""What Twilio asks by HTTP: read, checked, and answered once.

In:   a POST with a form.     Out: what is asked, if it is truly Twilio's and our account's; and the response.
Rule: nothing a request says of its own host is believed, no request makes a traceback, and forgers fill no log. A
      request that comes again is answered as it was, and has its effect once.

Source: twilio.com/docs/usage/webhooks/webhooks-connection-overrides: whatever is tried again carries the same
`i-twilio-idempotency-token`.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request, Response
from starlette.background import BackgroundTask
from starlette.datastructures import ImmutableMultiDict

from client_caller.line import twiml
from client_caller.line.body import whole_body
from client_caller.line.codec import is_safe_id
from client_caller.line.protocol import OVER
from client_caller.line.twilio_signature import HEADER, SignatureCheck
from client_caller.settings import Settings

log = logging.getLogger("client_caller.line")

Form = ImmutableMultiDict[str, str]

_RETRY: Final = "i-twilio-idempotency-token"
_FORM_BYTES: Final = 65_536
_FORM_FIELDS: Final = 500
_ANSWERS_KEPT: Final = 2_000
"""All tries of one request come within 15 s, so these are enough for 130 requests a second."""

_LOG_EVERY_S: Final = 1.0
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_OUR_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

BACK: Final = frozenset({"keys", "busy", "no-answer", "declined", "failed"})
"""How an errand may have ended that a call comes back from."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of Twilio's.

    call_id: safe in a file name;  public: our address, without a slash at the end;  id: of ours, that of an order or a
    handover, empty if there is none;  back: how the errand ended that the call comes back from, empty if it does not;
    retry: what all tries of the same request have in common, None when nothing tells them.
    """

    form: Form
    call_id: str
    public: str
    id: str = ""
    back: str = ""
    retry: tuple[str, str, str] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nobody is on the line any more."""
        return self.form.get("CallStatus") in OVER

    def number(self, field: str) -> int | None:
        """What a field holds, None when that is not a whole number."""
        text = self.form.get(field, "")
        return int(text) if _NUMBER.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with, nothing if empty; and what is to be done once the answer is out."""

    document: str = ""
    then: Callable[[], Awaitable[None]] | None = None


class Refusals:
    """The log of what was turned away: a line a second at most, and how many had none before it."""

    def __init__(self) -> None:
        self._next_at = 0.0
        self._unlogged = 0

    def note(self, what: str, **facts: str) -> None:
        """Log it, or count it."""
        now = asyncio.get_running_loop().time()
        if now < self._next_at:
            self._unlogged += 1
            return
        log.warning(what, extra={**facts, "unlogged": self._unlogged})
        self._next_at, self._unlogged = now + _LOG_EVERY_S, 0


class Requests:
    """Reads requests, and answers each once. check: None to do without signatures."""

    def __init__(self, settings: Settings, check: SignatureCheck | None, refusals: Refusals) -> None:
        self._public_url = settings.public_url.rstrip("/")
        self._account = settings.twilio_account_sid
        self._check = check
        self._refusals = refusals
        self._answers: dict[tuple[str, str, str], str] = {}  # what was answered, oldest first

    async def read(self, request: Request) -> Asked:
        """What is asked. Raises HTTPException, with a short body, when it is not Twilio who asks or makes no sense."""
        our_id = _our_id(request)
        form = Form(fields_of(await whole_body(request, _FORM_BYTES)))
        path = str(request.scope["path"])
        query = request.scope["query_string"].decode("latin-1")
        target = f"{path}?{query}" if query else path
        if not is_signed(self._check, target, form, request.headers.get(HEADER, "")):
            self._refusals.note("a webhook was refused", path=path, why="its signature is not Twilio's")
            raise HTTPException(403, "the signature is not Twilio's")
        if self._account not in ("", form.get("AccountSid", self._account)):  # some callbacks do not name it
            self._refusals.note("a webhook was refused", path=path, why="AccountSid is not TWILIO_ACCOUNT_SID")
            raise HTTPException(403, "the account may not call us")
        call_id, retry = _call_id(form), request.headers.get(_RETRY, "")
        return Asked(
            form,
            call_id,
            self._public(request),
            our_id,
            _back(query),
            (target, call_id, retry) if retry else None,
        )

    def answered(self, asked: Asked) -> Response | None:
        """The response that this request had already, None when it is new."""
        document = None if asked.retry is None else self._answers.get(asked.retry)
        return None if document is None else _response(document)

    def answer(self, asked: Asked, find: Callable[[], Answer]) -> Response:
        """Respond with what is found; a request that was answered already is so again, and nothing is looked for."""
        if (known := self.answered(asked)) is not None:
            return known
        answer = find()
        if asked.retry is not None:
            if len(self._answers) == _ANSWERS_KEPT:
                del self._answers[next(iter(self._answers))]
            self._answers[asked.retry] = answer.document
        return _response(answer.document, answer.then)

    def _public(self, request: Request) -> str:
        try:
            return self._public_url or str(request.base_url).rstrip("/")
        except ValueError as wrong:
            raise HTTPException(400, "the host is not a name") from wrong


def resume_url(public: str, order: str, back: str = "") -> str:
    """Where a call asks for its next stream. What must outlast this process stands in it, for another may be asked."""
    facts = [f"{name}={value}" for name, value in (("order", order), ("back", back)) if value]
    return f"{public}/twilio/resume" + ("?" + "&".join(facts) if facts else "")


def is_signed(check: SignatureCheck | None, target: str, form: Form, signature: str) -> bool:
    """Whether Twilio signed it; with no check, everything is.

    What stands behind # is never sent; whether it is signed is written nowhere.
    """
    return check is None or any(check.webhook(target + end, form, signature) for end in ("", twiml.PERSISTENTLY))


def fields_of(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form. Raises HTTPException, 400, when it is none."""
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


def _our_id(request: Request) -> str:
    """The id of ours that stands in the path, or in the query of a call that is resumed."""
    given = str(request.path_params.get("id", request.query_params.get("order", "")))
    if given and not _OUR_ID.fullmatch(given):
        raise HTTPException(404, "there is no such order")
    return given


def _back(query: str) -> str:
    back = dict(parse_qsl(query)).get("back", "")
    return back if back in BACK else ""


def _response(document: str, then: Callable[[], Awaitable[None]] | None = None) -> Response:
    background = None if then is None else BackgroundTask(then)
    if not document:
        return Response(status_code=204, background=background)
    return Response(document, media_type="text/xml", background=background)
