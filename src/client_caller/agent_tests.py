"""Tests of an agent as data: what is said to it, and what is expected of it then.

In:   a TOML file, and the agent file that it names.
Out:  tests; or a ConfigError with every mistake of the file, each with its line, its field and what is allowed.
Rule: nothing is tried here. What a test expects of a tool that the agent does not have is a mistake of the test.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from client_caller.agent import Agent, load_agent
from client_caller.agent.mistakes import Kind, Mistake, text_of, told
from client_caller.agent.places import lines_of
from client_caller.chatting import agent_of_call
from client_caller.errors import ConfigError
from client_caller.tools.function_files import load_functions

_TABLE: Final = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
_A_TUESDAY: Final = datetime(2026, 6, 2, 10, 0)
_ENDS: Final = (True, False, "transfer", "opted out", "hang up")

Ending = Literal["transfer", "opted out", "hang up"]


def _ending(given: object) -> object:
    if given not in _ENDS:
        raise PydanticCustomError("ends", 'must be true, false, "transfer", "opted out" or "hang up"')
    return given


def _pattern(given: str) -> str:
    try:
        pattern_of(given)
    except re.error as wrong:
        raise PydanticCustomError("pattern", "is no regular expression: {why}", {"why": str(wrong)}) from None
    return given


def pattern_of(wanted: str) -> re.Pattern[str]:
    """What finds it in a text: words as they are, whole, in any case; between two / a regular expression."""
    if len(wanted) > 2 and wanted[0] == wanted[-1] == "/":
        return re.compile(wanted[1:-1], re.IGNORECASE)
    words = r"\s+".join(re.escape(word) for word in wanted.split())
    before, after = (r"(?<!\w)" if wanted[:1].isalnum() else ""), (r"(?!\w)" if wanted[-1:].isalnum() else "")
    return re.compile(f"{before}{words}{after}", re.IGNORECASE)


def _some(given: tuple[Any, ...]) -> tuple[Any, ...]:
    if not given:
        raise PydanticCustomError("none", "must have one at least")
    return given


def _wrong(what: str) -> PydanticCustomError:
    return PydanticCustomError("agent_test", "{what}", {"what": what})


Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Wanted = Annotated[Sentence, BeforeValidator(_pattern)]


class Answer(BaseModel):
    """What a tool of the operator's own tells in a test."""

    model_config = _TABLE
    tool: Sentence
    """Its name."""
    given: dict[str, Any] = Field({}, alias="with")
    """With which arguments it is called, as far as that matters."""
    result: Sentence
    """What it tells."""


class TypedTurn(BaseModel):
    """What the caller does, and what is expected to come of it before they have the floor again."""

    model_config = _TABLE
    say: str = ""
    """What the caller says."""
    key: str = Field("", pattern=r"^[0-9*#]*$")
    """Or the keys that they press."""
    silence: bool = False
    """Or they say nothing, until the agent asks or hangs up."""
    back: bool = False
    """Or nobody has taken the transfer, and they are with the agent again."""
    expect: tuple[Wanted, ...] = ()
    """All of this is in what the agent says then."""
    any_of: tuple[Wanted, ...] = ()
    """One of these is."""
    never: tuple[Wanted, ...] = ()
    """None of these is."""
    tool: str = ""
    """This tool is called."""
    given: dict[str, Any] = Field({}, alias="with")
    """With these arguments, whatever else it is given."""
    no_tool: bool = False
    """No tool is called."""
    ends: Annotated[bool | Ending | None, BeforeValidator(_ending)] = None
    """Whether the call ends, or how."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if sum((bool(self.say.strip()), bool(self.key), self.silence, self.back)) != 1:
            raise _wrong("must have one of say, key, silence and back")
        if self.given and not self.tool:
            raise _wrong("has a with, so it needs a tool")
        if self.no_tool and self.tool:
            raise _wrong("cannot want a tool and no_tool")
        return self


class AgentTest(BaseModel):
    """One call."""

    model_config = _TABLE
    name: Sentence
    """What is shown by it."""
    embedded: bool = False
    """Whether the small embedded model can pass it, too."""
    at: datetime | None = None
    """When it is held, in the agent's time zone; otherwise when the others are."""
    opening: tuple[Wanted, ...] = ()
    """All of this is in what the agent says first."""
    never: tuple[Wanted, ...] = ()
    """None of these is in anything that it says."""
    answers: tuple[Answer, ...] = ()
    """What tools tell; the first that fits the arguments."""
    turns: Annotated[tuple[TypedTurn, ...], AfterValidator(_some)]
    """What the caller does, in order."""


