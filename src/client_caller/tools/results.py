"""Results: what a tool says, made fit to be read by a language model.

In:   a text from anywhere.     Out: at most 2,000 characters without control characters and without chat marks.
Rule: a result is data. It is not judged here, and what it says to the model is not taken out; but it cannot pretend to
      be another speaker, for the marks by which chat templates part the speakers do not survive.

Source of the marks: the chat templates of Gemma 3, ChatML, Llama 2 and 3, and Mistral.
"""

import re
import unicodedata
from typing import Final

LONGEST: Final = 2_000
"""Characters: about 500 tokens, which the model reads in the pause in which the caller waits."""

_MARKS: Final = re.compile(
    r"</?(?:start_of_turn|end_of_turn|start_of_image|end_of_image|bos|eos|pad|unk|s|tool_call|tool_response|think)>"
    r"|<\|[^<>|]{1,40}\|>"
    r"|\[/?(?:INST|SYS|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|SYSTEM_PROMPT)\]"
    r"|<</?SYS>>",
    re.IGNORECASE,
)


def readable(text: str) -> str:
    """The text on as many lines as it had, each without control characters, marks and needless blanks."""
    kept = "".join(char if char == "\n" or unicodedata.category(char) not in {"Cc", "Cs"} else " " for char in text)
    while (bare := _MARKS.sub(" ", kept)) != kept:  # taking one out may put another together
        kept = bare
    lines = (" ".join(line.split()) for line in kept.split("\n"))
    whole = "\n".join(line for line in lines if line)
    return whole if len(whole) <= LONGEST else f"{whole[: LONGEST - 1]}…"
