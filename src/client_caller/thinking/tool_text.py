"""Tools in plain text: for servers that know of none, and for models that call one in the middle of what they say.

In:   messages with tool calls, and the tools on offer; then the text of a reply, in fragments of any size.
Out:  messages of text alone; then what is to be said and which tools are called, in order.
Rule: the text is judged character by character, so how the stream was cut changes nothing. Text without a call passes
      unchanged, and waits only while it may be the beginning of one. A call of a tool on offer is never lost.

Source of the form: the chat template that vLLM keeps for Gemma 3, examples/tool_chat_template_gemma3_pythonic.jinja.
"""

import ast
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

from client_caller.thinking.protocol import Message, ToolCall, ToolOffer

_OFFER: Final = (
    'You have tools. To use one, write only the call, like [name(argument="value")], and stop; then you are given its '
    "result. Never make up a result. Your tools:"
)

RESULT: Final = "<tool_response>"
"""Begins what a tool told. A model that writes it itself makes a result up, and must be stopped."""

_FENCES: Final = ("```tool_code\n", "```tool_call\n", "```python\n")
_FENCE_END: Final = "```"
_BRACKET: Final = re.compile(r"\[\s{0,8}[A-Za-z_][\w.]{0,63}\(")
_MAYBE_BRACKET: Final = re.compile(r"\[\s{0,8}(?:[A-Za-z_][\w.]{0,63})?")
_WRAPPING: Final = re.compile(r"^(?:```\w+\n)?\s*\[?|\]?\s*(?:```)?$")
_CALL: Final = re.compile(r"[\s,;]*([A-Za-z_][\w.]*)\(")
_BETWEEN: Final = re.compile(r"[\s,;]*")
_PYTHON_LACKS: Final[Mapping[str, object]] = {"true": True, "false": False, "null": None}

_HELD_MOST: Final = 2_000
"""Characters of one call. A message that a caller leaves has some hundred; what is longer is a model gone astray."""

_NO_LITERALS: Final = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError)
"""What Python's parser raises for a text that is no call, and JSON's writer for what JSON cannot hold."""

Part = str | ToolCall


def as_text(messages: Sequence[Message], tools: Sequence[ToolOffer]) -> list[Message]:
    """The same conversation in which tools are text: offered at the end of the system message, called by the assistant.

    What a tool told is a message of the user, so that roles alternate as they did.
    """
    told = [_plain(message) for message in messages]
    if tools:
        system = told.pop(0).content + "\n\n" if told and told[0].role == "system" else ""
        told.insert(0, Message("system", system + "\n".join((_OFFER, *map(_offered, tools)))))
    return told


def _plain(message: Message) -> Message:
    if message.role == "tool":
        return Message("user", f"{RESULT}\n{message.content}\n</tool_response>")
    if message.call:
        return Message(message.role, f"{message.content}\n{_written(message.call)}".lstrip())
    return message


def _written(call: ToolCall) -> str:
    """A call as the model is to write it. Arguments that were none show as three dots."""
    arguments = arguments_of(call)
    inside = "..." if arguments is None else ", ".join(f"{name}={_literal(it)}" for name, it in arguments.items())
    return f"[{call.name}({inside})]"


def arguments_of(call: ToolCall) -> dict[str, Any] | None:
    """The arguments of a call; None when its text is no JSON object."""
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return None
    return arguments if isinstance(arguments, dict) else None


