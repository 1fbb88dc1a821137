"""`<Connect><Stream>`: the call's sound goes to a media socket, until either side ends it.

In:   the verb.     Out: where the call goes on: `action`, or the next verb.
Rule: what passes over the socket is `stream.py`; this opens it, tells of it, and names what went wrong.

Source: twilio.com/docs/voice/twiml/stream, .../api/errors/31901, 31903, 31920, 31921, 31922, 31924.
"""

import asyncio
from typing import Final
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from client_caller.twin.interpreter import NOT_IN_THE_SCHEMA, DocumentFailed, Interpreter, Next
from client_caller.twin.leg import Leg, new_sid
from client_caller.twin.network import MediaSocket, SocketRefused
from client_caller.twin.places import Hook
from client_caller.twin.stream import MediaStream

TIMED_OUT: Final = 31901
REFUSED: Final = 31920
WRONG_SCHEME: Final = 31922

_MEANING: Final = {
    31901: "the server did not answer the upgrade in time",
    31903: "the socket broke",
    31920: "the upgrade was not answered with 101",
    31921: "the server closed the socket",
    31922: "the address is neither ws nor wss",
    31924: "the server broke the WebSocket protocol",
}
_OPEN_WITHIN_S: Final = 10.0  # Twilio does not say


async def connect(run: Interpreter, verb: Element) -> Next:
    """Stream, then go on."""
    stream = verb.find("Stream")
    url = stream.get("url") if stream is not None else None
    if stream is None or url is None:
        raise DocumentFailed(NOT_IN_THE_SCHEMA, "Connect holds no Stream with a url")
    sid, hook = new_sid("MZ"), run.hook(stream)
    parameters = {each.get("name", ""): each.get("value", "") for each in stream.findall("Parameter")}
    socket = await _opened(run.leg, url, sid, hook)
    if socket is not None:
        run.leg.record.streams += 1
        _tell(run.leg, hook, sid, "stream-started")
        try:
            code = await MediaStream(run.leg, socket, sid, parameters).hold()
            if code:
                _fail(run.leg, hook, sid, code)
        finally:
            _tell(run.leg, hook, sid, "stream-stopped")
    return run.step(verb, {}) if verb.get("action") else None


async def _opened(leg: Leg, url: str, sid: str, hook: Hook | None) -> MediaSocket | None:
    """The media socket; None, and an error, when there is none to be had."""
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"}:
        _fail(leg, hook, sid, WRONG_SCHEME)
        return None
    if parts.query:
        _fail(leg, hook, sid, REFUSED, ": it has a query")
        return None
    signed = url + "/" if leg.exchange.signs_slash else url
    headers = leg.exchange.webhooks.signature(signed, {})
    try:
        return await leg.exchange.network.open(url, headers, _OPEN_WITHIN_S)
    except SocketRefused as refused:
        _fail(leg, hook, sid, REFUSED, f": {refused}", refused.status)
    except TimeoutError:
        _fail(leg, hook, sid, TIMED_OUT)
    return None


def _fail(leg: Leg, hook: Hook | None, sid: str, code: int, more: str = "", status: int = 0) -> None:
    leg.note(code, f"the media socket: {_MEANING[code]}{more}", status)
    _tell(leg, hook, sid, "stream-error", StreamError=f"{code}: {_MEANING[code]}")


def _tell(leg: Leg, hook: Hook | None, sid: str, event: str, **more: str) -> None:
    if hook is None:
        return
    told = {
        "AccountSid": leg.exchange.account_sid,
        "CallSid": leg.sid,
        "StreamSid": sid,
        "StreamName": sid,
        "StreamEvent": event,
        "Timestamp": leg.exchange.clock(asyncio.get_running_loop().time()).isoformat(),
    }
    leg.tell("stream", hook, told | more)
