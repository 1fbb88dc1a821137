"""Examining an agent: its tests are held as typed calls, one after the other.

In:   tests, a language model.     Out: for each test, what was said and what did not come out as expected.
Rule: a tool of the operator's own is never called: a test says what it tells. Those about the call itself and what a
      caller leaves do what they do on the telephone, and nothing is kept of it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import SecretStr

from client_caller.agent import Agent
from client_caller.agent_tests import AgentTest, Answer, Examination, TypedTurn, pattern_of
from client_caller.briefing import zone_of
from client_caller.chatting import typed_call
from client_caller.errors import ToolFailed
from client_caller.settings import Settings
from client_caller.thinking.protocol import LanguageModel
from client_caller.toolkit import Toolkit
from client_caller.tools.arguments import plain
from client_caller.tools.protocol import Done, Tool
from client_caller.typed import Happened, TypedCall

_NO_ANSWER: Final = "This cannot be done now."


@dataclass(slots=True)
class TurnHeld:
    """One turn of a test. caller: what they did, empty for the opening;  wrong: what was expected and did not come."""

    caller: str
    happened: list[Happened] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        """What the agent said."""
        return " ".join(one.text for one in self.happened if one.kind == "said")

    @property
    def tools(self) -> list[Happened]:
        """What it called."""
        return [one for one in self.happened if one.kind == "tool"]


@dataclass(slots=True)
class CallHeld:
    """One test that was held."""

    name: str
    turns: list[TurnHeld]

    @property
    def has_passed(self) -> bool:
        """Whether all came out as expected."""
        return not any(turn.wrong for turn in self.turns)


async def hold_test(test: AgentTest, of: Examination, model: LanguageModel, settings: Settings) -> CallHeld:
    """Hold one call. Raises ConfigError for a tool that cannot be made."""
    turns = [TurnHeld("")]
    answers = _Answers(test.answers, turns)
    toolkit = Toolkit(_any_secret(of.agent), settings.thinking, answers.instead)
    at = (test.at or of.tests.at).replace(tzinfo=zone_of(of.agent))
    call = typed_call(
        of.agent,
        model,
        settings,
        toolkit,
        lambda: at,
        lambda happened: turns[-1].happened.append(happened),
        outbound=of.tests.outbound,
    )
    try:
        await call.begin()
        turns[0].wrong += [f"does not say {_quoted(words)}" for words in test.opening if not _says(turns[0], words)]
        for turn in test.turns:
            turns.append(TurnHeld(_in_words(turn)))
            if call.is_left if turn.back else not call.is_over:
                await _do(turn, call)
                turns[-1].wrong += _unmet(turn, turns[-1], call)
            else:
                turns[-1].wrong.append("was not transferred" if turn.back else "the call was over before")
                break
    finally:
        await toolkit.close()
    for held in turns:
        held.wrong += [f"says {_quoted(words)}" for words in test.never if _says(held, words)]
    return CallHeld(test.name, turns)


async def _do(turn: TypedTurn, call: TypedCall) -> None:
    if turn.say:
        await call.say(turn.say)
    elif turn.key:
        await call.press(turn.key)
    elif turn.back:
        await call.come_back()
    else:
        await call.be_silent()


def _in_words(turn: TypedTurn) -> str:
    if turn.say or turn.key:
        return turn.say or f"[presses {turn.key}]"
    return "[comes back]" if turn.back else "[says nothing]"


def _unmet(turn: TypedTurn, held: TurnHeld, call: TypedCall) -> Iterator[str]:
    """What the turn expected and did not get, each in words."""
    yield from (f"does not say {_quoted(words)}" for words in turn.expect if not _says(held, words))
    if turn.any_of and not any(_says(held, words) for words in turn.any_of):
        yield f"says none of {', '.join(map(_quoted, turn.any_of))}"
    yield from (f"says {_quoted(words)}" for words in turn.never if _says(held, words))
    if turn.tool:
        calls = [one for one in held.tools if one.name == turn.tool]
        if not calls:
            yield f"does not call {turn.tool}"
        elif not any(_fits(turn.given, _parsed(one.arguments)) for one in calls):
            yield f"does not call {turn.tool} with {json.dumps(turn.given, ensure_ascii=False, default=plain)}"
    if turn.no_tool:
        yield from (f"calls {one.name}" for one in held.tools)
    if turn.ends is not None and (wrong := _not_ended(turn.ends, held, call)):
        yield wrong


def _not_ended(wanted: bool | str, held: TurnHeld, call: TypedCall) -> str:
    """What is wrong with how the call stands now; empty when nothing is."""
    left = "transfer" if call.is_left else ""
    over = next((one.text for one in held.happened if one.kind == "over"), "")
    how = f"it ends: {over}" if over else f"it ends: {left}" if left else "it goes on"
    if isinstance(wanted, bool):
        return "" if wanted is call.is_over else f"the call should {'end' if wanted else 'go on'}; {how}"
    fits = {"transfer": left == "transfer", "opted out": over == "opted out", "hang up": bool(over)}[wanted]
    return "" if fits else f"the call should end by: {wanted}; {how}"


def _says(held: TurnHeld, words: str) -> bool:
    return bool(pattern_of(words).search(held.said))


def _quoted(words: str) -> str:
    return words if words.startswith("/") else f"“{words}”"


def _parsed(arguments: str) -> Mapping[str, Any]:
    """What a language model wrote; nothing when that is no JSON."""
    try:
        found = json.loads(arguments)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _fits(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether all that is wanted is among what was given."""
    return all(name in given and _is_same(value, given[name]) for name, value in wanted.items())


def _is_same(wanted: object, given: object) -> bool:
    if isinstance(wanted, str) and wanted[:1] == "/":
        return bool(pattern_of(wanted).search(_text(given)))
    if isinstance(wanted, bool | int | float):
        return wanted == given
    return _text(wanted).casefold() == _text(given).casefold()


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=plain).strip('"')


def _any_secret(agent: Agent) -> dict[str, SecretStr]:
    """No request is made, so none has to be known."""
    return {name: SecretStr("none") for tool in agent.tools for name in tool.secrets}


class _Answers:
    """What the tools of the operator's own tell. turns: where it is noted that one was called without an answer."""

    def __init__(self, answers: tuple[Answer, ...], turns: list[TurnHeld]) -> None:
        self._answers = answers
        self._turns = turns

    def instead(self, own: Tool) -> Tool:
        """The tool, but for what it does."""

        async def run(arguments: Mapping[str, Any], key: str) -> Done:
            for answer in self._answers:
                if answer.tool == own.name and _fits(answer.given, arguments):
                    return Done(answer.result)
            given = json.dumps(dict(arguments), ensure_ascii=False, default=plain)
            self._turns[-1].wrong.append(f"calls {own.name} with {given}, for which the test has no answer")
            raise ToolFailed(_NO_ANSWER)

        return replace(own, run=run)
