"""A Python function of the operator's as a tool.

In:   a function with annotated parameters, plain or async.     Out: a `Tool` for one call.
Rule: the function sees checked arguments only. A plain one runs in a thread of the tools' own, so that one that hangs
      takes no thread from hearing or speaking.
"""

import contextvars
import datetime
import functools
import inspect
import json
import typing
from asyncio import get_running_loop
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args, get_origin, overload

from pydantic import BaseModel

from client_caller.errors import ConfigError, ToolFailed
from client_caller.tools.arguments import KINDS, Argument, arguments_model, plain
from client_caller.tools.declared import NAME_PATTERN
from client_caller.tools.protocol import Done, Tool
from client_caller.tools.rim import rim

_THREADS: Final = ThreadPoolExecutor(max_workers=16, thread_name_prefix="tool")
_KINDS: Final[Mapping[Any, Any]] = {
    str: KINDS["string"],
    int: KINDS["integer"],
    float: KINDS["number"],
    bool: KINDS["boolean"],
    datetime.date: KINDS["date"],
    datetime.time: KINDS["time"],
}
_ALLOWED: Final = "str, int, float, bool, datetime.date, datetime.time or a Literal of texts"


@dataclass(frozen=True, slots=True)
class CallContext:
    """The call that a tool is run for. caller_number: empty when withheld;  variables: those of the agent file."""

    call_id: str
    caller_number: str
    variables: Mapping[str, str]


@dataclass(frozen=True)
class FunctionTool:
    """A decorated function; may still be called as it was written. The other fields are those of `Tool`."""

    function: Callable[..., Any]
    name: str
    description: str
    parameters: type[BaseModel]
    context_as: str
    reads_only: bool
    repeatable: bool
    within_s: float
    bridge: str

    def __call__(self, *positional: Any, **named: Any) -> Any:
        return self.function(*positional, **named)

    def bound(self, context: CallContext) -> Tool:
        """The tool for one call."""

        async def run(arguments: Mapping[str, Any], key: str) -> Done:
            named = {**arguments, self.context_as: context} if self.context_as else dict(arguments)
            call = functools.partial(self.function, **named)
            if inspect.iscoroutinefunction(self.function):
                return _told(self.name, await call())
            carried = functools.partial(contextvars.copy_context().run, _within_the_rim, call)
            result = await get_running_loop().run_in_executor(_THREADS, carried)
            return _told(self.name, await result if inspect.isawaitable(result) else result)

        return Tool(
            name=self.name,
            description=self.description,
            parameters=self.parameters,
            run=run,
            reads_only=self.reads_only,
            repeatable=self.repeatable,
            within_s=self.within_s,
            bridge=self.bridge,
        )


@overload
def tool(function: Callable[..., Any]) -> FunctionTool: ...
@overload
def tool(
    *,
    description: str = "",
    reads_only: bool = False,
    repeatable: bool = False,
    within_s: float = 5.0,
    bridge: str = "",
) -> Callable[[Callable[..., Any]], FunctionTool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    *,
    description: str = "",
    reads_only: bool = False,
    repeatable: bool = False,
    within_s: float = 5.0,
    bridge: str = "",
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """Make a tool of a function, as `@tool` or `@tool(reads_only=True)`.

    description: when the model should use it; empty: the docstring;  the others are those of `Tool`.
    The function gives a text, anything that JSON can hold, or a `Done`; it raises ToolFailed with a sentence for the
    model when it has surely changed nothing. Raises ConfigError with file and line for one that cannot be a tool.
    """

    def made(function: Callable[..., Any]) -> FunctionTool:
        where = _place_of(function)
        told = " ".join((description or inspect.getdoc(function) or "").split())
        if not NAME_PATTERN.fullmatch(function.__name__):
            raise ConfigError(f"{where}: a tool's name is at most 41 small letters, digits and underscores")
        if not told:
            raise ConfigError(f"{where}: needs a docstring that tells the model when to use it")
        if not 0.1 <= within_s <= 20:
            raise ConfigError(f"{where}: within_s must be between 0.1 and 20 seconds (it is {within_s})")
        arguments, context_as = _arguments_of(function, where)
        return FunctionTool(
            function=function,
            name=function.__name__,
            description=told,
            parameters=arguments_model(arguments),
            context_as=context_as,
            reads_only=reads_only,
            repeatable=repeatable,
            within_s=within_s,
            bridge=bridge,
        )

    return made if function is None else made(function)


def _within_the_rim(call: Callable[[], Any]) -> Any:
    """In the thread: no future could carry a StopIteration out of it, and nobody would ever be told."""
    with rim(ToolFailed):
        return call()


def _place_of(function: Callable[..., Any]) -> str:
    code = function.__code__
    return f"{code.co_filename}, line {code.co_firstlineno}: {function.__name__}"


def _arguments_of(function: Callable[..., Any], where: str) -> tuple[list[Argument], str]:
    """The arguments that the model gives, and the parameter that takes the call's context; empty for none."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, SyntaxError) as wrong:
        raise ConfigError(f"{where}: an annotation cannot be read: {wrong}") from wrong
    arguments: list[Argument] = []
    context_as = ""
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            raise ConfigError(f"{where}: {name} cannot be given by name; take ordinary parameters only")
        if hints.get(name) is CallContext:
            context_as = name
            continue
        required = parameter.default is parameter.empty
        default = None if required else parameter.default
        arguments.append(Argument(name, *_kind_of(hints.get(name), f"{where}: {name}"), required, default))
    return arguments, context_as


def _kind_of(hint: Any, where: str) -> tuple[Any, str]:
    """What an annotation asks for, and its description."""
    description = ""
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        description = next((note for note in notes if isinstance(note, str)), "")
    members = [member for member in get_args(hint) if member is not type(None)]
    if get_origin(hint) is not Literal and type(None) in get_args(hint) and len(members) == 1:
        hint = members[0]
    if get_origin(hint) is Literal and all(isinstance(choice, str) and choice for choice in get_args(hint)):
        return hint, description
    if hint not in _KINDS:
        raise ConfigError(f"{where} must be annotated with {_ALLOWED}, or with CallContext")
    return _KINDS[hint], description


def _told(name: str, result: Any) -> Done:
    """What a function gave, for the model."""
    if isinstance(result, Done):
        return result
    if result is None:
        return Done(f"{name} is done.")
    if isinstance(result, str):
        return Done(result)
    try:
        return Done(json.dumps(result, ensure_ascii=False, default=plain))
    except (TypeError, ValueError, RecursionError):
        return Done(f"{name} is done; what it found out cannot be put into words.")
