"""Which call a request of Twilio's is about, before anybody answers it.

In:   a request's target, headers and body.     Out: the call, if it is truly Twilio who asks.
Rule: tells and does nothing. What it cannot read, or nobody signed, is left to whoever answers, who refuses it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qs

from fastapi import HTTPException

from client_caller.line.codec import is_safe_id
from client_caller.line.twilio_requests import Form, fields_of, is_signed
from client_caller.line.twilio_signature import HEADER, SignatureCheck

Kind = Literal["first", "next", "news"]
"""It begins a call; it asks what is next in one; or nobody waits for more than a receipt."""

_FIRST: Final = re.compile(r"/twilio/(?:voice(?:/[^/]+)?|fallback)")
_NEXT: Final = re.compile(r"/twilio/(?:resume|dialled|held|wait)")
_ORDER: Final = re.compile(r"/twilio/voice/([^/]+)(?:/[a-z]+)?")
_COLLEAGUE: Final = re.compile(r"/twilio/colleague/([^/]+)-[^/-]+(?:/[a-z]+)?")


@dataclass(frozen=True, slots=True)
class About:
    """What a request is about. order: that by which we placed the call, empty if it came in or nothing says so."""

    call_id: str
    order: str
    kind: Kind


def about(target: str, headers: Mapping[str, str], body: bytes, check: SignatureCheck | None) -> About | None:
    """The call that a signed request is about; None for every other. headers: by their names in lower case.

    A colleague who is asked to take a call asks about the caller's.
    """
    path, _, query = target.partition("?")
    try:
        form = Form(fields_of(body))
    except HTTPException:
        return None
    if not is_signed(check, target, form, headers.get(HEADER.lower(), "")):
        return None
    colleague, order = _COLLEAGUE.fullmatch(path), _ORDER.fullmatch(path)
    call_id = colleague[1] if colleague else form.get("CallSid", "")
    if not is_safe_id(call_id):
        return None
    kind: Kind = "first" if _FIRST.fullmatch(path) else "next" if _NEXT.fullmatch(path) else "news"
    return About(call_id, order[1] if order else parse_qs(query).get("order", [""])[0], kind)
