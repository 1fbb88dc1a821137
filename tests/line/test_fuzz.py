"""A hundred thousand malformed messages: against the codecs, and through lines over sockets.

The messages are valid ones, spoilt at random, and always alike, for the seeds are fixed. Some stay valid, and are
let through.
"""

import asyncio
import gc
import json
import logging
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import pytest

from client_caller.errors import LineError, LineProtocolError
from client_caller.line.codec import Codec
from client_caller.line.media_line import MediaLine, read_start
from client_caller.line.protocol import CallerAudio
from client_caller.line.telnyx_messages import TelnyxCodec
from client_caller.line.twilio_messages import TwilioCodec
from client_caller.settings import ServerSettings
from line import exchange as twilio
from line import telnyx_exchange as telnyx
from line.memory_socket import MemorySocket
from virtual import run

MESSAGES = 100_000
WARM_UP = 10_000
STREAM_MESSAGES = 400
"""How many are sent down one stream; most streams are given up before."""

TRACED = 5_000
"""Messages in which every allocation is looked at."""

MORE_OBJECTS, MORE_BYTES = 500, 20_000
"""What may be left behind, for there are caches: by hundreds of streams, of which each has a dozen objects and more."""

VALID: dict[str, list[str]] = {
    "twilio": [
        twilio.connected(),
        twilio.start(),
        *[twilio.media(bytes([n]) * 160, ms=str(n * 20)) for n in range(20)],
        json.dumps({"event": "mark", "streamSid": twilio.STREAM, "mark": {"name": "1.2.3"}}),
        json.dumps({"event": "dtmf", "streamSid": twilio.STREAM, "dtmf": {"track": "inbound_track", "digit": "5"}}),
        twilio.stop(),
    ],
    "telnyx": [
        telnyx.connected(),
        telnyx.start(),
        *[telnyx.media(bytes([n]) * 160, n) for n in range(1, 21)],
        telnyx.mark("1.2.3"),
        telnyx.dtmf("5"),
        json.dumps({"event": "error", "payload": {"code": 100002, "title": "unknown_error", "detail": ""}}),
        telnyx.stop(),
    ],
}
CODECS: dict[str, Callable[[], Codec]] = {"twilio": TwilioCodec, "telnyx": TelnyxCodec}

ODD_VALUES: list[Any] = [
    *(None, True, False, -1, 0, 0.5, 1e308, 10**15, 10**400, "", "0", "-1", "1" * 16, "١٢", "nan", "\x00", "\ud800"),
    *([], {}, [[]], {"event": "media"}, "a" * 1_000, "media", "../../etc/passwd", float("nan"), float("inf")),
]
MONSTERS = [
    "",
    "[" * 100_000,
    '{"event":' * 7_000,
    '{"a":[' * 5_000 + "]}" * 5_000,
    "9" * 5_000,
    '{"event": ' + "9" * 5_000 + "}",
    "x" * 65_536,
    "x" * 65_537,
    " " * 60_000 + '{"event":"connected"}',
    json.dumps({"event": "media", "media": {"payload": "A" * 65_000}}),
    json.dumps({"event": "e" * 60_000}),
    json.dumps({str(n): n for n in range(5_000)}),
    '{"event":"media","event":"media","media":{},"media":[]}',
    "\ud800\udfff",
    "NaN",
]
SIGNS = '\x00"\\{}[]:,0123456789eE+-.ntfu/é€\ud800\U0001f600 aZ='


