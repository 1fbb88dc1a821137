"""What an operator may declare, and what they are told otherwise."""

from typing import Any

import pytest
from pydantic import ValidationError

from client_caller.tools.declared import DeclaredTool

DATE = {"name": "day", "type": "date", "description": "the day"}


def declared(**changes: Any) -> DeclaredTool:
    return DeclaredTool.model_validate(
        {"name": "slots", "description": "Free times.", "url": "https://book.example/slots", **changes}
    )


def test_a_tool_tells_what_it_needs_beside_its_arguments():
    tool = declared(
        url="https://book.example/{client id}/slots?key={secret.KEY}&on={day}",
        headers={"Authorization": "Bearer {secret.Token}", "X-Caller": "{caller_number}"},
        parameters=[DATE],
    )
    assert tool.secrets == {"key", "token"}
    assert tool.variables == {"client id"}


def test_get_only_reads_unless_the_operator_says_otherwise():
    assert declared().only_reads
    assert not declared(reads_only=False).only_reads
    assert not declared(method="POST").only_reads
    assert declared(method="POST", reads_only=True).only_reads


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"url": "https://{host}/slots"}, "scheme and host must be fixed"),
        ({"url": "{scheme}://book.example/slots"}, "must begin with http:// or https://"),
        ({"url": "https://book.example\\@other.example/"}, "must not hold blanks or backslashes"),
        ({"url": "https://book.exa\nmple/"}, "must not hold blanks or backslashes"),
        ({"url": "https://book.example:{port}/slots"}, "scheme and host must be fixed|is not a URL"),
        ({"url": "ftp://book.example/"}, "must begin with http:// or https://"),
        ({"url": "https://user:hush@book.example/"}, r"use a header with \{secret.NAME\}"),
        ({"url": "https://book.example/#top"}, "no server would see it"),
        ({"url": "https://book.example/{secret.KEY}"}, "must not stand in the path"),
        ({"url": "https://book.example/?{day}=1"}, "placeholder for a name in the query"),
        ({"url": "https://book.example/{"}, "a brace stands alone"),
        ({"url": "https://[::1/x"}, "is not a URL"),
        ({"headers": {"Host": "x"}}, "Host is set by the program"),
        ({"headers": {"Idempotency-Key": "x"}}, "is set by the program"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "must be one line"),
        ({"headers": {"X A": "a"}}, "letters, digits and hyphens"),
        ({"method": "POST", "body": {"key": "{secret.KEY}"}}, "must not stand in the body"),
        ({"method": "POST", "body": {"key": {1, 2}}}, "must be JSON"),
        ({"method": "POST", "body": {"key": float("nan")}}, "must be JSON"),
        ({"body": {"key": "x"}}, "GET has no body"),
        ({"answer": "It is {secret.KEY}"}, "must not stand in the answer"),
        ({"parameters": [DATE]}, r"day is used nowhere: write \{day\}"),
        ({"parameters": [DATE, DATE], "query": {"day": "{day}"}}, "the same name"),
        ({"parameters": [{**DATE, "required": False}], "url": "https://book.example/{day}"}, "must be required"),
        ({"parameters": [{**DATE, "choices": ["today"]}]}, 'its type must be "string"'),
        ({"parameters": [{**DATE, "name": "call_id"}]}, "filled in by the call itself"),
        ({"within_s": 60}, "less than or equal to 20"),
        ({"name": "Free Slots"}, "pattern"),
        ({"query": {"day": "{slots.day}"}}, "only secrets have a dot"),
    ],
)
def test_the_operator_is_told_what_to_change(changes, complaint):
    with pytest.raises(ValidationError, match=complaint):
        declared(**changes)
