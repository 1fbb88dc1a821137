"""A carrier that behaves as Twilio does, in real time, over real sockets.

In:   the address of a voice webhook, and a caller who gives 20 ms of sound for every 20 ms heard.
Out:  both channels of the call on one timeline, and what the server did that Twilio would object to.
Rule: it knows the server only by its webhooks and its socket, and shares no code with it but sound.

Time goes in slots of 20 ms. During slot k the caller speaks frame k and hears one frame of what the server has sent; at
the end of the slot, at t0 + 0.02 * (k + 1), frame k leaves. A sample has thus been spoken before it is sent, as on a
telephone, and sample i of either channel is the instant i / 8000.

Source: twilio.com/docs/voice/media-streams/websocket-messages, .../voice/twiml/connect, .../usage/security.
"""

import asyncio
import binascii
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
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
_WEBHOOK_WITHIN_S: Final = 15.0  # Twilio's own limit for a webhook
_DOCUMENTS: Final = 10  # more in one call are a loop of redirects


@dataclass(slots=True)
class CarriedCall:
    """What a call left behind.

    sent, played: mu-law at 8 kHz of caller and agent, equally long; 0xFF where nothing was played;
    announcements: what the carrier's own voice was told to say;  streams: media sockets opened;
    hung_up_by_caller: whether the caller, not the server, ended it;
    violations: messages that Twilio would reject (warning 31951);
    lateness_s: the most by which a frame left late.
    """

    call_sid: str
    sent: bytearray = field(default_factory=bytearray)
    played: bytearray = field(default_factory=bytearray)
    announcements: list[str] = field(default_factory=list)
    streams: int = 0
    hung_up_by_caller: bool = False
    violations: list[str] = field(default_factory=list)
    lateness_s: float = 0.0


async def place_call(
    voice_url: str, account_sid: str, auth_token: str, next_frame: Callable[[bytes], bytes | None]
) -> CarriedCall:
    """Call the server at `voice_url` and hold the call to its end.

    next_frame: the caller; gets the 160 mu-law bytes heard in the slot before, gives the next 160, or None to hang up.
    Raises LineLost when the server cannot be reached, LineProtocolError when it answers with nonsense.
    """
    async with httpx.AsyncClient(timeout=_WEBHOOK_WITHIN_S, trust_env=False) as http:
        carrier = _Carrier(http, account_sid, auth_token, next_frame)
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
        self, http: httpx.AsyncClient, account_sid: str, auth_token: str, next_frame: Callable[[bytes], bytes | None]
    ) -> None:
        self.call = CarriedCall("CA" + secrets.token_hex(16))
        self._http = http
        self._account_sid = account_sid
        self._validator = RequestValidator(auth_token)
        self._next_frame = next_frame

    async def ask(self, url: str) -> ElementTree.Element:
        """The document that a webhook answers with."""
        form = {
            "AccountSid": self._account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": self.call.call_sid,
            "CallStatus": "in-progress" if self.call.streams else "ringing",
            "Direction": "inbound",
            "From": "+15550100001",
            "To": "+15550100002",
        }
        try:
            answer = await self._http.post(url, data=form, headers=self._signed(url, form))
        except httpx.HTTPError as wrong:
            raise LineLost(f"the webhook {url} cannot be reached: {wrong}") from wrong
        if answer.status_code != httpx.codes.OK:
            raise LineProtocolError(f"the webhook {url} answered {answer.status_code}: {answer.text[:200]}")
        try:
            return ElementTree.fromstring(answer.text)
        except ElementTree.ParseError as wrong:
            raise LineProtocolError(f"the webhook {url} did not answer with XML") from wrong

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
                case "Say":
                    self.call.announcements.append(verb.text or "")
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
                await _Stream(socket, self.call, self._account_sid, self._next_frame).hold()
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
    ) -> None:
        self._socket = socket
        self._call = call
        self._account_sid = account_sid
        self._next_frame = next_frame
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
        began_at = loop.time()
        slot = 0
        heard = _QUIET
        while (frame := self._next_frame(heard)) is not None:
            heard = self._playback.play(FRAME_SAMPLES).ljust(FRAME_SAMPLES, _QUIET[:1])
            await self._return_marks()
            slot_ends_at = began_at + (slot + 1) * FRAME_S
            await self._obey_until(slot_ends_at)
            self._call.lateness_s = max(self._call.lateness_s, loop.time() - slot_ends_at)
            self._call.sent += frame
            self._call.played += heard
            await self._send("media", self._media(slot, frame))
            slot += 1
        self._call.hung_up_by_caller = True
        await self._send("stop", {"accountSid": self._account_sid, "callSid": self._call.call_sid})

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
