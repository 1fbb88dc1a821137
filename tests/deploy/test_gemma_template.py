"""What Gemma demands of a chat holds, whatever happens on the telephone."""

import ast
import json
import keyword
from itertools import pairwise
from typing import Any

import pytest
from gemma_chats import TOKENIZER, TOOLS, a_long_call, body_of, rendered, requests_of, turns_of
from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import TemplateError
from tiny_gemma import BOS, END_OF_TURN, START_OF_TURN

from client_caller.conversation.actions import Turn
from client_caller.thinking.prompt import Prompt
from client_caller.thinking.protocol import Message, ToolCall
from client_caller.thinking.tool_text import CallReader, as_text

PROMPT = Prompt("You are Anna.", [("Hi.", "Hello!")])
SYSTEM = "You are Anna."

CLOSING = "<end_of_turn>\n"
"""Ends the last turn of a chat, which may yet go on."""

WORDS = st.lists(
    st.sampled_from(["Yes.", "three", "", " ", "\n", "a < b", "é 日", "[the", "[INST]", "{{ x }}"])
    | st.sampled_from(["<start_of_turn>", "model\n", "<end_of_turn>", "<bos>", "<eos>", "<start_<bos>of_turn>"])
    | st.sampled_from(["<tool_response>", "</tool_response>", "[hang_up()]"]),
    max_size=4,
).map(" ".join)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True).filter(lambda name: not keyword.iskeyword(name))
ARGUMENTS = st.dictionaries(NAMES, VALUES, max_size=3).map(json.dumps)

TURNS = st.one_of(
    st.builds(Turn, st.sampled_from(["caller", "agent"]), WORDS, st.sampled_from([None, "caller", "line", "voice"])),
    st.builds(Turn, st.just("tool"), WORDS, tool=st.sampled_from(["find_slots", "hang_up"]), arguments=ARGUMENTS),
)
HISTORIES = st.lists(TURNS, max_size=8)


@given(history=HISTORIES, tools=st.sampled_from([(), TOOLS]))
def test_a_chat_is_turns_that_alternate_after_one_bos(history: list[Turn], tools: tuple[Any, ...]) -> None:
    turns = turns_of(rendered(body_of(PROMPT.messages(history), tools)))
    assert [who for who, _ in turns] == (["user", "model"] * len(turns))[: len(turns)]


@given(history=HISTORIES)
def test_so_it_is_where_tools_are_plain_text(history: list[Turn]) -> None:
    turns = turns_of(rendered(body_of(as_text(PROMPT.messages(history), TOOLS))))
    assert [who for who, _ in turns] == (["user", "model"] * len(turns))[: len(turns)]


@given(history=HISTORIES, tools=st.sampled_from([(), TOOLS]))
def test_the_system_text_and_the_tools_open_the_first_turn_and_stand_nowhere_else(
    history: list[Turn], tools: tuple[Any, ...]
) -> None:
    prompt = rendered(body_of(PROMPT.messages(history), tools))
    assert turns_of(prompt)[0][1].startswith(f"{SYSTEM}\n\n")
    assert prompt.count(SYSTEM) == 1
    for tool in tools:
        assert prompt.count(tool.description) == 1


@given(history=HISTORIES, condensed=WORDS)
def test_nobody_can_say_a_mark(history: list[Turn], condensed: str) -> None:
    messages = PROMPT.messages(history, condensed)
    prompt = rendered(body_of(messages), add_generation_prompt=True)
    tokens = TOKENIZER.encode(prompt, add_special_tokens=False)
    turns = turns_of(prompt.removesuffix("<start_of_turn>model\n"))
    assert tokens.count(BOS) == 1
    assert tokens.count(START_OF_TURN) == len(turns) + 1
    assert tokens.count(END_OF_TURN) == len(turns)
    assert not any("<" in message.content for message in messages), "the marks are broken before a chat is made of them"


