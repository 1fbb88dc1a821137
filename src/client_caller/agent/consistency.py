"""Consistency: whether the parts of an agent agree with each other.

In:   an agent each of whose tables is in order by itself.     Out: what is wrong, and where it stands.
Rule: every mistake is told, not the first alone.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from client_caller.agent.filling import ALWAYS_KNOWN, texts_of, variables_at
from client_caller.agent.mistakes import Mistake
from client_caller.agent.model import BUILT_IN, Agent
from client_caller.agent.places import Place
from client_caller.errors import ConfigError
from client_caller.outbound.opening import variables_of

_NEVER_DECLARED: Final = ALWAYS_KNOWN | {"words"}


def mistakes_of(agent: Agent) -> list[Mistake]:
    """All mistakes, in the order of the fields; empty when there are none."""
    return [
        *_stray_braces(agent),
        *_same_names("transfers", (target.name for target in agent.transfers)),
        *_same_names("tools", (tool.name for tool in agent.tools)),
        *_same_names("summary.fields", (field.name for field in agent.summary.fields)),
        *_transfers_without_hours(agent),
        *_promised_calls(agent),
        *_known_variables(agent),
        *_built_in(agent),
        *_tools_named_as_built_in(agent),
    ]


def _stray_braces(agent: Agent) -> Iterator[Mistake]:
    for place, text in texts_of(agent):
        try:
            variables_at(place, text)
        except ConfigError:
            yield place, "has a brace that stands alone: write {name} for a variable, and no other brace"


def _same_names(field: str, names: Iterable[str]) -> Iterator[Mistake]:
    place: Place = tuple(field.split("."))
    seen: dict[str, int] = {}
    for at, name in enumerate(names):
        if (first := seen.setdefault(name.casefold(), at)) != at:
            yield (*place, at, "name"), f"is taken by {field}[{first + 1}]; every name must be another (it is {name!r})"


def _transfers_without_hours(agent: Agent) -> Iterator[Mistake]:
    for at, target in enumerate(agent.transfers):
        if target.in_hours_only and agent.hours is None:
            yield ("transfers", at, "in_hours_only"), "needs a table [hours] that tells the opening hours"


def _promised_calls(agent: Agent) -> Iterator[Mistake]:
    if agent.when_full != "call back":
        return
    if agent.outbound is None:
        yield ("when_full",), "needs a table [outbound] to call back (it is 'call back')"
    elif wanted := sorted(set(_variables_of(agent.outbound.reason)) - ALWAYS_KNOWN - _with_default(agent)):
        yield (
            ("outbound", "reason"),
            f"must do without variables where when_full = 'call back': {', '.join(wanted)} is not known then",
        )


def _known_variables(agent: Agent) -> Iterator[Mistake]:
    for name in sorted(_NEVER_DECLARED & set(agent.variables)):
        yield ("variables", name), "has a meaning of its own and cannot be declared; choose another name"


def _built_in(agent: Agent) -> Iterator[Mistake]:
    named = agent.built_in or ()
    for at, name in enumerate(named):
        if name in named[:at]:
            yield ("built_in", at), f"is there twice (it is {name!r})"
    if "transfer" in named and not (agent.transfer_to or agent.transfers):
        yield ("built_in", named.index("transfer")), "needs somebody to transfer to: transfer_to, or [[transfers]]"
    if "look_up" in named and not agent.fact_files:
        yield ("built_in", named.index("look_up")), "needs something to look up: fact_files"


def _tools_named_as_built_in(agent: Agent) -> Iterator[Mistake]:
    for at, tool in enumerate(agent.tools):
        if tool.name in BUILT_IN:
            yield (
                ("tools", at, "name"),
                f"must not be that of a built-in tool, which are {', '.join(BUILT_IN)} (it is {tool.name!r})",
            )


def _variables_of(text: str) -> tuple[str, ...]:
    try:
        return variables_of(text)
    except ConfigError:  # told with the text itself
        return ()


def _with_default(agent: Agent) -> frozenset[str]:
    return frozenset(name for name, variable in agent.variables.items() if variable.default.strip())
