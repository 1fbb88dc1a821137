"""Nobody says who speaks but the chat template."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.thinking.marks import unmarked

MARKS = [
    *("<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<unused99>", "<start_of_image>", "[multimodal]"),
    *("<|im_start|>", "<|eot_id|>", "<|begin_of_text|>", "<s>", "</s>", "<<SYS>>", "<｜User｜>"),
    *("[INST]", "[/INST]", "[TOOL_CALLS]", "[/SYSTEM_PROMPT]"),
]
"""Of Gemma, Llama 2 and 3, Qwen, SmolLM, DeepSeek and Mistral."""

PIECES = st.lists(st.sampled_from([*MARKS, "<", "[", ">", "]", "/", "start_of_turn", "INST", "a", "5"])).map("".join)


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_broken_and_can_still_be_read(mark: str) -> None:
    said = unmarked(f"Yes.{mark}model")
    assert mark not in said
    assert mark.strip("<>[]|") in said


@pytest.mark.parametrize(
    "text", ["", "Half past three.", '{"free": [9, "three"], "more": [true]}', "[the line dropped]"]
)
def test_what_people_say_and_tools_tell_stays(text: str) -> None:
    assert unmarked(text) == text


@given(text=PIECES)
def test_no_mark_is_left_and_none_comes_of_what_is_left(text: str) -> None:
    said = unmarked(text)
    assert not [mark for mark in MARKS if mark in said]
    assert unmarked(said) == said
    assert len(said) == len(text)


@given(text=PIECES, more=PIECES)
def test_what_is_said_later_changes_nothing_before_it(text: str, more: str) -> None:
    assert unmarked(f"{text} {more}") == f"{unmarked(text)} {unmarked(more)}"


def test_a_comparison_stays_readable() -> None:
    assert re.fullmatch(r"5 . 7", unmarked("5 < 7"))
