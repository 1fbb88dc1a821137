"""The prompt: what the language model reads before it answers.

In:   the agent's own text, examples and the turns so far.
Out:  chat messages that alternate strictly between user and assistant after the system message.
Rule: what was once sent is sent again unchanged, so that the server need only read what is new.
"""

from collections.abc import Sequence
from typing import Final, Literal, Protocol

from client_caller.conversation.actions import CutBy, Turn
from client_caller.thinking.protocol import Message

Role = Literal["user", "assistant"]

_ANSWERED: Final = "Hello?"
"""Stands for the caller where the agent speaks first, for chat templates want a user message before an answer."""

_CUT: Final[dict[CutBy, str]] = {
    "caller": " —",
    "line": " — [the line dropped here]",
    "voice": " — [the sound failed here]",
}
"""Ends what the caller did not hear to its end, and says why. A dash small models read as a broken-off sentence; words
they would repeat, unless in brackets, which are never spoken."""

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
    def facts(self) -> Sequence[str]: ...
    @property
    def examples(self) -> Sequence[Example]: ...


class Prompt:
    """The part of the prompt that every call of one agent shares."""

    def __init__(self, system: str, examples: Sequence[tuple[str, str]]) -> None:
        self._opening = [Message("system", system)]
        for caller, agent in examples:
            self._opening += [Message("user", caller), Message("assistant", agent)]

    @classmethod
    def of(cls, agent: Described) -> "Prompt":
        """The prompt of an agent file."""
        system = system_text(agent.name, agent.company, agent.persona, agent.facts)
        return cls(system, [(example.caller, example.agent) for example in agent.examples])

    def messages(self, history: Sequence[Turn]) -> list[Message]:
        """The chat so far. With each further pair of turns the list only grows at its end."""
        said = list(self._opening)
        for turn in history:
            role: Role = "user" if turn.speaker == "caller" else "assistant"
            text = turn.text + _CUT[turn.cut_by] if turn.cut_by else turn.text
            if role == said[-1].role and len(said) > len(self._opening):
                said[-1] = Message(role, f"{said[-1].content} {text}")
                continue
            if role == "assistant" and said[-1].role != "user":
                said.append(Message("user", _ANSWERED))
            said.append(Message(role, text))
        return said


def system_text(name: str, company: str, persona: str, facts: Sequence[str]) -> str:
    """The system message: the persona, in which {name} and {company} stand for theirs, then one fact a line."""
    who = persona.strip().replace("{name}", name).replace("{company}", company)
    return "\n".join((who, *facts, _CUT_EXPLAINED))
