"""OpenAI's chat completions as they go over the wire, with what vLLM and llama.cpp add to them.

In:   messages, tools and JSON schemas of ours; chunks and completions of theirs.
Out:  the parts of a request's body; text and tool calls.
Rule: of what a server sends only what matters here is looked at. The same messages make the same bytes, also when more
      messages follow them, so that the server need not read them again.

Source: OpenAI's API reference, "Create chat completion", also with `stream: true`, `tools` and `response_format`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from client_caller.errors import EngineCrashed
from client_caller.thinking.protocol import Message, ToolCall, ToolOffer
from client_caller.thinking.tool_text import CallReader, Part, arguments_of

ENGINE: Final = "language model"

_CUT_SHORT: Final = "(cut off"
"""Stands for arguments of which nothing came before the reply was cut off; no JSON, so nobody takes it for none."""


@dataclass(frozen=True, slots=True)
class _Function:
    name: str | None = None
    arguments: str | None = None


@dataclass(frozen=True, slots=True)
class _CallFragment:
    """A stretch of a tool call; the first one names the tool."""

    index: int | None = None
    function: _Function = _Function()


@dataclass(frozen=True, slots=True)
class _Delta:
    content: str | None = None
    tool_calls: tuple[_CallFragment, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Choice:
    delta: _Delta = _Delta()
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of a stream."""

    choices: tuple[_Choice, ...] = ()
    error: dict[str, Any] = field(default_factory=dict)

    @property
    def has_news(self) -> bool:
        """Whether the model has made something; servers also send chunks that only say that they are there."""
        return any(choice.delta.content or choice.delta.tool_calls for choice in self.choices)


@dataclass(frozen=True, slots=True)
class _Token:
    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class _Position:
    """One token that was made, and what else it might have been."""

    top_logprobs: tuple[_Token, ...] = ()


@dataclass(frozen=True, slots=True)
class _Logprobs:
    content: tuple[_Position, ...] = ()


@dataclass(frozen=True, slots=True)
class _Continuation:
    """A choice of a chat completion that continues the caller's words."""

    logprobs: _Logprobs | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to a request for one more token: `choices` by OpenAI's protocol, the other by llama.cpp's."""

    choices: tuple[_Continuation, ...] = ()
    completion_probabilities: tuple[_Position, ...] = ()

    @property
    def likeliest(self) -> list[tuple[str, float]]:
        """The tokens that might come first, each with the logarithm of its probability."""
        positions = self.completion_probabilities or tuple(
            position for choice in self.choices if choice.logprobs for position in choice.logprobs.content
        )
        return [(token.token, token.logprob) for position in positions[:1] for token in position.top_logprobs]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt as llama.cpp's template makes it of messages."""

    prompt: str


@dataclass(frozen=True, slots=True)
class _Whole:
    content: str | None = None


@dataclass(frozen=True, slots=True)
class _WholeChoice:
    message: _Whole = _Whole()


@dataclass(frozen=True, slots=True)
class Written:
    """A completion that was not streamed."""

    choices: tuple[_WholeChoice, ...] = ()

    @property
    def text(self) -> str:
        """What was written, perhaps nothing."""
        return "".join(choice.message.content or "" for choice in self.choices)


def conversation(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as the protocol has them. A tool call is known by its place: call_1, call_2, and so on."""
    told: list[dict[str, Any]] = []
    calls = 0
    for message in messages:
        said: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.call:
            calls += 1
            said["tool_calls"] = [_called(message.call, calls)]
        elif message.role == "tool":
            said["tool_call_id"] = f"call_{calls}"
        told.append(said)
    return told


def _called(call: ToolCall, place: int) -> dict[str, Any]:
    # Servers read the arguments before their template shows them, and refuse the whole request when they are no object.
    arguments = "{}" if arguments_of(call) is None else call.arguments
    return {"id": f"call_{place}", "type": "function", "function": {"name": call.name, "arguments": arguments}}


def offer(tools: Sequence[ToolOffer]) -> dict[str, Any]:
    """The part of a request that offers tools; nothing when there are none."""
    if not tools:
        return {}
    functions = [{"name": it.name, "description": it.description, "parameters": dict(it.parameters)} for it in tools]
    return {"tools": [{"type": "function", "function": it} for it in functions], "tool_choice": "auto"}


def keeping_to(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The part of a request that wants JSON of this schema; nothing for plain text."""
    if schema is None:
        return {}
    form = {"name": "answer", "schema": dict(schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


class ReplyReader:
    """Puts a streamed reply together: what is to be said as it comes, a tool call when it is whole.

    Calls also in the text are found, as far as tools are on offer: vLLM's parser for Gemma sees none behind a word.
    """

    def __init__(self, tools: Sequence[ToolOffer]) -> None:
        self._text = CallReader(tools) if tools else None
        self._index = -1
        self._name = ""
        self._arguments = ""
        self._whole = False

    def feed(self, chunk: Chunk) -> Iterator[Part]:
        """What this chunk completes. Raises EngineCrashed for a call that cannot be put together."""
        for choice in chunk.choices:
            if text := choice.delta.content:
                yield from self._text.feed(text) if self._text else (text,)
            for fragment in choice.delta.tool_calls or ():
                yield from self._add(fragment)
            if choice.finish_reason:
                self._whole = choice.finish_reason != "length"
                yield from self._completed()

    def finish(self) -> Iterator[Part]:
        """What is left at the end of the stream. Raises as `feed` does."""
        yield from self._completed()
        if self._text:
            yield from self._text.finish()

    def _add(self, fragment: _CallFragment) -> Iterator[Part]:
        name, arguments = fragment.function.name or "", fragment.function.arguments or ""
        goes_on = self._index if self._name and not name else self._index + 1
        index = goes_on if fragment.index is None else fragment.index
        if index != self._index:
            if index < self._index:
                raise EngineCrashed(ENGINE, "the server mixes up the parts of tool calls")
            self._whole = True  # the next one begins
            yield from self._completed()
            self._index = index
        self._name = self._name or name
        self._arguments += arguments

    def _completed(self) -> Iterator[Part]:
        """The call put together so far, if there is one."""
        if self._arguments and not self._name:
            raise EngineCrashed(ENGINE, "the server sends a tool call without the tool's name")
        if self._name:
            if self._text:
                yield from self._text.finish()
            yield ToolCall(self._name, self._arguments or ("{}" if self._whole else _CUT_SHORT))
        self._name = self._arguments = ""
        self._whole = False
