"""The forms of the REST API: what is asked for, read and checked.

In:   the fields of a request.     Out: orders and filters; or a refusal with Twilio's code.
Rule: no calls are touched here.

Source: github.com/twilio/twilio-oai; twilio.com/docs/api/errors/20001, 21201, 21205, 21210, 21211, 21212, 21213.
"""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Final, Never, cast
from urllib.parse import urlsplit

from starlette.datastructures import ImmutableMultiDict, QueryParams

from client_caller.twin.leg import Leg
from client_caller.twin.orders import Detection, Detects, Order, RecordingOrder, Step
from client_caller.twin.places import Hook

Form = ImmutableMultiDict[str, str]

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
_EVENTS: Final = frozenset({"initiated", "ringing", "answered", "completed"})
_COMPLETED: Final = ("completed",)
_LONGEST_TWIML: Final = 4_000
_MOST_DIGITS: Final = 32


class RequestRefused(Exception):
    """A request is refused. status: of HTTP;  code: Twilio's."""

    def __init__(self, status: int, code: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.code = code


def refuse(status: int, code: int, why: str) -> Never:
    """Refuse a request."""
    raise RequestRefused(status, code, why)


def placing(form: Form, own: Collection[str]) -> tuple[str, str, Order]:
    """A call to be placed: to whom, from which number, how. own: the account's numbers. Raises RequestRefused."""
    to, from_ = form.get("To", ""), form.get("From", "")
    if not to:
        refuse(400, 21201, "No 'To' number is specified")
    if not from_:
        refuse(400, 21213, "'From' phone number is required")
    if not _E164.fullmatch(to):
        refuse(400, 21211, "The 'To' number is not a valid phone number")
    if not _E164.fullmatch(from_):
        refuse(400, 21212, "The 'From' number is not a valid phone number")
    if from_ not in own:
        refuse(400, 21210, "The source phone number provided is not yet verified for your account")
    first = redirection(form)
    if first is None:
        refuse(400, 21205, "Url parameter is required")
    digits = form.get("SendDigits", "")[:_MOST_DIGITS]
    order = Order(
        first=first,
        status=_hook(form, "StatusCallback", _COMPLETED),
        ring_s=min(600, _whole(form, "Timeout", 60)),
        limit_s=_whole(form, "TimeLimit", 14_400),
        send_digits=digits,
        detection=None if digits else _detection(form),
        recording=recording_order(form, "OutboundAPI") if form.get("Record") == "true" else None,
    )
    return to, from_, order


def redirection(form: Form) -> Step | None:
    """The document or the address at which a call is to go on, None where there is none. Raises RequestRefused."""
    url, twiml = form.get("Url"), form.get("Twiml")
    if url and twiml and "To" not in form:  # of a new call Twiml is ignored then
        refuse(400, 20001, "Url and Twiml exclude each other")
    if url:
        return Step(_address(url), form.get("Method", "POST"), fallback=_hook(form, "FallbackUrl", ()))
    if twiml and len(twiml) > _LONGEST_TWIML:
        refuse(400, 20001, f"Twiml is longer than {_LONGEST_TWIML} characters")
    return Step(twiml=twiml) if twiml else None


def recording_order(form: Form, source: str) -> RecordingOrder:
    """A recording to be kept. Raises RequestRefused."""
    channels = {"mono": 1, "dual": 2, "1": 1, "2": 2}.get(form.get("RecordingChannels", "mono").lower(), 1)
    hook = _hook(form, "RecordingStatusCallback", _COMPLETED)
    return RecordingOrder(source, channels, form.get("RecordingTrack", "both"), hook)


def call_filter(query: QueryParams) -> Callable[[Leg], bool]:
    """Which calls a list is to hold. Raises RequestRefused.

    A call that has not been dialled has no start, and is in no list that asks for one.
    """
    same = {name: query[name] for name in ("To", "From", "Status", "ParentCallSid") if name in query}
    since, until, on = (query.get(name) for name in ("StartTime>", "StartTime<", "StartTime"))
    earliest, latest = since and _instant(since), until and _instant(until)
    day = on and _instant(on).date()

    def wanted(leg: Leg) -> bool:
        record = leg.record
        has = {"To": record.to, "From": record.from_, "Status": leg.status, "ParentCallSid": record.parent_sid}
        if any(has[name] != value for name, value in same.items()):
            return False
        if not (earliest or latest or day):
            return True
        if leg.started_at is None:
            return False
        started = leg.exchange.clock(leg.started_at).replace(microsecond=0)  # as it is shown
        after, before = not earliest or started >= earliest, not latest or started <= latest
        return after and before and (not day or started.date() == day)

    return wanted


def _detection(form: Form) -> Detection | None:
    mode = form.get("MachineDetection")
    if mode is None:
        return None
    if mode not in {"Enable", "DetectMessageEnd"}:
        refuse(400, 20001, "MachineDetection must be Enable or DetectMessageEnd")
    return Detection(
        mode=cast(Detects, mode),
        waits=form.get("AsyncAmd", "false").lower() != "true",
        hook=_hook(form, "AsyncAmdStatusCallback", ()),
        timeout_s=_whole(form, "MachineDetectionTimeout", 30),
        speech_s=_whole(form, "MachineDetectionSpeechThreshold", 2_400) / 1_000,
        speech_end_s=_whole(form, "MachineDetectionSpeechEndThreshold", 1_200) / 1_000,
        silence_s=_whole(form, "MachineDetectionSilenceTimeout", 5_000) / 1_000,
    )


def _hook(form: Form, name: str, events: Collection[str]) -> Hook | None:
    url = form.get(name)
    if not url:
        return None
    wanted = frozenset(" ".join(form.getlist(f"{name}Event")).split()) or frozenset(events)
    if name == "StatusCallback" and not wanted <= _EVENTS:
        refuse(400, 21626, "StatusCallbackEvent is not initiated, ringing, answered or completed")
    method = f"{name.removesuffix('Url')}Method"
    return Hook(_address(url), form.get(method, "POST"), wanted)


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        refuse(400, 21205, "Url is not a valid URL")
    return url


def _whole(form: Form, name: str, default: int) -> int:
    try:
        return int(form.get(name, default))
    except ValueError:
        refuse(400, 20001, f"{name} is not a whole number")


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        refuse(400, 20001, "a time is neither a date nor ISO 8601")
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
