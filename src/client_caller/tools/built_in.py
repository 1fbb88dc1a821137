"""Tools that every agent could have: about the call itself, what a caller leaves, and what the agent may know.

In:   the names of those on offer, whom to transfer to, a desk, passages.     Out: Tools for one call.
Rule: the model chooses among what the operator allows. It never gives a number to be dialled for a transfer, and
      nothing that a caller says widens the choice.
"""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from client_caller.errors import ConfigError
from client_caller.tools.arguments import KINDS, Argument, arguments_model, text_like
from client_caller.tools.look_up import LookUp
from client_caller.tools.protocol import Desk, Done, Tool

_TEXT: Final = KINDS["string"]
_DIGITS: Final = text_like(r"[0-9*#A-DwW]{1,32}", "must be keys only: 0-9, *, #, A-D, and w for a short rest")
_CALL_BACK: Final = text_like(r"\+?[0-9][0-9 ()./-]{2,28}", "must be a telephone number in digits")
"""As the caller gave it: somebody of the company reads it, so it need not be one that can be dialled from abroad."""


def _instant(value: str) -> str:
    try:
        datetime.datetime.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("argument", "is no day and time of the calendar") from None
    return value


_INSTANT: Final = Annotated[
    text_like(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2})?",
        "must be a day and time written like 2026-11-27T15:30",
    ),
    AfterValidator(_instant),
]


@dataclass(frozen=True, slots=True)
class Target:
    """Whom callers can be put through to.

    name: as the agent calls them;  to: a number in E.164 form;  when: to whom the model should give which callers;
    briefly: what they are told before they take the call, {words} for why; empty: it simply rings there.
    """

    name: str
    to: str
    when: str
    briefly: str = ""


def built_in_tools(
    offered: Sequence[str], targets: Sequence[Target], desk: Desk, passages: LookUp | None
) -> tuple[Tool, ...]:
    """The tools on offer, in that order. Raises ConfigError for one that does not exist or lacks what it needs."""
    makers: dict[str, Callable[[], Tool]] = {
        "hang_up": _hang_up,
        "transfer": lambda: _transfer(targets),
        "send_digits": _send_digits,
        "take_message": lambda: _take_message(desk),
        "opt_out": _opt_out,
        "schedule_callback": lambda: _schedule_callback(desk),
        "look_up": lambda: _look_up(passages),
    }
    for name in offered:
        if name not in makers:
            raise ConfigError(f"there is no built-in tool {name!r}; there is: {', '.join(makers)}")
    return tuple(makers[name]() for name in dict.fromkeys(offered))


def _hang_up() -> Tool:
    async def run(arguments: Mapping[str, Any], key: str) -> Done:
        return Done("The call ends once you have said goodbye.", then="hang up")

    return Tool(
        name="hang_up",
        description=(
            "Ends the call. Use it only after the caller has said goodbye or has nothing more to ask, never to get rid "
            "of a difficult caller."
        ),
        parameters=arguments_model([Argument("reason", _TEXT, "Why the call is over, in a few words")]),
        run=run,
        repeatable=True,
    )


def _transfer(targets: Sequence[Target]) -> Tool:
    if not targets:
        raise ConfigError("the built-in tool transfer needs somebody to transfer to: add a table [[transfers]]")
    by_name = {target.name: target for target in targets}
    if len(by_name) < len(targets):
        raise ConfigError("two transfer targets have the same name: the model could not tell them apart")

    async def run(arguments: Mapping[str, Any], key: str) -> Done:
        target = by_name[arguments["to"]]
        briefing = target.briefly.replace("{words}", arguments["reason"])
        return Done(
            f"The caller is connected to {target.name} once you have told them so.", "transfer", target.to, briefing
        )

    choices = " ".join(f"{target.name}: {target.when.rstrip('.')}." for target in targets)
    return Tool(
        name="transfer",
        description=(
            "Puts the caller through to a person. Use it when the caller asks for one or needs what you cannot do, not "
            "while you can help yourself."
        ),
        parameters=arguments_model(
            [
                Argument("to", Literal[tuple(by_name)], f"Whom to. {choices}"),
                Argument("reason", _TEXT, "What the caller wants, in one short sentence"),
            ]
        ),
        run=run,
        repeatable=True,
    )


def _send_digits() -> Tool:
    async def run(arguments: Mapping[str, Any], key: str) -> Done:
        return Done("The keys are pressed once you have been heard.", then="keys", to=arguments["digits"])

    return Tool(
        name="send_digits",
        description=(
            "Presses telephone keys. Use it only when a machine at the other end asks for them, never because a person "
            "tells you to."
        ),
        parameters=arguments_model([Argument("digits", _DIGITS, "The keys: 0-9, *, #, and w to wait half a second")]),
        run=run,
        repeatable=True,
    )


def _take_message(desk: Desk) -> Tool:
    async def run(arguments: Mapping[str, Any], key: str) -> Done:
        desk.take_message(arguments["message"], arguments.get("name", ""), arguments.get("number", ""))
        return Done("The message was taken and will be read.")

    return Tool(
        name="take_message",
        description=(
            "Keeps a message for the company. Use it when the caller wants to leave one and has said what it is, not "
            "for things that you can settle now."
        ),
        parameters=arguments_model(
            [
                Argument("message", _TEXT, "The message, complete, in the caller's words"),
                Argument("name", _TEXT, "The caller's name, if they gave it", required=False),
                Argument("number", _CALL_BACK, "A number to reach them at, if they gave one", required=False),
            ]
        ),
        run=run,
    )


def _opt_out() -> Tool:
    async def run(arguments: Mapping[str, Any], key: str) -> Done:
        return Done("The caller will never be called again.", then="opt out")

    return Tool(
        name="opt_out",
        description=(
            "Sees to it that this number is never called again. Use it at once when the caller does not want to be "
            "called, not when they are only busy now."
        ),
        parameters=arguments_model([]),
        run=run,
        repeatable=True,
    )


def _schedule_callback(desk: Desk) -> Tool:
    async def run(arguments: Mapping[str, Any], key: str) -> Done:
        return Done(desk.schedule_callback(arguments.get("at", ""), arguments.get("number", ""), arguments["about"]))

    return Tool(
        name="schedule_callback",
        description=(
            "Promises the caller a call back. Use it when they want to be called later and have agreed to a time, not "
            "as a way to end the call."
        ),
        parameters=arguments_model(
            [
                Argument("at", _INSTANT, "When, written like 2026-11-27T15:30; empty for as soon as possible", False),
                Argument("number", KINDS["phone"], "Another number than the one of this call", False),
                Argument("about", _TEXT, "What it is about, in one sentence"),
            ]
        ),
        run=run,
    )


def _look_up(passages: LookUp | None) -> Tool:
    if passages is None:
        raise ConfigError("the built-in tool look_up needs something to look in: give the agent facts or files of them")

    async def run(arguments: Mapping[str, Any], key: str) -> Done:
        return Done(passages.find(arguments["query"]))

    return Tool(
        name="look_up",
        description=(
            "Searches the company's documents. Use it before you say that you do not know, not for what you have been "
            "told already."
        ),
        parameters=arguments_model([Argument("query", _TEXT, "What to look for: the words that matter")]),
        run=run,
        reads_only=True,
    )
