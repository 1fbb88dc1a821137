"""What every carrier's codec promises, and what a line makes of each dialect: one suite, which both pass."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client_caller.errors import LineLost, LineProtocolError
from client_caller.line.codec import Codec, Connected, Dtmf, MarkBack, Media, Started, Stopped, Unknown
from client_caller.line.media_line import MediaLine, read_start
from client_caller.line.protocol import CallerAudio, Clear, Inbound, KeyTone, Mark, MarkReturned, Outbound, Play
from client_caller.line.telnyx_messages import TelnyxCodec
from client_caller.line.twilio_messages import TwilioCodec
from client_caller.settings import ServerSettings
from line import exchange as twilio
from line import telnyx_exchange as telnyx
from line.memory_socket import MemorySocket
from virtual import run

FRAME = b"\x01" * 160
SECRET = "s3cr3t words of a caller"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one carrier says what all of them say.

    media: of these bytes, the number-th chunk, with numbers as text or not.  stream_field: where an id of the stream
    stands in a message.
    """

    name: str
    codec: Callable[[], Codec]
    call: str
    stream: str
    stream_field: str
    start: Callable[..., str]
    media: Callable[[bytes, int, bool], str]
    mark: Callable[[str], str]
    dtmf: Callable[[str], str]
    connected: Callable[[], str]
    stop: Callable[[], str]
    wrong_forms: tuple[dict[str, Any], ...]


def twilio_media(mulaw: bytes, number: int, as_text: bool) -> str:
    return twilio.media(mulaw, ms=str((number - 1) * 20) if as_text else (number - 1) * 20)


def telnyx_media(mulaw: bytes, number: int, as_text: bool) -> str:
    ms = (number - 1) * 20
    return telnyx.media(mulaw, str(number) if as_text else number, ms=str(ms) if as_text else ms)


TWILIO = Dialect(
    name="twilio",
    codec=TwilioCodec,
    call=twilio.CALL,
    stream=twilio.STREAM,
    stream_field="streamSid",
    start=twilio.start,
    media=twilio_media,
    mark=lambda name: json.dumps({"event": "mark", "streamSid": twilio.STREAM, "mark": {"name": name}}),
    dtmf=lambda key: json.dumps({"event": "dtmf", "streamSid": twilio.STREAM, "dtmf": {"digit": key}}),
    connected=twilio.connected,
    stop=twilio.stop,
    wrong_forms=({"encoding": "audio/L16"}, {"sampleRate": 16000}, {"channels": 2}, {"channels": SECRET}),
)
TELNYX = Dialect(
    name="telnyx",
    codec=TelnyxCodec,
    call=telnyx.CALL,
    stream=telnyx.STREAM,
    stream_field="stream_id",
    start=telnyx.start,
    media=telnyx_media,
    mark=telnyx.mark,
    dtmf=telnyx.dtmf,
    connected=telnyx.connected,
    stop=telnyx.stop,
    wrong_forms=({"encoding": "L16"}, {"sample_rate": 16000}, {"channels": 2}, {"channels": SECRET}),
)
DIALECTS = (TWILIO, TELNYX)

in_each_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)
events = st.sampled_from(["connected", "start", "media", "dtmf", "mark", "stop", "clear", "error"])
fields = st.sampled_from(
    ["streamSid", "stream_id", "start", "media", "mark", "dtmf", "stop", "payload", "sequence_number"]
)
inner_fields = st.sampled_from(
    [
        "payload",
        "timestamp",
        "chunk",
        "name",
        "digit",
        "code",
        "mediaFormat",
        "media_format",
        "callSid",
        "call_control_id",
    ]
)


