"""A carrier that behaves as Twilio does, in real time, over real sockets.

In:   the address of a voice webhook, and a caller who gives 20 ms of sound for every 20 ms heard.
Out:  both channels of the call on one timeline, and what the server did that Twilio would object to.
Rule: it knows the server only by its webhooks and its socket, and shares no code with it but sound.

Time goes in slots of 20 ms. During slot k the caller speaks frame k and hears one frame of what the server has sent; at
the end of the slot, at t0 + 0.02 * (k + 1), frame k leaves. A sample has thus been spoken before it is sent, as on a
telephone, and sample i of either channel is the instant i / 8000. Between two streams time goes on: the caller lives
through the slots that passed, hearing nothing and heard by nobody.

Source: twilio.com/docs/voice/media-streams/websocket-messages, .../voice/twiml/connect, .../usage/security,
.../usage/webhooks/webhooks-connection-overrides.
"""

import asyncio
import binascii
import json
import secrets
import socket as sockets
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urldefrag
from xml.etree import ElementTree

import httpx
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ
from client_caller.audio.mulaw import SILENCE
from client_caller.audio.playback import Playback
from client_caller.errors import LineLost, LineProtocolError

_QUIET: Final = bytes([SILENCE]) * FRAME_SAMPLES
_SAID_WORD_S: Final = 0.3  # the carrier's own voice says about two hundred words a minute
_WEBHOOK_WITHIN_S: Final = 15.0  # Twilio's own limit for a webhook
_RETRY_AFTER_S: Final = 0.5  # Twilio does not say; a longer rest would make the server's life easier
_SERVER_ERROR: Final = 500
_SILENT_S: Final = 10.0
_DOCUMENTS: Final = 50  # more in one call are a loop of redirects
_LINGER_NEVER: Final = struct.pack("ii", 1, 0)  # closing a socket with this sends RST, not FIN

Fault = Literal["reset", "close", "silence"]
"""What may befall the media socket: a reset by TCP, an orderly end, or ten seconds in which nothing passes."""

FaultAt = Callable[[float], Fault | None]
"""Asked at every slot, with its time in the call in seconds, what befalls the socket then."""


@dataclass(slots=True)
class CarriedCall:
    """What a call left behind.

    sent, played: mu-law at 8 kHz of caller and agent, equally long; 0xFF where nothing was played;
    announcements: what the carrier's own voice was told to say;  streams: media sockets opened;
    dialled: numbers the call was connected to;  began_at: loop time of the first sample of either channel;
    hung_up_by_caller: whether the caller, not the server, ended it;
    violations: messages that Twilio would reject (warning 31951);
    lateness_s: the most by which a frame left late.
    """

    call_sid: str
    sent: bytearray = field(default_factory=bytearray)
    played: bytearray = field(default_factory=bytearray)
    announcements: list[str] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)
    began_at: float | None = None
    streams: int = 0
    hung_up_by_caller: bool = False
    violations: list[str] = field(default_factory=list)
    lateness_s: float = 0.0


async def place_call(
    voice_url: str,
    account_sid: str,
    auth_token: str,
    next_frame: Callable[[bytes], bytes | None],
    fault_at: FaultAt = lambda at: None,
) -> CarriedCall:
    """Call the server at `voice_url` and hold the call to its end.

    next_frame: the caller; gets the 160 mu-law bytes heard in the slot before, gives the next 160, or None to hang up.
    fault_at: what breaks the stream, and when.
    Raises LineLost when the server cannot be reached, LineProtocolError when it answers with nonsense.
    """
    async with httpx.AsyncClient(timeout=_WEBHOOK_WITHIN_S, trust_env=False) as http:
        carrier = _Carrier(http, account_sid, auth_token, next_frame, fault_at)
        url = voice_url
        for _ in range(_DOCUMENTS):
            following = await carrier.follow(await carrier.ask(url))
            if following is None:
                return carrier.call
            url = following
    raise LineProtocolError(f"the webhooks gave {_DOCUMENTS} documents without ending the call")


