"""What is filled in stays a value, whatever it is."""

import json
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.errors import ToolFailed
from client_caller.tools.declared import DeclaredTool
from client_caller.tools.http_request import filled_request

VALUES = st.text(
    st.characters(codec="utf-8") | st.sampled_from("/\\.?#&=%{}\"'\r\n:@;<> \x00"), min_size=1, max_size=30
)


def request(
    declared: dict[str, Any], arguments: dict[str, Any] | None = None, context: dict[str, str] | None = None
) -> httpx2.Request:
    made = DeclaredTool.model_validate({"name": "book", "description": "x", "url": "https://book.example/", **declared})
    secrets = {"key": "hu/sh+"}
    return filled_request(made, context or {}, arguments or {}, secrets, "k1")


def text(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "description": "x"} for name in names]


@given(value=VALUES)
def test_a_value_stays_within_its_segment_of_the_path(value):
    tool = {"url": "https://book.example/a/{it}/b?c=d", "parameters": text("it")}
    try:
        url = request(tool, {"it": value}).url
    except ToolFailed:
        assert {".", ".."} & set(unquote(value).replace("\\", "/").split("/"))
        return
    assert (url.scheme, url.host, url.port, url.query) == ("https", "book.example", None, b"c=d")
    before, it, after = url.raw_path.partition(b"?")[0].decode("ascii").removeprefix("/").split("/")
    assert (before, unquote(it), after) == ("a", value, "b")


@given(value=VALUES)
def test_a_value_stays_within_its_field_of_the_query(value):
    tool = {"url": "https://book.example/a?one={it}&two=2", "query": {"three": "<{it}>"}, "parameters": text("it")}
    url = request(tool, {"it": value}).url
    assert url.raw_path.startswith(b"/a?")
    assert parse_qsl(url.query.decode("ascii"), keep_blank_values=True) == [
        ("one", value),
        ("two", "2"),
        ("three", f"<{value}>"),
    ]


@given(value=VALUES)
def test_a_value_stays_within_its_field_of_the_body(value):
    tool = {
        "method": "POST",
        "parameters": text("it"),
        "body": {"it": "{it}", "note": {"lines": ["for {it}", "{{}}", 3, True]}},
    }
    assert json.loads(request(tool, {"it": value}).content) == {
        "it": value,
        "note": {"lines": [f"for {value}", "{}", 3, True]},
    }


@given(value=VALUES)
def test_a_value_makes_no_second_header(value):
    tool = {"headers": {"X-Who": "by {it}"}, "parameters": text("it")}
    try:
        headers = request(tool, {"it": value}).headers
    except ToolFailed:
        assert any(ord(char) < 32 or ord(char) == 127 for char in value)
        return
    assert [name for name, _ in headers.raw] == [b"Host", b"Accept", b"Accept-Encoding", b"X-Who"]
    assert dict(headers.raw)[b"X-Who"] == f"by {value}".strip().encode()


@pytest.mark.parametrize("value", ["..", ".", "../admin", "a/../b", "..\\x", "%2e%2e", "..%2Fadmin"])
def test_a_path_is_no_value_of_a_segment(value):
    with pytest.raises(ToolFailed, match="it must not be a path"):
        request({"url": "https://book.example/a/{it}", "parameters": text("it")}, {"it": value})


def test_two_values_cannot_make_a_path_together():
    with pytest.raises(ToolFailed, match="must not be a path"):
        request({"url": "https://book.example/{a}{b}/x", "parameters": text("a", "b")}, {"a": ".", "b": "."})


def test_a_segment_without_its_value_is_no_request():
    with pytest.raises(ToolFailed, match="client_name is not known"):
        request({"url": "https://book.example/{client_name}/x"}, context={"client_name": ""})


def test_an_argument_is_not_outdone_by_a_variable_of_the_same_name():
    tool = {"query": {"a": "{it}"}, "parameters": [{**text("it")[0], "required": False}]}
    assert request(tool, {"it": "given"}, {"it": "of the call"}).url.query == b"a=given"
    assert request(tool, {}, {"it": "of the call"}).url.query == b""


def test_secrets_go_into_headers_and_the_query():
    tool = {"headers": {"Authorization": "Bearer {secret.KEY}"}, "query": {"key": "{secret.key}"}}
    made = request(tool)
    assert made.headers["authorization"] == "Bearer hu/sh+"
    assert made.url.query == b"key=hu%2Fsh%2B"


def test_a_value_alone_keeps_its_kind_and_what_is_not_known_is_left_out():
    parameters = [
        {"name": "seats", "type": "number", "description": "x"},
        {"name": "outside", "type": "boolean", "description": "x"},
        {"name": "note", "description": "x", "required": False},
    ]
    body = {"seats": "{seats}", "outside": "{outside}", "note": "{note}", "text": "{seats}: {note}", "list": ["{note}"]}
    made = request({"method": "PUT", "parameters": parameters, "body": body}, {"seats": 4.0, "outside": False})
    assert made.content == b'{"seats": 4, "outside": false, "text": "4: ", "list": []}'
    assert made.headers["content-type"] == "application/json"


def test_without_a_body_of_its_own_a_request_carries_all_arguments():
    assert request({"method": "POST", "parameters": text("a", "b")}, {"a": "x"}).content == b'{"a": "x"}'


def test_what_changes_something_carries_its_key_and_what_reads_does_not():
    assert request({"method": "DELETE"}).headers["idempotency-key"] == "k1"
    assert "idempotency-key" not in request({"method": "POST", "reads_only": True}).headers
