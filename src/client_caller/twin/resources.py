"""What the REST API answers with: calls, recordings and numbers as JSON.

In:   what the twin knows.     Out: dictionaries, shaped as Twilio's OpenAPI file says.
Rule: shapes only.

Source: github.com/twilio/twilio-oai, spec/json/twilio_api_v2010.json.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from client_caller.twin.leg import API_VERSION, Exchange, Leg
from client_caller.twin.numbers import Number
from client_caller.twin.recordings import Recording

Json = dict[str, Any]

_SUBRESOURCES: Final = (
    *("events", "notifications", "payments", "recordings", "siprec", "streams", "transcriptions"),
    *("user_defined_message_subscriptions", "user_defined_messages"),
)


def _uri(exchange: Exchange, *path: str) -> str:
    return "/".join(("", API_VERSION, "Accounts", exchange.account_sid, *path))


def call_json(leg: Leg, numbers: Sequence[Number]) -> Json:
    """One Call."""
    exchange, record = leg.exchange, leg.record
    own = record.to if record.direction == "inbound" else record.from_
    has_duration = leg.ended_at is not None and leg.answered_at is not None
    uri = _uri(exchange, "Calls", leg.sid)
    changed_at = record.states[-1].at if record.states else leg.created_at
    return {
        "sid": leg.sid,
        "date_created": exchange.stamp(leg.created_at),
        "date_updated": exchange.stamp(changed_at),
        "parent_call_sid": record.parent_sid,
        "account_sid": exchange.account_sid,
        "to": record.to,
        "to_formatted": record.to,
        "from": record.from_,
        "from_formatted": record.from_,
        "phone_number_sid": next((each.sid for each in numbers if each.number == own), None),
        "status": leg.status,
        "start_time": None if leg.started_at is None else exchange.stamp(leg.started_at),
        "end_time": None if leg.ended_at is None else exchange.stamp(leg.ended_at),
        "duration": str(round((leg.ended_at or 0.0) - (leg.answered_at or 0.0))) if has_duration else None,
        "price": None,
        "price_unit": "USD",
        "direction": record.direction,
        "answered_by": record.answered_by,
        "api_version": API_VERSION,
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "queue_time": str(round(((leg.started_at or leg.created_at) - leg.created_at) * 1_000)),
        "trunk_sid": None,
        "uri": f"{uri}.json",
        "subresource_uris": {name: f"{uri}/{_camel(name)}.json" for name in _SUBRESOURCES},
    }


def recording_json(exchange: Exchange, recording: Recording) -> Json:
    """One Recording of a call."""
    duration_s, began = recording.duration_s, exchange.stamp(recording.started_at)
    return {
        "account_sid": exchange.account_sid,
        "api_version": API_VERSION,
        "call_sid": recording.call_sid,
        "conference_sid": None,
        "date_created": began,
        "date_updated": began,
        "start_time": began,
        "duration": "-1" if duration_s is None else str(duration_s),
        "sid": recording.sid,
        "price": None,
        "uri": _uri(exchange, "Calls", recording.call_sid, "Recordings", f"{recording.sid}.json"),
        "encryption_details": None,
        "price_unit": "USD",
        "status": recording.status,
        "channels": recording.order.channels,
        "source": recording.order.source,
        "error_code": None,
        "track": recording.order.track,
    }


def number_json(exchange: Exchange, number: Number) -> Json:
    """One IncomingPhoneNumber."""
    opened = exchange.stamp(exchange.opened[0])
    missing = ("address_sid", "identity_sid", "sms_fallback_url", "sms_url", "trunk_sid", "emergency_address_sid")
    return {
        **dict.fromkeys((*missing, "bundle_sid", "voice_application_sid", "sms_application_sid")),
        "account_sid": exchange.account_sid,
        "address_requirements": "none",
        "api_version": API_VERSION,
        "beta": False,
        "capabilities": {"voice": True, "sms": False, "mms": False, "fax": False},
        "date_created": opened,
        "date_updated": opened,
        "friendly_name": number.name or number.number,
        "phone_number": number.number,
        "origin": "twilio",
        "sid": number.sid,
        "sms_fallback_method": "POST",
        "sms_method": "POST",
        "status_callback": number.status_callback,
        "status_callback_method": number.status_callback_method,
        "uri": _uri(exchange, "IncomingPhoneNumbers", f"{number.sid}.json"),
        "voice_receive_mode": "voice",
        "voice_caller_id_lookup": False,
        "voice_fallback_method": number.voice_fallback_method,
        "voice_fallback_url": number.voice_fallback_url,
        "voice_method": number.voice_method,
        "voice_url": number.voice_url,
        "emergency_status": "Inactive",
        "emergency_address_status": "unregistered",
        "status": "in-use",
        "type": "local",
    }


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for. query: the rest of the request's, as sent."""

    path: str
    query: str
    number: int = 0
    size: int = 50

    def uri(self, number: int) -> str:
        """The address of one page."""
        query = f"{self.query}&" if self.query else ""
        return f"{self.path}?{query}PageSize={self.size}&Page={number}"


def page_json(key: str, found: Sequence[Json], page: Page) -> Json:
    """One page of a list."""
    since = page.number * page.size
    shown = found[since : since + page.size]
    is_last = since + page.size >= len(found)
    return {
        key: list(shown),
        "first_page_uri": page.uri(0),
        "next_page_uri": None if is_last else f"{page.uri(page.number + 1)}&PageToken=PA{shown[-1]['sid']}",
        "previous_page_uri": page.uri(page.number - 1) if page.number else None,
        "uri": page.uri(page.number),
        "page": page.number,
        "page_size": page.size,
        "start": since,
        "end": since + max(0, len(shown) - 1),
    }


def error_json(status: int, code: int, message: str) -> Json:
    """An error, as every part of the API gives it."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": code, "message": message, "more_info": more, "status": status}


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