class _Carrier:
    """One call: its webhooks and the verbs they answer."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        account_sid: str,
        auth_token: str,
        next_frame: Callable[[bytes], bytes | None],
        fault_at: FaultAt,
    ) -> None:
        self.call = CarriedCall("CA" + secrets.token_hex(16))
        self._http = http
        self._account_sid = account_sid
        self._validator = RequestValidator(auth_token)
        self._next_frame = next_frame
        self._fault_at = fault_at

    async def ask(self, address: str) -> ElementTree.Element:
        """The document that a webhook answers with. What stands behind # says how often it may be asked; the default is
        once more, and only when no connection was made."""
        url, overrides = urldefrag(address)
        form = {
            "AccountSid": self._account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": self.call.call_sid,
            "CallStatus": "in-progress" if self.call.streams else "ringing",
            "Direction": "inbound",
            "From": "+15550100001",
            "To": "+15550100002",
        }
        answer = await self._persistently(url, form, parse_qs(overrides))
        if answer.status_code != httpx.codes.OK:
            raise LineProtocolError(f"the webhook {url} answered {answer.status_code}: {answer.text[:200]}")
        try:
            return ElementTree.fromstring(answer.text)
        except ElementTree.ParseError as wrong:
            raise LineProtocolError(f"the webhook {url} did not answer with XML") from wrong

    async def _persistently(self, url: str, form: dict[str, str], overrides: dict[str, list[str]]) -> httpx.Response:
        tries_left = int(overrides.get("rc", ["1"])[0])
        at_anything = "all" in overrides.get("rp", [])
        headers = self._signed(url, form) | {"i-twilio-idempotency-token": secrets.token_hex(8)}
        try:
            async with asyncio.timeout(_WEBHOOK_WITHIN_S):
                while True:
                    tries_left -= 1
                    try:
                        answer = await self._http.post(url, data=form, headers=headers)
                    except httpx.HTTPError as wrong:
                        if tries_left < 0 or not (at_anything or isinstance(wrong, httpx.ConnectError)):
                            raise LineLost(f"the webhook {url} cannot be reached: {wrong}") from wrong
                    else:
                        if tries_left < 0 or not at_anything or answer.status_code < _SERVER_ERROR:
                            return answer
                    await asyncio.sleep(_RETRY_AFTER_S)
        except TimeoutError as late:
            raise LineLost(f"the webhook {url} did not answer within {_WEBHOOK_WITHIN_S} s") from late

    async def follow(self, document: ElementTree.Element) -> str | None:
        """Do what a document says; the address to ask next, or None when the call is over."""
        for verb in document:
            match verb.tag:
                case "Connect":
                    await self._stream(verb)
                    if self.call.hung_up_by_caller:
                        return None
                    if action := verb.get("action"):
                        return action
                case "Redirect":
                    return (verb.text or "").strip()
                case "Pause":
                    await asyncio.sleep(float(verb.get("length", "1")))
                case "Dial":
                    self.call.dialled.append(verb.text or "")
                case "Say":
                    self.call.announcements.append(verb.text or "")
                    await asyncio.sleep(_SAID_WORD_S * len((verb.text or "").split()))
                case "Hangup":
                    return None
                case other:
                    raise LineProtocolError(f"the verb {other} is not known to this carrier")
        return None

    async def _stream(self, verb: ElementTree.Element) -> None:
        stream = verb.find("Stream")
        url = stream.get("url") if stream is not None else None
        if url is None:
            raise LineProtocolError("Connect holds no Stream with a url")
        self.call.streams += 1
        try:
            async with connect(url, additional_headers=self._signed(url, {}), compression=None, proxy=None) as socket:
                await _Stream(socket, self.call, self._account_sid, self._next_frame, self._fault_at).hold()
        except (InvalidHandshake, InvalidURI) as wrong:
            raise LineProtocolError(f"the media socket was refused: {wrong}") from wrong
        except OSError as wrong:
            raise LineLost(f"the media socket cannot be opened: {wrong}") from wrong

    def _signed(self, url: str, form: dict[str, str]) -> dict[str, str]:
        return {"X-Twilio-Signature": self._validator.compute_signature(url, form)}


class _Stream:
    """One media socket, from `connected` to its end."""

    def __init__(
        self,
        socket: ClientConnection,
        call: CarriedCall,
        account_sid: str,
        next_frame: Callable[[bytes], bytes | None],
        fault_at: FaultAt,
    ) -> None:
        self._socket = socket
        self._call = call
        self._account_sid = account_sid
        self._next_frame = next_frame
        self._fault_at = fault_at
        self._stream_sid = "MZ" + secrets.token_hex(16)
        self._playback = Playback()
        self._sequence = 0

    async def hold(self) -> None:
        """Carry sound both ways until the caller hangs up or the server closes the socket."""
        try:
            await self._socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
            await self._send("start", self._start())
            await self._carry()
        except ConnectionClosed:
            return

    async def _carry(self) -> None:
        loop = asyncio.get_running_loop()
        call = self._call
        if call.began_at is None:
            call.began_at = loop.time()
        first = slot = self._live_through(round((loop.time() - call.began_at) / FRAME_S))
        heard = _QUIET
        while not call.hung_up_by_caller:
            if fault := self._fault_at(slot * FRAME_S):
                await self._suffer(fault)
                return
            if (frame := self._next_frame(heard)) is None:
                break
            heard = self._playback.play(FRAME_SAMPLES).ljust(FRAME_SAMPLES, _QUIET[:1])
            call.sent += frame
            call.played += heard
            await self._return_marks()
            slot_ends_at = call.began_at + (slot + 1) * FRAME_S
            await self._obey_until(slot_ends_at)
            call.lateness_s = max(call.lateness_s, loop.time() - slot_ends_at)
            await self._send("media", self._media(slot - first, frame))
            slot += 1
        call.hung_up_by_caller = True
        await self._send("stop", {"accountSid": self._account_sid, "callSid": call.call_sid})

    def _live_through(self, until: int) -> int:
        """Let the caller live through the slots before number `until` that no stream carried; the next one's number."""
        slot = len(self._call.sent) // FRAME_SAMPLES
        while slot < until and not self._call.hung_up_by_caller:
            frame = self._next_frame(_QUIET)
            if frame is None:
                self._call.hung_up_by_caller = True
            else:
                self._call.sent += frame
                self._call.played += _QUIET
                slot += 1
        return slot

    async def _suffer(self, fault: Fault) -> None:
        """Break the stream; nothing is left of it afterwards."""
        if fault == "close":
            await self._socket.close()
            return
        transport = self._socket.transport
        if fault == "silence":
            transport.pause_reading()
            await asyncio.sleep(_SILENT_S)
        transport.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, _LINGER_NEVER)
        transport.abort()

    async def _obey_until(self, at: float) -> None:
        try:
            async with asyncio.timeout_at(at):
                while True:
                    await self._obey(await self._socket.recv())
        except TimeoutError:
            return

    async def _obey(self, text: str | bytes) -> None:
        try:
            match json.loads(text):
                case {"event": "media", "streamSid": self._stream_sid, "media": {"payload": str(payload)}}:
                    self._playback.queue(binascii.a2b_base64(payload, strict_mode=True))
                case {"event": "mark", "streamSid": self._stream_sid, "mark": {"name": str(name)}}:
                    self._playback.mark(name)
                case {"event": "clear", "streamSid": self._stream_sid}:
                    self._playback.clear()
                case other:
                    self._call.violations.append(f"not media, mark or clear of this stream: {str(other)[:200]}")
        except ValueError as wrong:
            self._call.violations.append(f"not JSON, or not base64: {wrong}")
        await self._return_marks()

    async def _return_marks(self) -> None:
        for name in self._playback.passed():
            await self._send("mark", {"name": name})

    async def _send(self, event: str, content: dict[str, Any]) -> None:
        self._sequence += 1
        message = {
            "event": event,
            "sequenceNumber": str(self._sequence),
            event: content,
            "streamSid": self._stream_sid,
        }
        await self._socket.send(json.dumps(message))

    def _start(self) -> dict[str, Any]:
        return {
            "accountSid": self._account_sid,
            "streamSid": self._stream_sid,
            "callSid": self._call.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": LINE_HZ, "channels": 1},
            "customParameters": {},
        }

    def _media(self, slot: int, frame: bytes) -> dict[str, Any]:
        return {
            "track": "inbound",
            "chunk": str(slot + 1),
            "timestamp": str(round(slot * FRAME_S * 1000)),
            "payload": binascii.b2a_base64(frame, newline=False).decode(),
        }