@in_each_dialect
def test_a_call_is_read_from_its_first_message_to_its_last(dialect: Dialect) -> None:
    codec, stream = dialect.codec(), dialect.stream
    assert codec.parse(dialect.connected()) == Connected()
    started = codec.parse(dialect.start())
    assert isinstance(started, Started)
    assert (started.stream_id, started.call_id) == (stream, dialect.call)
    for number in (1, 2, 3):
        assert codec.parse(dialect.media(FRAME, number, True)) == Media(stream, FRAME, (number - 1) / 50)
    assert codec.parse(dialect.mark("m1")) == MarkBack(stream, "m1")
    assert codec.parse(dialect.dtmf("#")) == Dtmf(stream, "#")
    assert codec.parse(dialect.stop()) == Stopped(stream)


@in_each_dialect
@given(mulaw=st.binary(max_size=2_000), number=st.integers(1, 10**9), as_text=st.booleans())
def test_media_of_any_size_is_read_whatever_type_its_numbers_have(
    dialect: Dialect, mulaw: bytes, number: int, as_text: bool
) -> None:
    read = dialect.codec().parse(dialect.media(mulaw, number, as_text))
    assert read == Media(dialect.stream, mulaw, (number - 1) * 20 / 1000)


@in_each_dialect
@given(mulaw=st.binary(max_size=2_000))
def test_our_sound_is_the_payload_that_theirs_would_be(dialect: Dialect, mulaw: bytes) -> None:
    ours = json.loads(dialect.codec().encode(dialect.stream, Play(mulaw)))
    assert ours["event"] == "media"
    assert ours["media"] == {"payload": json.loads(dialect.media(mulaw, 1, True))["media"]["payload"]}


@in_each_dialect
@given(name=st.text())
def test_a_mark_survives_any_name_there_and_back(dialect: Dialect, name: str) -> None:
    ours = json.loads(dialect.codec().encode(dialect.stream, Mark(name)))
    assert (ours["event"], ours["mark"]) == ("mark", {"name": name})
    assert dialect.codec().parse(dialect.mark(name)) == MarkBack(dialect.stream, name)


@in_each_dialect
def test_clear_says_nothing_more_than_it_must(dialect: Dialect) -> None:
    ours = json.loads(dialect.codec().encode(dialect.stream, Clear()))
    assert ours in ({"event": "clear"}, {"event": "clear", dialect.stream_field: dialect.stream})


@in_each_dialect
@pytest.mark.parametrize("event", ["cleared", "", "media2"])
def test_an_event_of_a_later_protocol_is_unknown_not_wrong(dialect: Dialect, event: str) -> None:
    assert dialect.codec().parse(json.dumps({"event": event})) == Unknown()


@in_each_dialect
def test_fields_nobody_asked_for_are_ignored(dialect: Dialect) -> None:
    message = json.loads(dialect.media(FRAME, 1, True))
    message["media"] |= {"loudness": 3, "event": "stop"}
    message["later"] = {"event": "stop"}
    assert dialect.codec().parse(json.dumps(message)) == Media(dialect.stream, FRAME, 0.0)


@in_each_dialect
@given(text=st.text())
@example(text="[" * 100_000)
@example(text='{"event":' * 50_000)
@example(text="9" * 5_000)
@example(text='"\\ud800"')
@example(text='{"event": "mark", "streamSid": NaN, "stream_id": Infinity}')
def test_no_text_raises_anything_but_a_protocol_error(dialect: Dialect, text: str) -> None:
    with suppress(LineProtocolError):
        dialect.codec().parse(text)


@in_each_dialect
@given(
    event=events,
    body=st.dictionaries(fields, json_values | st.dictionaries(inner_fields, json_values), max_size=4),
)
def test_no_json_raises_anything_but_a_protocol_error(dialect: Dialect, event: str, body: dict[str, Any]) -> None:
    with suppress(LineProtocolError):
        dialect.codec().parse(json.dumps({"event": event} | body))


@in_each_dialect
def test_what_a_call_or_a_stream_is_named_can_be_a_file_name(dialect: Dialect) -> None:
    for name in ("", "../../etc/passwd", "a b", "a\n", "a" * 129, "é", '"'):
        for text in (
            dialect.start(call=name),
            dialect.start().replace(dialect.stream, json.dumps(name)[1:-1]),
            dialect.media(FRAME, 1, True).replace(dialect.stream, json.dumps(name)[1:-1]),
        ):
            with pytest.raises(LineProtocolError, match="is not an id"):
                dialect.codec().parse(text)


