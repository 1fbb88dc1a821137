"""Tools in plain text: how they are offered, and how calls are told from what is to be said."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.thinking.protocol import Message, ToolCall, ToolOffer
from client_caller.thinking.tool_text import CallReader, as_text

HANG_UP = ToolOffer("hang_up", "End the call.", {"type": "object", "properties": {}})
BOOK = ToolOffer(
    "book",
    "Books an hour.",
    {
        "type": "object",
        "properties": {
            "day": {"type": "string", "description": "As YYYY-MM-DD."},
            "hour": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "kind": {"$ref": "#/$defs/Kind"},
        },
        "required": ["day", "kind"],
        "$defs": {"Kind": {"enum": ["check", "treatment"]}},
    },
)
TOOLS = (HANG_UP, BOOK)
HUNG_UP = ToolCall("hang_up", "{}")


def read(*fragments: str) -> list[str | ToolCall]:
    """What a reply of these fragments comes to, with neighbouring text in one."""
    reader, parts = CallReader(TOOLS), []
    for part in [*(part for text in fragments for part in reader.feed(text)), *reader.finish()]:
        if parts and isinstance(part, str) and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    return parts


def booked(**arguments: object) -> ToolCall:
    return ToolCall("book", json.dumps(arguments, ensure_ascii=False))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[hang_up()]", [HUNG_UP]),
        ("[ hang_up() ]", [HUNG_UP]),
        ('Let me see. [book(day="2025-03-03", hour=9)]', ["Let me see. ", booked(day="2025-03-03", hour=9)]),
        ('[book(day="a"), hang_up()] Bye.', [booked(day="a"), HUNG_UP, " Bye."]),
        ('[book("a", 9)]', [booked(day="a", hour=9)]),
        ("[book(day='it (or so)]', kind=\"b'c\")]", [booked(day="it (or so)]", kind="b'c")]),
        ("[book(day=true, hour=null, kind=[1, {'a': False}])]", [booked(day=True, hour=None, kind=[1, {"a": False}])]),
        ("```tool_code\nbook(day='a')\nhang_up()\n```", [booked(day="a"), HUNG_UP]),
        ("```tool_code\nprint(default_api.book(day='ü'))\n```", [booked(day="ü")]),
        ("```tool_code\nx = book(day='a')\nprint(x)\n```", [booked(day="a")]),
        ("```python\n[hang_up()]\n``` So.", [HUNG_UP, " So."]),
        ('So:\n book(day="a")\nhang_up()', ["So:\n ", booked(day="a"), "\n", HUNG_UP]),
        ("`[hang_up()]`", ["`", HUNG_UP, "`"]),
        ('[unheard_of(a="b")]', [ToolCall("unheard_of", '{"a": "b"}')]),
    ],
)
def test_calls_are_told_from_text(text: str, parts: list[str | ToolCall]) -> None:
    assert read(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "[laughs] Well, [The caller] [that's it] yes.",
        "[laughs (softly)] [see(page)] [1, 2] [] [",
        "He said hang_up() is a word, and unheard_of(1)\nunheard_of(2)",
        "``` a ```, `b`, ```tool_code\nnothing to call\n```",
        "hang on, book a flight",
        "[unheard_of(",
        "[a(b [c",
    ],
)
def test_what_is_no_call_passes_unchanged(text: str) -> None:
    assert read(text) == [text]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('[book(day="a", hou', '(day="a", hou'),
        ('[book(day="He said "no"")] Bye.', '(day="He said "no""'),
        ("[book(day=today)]", "(day=today"),
        ("[book(day='a', day='b')]", "(day='a', day='b'"),
        ("[book(1, 2, 3, 4)]", "(1, 2, 3, 4"),
        ("[book(day={1, 2})]", "(day={1, 2}"),
        ("[book(day=1e999)]", "(day=1e999"),
        ("[book(**{'day': 1})]", "(**{'day': 1}"),
        ("book(", "("),
        ("```tool_code\nx = 1\n, book(day=", "(day="),
        ("[sum(a), book(day=b)]", "(day=b"),
        ("[book(day=" + "(" * 300, None),
        ("[book(day=" + "'x" * 3_000, None),
    ],
)
def test_a_call_that_cannot_be_read_is_told_as_it_is_when_its_tool_is_on_offer(
    text: str, arguments: str | None
) -> None:
    call = next((part for part in read(text) if isinstance(part, ToolCall)), ToolCall("", ""))
    assert call.name == "book"
    assert call.arguments.startswith("(")
    assert arguments in (None, call.arguments)
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(call.arguments)


def test_a_call_that_lacks_only_its_last_bracket_is_whole() -> None:
    assert read('[book(day="a")') == [booked(day="a")]
    assert read("[hang_up(), book(") == [HUNG_UP, ToolCall("book", "(")]


def test_a_call_without_end_takes_the_rest_of_the_reply_with_it_and_the_next_begins_afresh() -> None:
    reader = CallReader(TOOLS)
    (call,) = reader.feed('[book(day="' + "x" * 5_000)
    assert isinstance(call, ToolCall)
    assert len(call.arguments) < 2_001
    assert (reader.feed('")] and so on'), reader.holds, reader.finish()) == ([], True, [])
    assert reader.feed("Hello.") == ["Hello."]


@pytest.mark.parametrize("text", ["Good", "hello", "a", " ", "“", "(", "7", "-", "He", "x[", "no, hang_up"])
def test_nothing_waits_unless_a_call_may_begin(text: str) -> None:
    assert CallReader(TOOLS).feed(text)[:1] == [text.rstrip("[")]


@pytest.mark.parametrize("text", ["[", "[laughs", "[ book", "`", "```tool", "hang", "book", "[x("])
def test_what_may_be_a_call_waits_and_a_further_sign_decides(text: str) -> None:
    reader = CallReader(TOOLS)
    assert (reader.feed(text), reader.holds) == ([], True)
    assert "".join(map(str, reader.feed(" ?") + reader.finish())) == f"{text} ?"


STUFF = st.lists(
    st.sampled_from(
        [
            *("[", "]", "(", ")", "hang_up", "book", "hang", "other", "day=", '"', "'", "\\", ", ", "\n", " ", "`"),
            *("```", "tool_code\n", "[hang_up()]", '[book(day="a")]', "Well.", "1", "print(", "é", "#", "true"),
        ]
    ),
    max_size=25,
).map("".join)


@given(text=STUFF, cuts=st.lists(st.integers(1, 5)))
def test_how_the_stream_is_cut_changes_nothing(text: str, cuts: list[int]) -> None:
    fragments, rest = [], text
    for cut in cuts:
        fragments.append(rest[:cut])
        rest = rest[cut:]
    assert read(*fragments, rest) == read(text) == read(*text)


@given(text=st.one_of(st.text(), STUFF.map(lambda text: text.replace("(", ""))))
def test_text_in_which_nothing_opens_a_call_passes_unchanged(text: str) -> None:
    text = text.replace("(", "")
    assert "".join(map(str, read(text))) == text


@given(text=STUFF)
def test_what_is_read_is_text_of_the_reply_and_calls_that_are_json_or_surely_none(text: str) -> None:
    for part in read(text):
        if isinstance(part, str):
            assert part in text or "(" in text
        elif not part.arguments.startswith("("):
            assert isinstance(json.loads(part.arguments), dict)
        else:
            assert part.name in {"hang_up", "book"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(arguments=st.dictionaries(st.sampled_from(["day", "hour", "kind"]), JSON), said=st.sampled_from(["", "So."]))
def test_a_call_in_the_history_reads_back_as_itself(arguments: dict[str, object], said: str) -> None:
    call = ToolCall("book", json.dumps(arguments))
    (told,) = as_text([Message("assistant", said, call)], ())
    *before, again = read(told.content)
    assert before == ([f"{said}\n"] if said else [])
    assert isinstance(again, ToolCall)
    assert json.loads(again.arguments) == arguments


def test_tools_are_offered_at_the_end_of_the_system_message() -> None:
    said = [Message("system", "You are Anna."), Message("user", "Hi.")]
    system, user = as_text(said, TOOLS)
    assert system.content.startswith("You are Anna.\n\n")
    assert system.content.splitlines()[-2:] == [
        "hang_up(): End the call.",
        'book(day: string, hour: integer = ..., kind: "check" | "treatment"): Books an hour. day: As YYYY-MM-DD.',
    ]
    assert user == said[1]
    assert as_text([Message("user", "Hi.")], TOOLS)[0].role == "system"
    assert as_text(said, ()) == said


def test_what_a_tool_told_is_the_users_and_a_call_the_assistants() -> None:
    said = [Message("assistant", "", booked(day="a")), Message("tool", "It is free.")]
    assert as_text(said, ()) == [
        Message("assistant", '[book(day="a")]'),
        Message("user", "<tool_response>\nIt is free.\n</tool_response>"),
    ]
    assert as_text([Message("assistant", "", ToolCall("book", "{oh"))], ())[0].content == "[book(...)]"