def _literal(value: object) -> str:
    """A value of JSON as Python writes it, with double quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(name)}: {_literal(it)}" for name, it in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return _sendable(json.dumps(value, ensure_ascii=False)) if isinstance(value, str) else repr(value)


def _sendable(text: str) -> str:
    """Without halves of a character, which no server takes."""
    return text.encode(errors="replace").decode()


def _offered(tool: ToolOffer) -> str:
    """One line about a tool: how it is called, what it does, what its arguments are."""
    fields: Mapping[str, Any] = tool.parameters.get("properties", {})
    known: Mapping[str, Any] = tool.parameters.get("$defs", {})
    required = tool.parameters.get("required", ())
    heads = (f"{name}: {_kind(it, known)}{'' if name in required else ' = ...'}" for name, it in fields.items())
    hints = "".join(f" {name}: {it['description']}" for name, it in fields.items() if "description" in it)
    return f"{tool.name}({', '.join(heads)}): {tool.description}{hints}"


def _kind(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """What a value may be, in a few words."""
    if "$ref" in schema:
        schema = known.get(str(schema["$ref"]).rpartition("/")[2], {})
    if choices := schema.get("enum", [schema["const"]] if "const" in schema else None):
        return " | ".join(map(_literal, choices))
    if "anyOf" in schema:
        return " | ".join(_kind(it, known) for it in schema["anyOf"] if it.get("type") != "null")
    return str(schema.get("type", "any"))


class CallReader:
    """Reads one reply: tells what is to be said from calls of tools.

    A call is `[name(argument=value)]`, several of them in one list, the same in a fence of code, or `name(…)` at the
    beginning of a line when a tool of that name is on offer. A bracket that holds no call is text.
    """

    def __init__(self, tools: Sequence[ToolOffer]) -> None:
        self._orders = {tool.name: tuple(tool.parameters.get("properties", ())) for tool in tools}
        names = "|".join(map(re.escape, self._orders))
        self._known = re.compile(rf"\b({names})\(") if names else None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._held = ""
        self._nesting: _Nesting | None = None  # of what is held, once it is the beginning of a call
        self._in_fence = False
        self._line_begins = True
        self._astray = False

    @property
    def holds(self) -> bool:
        """Whether something waits for what comes next."""
        return bool(self._held) or self._astray

    def feed(self, text: str) -> list[Part]:
        """What these characters complete."""
        found: list[Part] = []
        waiting = list(reversed(text))
        while waiting:
            waiting.extend(reversed(self._take(waiting.pop(), found)))
        return _joined(found)

    def finish(self) -> list[Part]:
        """What is left at the end of the reply; a call that it broke off in is told with what there is of it."""
        found: list[Part] = []
        if self._nesting or self._in_fence:
            self._settle(found)
        else:
            self._pass(self._held, found)
        self._begin_anew()
        return _joined(found)

    def _take(self, character: str, found: list[Part]) -> str:
        """Look at one more character; returns those that must be looked at again."""
        if self._astray:
            return ""
        self._held += character
        if self._nesting or self._in_fence:
            if self._ends(character):
                self._settle(found)
            elif len(self._held) >= _HELD_MOST:
                self._astray = self._settle(found)
        elif self._held in _FENCES:
            self._in_fence = True
        elif self._opens():
            self._nesting = _Nesting(self._held)
        elif not self._may_open():
            first, again = self._held[0], self._held[1:]
            self._held = ""
            self._pass(first, found)
            return again
        return ""

    def _ends(self, character: str) -> bool:
        """Whether what is held is whole with its last character."""
        return self._nesting.take(character) if self._nesting else self._held.endswith(_FENCE_END)

    def _opens(self) -> bool:
        named = self._line_begins and self._held.endswith("(") and self._held[:-1] in self._orders
        return named or _BRACKET.fullmatch(self._held) is not None

    def _may_open(self) -> bool:
        if self._line_begins and any(name.startswith(self._held) for name in self._orders):
            return True
        return any(it.startswith(self._held) for it in _FENCES) or _MAYBE_BRACKET.fullmatch(self._held) is not None

    def _pass(self, text: str, found: list[Part]) -> None:
        """Give on as text."""
        for character in text:
            self._line_begins = character == "\n" or (self._line_begins and character.isspace())
        found.append(text)

    def _settle(self, found: list[Part]) -> bool:
        """Decide what the text held is; whether it held a call."""
        held, self._held, self._nesting, self._in_fence = self._held, "", None, False
        calls = self._calls(_WRAPPING.sub("", held))
        if calls:
            found += calls
            self._line_begins = False
        else:
            self._pass(held, found)
        return bool(calls)

    def _calls(self, text: str) -> list[ToolCall]:
        """The calls that a text consists of; when it is no clean list of calls, only those of tools on offer."""
        calls: list[ToolCall] = []
        at, clean = 0, True
        while opening := _CALL.match(text, at) or (self._known and self._known.search(text, at)):
            clean = clean and opening.re is _CALL
            name = opening[1].rpartition(".")[2]
            end = _closing(text, opening.end())
            inside = text[opening.end() : len(text) if end is None else end]
            at = len(text) if end is None else end + 1
            if name == "print" and name not in self._orders:
                calls += self._calls(inside)
                continue
            arguments = None if end is None else _arguments(inside, self._orders.get(name, ()))
            clean = clean and arguments is not None
            calls.append(ToolCall(name, f"({inside}" if arguments is None else arguments))
        clean = clean and _BETWEEN.fullmatch(text, at) is not None
        return calls if clean else [call for call in calls if call.name in self._orders]


class _Nesting:
    """Which brackets and quotes are open in a text."""

    def __init__(self, text: str) -> None:
        self._depth = 0
        self._quote = ""
        self._escaped = False
        for character in text:
            self.take(character)

    def take(self, character: str) -> bool:
        """Go on by one character; whether nothing is open behind it."""
        if self._quote:
            ends = character == self._quote and not self._escaped
            self._escaped = character == "\\" and not self._escaped
            self._quote = "" if ends else self._quote
        elif character in "\"'":
            self._quote = character
        elif character in "([{":
            self._depth += 1
        elif character in ")]}":
            self._depth -= 1
        return self._depth == 0 and not self._quote


def _closing(text: str, start: int) -> int | None:
    """Where the parenthesis closes that was opened before `start`; None when it does not."""
    nesting = _Nesting("(")
    return next((at for at in range(start, len(text)) if nesting.take(text[at])), None)


def _arguments(text: str, order: Sequence[str]) -> str | None:
    """What stands in a call's parentheses, as a JSON object; None when it is not made of values. order: their names."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd backslashes in a caller's words
            call = ast.parse(f"call({text}\n)", mode="eval").body
        if not isinstance(call, ast.Call) or len(call.args) > len(order):
            return None
        given = [*zip(order, call.args, strict=False), *((it.arg, it.value) for it in call.keywords)]
        values = {name: _value(node) for name, node in given if name is not None}
        if len(values) < len(given):
            return None
        return _sendable(json.dumps(values, ensure_ascii=False, allow_nan=False))
    except _NO_LITERALS:
        return None


def _value(node: ast.expr) -> object:
    if isinstance(node, ast.Name) and node.id in _PYTHON_LACKS:
        return _PYTHON_LACKS[node.id]
    value: object = ast.literal_eval(node)
    return value


def _joined(parts: Sequence[Part]) -> list[Part]:
    """With neighbouring text in one, and nothing empty."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part:
            joined.append(part)
    return joined