@in_each_dialect
def test_sound_that_we_cannot_hear_is_refused_at_the_start(dialect: Dialect) -> None:
    for form in dialect.wrong_forms:
        with pytest.raises(LineProtocolError, match=next(iter(form))) as refused:
            dialect.codec().parse(dialect.start(**form))
        assert SECRET not in str(refused.value)


@in_each_dialect
def test_an_error_never_repeats_what_a_field_held(dialect: Dialect) -> None:
    wrong = [
        dialect.dtmf(SECRET),
        dialect.start(call=SECRET),
        dialect.mark("m").replace(dialect.stream, SECRET),
        dialect.media(FRAME, 1, True).replace("AQEB", SECRET, 1),
        SECRET,
    ]
    if dialect is TELNYX:  # Twilio has no such event
        wrong.append(json.dumps({"event": "error", "payload": {"code": SECRET, "detail": SECRET}}))
    for text in wrong:
        with pytest.raises(LineProtocolError) as refused:
            dialect.codec().parse(text)
        assert SECRET not in str(refused.value)


def held(
    dialect: Dialect, texts: list[str], commands: tuple[Outbound, ...] = ()
) -> tuple[list[Inbound], str, list[str]]:
    """A line over these texts, on virtual time: what is heard, why it was lost, and what the carrier got."""

    async def main() -> tuple[list[Inbound], str, list[str]]:
        far, codec, heard, why = MemorySocket([dialect.connected(), *texts]), dialect.codec(), [], ""
        socket = await far.accepted()
        line = MediaLine(socket, codec, await read_start(socket, codec, 5.0), ServerSettings())
        assert line.call_id == dialect.call
        for command in commands:
            await line.send(command)
        try:
            async for message in line.receive():
                heard.append(message)
        except LineLost as lost:
            why = str(lost)
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        return heard, why, far.sent

    return run(main())


@in_each_dialect
def test_a_line_hears_the_same_in_every_dialect(dialect: Dialect) -> None:
    texts = [
        dialect.start(),
        dialect.media(FRAME, 1, True),
        dialect.mark("m1"),
        dialect.media(FRAME, 2, False),
        dialect.dtmf("1"),
        dialect.stop(),
    ]
    expected = [CallerAudio(FRAME, 0.0), MarkReturned("m1"), CallerAudio(FRAME, 0.02), KeyTone("1")]
    assert held(dialect, texts)[:2] == (expected, "")


@in_each_dialect
def test_a_line_says_the_same_in_every_dialect(dialect: Dialect) -> None:
    commands = (Play(FRAME), Mark("m1"), Clear())
    sent = held(dialect, [dialect.start(), dialect.stop()], commands)[2]
    assert [json.loads(text)["event"] for text in sent] == ["media", "mark", "clear"]
    assert sent == [dialect.codec().encode(dialect.stream, command) for command in commands]


@in_each_dialect
def test_a_line_drops_bad_messages_in_every_dialect_and_gives_up_at_the_fiftieth(dialect: Dialect) -> None:
    foreign = dialect.media(FRAME, 1, True).replace(dialect.stream, "another")
    for bad in ("{", foreign, dialect.start(), "x" * 65_537, dialect.dtmf("12")):
        survived = [dialect.start(), *[bad] * 49, dialect.media(FRAME, 2, True), dialect.stop()]
        assert held(dialect, survived)[:2] == ([CallerAudio(FRAME, 0.02)], "")
        assert held(dialect, [dialect.start(), *[bad] * 50])[:2] == ([], "50 messages were malformed")


@in_each_dialect
def test_a_line_is_lost_in_every_dialect_when_nothing_comes_any_more(dialect: Dialect) -> None:
    assert held(dialect, [dialect.start(), dialect.media(FRAME, 1, True)])[:2] == (
        [CallerAudio(FRAME, 0.0)],
        "no media for 3.0 s",
    )
