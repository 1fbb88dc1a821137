"""The media socket of one call, from `connected` to its end: sound both ways, marks, keys.

In:   an open socket, the person's telephone.     Out: what the person says; why it ended.
Rule: 20 ms at a time. During slot k the person says frame k; at its end, the frame leaves.

Frames leave at t0 + 0.02 * (k + 1): a sample has been spoken before it is sent, as on a telephone.

Source: twilio.com/docs/voice/media-streams/websocket-messages, .../api/errors/31930, .../31951.
"""

import asyncio
import binascii
import json
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ
from client_caller.audio.playback import Playback
from client_caller.twin.faults import Break, until_when
from client_caller.twin.leg import Leg
from client_caller.twin.network import LOST, MediaSocket, SocketClosed
from client_caller.twin.people import QUIET

CLOSED: Final = 31921
BROKEN: Final = 31903
WRONG_PROTOCOL: Final = 31924
TOO_SLOW: Final = 31930
WRONG_MESSAGE: Final = 31951

_FRAME_MS: Final = round(FRAME_S * 1_000)


class MediaStream:
    """One stream of one call."""

    def __init__(self, leg: Leg, socket: MediaSocket, sid: str, parameters: Mapping[str, str]) -> None:
        self._leg = leg
        self._socket = socket
        self._sid = sid
        self._parameters = dict(parameters)
        self._faults = leg.exchange.faults
        self._playback = Playback()
        self._sequence = 0
        self._chunk = 0
        self._held: deque[tuple[float, int, bytes]] = deque()  # loop time to send it at, timestamp in ms, sound
        self._is_bent = bool(self._faults.gaps or self._faults.bursts or self._faults.late_s)
        self._warned: set[int] = set()

    async def hold(self) -> int:
        """Carry sound both ways until the far end closes the socket, or it breaks: the error that this is.

        Raises PersonHungUp when the person ends it. Then, and when the call is led elsewhere, the far end gets `stop`.
        """
        reader = asyncio.create_task(self._obey_all())
        code: int | None = None
        try:
            await self._greet()
            code = await self._carry(reader)
        except SocketClosed as closed:
            code = _error(closed)
        finally:
            reader.cancel()
            if code is None:
                content = {"accountSid": self._leg.exchange.account_sid, "callSid": self._leg.sid}
                with suppress(SocketClosed):
                    await self._send("stop", content)
            await self._socket.close()
            await asyncio.wait({reader})
        return code

    async def _greet(self) -> None:
        await self._socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        start = {
            "accountSid": self._leg.exchange.account_sid,
            "streamSid": self._sid,
            "callSid": self._leg.sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": LINE_HZ, "channels": 1},
            "customParameters": self._parameters,
        }
        await self._send("start", start)

    async def _carry(self, reader: asyncio.Task[SocketClosed]) -> int:
        loop, handset, record = asyncio.get_running_loop(), self._leg.handset, self._leg.record
        began_at = handset.begin(loop.time())
        handset.catch_up(loop.time())
        first, playback, break_at = handset.slot, self._playback, self._faults.break_at
        while not reader.done():
            if fault := break_at(handset.slot * FRAME_S):
                return await self._break(fault)
            sound = playback.play(FRAME_SAMPLES)
            if len(sound) < FRAME_SAMPLES:
                sound += QUIET[len(sound) :]
            frame = handset.step(sound)
            if passed := playback.passed():
                await self._return(passed)
            while handset.pressed:
                await self._send("dtmf", {"track": "inbound_track", "digit": handset.pressed.popleft()})
            slot_ends_at = began_at + handset.slot * FRAME_S
            await asyncio.sleep(slot_ends_at - loop.time())
            record.lateness_s = max(record.lateness_s, loop.time() - slot_ends_at)
            timestamp_ms = (handset.slot - 1 - first) * _FRAME_MS
            if self._is_bent:
                await self._bend(handset.slot - 1, timestamp_ms, frame, began_at)
            else:
                await self._media(timestamp_ms, frame)
        return _error(reader.result())

    async def _media(self, timestamp_ms: int, frame: bytes) -> None:
        payload = binascii.b2a_base64(frame, newline=False).decode("ascii")
        text = (
            f'{{"event":"media","sequenceNumber":"{self._sequence + 1}","media":{{"track":"inbound",'
            f'"chunk":"{self._chunk + 1}","timestamp":"{timestamp_ms}","payload":"{payload}"}},'
            f'"streamSid":"{self._sid}"}}'
        )
        if await self._socket.send(text, may_drop=True):
            self._sequence += 1
            self._chunk += 1
        else:
            self._warn(TOO_SLOW, "the server reads too slowly; audio is dropped")

    async def _bend(self, slot: int, timestamp_ms: int, frame: bytes, began_at: float) -> None:
        """Send a frame later, or never; and all that are due."""
        faults, now = self._faults, asyncio.get_running_loop().time()
        at = slot * FRAME_S
        if until_when(faults.gaps, at) is None:
            due_at = now + (faults.late_s(slot) if faults.late_s else 0.0)
            burst_until = until_when(faults.bursts, at)
            if burst_until is not None:
                due_at = max(due_at, began_at + burst_until)
            if self._held:
                due_at = max(due_at, self._held[-1][0])
            self._held.append((due_at, timestamp_ms, frame))
        while self._held and self._held[0][0] <= now:
            _, held_ms, held = self._held.popleft()
            await self._media(held_ms, held)

    async def _break(self, fault: Break) -> int:
        """Break the stream; nothing is left of it afterwards."""
        if fault == "close":
            await self._socket.close()
            return BROKEN
        if fault == "silence":
            self._socket.freeze()
            await asyncio.sleep(self._faults.silence_s)
        self._socket.abort()
        return BROKEN

    async def _obey_all(self) -> SocketClosed:
        """Do what the far end says, until it is gone."""
        slow, handset = self._faults.slow, self._leg.handset
        try:
            while True:
                text = await self._socket.receive()
                if slow and (until := until_when(slow, handset.now_s)) is not None:
                    await asyncio.sleep(until - handset.now_s)
                self._obey(text)
                if passed := self._playback.passed():
                    await self._return(passed)
        except SocketClosed as closed:
            return closed

    def _obey(self, text: str | bytes) -> None:
        try:
            message: Any = json.loads(text) if isinstance(text, str) else None
            match message:
                case {"event": "media", "streamSid": self._sid, "media": {"payload": str(payload)}} if _plain(message):
                    self._playback.queue(binascii.a2b_base64(payload, strict_mode=True))
                case {"event": "mark", "streamSid": self._sid, "mark": {"name": str(name)}} if _plain(message):
                    self._playback.mark(name)
                case {"event": "clear", "streamSid": self._sid} if len(message) == len(_CLEAR):
                    self._playback.clear()
                case other:
                    self._violated(f"not media, mark or clear of this stream: {str(other)[:200]}")
        except (ValueError, RecursionError) as wrong:
            self._violated(f"not JSON, or not base64: {wrong}")

    def _violated(self, how: str) -> None:
        self._leg.record.violations.append(how)
        self._warn(WRONG_MESSAGE, "the server sent a message that is not known")

    def _warn(self, code: int, what: str) -> None:
        """Note a warning, once for the stream."""
        if code not in self._warned:
            self._warned.add(code)
            self._leg.note(code, what)

    async def _return(self, marks: list[str]) -> None:
        for name in marks:
            if not self._faults.lose_marks:
                await self._send("mark", {"name": name})

    async def _send(self, event: str, content: dict[str, Any]) -> None:
        self._sequence += 1
        message = {
            "event": event,
            "sequenceNumber": str(self._sequence),
            event: content,
            "streamSid": self._sid,
        }
        await self._socket.send(json.dumps(message))


_CLEAR: Final = ("event", "streamSid")
_FIELDS: Final = 3


def _plain(message: dict[str, Any]) -> bool:
    """Whether a media or mark message holds what it must and nothing else."""
    return len(message) == _FIELDS and len(message[message["event"]]) == 1


def _error(closed: SocketClosed) -> int:
    if closed.broken:
        return WRONG_PROTOCOL
    return BROKEN if closed.code == LOST else CLOSED
