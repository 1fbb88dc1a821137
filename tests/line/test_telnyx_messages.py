"""Telnyx's messages: what only they have. What all codecs have in common is in tests/conformance/test_codecs.py."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.errors import LineProtocolError
from client_caller.hearing.jitter import JitterBuffer
from client_caller.line.codec import Dtmf, MarkBack, Media, Started, Stopped, Unknown
from client_caller.line.protocol import Clear, Mark, Play
from client_caller.line.telnyx_messages import TelnyxCodec
from line.telnyx_exchange import STREAM, dtmf, mark, media, start, stop


def frame(number: int) -> bytes:
    return bytes([number % 250]) * 160


def begun(stream: str = STREAM) -> TelnyxCodec:
    """A codec whose stream has begun."""
    codec = TelnyxCodec()
    codec.parse(start(stream=stream))
    return codec


def heard(chunks: list[int]) -> list[Media]:
    """What is passed on of chunks that come in this order."""
    codec = begun()
    parsed = [codec.parse(media(frame(chunk), chunk)) for chunk in chunks]
    return [message for message in parsed if isinstance(message, Media)]


def test_the_documented_messages_are_read() -> None:
    codec = TelnyxCodec()
    started = Started(STREAM, json.loads(start())["start"]["call_control_id"], "3E6F995F-85F7-4705-9741-53B116D28237")
    assert codec.parse('{ "event": "connected", "version": "1.0.0" }')
    assert codec.parse(start()) == started
    assert codec.parse(media(b"\x01", "2", ms="5")) == Media(STREAM, b"\x01", 0.005)
    assert codec.parse(mark("m")) == MarkBack(STREAM, "m")
    assert codec.parse(dtmf("#")) == Dtmf(STREAM, "#")
    assert codec.parse(stop()) == Stopped(STREAM)


def test_our_messages_are_those_documented() -> None:
    codec = TelnyxCodec()
    assert json.loads(codec.encode(STREAM, Play(b"\x01\x02"))) == {"event": "media", "media": {"payload": "AQI="}}
    assert json.loads(codec.encode(STREAM, Mark('a "b"'))) == {"event": "mark", "mark": {"name": 'a "b"'}}
    assert json.loads(codec.encode(STREAM, Clear())) == {"event": "clear"}


def test_an_error_that_telnyx_reports_is_named_by_its_number_and_not_by_its_words() -> None:
    told = {"code": 100003, "title": "malformed_frame", "detail": "a caller's words"}
    with pytest.raises(LineProtocolError, match=r"^Telnyx reports error 100003$"):
        TelnyxCodec().parse(json.dumps({"event": "error", "payload": told, "stream_id": STREAM}))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (start(encoding="PCMA"), "media_format.encoding"),
        (start(sample_rate=16000), "media_format.sample_rate"),
        (start(channels=2), "media_format.channels"),
        (start(call="../../etc/passwd"), "call_control_id"),
        (start(stream="a b"), "stream_id"),
        (media(b"", chunk="-1", ms="0"), "chunk"),
        (json.dumps({"event": "media", "stream_id": STREAM, "media": {"timestamp": "0", "payload": ""}}), "chunk"),
        ('{"event": "error", "payload": {"code": "x"}}', "code"),
    ],
)
def test_a_malformed_message_is_refused_by_the_name_of_its_field(text: str, named: str) -> None:
    with pytest.raises(LineProtocolError, match=named):
        TelnyxCodec().parse(text)


def test_chunks_in_order_are_passed_on_one_by_one() -> None:
    assert heard([5, 6, 7]) == [Media(STREAM, frame(n), (n - 1) / 50) for n in (5, 6, 7)]


def test_an_early_chunk_waits_for_the_one_before_it_and_leaves_with_it() -> None:
    codec = begun()
    assert codec.parse(media(frame(1), 1)) == Media(STREAM, frame(1), 0.0)
    assert codec.parse(media(frame(3), 3)) == Unknown()
    assert codec.parse(media(frame(2), 2)) == Media(STREAM, frame(2) + frame(3), 0.02)


def test_a_chunk_that_never_comes_is_waited_for_three_chunks_long() -> None:
    assert heard([1, 3, 4, 5, 6, 7]) == [
        Media(STREAM, frame(1), 0.0),
        Media(STREAM, b"".join(map(frame, (3, 4, 5, 6))), 0.04),
        Media(STREAM, frame(7), 0.12),
    ]


def test_a_chunk_that_comes_too_late_is_passed_on_as_it_is() -> None:
    assert [message.media_s for message in heard([1, 3, 4, 5, 6, 2])] == [0.0, 0.04, 0.02]


def test_sound_that_was_lost_before_telnyx_is_not_papered_over() -> None:
    codec = begun()
    codec.parse(media(frame(1), 1, ms=0))
    codec.parse(media(frame(3), 3, ms=200))
    assert codec.parse(media(frame(2), 2, ms=20)) == Media(STREAM, frame(2), 0.02)
    assert codec.parse(media(frame(4), 4, ms=220)) == Media(STREAM, frame(3) + frame(4), 0.2)


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_whatever_is_shuffled_within_three_chunks_is_heard_as_it_was_said(seed: int, count: int) -> None:
    draw = random.Random(seed)
    shuffled = [1, *sorted(range(2, count + 1), key=lambda chunk: chunk + draw.uniform(0, 3))]
    jitter, samples = JitterBuffer(), 0
    passed = heard([*shuffled, *range(count + 1, count + 5)])
    assert b"".join(message.mulaw for message in passed) == b"".join(frame(n) for n in range(1, count + 5))
    for message in passed:
        run = jitter.feed(message.mulaw, message.media_s)
        samples += len(run.samples)
        assert run.lost_s == 0
    assert jitter.late == 0
    assert samples == 160 * (count + 4)


@given(st.lists(st.integers(1, 12) | st.integers(0, 10**15 - 1), max_size=40))
def test_no_numbering_holds_back_more_than_three_chunks_or_passes_one_on_twice(chunks: list[int]) -> None:
    codec, passed = begun(), 0
    for came, chunk in enumerate(chunks, 1):
        message = codec.parse(media(b"\x01", chunk, ms=0))
        passed += len(message.mulaw) if isinstance(message, Media) else 0
        assert passed <= came
    assert len(set(chunks)) - passed <= 3


def test_chunks_of_another_stream_and_another_start_do_not_touch_the_order() -> None:
    codec = begun()
    codec.parse(media(frame(1), 1))
    codec.parse(start(stream="another"))
    assert codec.parse(media(frame(99), 99, stream="another")) == Media("another", frame(99), 1.96)
    assert codec.parse(media(frame(3), 3)) == Unknown()
    assert codec.parse(media(frame(3), 3, stream="another")) == Media("another", frame(3), 0.04)
    assert codec.parse(media(frame(2), 2)) == Media(STREAM, frame(2) + frame(3), 0.02)