@given(history=HISTORIES, more=HISTORIES, tools=st.sampled_from([(), TOOLS]))
def test_a_chat_that_grows_keeps_its_beginning(history: list[Turn], more: list[Turn], tools: tuple[Any, ...]) -> None:
    short = rendered(body_of(PROMPT.messages(history), tools))
    long = rendered(body_of(PROMPT.messages(history + more), tools))
    assert long.startswith(short.removesuffix(CLOSING))


def test_every_prompt_of_a_call_begins_with_the_one_before_it() -> None:
    prompts = [rendered(body_of(asking, TOOLS)) for asking in requests_of(a_long_call())]
    assert len(prompts) > 10
    for before, after in pairwise(prompts):
        assert after.startswith(before), "each of them ends where the assistant is to go on"


@given(arguments=ARGUMENTS)
def test_a_call_is_written_as_the_model_writes_it_and_the_parser_reads_it(arguments: str) -> None:
    chat = [Message("user", "Go."), Message("assistant", "", ToolCall("find_slots", arguments))]
    written = turns_of(rendered(body_of(chat, TOOLS)))[-1][1]
    (call,) = ast.parse(written, mode="eval").body.elts  # type: ignore[attr-defined]
    assert call.func.id == "find_slots"
    assert {it.arg: ast.literal_eval(it.value) for it in call.keywords} == json.loads(arguments)


def test_a_call_has_named_arguments_in_double_quotes() -> None:
    arguments = {"day": 'the "4."', "after": 3, "urgent": True, "who": None, "list": ["a", 1.5], "map": {"k": False}}
    chat = [Message("user", "Go."), Message("assistant", "Sure.", ToolCall("find_slots", json.dumps(arguments)))]
    assert turns_of(rendered(body_of(chat)))[-1][1] == (
        'Sure.\n[find_slots(day="the \\"4.\\"", after=3, urgent=True, who=None, list=["a", 1.5], map={"k": False})]'
    )


def test_what_the_template_writes_our_own_reader_reads_too() -> None:
    call = ToolCall("find_slots", '{"day": "May \\"4\\"", "after": 3}')
    reader = CallReader(TOOLS)
    written = turns_of(rendered(body_of([Message("user", "Go."), Message("assistant", "", call)])))[-1][1]
    assert [*reader.feed(written), *reader.finish()] == [call]


def test_several_calls_of_one_message_and_their_results_are_one_turn_each() -> None:
    calls = [{"type": "function", "function": {"name": name, "arguments": "{}"}} for name in ("first", "second")]
    messages = [
        {"role": "user", "content": "Both."},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "one"},
        {"role": "tool", "content": "two"},
        {"role": "user", "content": "And?"},
    ]
    assert turns_of(rendered({"messages": messages}))[1:] == [
        ("model", "[first(), second()]"),
        ("user", "<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response>\nAnd?"),
    ]


@pytest.mark.parametrize(
    ("roles", "why"),
    [
        (["assistant"], "the user begins"),
        (["user", "user"], "take turns"),
        (["user", "assistant", "assistant"], "take turns"),
        (["user", "tool"], "follows its call"),
        (["user", "assistant", "tool"], "follows its call"),
        (["user", "system"], "after one system message"),
    ],
)
def test_a_chat_that_gemma_never_saw_is_refused(roles: list[str], why: str) -> None:
    with pytest.raises(TemplateError, match=why):
        rendered({"messages": [{"role": role, "content": "x"} for role in roles]})


def test_the_words_of_a_caller_can_be_left_open_to_see_how_they_may_go_on() -> None:
    chat = [Message("system", SYSTEM), Message("user", "I would like to")]
    assert rendered(body_of(chat), continue_final_message=True).endswith("\n\nI would like to")


def test_a_request_without_tools_says_nothing_of_functions() -> None:
    chat = [Message("system", SYSTEM), Message("user", "Hi.")]
    assert rendered(body_of(chat)) == f"<bos><start_of_turn>user\n{SYSTEM}\n\nHi.<end_of_turn>\n"
