"""The marks by which chat templates say who speaks, made harmless in what a caller, a tool or the agent said.

In:   any text that did not come from the agent file.
Out:  the same text, in which no tokenizer finds such a mark, as easy to read as before.
Rule: a mark is broken where it begins, not cut out, for what is left over could join into the next one.

Why: servers look for their marks in the whole of a rendered prompt. A caller, or a tool's answer from the web, could
otherwise end its own turn and speak on as the agent. Sources of the marks: Gemma's formatting page (<start_of_turn>,
<end_of_turn>, <bos>), the chat templates of Llama, Qwen and SmolLM (<|…|>, <s>, <<SYS>>) and of Mistral ([INST]).
"""

import re
from typing import Final

_SQUARE: Final = re.compile(r"\[(?=/?(?:[A-Z]+_?)+\]|multimodal\])")
"""Mistral's are capitals in brackets, Gemma's vocabulary has one in small letters; a list in JSON is neither."""


def unmarked(text: str) -> str:
    """`text` without marks: "<" becomes "‹" wherever it stands, "[" becomes "(" where a mark in brackets begins.

    As long as before. What follows after a space does not change it, so a prompt that grows keeps its beginning.
    """
    return _SQUARE.sub("(", text.replace("<", "‹"))
