"""The messages of a call's WebSocket: read, written, and refused without repeating what they held."""

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.speaking.csm import wire
from client_caller.speaking.csm.turns import Manner, OwnTurn
from client_caller.speaking.csm.wire import (
    TEXT_CHARS,
    TURN_S,
    TURNS,
    Begun,
    Cancel,
    Ended,
    Failed,
    Heard,
    MessageError,
    Open,
    Ready,
    Speak,
    encode,
    pcm_of,
    read_answer,
    read_request,
    sound_of,
)

IDS = st.from_regex(r"\A[A-Za-z0-9_.:-]{1,64}\Z")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
OWN = st.builds(OwnTurn, IDS, st.none() | st.floats(0, 1e6), TEXTS)
REQUESTS = st.one_of(
    st.builds(
        Open,
        st.text("abc-é", min_size=1, max_size=100),
        st.floats(0, 2),
        st.integers(1, 64),
        st.integers(0, 2**53 - 1),
    ),
    st.builds(Heard, IDS, TEXTS, st.binary(min_size=1, max_size=400)),
    st.builds(Speak, IDS, TEXTS.filter(str.strip), st.lists(OWN | IDS, max_size=TURNS).map(tuple)),
    st.builds(Cancel, IDS),
)
ANSWERS = st.one_of(
    st.builds(Ready, st.integers(8_000, 48_000), st.floats(0.01, 1)),
    st.builds(Begun, IDS),
    st.builds(Ended, IDS, TEXTS),
    st.builds(Failed, st.sampled_from(["overloaded", "bad_request", "engine"]), TEXTS, IDS | st.just("")),
)


@given(REQUESTS)
def test_a_request_is_read_as_it_was_written(request: wire.Request) -> None:
    assert read_request(encode(request)) == request


@given(ANSWERS)
def test_an_answer_is_read_as_it_was_written(answer: wire.Answer) -> None:
    assert read_answer(encode(answer)) == answer


def test_the_examples_in_the_module_are_messages() -> None:
    assert wire.__doc__
    examples = re.findall(r"\{\"type.*?\}(?=\s{2,}|,|\n)(?!, \")", wire.__doc__)
    kinds = {json.loads(example)["type"] for example in examples}
    assert kinds == {"open", "ready", "heard", "speak", "begun", "cancel", "ended"}
    for example in examples:
        text = example.replace("base64 of mu-law at 8 kHz", base64.b64encode(b"\xff" * 160).decode())
        read = read_answer if json.loads(example)["type"] in {"ready", "begun", "ended"} else read_request
        read(text)


def test_what_is_left_out_is_as_usual() -> None:
    assert read_request('{"type": "open", "voice": "anna"}') == Open(
        "anna", Manner().temperature, Manner().top_k, Manner().seed
    )
    assert read_request('{"type": "speak", "id": "1", "text": "Hi"}') == Speak("1", "Hi", ())


def test_turns_are_own_ones_as_objects_and_callers_by_their_ids() -> None:
    text = '{"type": "speak", "id": "2", "text": "Hi", "turns": [{"id": "1"}, "c1", {"id": "x", "seconds": 2}]}'
    assert read_request(text) == Speak("2", "Hi", (OwnTurn("1"), "c1", OwnTurn("x", 2.0)))


def request(**fields: Any) -> str:
    return json.dumps(fields)


SECRET = "alabaster"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (request(type="open"), "voice"),
        (request(type="open", voice=""), "voice"),
        (request(type="open", voice=["alabaster"]), "voice"),
        (request(type="open", voice="a", temperature=-0.1), "temperature"),
        (request(type="open", voice="a", top_k=65), "top_k"),
        (request(type="open", voice="a", seed=-1), "seed"),
        (request(type="speak", id="1"), "text"),
        (request(type="speak", id="1", text=" \n"), "text"),
        (request(type="speak", id="1", text=SECRET * TEXT_CHARS), "text"),
        (request(type="speak", id="a b", text=SECRET), "id"),
        (request(type="speak", id="a\n", text=SECRET), "id"),
        (request(type="speak", id="1", text=SECRET, turns=["a b"]), "turns"),
        (request(type="speak", id="1", text=SECRET, turns=[{"seconds": 1}]), "turns"),
        (request(type="speak", id="1", text=SECRET, turns=[{"id": "2", "seconds": -1}]), "seconds"),
        (request(type="speak", id="1", text=SECRET, turns=[{"id": "2", "seconds": SECRET}]), "seconds"),
        (request(type="speak", id="1", text=SECRET, turns=[{"id": "2", "text": SECRET * TEXT_CHARS}]), "turns"),
        (request(type="speak", id="1", text=SECRET, turns=["c"] * (TURNS + 1)), "turns"),
        (request(type="heard", id="1", text=SECRET), "audio"),
        (request(type="heard", id="1", text=SECRET, audio=SECRET + "*"), "audio"),
        (request(type="heard", id="1", text=SECRET, audio=""), "audio"),
        (
            request(type="heard", id="1", text="", audio=base64.b64encode(bytes(round(8_000 * TURN_S) + 1)).decode()),
            "audio",
        ),
        (request(type="cancel"), "id"),
        (request(type=SECRET), "type"),
        (request(type="ready"), "type"),
        (request(id=SECRET), "type"),
        ('{"type": "speak", "text": "alabaster"', "truncated"),
        ('{"type": "speak", "text": "alabaster\ud800"}', "UTF-8"),
        ('{"type": "speak", "id": "1", "text": "x", "y": ' + "[" * 100_000 + "}", "nested"),
        ("alabaster", "JSON"),
        ("[]", "object"),
        ("", "truncated"),
    ],
)
def test_a_bad_message_is_refused_by_the_field_and_not_repeated(text: str, names: str) -> None:
    with pytest.raises(MessageError) as refused:
        read_request(text)
    assert names in str(refused.value)
    assert SECRET not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_a_refusal_tells_which_message_it_is_about_where_it_can() -> None:
    with pytest.raises(MessageError) as refused:
        read_request('{"type": "speak", "id": "r7", "text": 5}')
    assert refused.value.id == "r7"
    with pytest.raises(MessageError) as refused:
        read_request('{"type": "speak", "id": 7, "text": "x"}')
    assert refused.value.id == ""


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
def test_no_text_raises_anything_else(text: str) -> None:
    for read in (read_request, read_answer):
        with pytest.raises(MessageError):
            read(text)


@given(REQUESTS, st.data())
def test_no_spoilt_message_raises_anything_else(request: wire.Request, data: st.DataObject) -> None:
    text = encode(request)
    at = data.draw(st.integers(0, len(text)))
    spoilt = text[:at] + data.draw(st.text(max_size=3)) + text[data.draw(st.integers(at, len(text))) :]
    try:
        read_request(spoilt)
    except MessageError as refused:
        assert "\n" not in str(refused)  # noqa: PT017 - most are refused, and some stay messages


def test_sound_goes_over_in_sixteen_bits() -> None:
    sound = np.array([0.0, 0.5, -0.5, 1.5, -1.5, 1.0], np.float32)
    assert np.frombuffer(pcm_of(sound), "<i2").tolist() == [0, 16_384, -16_384, 32_767, -32_768, 32_767]
    assert np.abs(sound_of(pcm_of(sound)) - np.clip(sound, -1, 1)).max() <= 1 / 32_768
    with pytest.raises(MessageError):
        sound_of(b"\x00\x00\x00")
