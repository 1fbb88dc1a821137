"""Nothing unexpected gets into a tool, and the model is told what was wrong."""

import contextlib
import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.errors import ToolFailed
from client_caller.tools.arguments import LONGEST_TEXT, canonical, checked, declared_model
from client_caller.tools.declared import ToolParameter
from client_caller.tools.protocol import Done, Tool
from client_caller.tools.toolbox import compact_schema

KINDS = ("string", "integer", "number", "boolean", "date", "time", "phone")


def tool(*parameters: dict[str, Any]) -> Tool:
    async def run(arguments: object, key: str) -> Done:
        return Done("")

    model = declared_model(tuple(ToolParameter.model_validate({"description": "x", **one}) for one in parameters))
    return Tool("book", "Books.", model, run)


def value_of(kind: str, value: object, **more: Any) -> object:
    return checked(tool({"name": "it", "type": kind, **more}), json.dumps({"it": value})).get("it")


@pytest.mark.parametrize(
    ("kind", "value", "becomes"),
    [
        ("string", "  Anna\n Kovač ", "Anna Kovač"),
        ("integer", 4, 4),
        ("integer", "4", 4),
        ("integer", 4.0, 4),
        ("number", 4, 4.0),
        ("number", "-1.5", -1.5),
        ("boolean", True, True),
        ("boolean", "false", False),
        ("date", "2026-11-27", datetime.date(2026, 11, 27)),
        ("time", "15:30", datetime.time(15, 30)),
        ("time", "09:05:00", datetime.time(9, 5)),
        ("phone", "+1 (555) 010-0002", "+15550100002"),
    ],
)
def test_what_is_meant_is_understood(kind, value, becomes):
    assert value_of(kind, value) == becomes
    assert type(value_of(kind, value)) is type(becomes)


@pytest.mark.parametrize(
    ("kind", "value", "complaint"),
    [
        ("string", 4, "it must be a text in quotes"),
        ("string", "", "it must not be empty"),
        ("string", "a" * (LONGEST_TEXT + 1), "it must not be longer than 500 characters"),
        ("string", "a\x00b", "it must not hold control characters"),
        ("string", ["a"], "it must be a text in quotes"),
        ("integer", 4.5, "it must be a whole number"),
        ("integer", True, "it must be a number"),
        ("integer", 10**16, "it must be a number"),
        ("integer", "four", "it must be a number"),
        ("boolean", 1, "it must be true or false"),
        ("date", "tomorrow", "it must be a date written like 2026-11-27"),
        ("date", "2026-02-30", "it is no day of the calendar"),
        ("date", 20261127, "it must be a date"),
        ("date", "2026-W48-5", "it must be a date"),
        ("time", "3 pm", "it must be a time of day written like 15:30"),
        ("time", "24:00", "it must be a time of day"),
        ("phone", "555 0100", "written like [+]15550100002"),
        ("phone", None, "it must be a telephone number"),
    ],
)
def test_what_is_wrong_is_named_in_a_sentence_that_does_not_repeat_it(kind, value, complaint):
    with pytest.raises(ToolFailed, match=complaint) as refused:
        value_of(kind, value)
    assert str(refused.value).startswith("book was not called: ")
    assert len(str(refused.value)) < 200


def test_only_choices_can_be_chosen():
    assert value_of("string", "b", choices=["a", "b"]) == "b"
    with pytest.raises(ToolFailed, match="it must be one of 'a' or 'b'"):
        value_of("string", "c", choices=["a", "b"])


def test_arguments_that_nobody_asked_for_are_refused():
    with pytest.raises(ToolFailed, match="it takes no other arguments than it"):
        checked(tool({"name": "it"}), '{"it": "a", "admin": true}')
    with pytest.raises(ToolFailed, match="it takes no arguments"):
        checked(tool(), '{"argument_it": "a"}')


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"it": NaN}', '{"it":' * 5_000, "x" * 9_000, '{"it": "\\ud800"}'])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(ToolFailed, match=r"book was not called: .*(JSON|too long)"):
        checked(tool({"name": "it"}), text)


@pytest.mark.parametrize("blank", [None, ""])
@pytest.mark.parametrize("kind", KINDS)
def test_where_a_model_need_not_know_a_blank_is_no_argument(kind, blank):
    assert value_of(kind, blank, required=False) is None


def test_any_name_will_do_for_a_parameter():
    names = ("json", "copy", "schema", "model_config", "class", "_it", "model_dump")
    given_ = {name: "a" for name in names}
    assert checked(tool(*({"name": name} for name in names)), json.dumps(given_)) == given_


def test_the_schema_says_what_is_allowed_and_nothing_else():
    assert compact_schema(
        tool({"name": "day", "type": "date"}, {"name": "who", "choices": ["Ann"], "required": False})
    ) == {
        "type": "object",
        "properties": {
            "day": {"type": "string", "format": "date", "description": "x"},
            "who": {"type": "string", "enum": ["Ann"], "description": "x"},
        },
        "required": ["day"],
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NEARLY = st.from_regex(r"\+?[0-9T:. /()-]{1,20}", fullmatch=True) | st.sampled_from(["true", "4", "١٢", "2026-11-27\n"])


@given(kind=st.sampled_from(KINDS), value=JSON | NEARLY)
def test_no_value_of_another_kind_ever_passes(kind, value):
    try:
        passed = value_of(kind, value)
    except ToolFailed:
        return
    match kind:
        case "string":
            assert isinstance(passed, str)
            assert 0 < len(passed) <= LONGEST_TEXT
            assert passed == " ".join(passed.split())
            assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in passed)
        case "integer":
            assert type(passed) is int
            assert abs(passed) <= 10**15
        case "number":
            assert type(passed) is float
            assert abs(passed) <= 10**15
        case "boolean":
            assert type(passed) is bool
        case "date":
            assert type(passed) is datetime.date
            assert passed.isoformat() == str(value).strip()
        case "time":
            assert type(passed) is datetime.time
        case "phone":
            assert isinstance(passed, str)
            assert passed[0] == "+"
            assert passed[1:].isascii()
            assert passed[1:].isdigit()


@given(text=st.text(max_size=60) | JSON.map(json.dumps))
def test_whatever_a_model_writes_is_an_object_or_refused(text):
    with contextlib.suppress(ToolFailed):
        assert set(checked(tool({"name": "it", "required": False}), text)) <= {"it"}


def test_the_order_of_arguments_does_not_matter_to_what_they_are():
    one, other = '{"a": "x", "b": "2026-11-27"}', '{"b":"2026-11-27", "a" :"x" , "c": null}'
    made = tool({"name": "a"}, {"name": "b", "type": "date"}, {"name": "c", "required": False})
    assert canonical(checked(made, one)) == canonical(checked(made, other)) == '{"a":"x","b":"2026-11-27"}'
