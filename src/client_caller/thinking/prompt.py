"""The prompt: what the language model reads before it answers.

In:   the agent's own text, examples, the turns so far, and what tools told.
Out:  chat messages that alternate strictly between user and assistant after the system message; a tool counts as user.
Rule: what was once sent is sent again unchanged, so that the server need only read what is new. Tools on offer are not
      in the text: they go beside it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from client_caller.conversation.actions import CutBy, Turn
from client_caller.thinking.marks import unmarked
from client_caller.thinking.protocol import Message, ToolCall

_ANSWERED: Final = "Hello?"
"""Stands for the caller where the agent speaks first, for chat templates want a user message before an answer."""

_CUT: Final[dict[CutBy, str]] = {
    "caller": " —",
    "line": " — [the line dropped here]",
    "voice": " — [the sound failed here]",
}
"""Ends what the caller did not hear to its end, and says why. A dash small models read as a broken-off sentence; words
they would repeat, unless in brackets, which are never spoken."""

_NOTHING_SAID: Final = "—"
"""Stands for the agent where a tool had answered and the caller spoke before anything was said of it."""

_NOTES: Final = "[Your notes on this call so far. The caller does not hear them.\n{}]\n"
"""Stands for what was said before the turns that are sent whole. In brackets, like all that is nobody's speech."""

_FOR_THE_EAR: Final = (
    "You are on the telephone and all that you write is spoken aloud: answer in one to three short sentences, the way "
    "people talk. No lists, headings, markup, emoji or web links. Say numbers, dates and times as a person would say "
    "them. Ask for one thing at a time. If the caller is hard to understand, ask again."
)

_TODAY: Final = "[This call takes place on {}.]\n"
"""Stands before whatever the caller says first, and not with the instructions: those begin all calls of an agent alike,
so that a server reads them only once."""

_CUT_EXPLAINED: Final = "Where your own words end in a dash, the caller broke in there and heard no more of them."


class Example(Protocol):
    """What a caller might say, and what the agent would answer."""

    @property
    def caller(self) -> str: ...
    @property
    def agent(self) -> str: ...


class Described(Protocol):
    """What the prompt needs of an agent file."""

    @property
    def name(self) -> str: ...
    @property
    def company(self) -> str: ...
    @property
    def persona(self) -> str: ...
    @property
    def goals(self) -> Sequence[str]: ...
    @property
    def facts(self) -> Sequence[str]: ...
    @property
    def examples(self) -> Sequence[Example]: ...


class Prompt:
    """The part of the prompt that every call of one agent shares.

    again: the examples are shown once more behind the agent's greeting. A small model goes on in the manner of what it
    read last: SmolLM2-135M answers most questions like those of the examples right with it, and hardly any without.
    """

    def __init__(
        self, system: str, examples: Sequence[tuple[str, str]], today: str = "", *, again: bool = False
    ) -> None:
        self._today = _TODAY.format(today) if today else ""
        shown = [
            shown for caller, agent in examples for shown in (Message("user", caller), Message("assistant", agent))
        ]
        self._opening = [Message("system", system), *shown]
        self._again = shown if again else []

    @classmethod
    def of(cls, agent: Described, *, opening_hours: str = "", plain: bool = True, today: str = "") -> "Prompt":
        """The prompt of an agent file.

        opening_hours: a sentence, as it would be said;  plain: for a small model: nothing is told of how one talks on a
        telephone, and the examples are shown again behind the greeting;  today: the day and the hour, such as "Monday,
        3 March 2025, 09:05".
        """
        system = system_text(
            agent.name,
            agent.company,
            agent.persona,
            agent.facts,
            goals=agent.goals,
            opening_hours=opening_hours,
            plain=plain,
        )
        return cls(system, [(example.caller, example.agent) for example in agent.examples], today, again=plain)

    def messages(self, history: Sequence[Turn], condensed: str = "") -> list[Message]:
        """The chat so far, ending in what is to be answered.

        condensed: what the turns before `history` came to, in brief.
        With each further turn the list only grows at its end, or its last message does: where one speaker goes on, and
        where an agent's words turn out to have led to a tool.
        """
        said = list(self._opening)
        if condensed:
            said.append(Message("user", _NOTES.format(unmarked(condensed))))
        for turn in history:
            text = unmarked(turn.text) + (_CUT[turn.cut_by] if turn.cut_by else "")
            own = said[-1] if len(said) > len(self._opening) else None  # the last message of this very call
            match turn.speaker:
                case "caller":
                    _add_callers(said, own, text)
                case "agent":
                    _add_agents(said, own, text)
                case "tool":
                    _add_tools(said, own, ToolCall(turn.tool, unmarked(turn.arguments)), text)
        if len(said) > len(self._opening):
            first = said[len(self._opening)]
            said[len(self._opening)] = replace(first, content=self._today + first.content)
        if history and history[0].speaker == "agent":
            behind_greeting = len(self._opening) + 2
            said[behind_greeting:behind_greeting] = self._again
        return said


def _add_callers(said: list[Message], own: Message | None, text: str) -> None:
    if own is not None and own.role == "user":
        joint = "" if own.content.endswith("\n") else " "
        said[-1] = Message("user", f"{own.content}{joint}{text}")
        return
    if own is not None and own.role == "tool":
        said.append(Message("assistant", _NOTHING_SAID))
    said.append(Message("user", text))


def _add_agents(said: list[Message], own: Message | None, text: str) -> None:
    if own is not None and own.role == "assistant":
        said[-1] = Message("assistant", f"{own.content} {text}")
        return
    if own is None:
        said.append(Message("user", _ANSWERED))
    said.append(Message("assistant", text))


def _add_tools(said: list[Message], own: Message | None, call: ToolCall, result: str) -> None:
    if own is not None and own.role == "assistant":
        said[-1] = replace(own, call=call)
    else:
        if own is None:
            said.append(Message("user", _ANSWERED))
        said.append(Message("assistant", "", call))
    said.append(Message("tool", result))


def system_text(
    name: str,
    company: str,
    persona: str,
    facts: Sequence[str],
    *,
    goals: Sequence[str] = (),
    opening_hours: str = "",
    plain: bool = True,
) -> str:
    """The system message, one thing a line. In the persona, {name} and {company} stand for theirs."""
    who = persona.strip().replace("{name}", name).replace("{company}", company)
    lines = [who, *(f"Your goal: {goal}" for goal in goals), *facts, opening_hours, "" if plain else _FOR_THE_EAR]
    return "\n".join((*filter(None, lines), _CUT_EXPLAINED))