class Nonsense:
    """Spoils messages. The same seed spoils them in the same way."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)

    def __call__(self, text: str) -> str:
        """This text, or what is left of it."""
        draw = self._draw
        kind = draw.random()
        if kind < 0.45:
            return self._other_json(text)
        if kind < 0.998:
            for _ in range(draw.choice((1, 1, 2, 5))):
                text = self._other_text(text)
            return text
        return draw.choice(MONSTERS)

    def _other_text(self, text: str) -> str:
        draw = self._draw
        at = draw.randrange(len(text) + 1)
        until = min(len(text), at + draw.randrange(12))
        match draw.randrange(5):
            case 0:
                return text[:at]
            case 1:
                return text[:at] + text[until:]
            case 2:
                return text[:until] + text[at:]
            case 3:
                return text[:at] + draw.choice(SIGNS) + text[at:]
            case _:
                return text[:at] + draw.choice(SIGNS) + text[at + 1 :]

    def _other_json(self, text: str) -> str:
        draw = self._draw
        message = part = json.loads(text)
        while (inner := [value for value in part.values() if isinstance(value, dict)]) and draw.random() < 0.6:
            part = draw.choice(inner)
        field = draw.choice(list(part) or [""])
        match draw.randrange(4):
            case 0:
                part.pop(field, None)
            case 1:
                part[draw.choice(SIGNS)] = part.pop(field, None)
            case 2:
                part["later"] = draw.choice(ODD_VALUES)
            case _:
                part[field] = draw.choice(ODD_VALUES)
        return json.dumps(message)


def spoilt(dialect: str, seed: int) -> Iterator[str]:
    """Messages of this dialect without end, spoilt."""
    spoil, draw = Nonsense(seed), random.Random(seed + 1)
    while True:
        yield spoil(draw.choice(VALID[dialect]))


@pytest.mark.parametrize("dialect", VALID)
def test_fifty_thousand_malformed_messages_raise_nothing_but_protocol_errors(dialect: str) -> None:
    codec, messages = CODECS[dialect](), spoilt(dialect, seed=7)
    found: Counter[str] = Counter()
    for _ in range(MESSAGES // 2):
        try:
            found[type(codec.parse(next(messages))).__name__] += 1
        except LineProtocolError:
            found["refused"] += 1
    assert found["refused"] > MESSAGES // 8
    assert {"Media", "MarkBack", "Dtmf", "Started", "Stopped", "Unknown"} <= set(found)  # some have stayed valid


class Fuzzed:
    """Streams of spoilt messages, one after another. taken: messages that were read."""

    def __init__(self, dialect: str, seed: int) -> None:
        self._dialect = dialect
        self._messages = spoilt(dialect, seed)
        self._draw = random.Random(seed + 2)
        self.taken = 0
        self.ends: Counter[str] = Counter()

    def _sent(self, count: int) -> Iterator[str | bytes]:
        """So many messages, as they are asked for; one in fifty is not even text."""
        for _ in range(count):
            self.taken += 1
            yield self._draw.randbytes(20) if self._draw.random() < 0.02 else next(self._messages)

    async def stream(self, before: Iterable[str | bytes]) -> None:
        """Open one with these messages, go on with spoilt ones, and read until it is over, refused or lost."""
        far, codec = MemorySocket(chain(before, self._sent(STREAM_MESSAGES))), CODECS[self._dialect]()
        far.close()
        socket = await far.accepted()
        try:
            line = MediaLine(socket, codec, await read_start(socket, codec, 5.0), ServerSettings())
            async for _ in line.receive():
                pass
        except LineError as wrong:
            self.ends[str(wrong)] += 1
        else:
            self.ends["stop"] += 1
            await line.hang_up()

    async def take(self, messages: int) -> None:
        until = self.taken + messages
        while self.taken < until:
            await self.stream(VALID[self._dialect][:2])
            await self.stream(())
            await asyncio.sleep(10)  # a timer that was cancelled is forgotten when its time has come


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


async def valid_call(dialect: str) -> list[object]:
    far, codec = MemorySocket(VALID[dialect]), CODECS[dialect]()
    socket = await far.accepted()
    line = MediaLine(socket, codec, await read_start(socket, codec, 5.0), ServerSettings())
    return [message async for message in line.receive()]


@pytest.mark.parametrize("dialect", VALID)
def test_fifty_thousand_malformed_messages_through_lines_leave_nothing_behind(
    dialect: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "client_caller.line")  # what the log says is kept by pytest, and would grow

    async def main() -> tuple[int, int, Counter[str], list[object]]:
        fuzzed = Fuzzed(dialect, seed=11)
        await fuzzed.take(WARM_UP)
        objects_before = objects()
        await fuzzed.take(MESSAGES // 2 - WARM_UP - TRACED)
        more_objects = objects() - objects_before
        tracemalloc.start(1)
        try:
            await fuzzed.take(100)
            before = tracemalloc.get_traced_memory()[0]
            await fuzzed.take(TRACED)
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert fuzzed.taken >= MESSAGES // 2
        return more_objects, grown, fuzzed.ends, await valid_call(dialect)

    more_objects, grown, ends, heard = run(main())
    assert more_objects < MORE_OBJECTS
    assert grown < MORE_BYTES
    assert ends["50 messages were malformed"] > 100
    assert ends["stop"] > 0
    assert [message for message in heard if isinstance(message, CallerAudio)] == [
        CallerAudio(bytes([n + (dialect == "telnyx")]) * 160, n / 50) for n in range(20)
    ]
