import json
from typing import Any

import pytest
from exchange import STREAM, media, start
from hypothesis import example, given
from hypothesis import strategies as st

from client_caller.errors import LineProtocolError
from client_caller.line import twilio_messages as wire

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
events = st.sampled_from(["connected", "start", "media", "dtmf", "mark", "stop", "clear"])
fields = st.sampled_from(["streamSid", "start", "media", "mark", "dtmf", "stop"])
inner_fields = st.sampled_from(["payload", "timestamp", "name", "digit", "mediaFormat", "callSid", "streamSid"])


@given(st.text())
@example("[" * 100_000)
@example("9" * 5_000)
@example('{"event": "mark", "streamSid": NaN}')
def test_no_text_raises_anything_but_a_protocol_error(text: str) -> None:
    try:
        wire.parse(text)
    except LineProtocolError:
        return


@given(events, st.dictionaries(fields, json_values | st.dictionaries(inner_fields, json_values)))
def test_no_json_raises_anything_but_a_protocol_error(event: str, body: dict[str, Any]) -> None:
    try:
        wire.parse(json.dumps({"event": event} | body))
    except LineProtocolError:
        return


@given(st.binary(max_size=2_000), st.integers(0, 10**9), st.booleans())
def test_media_of_any_size_is_read_whatever_type_its_numbers_have(mulaw: bytes, ms: int, as_text: bool) -> None:
    message = wire.parse(media(mulaw, ms=str(ms) if as_text else ms))
    assert message == wire.Media(STREAM, mulaw, ms / 1000)


@given(st.binary(max_size=2_000))
def test_our_media_is_the_json_twilio_documents(mulaw: bytes) -> None:
    ours = json.loads(wire.encode_media(STREAM, mulaw))
    theirs = json.loads(media(mulaw))
    assert ours == {"event": "media", "streamSid": STREAM, "media": {"payload": theirs["media"]["payload"]}}


@given(st.text())
def test_a_mark_survives_any_name(name: str) -> None:
    assert wire.parse(wire.encode_mark(STREAM, name)) == wire.MarkBack(STREAM, name)


def test_clear_is_the_json_twilio_documents() -> None:
    assert json.loads(wire.encode_clear(STREAM)) == {"event": "clear", "streamSid": STREAM}


@pytest.mark.parametrize("event", ["cleared", "", "media2"])
def test_an_event_of_a_later_protocol_is_unknown_not_wrong(event: str) -> None:
    assert wire.parse(json.dumps({"event": event, "streamSid": STREAM})) == wire.Unknown()


def test_fields_nobody_asked_for_are_ignored() -> None:
    message = json.loads(media(b"\x00"))
    message["media"] |= {"track": "inbound", "chunk": "7", "loudness": 3}
    message["later"] = True
    assert wire.parse(json.dumps(message)) == wire.Media(STREAM, b"\x00", 0.0)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "event"),
        ('{"event": 3}', "event"),
        ('{"event": "media", "streamSid": "MZ1"}', "media"),
        ('{"event": "media", "streamSid": "MZ1", "media": []}', "media"),
        ('{"event": "media", "streamSid": "MZ1", "media": {"timestamp": "0"}}', "payload"),
        ('{"event": "media", "streamSid": "MZ1", "media": {"timestamp": "0", "payload": "***"}}', "payload"),
        ('{"event": "media", "streamSid": "MZ1", "media": {"timestamp": "0", "payload": "é"}}', "payload"),
        ('{"event": "media", "streamSid": "MZ1", "media": {"timestamp": "0", "payload": "AAA"}}', "payload"),
        ('{"event": "media", "media": {"timestamp": "0", "payload": ""}}', "streamSid"),
        ('{"event": "media", "streamSid": "MZ1", "media": {"timestamp": "-1", "payload": ""}}', "timestamp"),
        ('{"event": "media", "streamSid": "MZ1", "media": {"timestamp": true, "payload": ""}}', "timestamp"),
        ('{"event": "media", "streamSid": "MZ1", "media": {"timestamp": 0.5, "payload": ""}}', "timestamp"),
        ('{"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": "12"}}', "digit"),
        ('{"event": "mark", "streamSid": "MZ1", "mark": {}}', "name"),
        ('{"event": "stop", "streamSid": "MZ/../1"}', "streamSid"),
        (start(call="../../etc/passwd"), "callSid"),
        (start(encoding="audio/L16"), "mediaFormat.encoding"),
        (start(sampleRate=16000), "mediaFormat.sampleRate"),
        (start(channels=2), "mediaFormat.channels"),
    ],
)
def test_a_malformed_message_is_refused_by_the_name_of_its_field(text: str, named: str) -> None:
    with pytest.raises(LineProtocolError, match=named):
        wire.parse(text)
