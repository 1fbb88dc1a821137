"""The fields of a carrier's JSON, checked one by one.

In:   a JSON text, or a part of one, and a field's name.     Out: what the field holds, in the type that is meant.
Rule: raises LineProtocolError and nothing else; it names the field, and never repeats what the field held. Carriers
      write numbers as numbers or as digits, and add fields as they like: both are let through.
"""

import binascii
import json
import re
from typing import Any, Final

from client_caller.errors import LineProtocolError
from client_caller.line.codec import KEYS, is_safe_id

_DIGITS: Final = re.compile(r"[0-9]{1,15}")

_JSON: Final = json.JSONDecoder()

Part = dict[str, Any]


def json_object(text: str | bytes) -> Part:
    """The object that a text holds."""
    try:
        message = _loaded(text)
    except (ValueError, RecursionError) as wrong:
        raise LineProtocolError("the message is not JSON") from wrong
    if not isinstance(message, dict):
        raise LineProtocolError("the message is not a JSON object")
    return message


def _loaded(text: str | bytes) -> Any:
    """What `json.loads` gives, in half the time for a text that begins with `{` and ends with its `}`."""
    if isinstance(text, str) and text.startswith("{"):
        message, end = _JSON.raw_decode(text)
        if end == len(text):
            return message
    return json.loads(text)


def part_of(message: Part, field: str) -> Part:
    """An object inside."""
    part = message.get(field)
    if not isinstance(part, dict):
        raise LineProtocolError(f"{field} is missing or not an object")
    return part


def text_of(part: Part, field: str) -> str:
    """Any text."""
    text = part.get(field)
    if not isinstance(text, str):
        raise LineProtocolError(f"{field} is missing or not text")
    return text


def id_of(part: Part, field: str) -> str:
    """An id that can stand in a file name and in JSON as it is."""
    name = text_of(part, field)
    if not is_safe_id(name):
        raise LineProtocolError(f"{field} is not an id")
    return name


def number_of(part: Part, field: str) -> int:
    """A whole number of at most 15 digits: exact as a float, and no stream lasts longer in milliseconds."""
    number = part.get(field)
    digits = str(number) if type(number) is int else number  # and not a bool
    if type(digits) is not str or not _DIGITS.fullmatch(digits):
        raise LineProtocolError(f"{field} is missing or not a whole number")
    return int(digits)


def key_of(part: Part, field: str) -> str:
    """A key of a telephone."""
    key = text_of(part, field)
    if key not in KEYS:
        raise LineProtocolError(f"{field} is not a key of a telephone")
    return key


def sound_of(part: Part, field: str) -> bytes:
    """Sound in base64."""
    try:
        return binascii.a2b_base64(text_of(part, field), strict_mode=True)
    except ValueError as wrong:
        raise LineProtocolError(f"{field} is not base64") from wrong
