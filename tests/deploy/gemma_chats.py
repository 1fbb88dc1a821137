"""Chats for Gemma's template: as Client Caller sends them, and as servers hand them to the template."""

import json
import re
from collections.abc import Sequence
from typing import Any

from tiny_gemma import tiny_tokenizer

from client_caller.thinking.openai_wire import conversation, offer
from client_caller.thinking.protocol import Message, ToolCall, ToolOffer

TOKENIZER = tiny_tokenizer()

TOOLS = (
    ToolOffer(
        "find_slots",
        "Which “appointments” are free on a day, <i>e.g.</i> a Tuesday & after 3 o'clock.",
        {
            "type": "object",
            "properties": {
                "day": {"type": "string", "description": "as the caller said it"},
                "after": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
            },
            "required": ["day"],
        },
    ),
    ToolOffer("hang_up", "Ends the call.", {"type": "object", "properties": {}}),
)

_TURN = re.compile(r"<start_of_turn>(user|model)\n(.*?)<end_of_turn>\n", re.DOTALL)


def body_of(messages: Sequence[Message], tools: Sequence[ToolOffer] = ()) -> dict[str, Any]:
    """What goes over the wire, of a request."""
    return {"messages": conversation(messages)} | offer(tools)


def rendered(body: dict[str, Any], **options: Any) -> str:
    """The prompt, as vLLM 0.33.0 has transformers make it: the arguments of calls no longer JSON text but objects."""
    messages = json.loads(json.dumps(body["messages"]))
    for message in messages:
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    prompt = TOKENIZER.apply_chat_template(messages, tools=body.get("tools"), tokenize=False, **options)
    assert isinstance(prompt, str)
    return prompt


def turns_of(prompt: str) -> list[tuple[str, str]]:
    """Who and what, of every turn. A prompt that holds anything beside turns fails."""
    turns = _TURN.findall(prompt)
    again = "".join(f"<start_of_turn>{who}\n{what}<end_of_turn>\n" for who, what in turns)
    assert prompt == "<bos>" + again
    return turns


def a_long_call() -> list[Message]:
    """A call that asks the model twelve times: tools that worked and that failed, a caller who breaks in, silence."""
    chat = [Message("system", "You are Anna of Brightline.\nOpen till six.")]
    chat += [Message("user", "Hello?"), Message("assistant", "Hello, this is Anna. How can I help you?")]
    for number in range(1, 3):
        chat += [
            Message("user", f"I would like an appointment, for the {number}. of May."),
            Message("assistant", "Let me look.", ToolCall("find_slots", json.dumps({"day": f"May {number}"}))),
            Message("tool", f"{number + 8} o'clock, 3 o'clock"),
            Message("assistant", f"There is {number + 8} o'clock and —"),
            Message("user", "Wait, what about later?"),
            Message("assistant", "", ToolCall("find_slots", '{"day": "May \\"4\\"", "after": 3}')),
            Message("tool", "That failed: no answer in time."),
            Message("assistant", "I am sorry, I cannot see that just now."),
            Message("user", ""),
            Message("assistant", "Are you still there?"),
        ]
    return [*chat, Message("user", "Yes. Thank you, goodbye.")]


def requests_of(call: Sequence[Message]) -> list[list[Message]]:
    """What the model was asked in the course of a call: all that came before each message of its own, and the end."""
    starts = [number for number, message in enumerate(call) if message.role == "assistant"]
    return [list(call[:number]) for number in (*starts, len(call))]
