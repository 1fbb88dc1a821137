"""The toolbox of one call: what the model may ask for, and what came of it.

In:   a tool's name and JSON text, as a language model wrote them.     Out: one `Done`, always.
Rule: what changes the world is done once for the same arguments; asked again, the box tells what came of it the first
      time, and whether that is known. Nothing but a cancellation gets out of `run`.
"""

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from client_caller.errors import ConfigError, ToolFailed
from client_caller.tools.arguments import canonical, checked
from client_caller.tools.outcome import OutcomeUnknown
from client_caller.tools.protocol import Done, Tool
from client_caller.tools.results import readable
from client_caller.tools.rim import CodeFailed, rim

log = logging.getLogger(__name__)

CHANGES_A_CALL: Final = 20
"""How often one tool may change something in one call. No caller has so many wishes; a model gone wild has."""

_UNKNOWN: Final = "it is not known whether it was done. Do not try again; tell the caller so"


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool as a language model is told of it. schema: a JSON schema of type "object"."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(slots=True)
class _Deed:
    """One change of the world. done: what came of it; None as long as that is not known;  refusal: why nothing did."""

    done: Done | None = None
    refusal: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Toolbox:
    """Calls tools for one call. Raises ConfigError when two have the same name."""

    def __init__(self, tools: Sequence[Tool], call_id: str) -> None:
        self._tools = {tool.name: tool for tool in tools}
        if len(self._tools) < len(tools):
            names = [tool.name for tool in tools]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ConfigError(f"two tools of the agent are called {', '.join(twice)}: rename one")
        self._call_id = call_id
        self._deeds: dict[tuple[str, str], _Deed] = {}
        self._changes: dict[str, int] = {}
        self.offers = tuple(Offer(tool.name, tool.description, compact_schema(tool)) for tool in tools)

    @property
    def bridges(self) -> dict[str, str]:
        """What is said when a tool keeps the caller waiting, by its name, for those that have a phrase of their own."""
        return {name: tool.bridge for name, tool in self._tools.items() if tool.bridge}

    @property
    def longest_s(self) -> float:
        """Seconds that the slowest tool may take; 0 without tools."""
        return max((tool.within_s for tool in self._tools.values()), default=0.0)

    def reads_only(self, name: str) -> bool:
        """Whether calling it changes nothing; a tool that does not exist changes nothing either."""
        return name not in self._tools or self._tools[name].reads_only

    def recall(self, name: str, arguments: str, text: str) -> None:
        """Know of a tool that was called earlier in this call, as its record tells, so that it is not done again."""
        tool = self._tools.get(name)
        if tool is None or tool.reads_only or tool.repeatable:
            return
        try:
            deed = self._deeds.setdefault((name, canonical(checked(tool, arguments))), _Deed())
        except ToolFailed:
            return
        deed.done = Done(readable(text))
        deed.over.set()

    async def run(self, number: int, name: str, arguments: str) -> Done:
        """Call a tool, unless that was done before; `number` is for the log. Raises nothing but CancelledError."""
        tool = self._tools.get(name)
        if tool is None:
            there = f"there is: {', '.join(self._tools)}" if self._tools else "there is none"
            return Done(f"There is no such tool; {there}.")
        try:
            given = checked(tool, arguments)
            done = await self._attempt(tool, given) if tool.reads_only else await self._once(tool, given)
        except ToolFailed as failed:
            done = Done(str(failed))
        log.info("a tool was called", extra={"call": self._call_id, "number": number, "tool": name})
        return replace(done, text=readable(done.text) or f"{name} is done.")

    async def _once(self, tool: Tool, arguments: Mapping[str, Any]) -> Done:
        """Change the world, or tell what came of it when that was done. Raises ToolFailed."""
        deed_of = (tool.name, canonical(arguments))
        known = None if tool.repeatable else self._deeds.get(deed_of)
        if known is not None:
            await known.over.wait()
            if known.refusal:
                raise ToolFailed(known.refusal)
            if known.done is None:
                raise ToolFailed(f"{tool.name} was already called with these arguments; {_UNKNOWN}.")
            return Done(f"{tool.name} was already called with these arguments; it came to this: {known.done.text}")
        count = self._changes[tool.name] = self._changes.get(tool.name, 0) + 1
        if count > CHANGES_A_CALL:
            raise ToolFailed(f"{tool.name} was not called: it was called too often in this call.")
        deed = self._deeds[deed_of] = _Deed()
        try:
            deed.done = await self._attempt(tool, arguments, count if tool.repeatable else 0)
        except OutcomeUnknown:
            raise
        except ToolFailed as refused:
            deed.refusal = str(refused)
            self._deeds.pop(deed_of, None)  # surely not done, so it may be tried again
            raise
        finally:
            deed.over.set()
        return deed.done

    async def _attempt(self, tool: Tool, arguments: Mapping[str, Any], count: int = 0) -> Done:
        """Run it within its time. Raises ToolFailed, which is OutcomeUnknown when nobody can tell what was done."""
        try:
            async with asyncio.timeout(tool.within_s):
                with rim(ToolFailed):
                    return await tool.run(arguments, self._key(tool.name, arguments, count))
        except TimeoutError:
            raise _gave_up(tool, "took too long") from None
        except CodeFailed as broke:
            # Its own words stay out of the log: they may hold what a caller said.
            facts = {"call": self._call_id, "tool": tool.name, "why": broke.kind, "at": broke.place}
            log.error("a tool broke", extra=facts)  # noqa: TRY400
            raise _gave_up(tool, "broke off") from None

    def _key(self, name: str, arguments: Mapping[str, Any], count: int) -> str:
        """The same for what must be done once, so that a server that has done it can tell; another for each repeat."""
        what = "\n".join((self._call_id, name, str(count), canonical(arguments)))
        return hashlib.sha256(what.encode("utf-8", errors="replace")).hexdigest()[:32]


def _gave_up(tool: Tool, what: str) -> ToolFailed:
    if tool.reads_only:
        return ToolFailed(f"{tool.name} {what}; nothing was found out.")
    return OutcomeUnknown(f"{tool.name} {what}; {_UNKNOWN}.")


def compact_schema(tool: Tool) -> dict[str, Any]:
    """What its arguments must be, as JSON schema, in as few words as a model needs and always in the same order."""
    schema = tool.parameters.model_json_schema()
    properties = {name: _compact(one) for name, one in schema.get("properties", {}).items()}
    required = schema.get("required", [])
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _compact(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in schema.items() if name != "title" and (name, value) != ("default", None)}
    if "const" in kept:
        kept["enum"] = [kept.pop("const")]
    return kept