class AgentTests(BaseModel):
    """A file of tests of one agent."""

    model_config = _TABLE
    agent: Sentence
    """The agent file, seen from this one."""
    variables: dict[str, str] = {}
    """Values of its variables."""
    outbound: bool = False
    """Whether these are calls that the agent places."""
    at: datetime = _A_TUESDAY
    """When the calls are held, in the agent's time zone: its opening hours depend on it."""
    tests: Annotated[tuple[AgentTest, ...], AfterValidator(_some)]
    """The calls, each by itself."""


@dataclass(frozen=True, slots=True)
class Examination:
    """An agent, its variables filled in, and what it is to pass."""

    file: Path
    agent: Agent
    tests: AgentTests


_KIND: Final = Kind("a file of agent tests", AgentTests)


def load_agent_tests(path: Path) -> Examination:
    """The tests in the file. Raises ConfigError with all mistakes at once, one a line: file, line, field."""
    text = text_of(path, "the agent tests", "name another file")
    try:
        tests = AgentTests.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as wrong:
        raise ConfigError(f"the agent tests {path} are not valid TOML: {wrong}") from wrong
    except ValidationError as wrong:
        found = [(error["loc"], _KIND.complaint(error)) for error in wrong.errors()]
        raise ConfigError(_told(found, path, text)) from None
    try:
        agent = load_agent(path.parent / tests.agent)
    except ConfigError as wrong:
        if (path.parent / tests.agent).is_file():
            raise
        raise ConfigError(_told([(("agent",), f"is no agent file (it is {tests.agent!r})")], path, text)) from wrong
    if mistakes := list(_mistakes_of(tests, agent)):
        raise ConfigError(_told(mistakes, path, text))
    try:
        return Examination(path, agent_of_call(agent, tests.variables, outbound=tests.outbound), tests)
    except ConfigError as wrong:
        raise ConfigError(_told([(("variables",), f"do not do: {wrong}")], path, text)) from wrong


def _told(mistakes: list[Mistake], path: Path, text: str) -> str:
    lines = lines_of(text)
    return "\n".join(told(mistake, str(path), lines) for mistake in mistakes)


def _mistakes_of(tests: AgentTests, agent: Agent) -> Iterator[Mistake]:
    """Where the tests do not fit each other or the agent."""
    own = [tool.name for tool in agent.tools]
    own += [tool.name for file in agent.functions for tool in load_functions(Path(file))]
    seen: set[str] = set()
    for at, test in enumerate(tests.tests):
        if test.name in seen:
            yield ("tests", at, "name"), f"is there twice (it is {test.name!r})"
        seen.add(test.name)
        for number, answer in enumerate(test.answers):
            if answer.tool not in own:
                yield ("tests", at, "answers", number, "tool"), _none_of(answer.tool, own, "of the agent's own")
        for number, turn in enumerate(test.turns):
            if turn.tool and turn.tool not in (*own, *agent.offered):
                yield (
                    ("tests", at, "turns", number, "tool"),
                    _none_of(turn.tool, [*own, *agent.offered], "of the agent"),
                )


def _none_of(name: str, there: list[str], whose: str) -> str:
    return f"is no tool {whose}, which are: {', '.join(there) or 'none'} (it is {name!r})"
