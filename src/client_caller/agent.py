"""The agent file: who answers, what it knows, how it sounds, and where it stops.

In:   a TOML file written by the operator.
Out:  one frozen `Agent`; or a ConfigError with every mistake of the file, each with its line and what is allowed.
Rule: nothing here knows how a prompt is built or a voice is made; those rooms read the fields they need.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from client_caller.errors import ConfigError
from client_caller.outbound.opening import MissingVariableError, fill, opening_is_lawful, variables_of

Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""Text that will be spoken or read by the language model: never empty."""

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")


def _dialable(number: str) -> str:
    if not _E164.fullmatch(number):
        raise PydanticCustomError("e164", "must be a number in E.164 form, such as +15550100002")
    return number


PhoneNumber = Annotated[str, AfterValidator(_dialable)]
"""A number that any carrier can dial: a plus, the country, the number, digits only (ITU-T E.164)."""

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class Example(BaseModel):
    """One exchange that shows the language model the manner wanted."""

    model_config = _FROZEN
    caller: Sentence
    agent: Sentence


class AgentVoice(BaseModel):
    """How the agent sounds. `name`, rate and pitch are those of eSpeak NG: words per minute, and 0 to 99 around 50."""

    model_config = _FROZEN
    name: Sentence = "en-us"
    words_per_minute: int = Field(165, ge=80, le=300)
    pitch: int = Field(50, ge=0, le=99)


class AgentLimits(BaseModel):
    """Where the agent stops: seconds of a call, of the caller's silence before they are asked whether they are there;
    sentences and tokens of a reply."""

    model_config = _FROZEN
    max_call_s: float = Field(600.0, gt=0, le=14_400)
    silence_s: float = Field(10.0, ge=3, le=600)
    max_reply_sentences: int = Field(3, ge=1, le=20)
    max_reply_tokens: int = Field(120, ge=8, le=2_000)


class AgentPhrases(BaseModel):
    """What is said when no language model has a say.

    repeat: a turn could not be understood;  fillers: said by turns while an answer keeps the caller waiting;
    trouble, offer: no answer could be found, once and then again;  dropped: said first after a lost line, and then
    as_i_said with what the caller had not heard, or so_far with the caller's own unfinished words, or go_on;
    goodbye: the call has lasted as long as it may;  still_there: the caller says nothing;  farewell: the last word of a
    call that is ended for another reason;  opted_out: to who does not want to be called, and never will be again;
    connecting, not_reached: before a transfer, and after one that nobody took;
    busy, queued, wait, dropped_for_good: spoken by the carrier's own voice.
    """

    model_config = _FROZEN
    repeat: Sentence = "Sorry, I did not catch that. Could you say it again?"
    trouble: Sentence = "I am sorry, I need a moment. Could you say that again, please?"
    offer: Sentence = (
        "I am sorry, I cannot answer that now. You can call again later, or leave your name and number, "
        "and somebody will call you back."
    )
    fillers: tuple[Sentence, ...] = ("One moment, please.", "I am still looking.", "Just a moment longer.")
    dropped: Sentence = "Sorry, the line dropped for a moment."
    as_i_said: Sentence = "I was saying:"
    so_far: Sentence = "You were saying:"
    go_on: Sentence = "Please go on."
    goodbye: Sentence = "I am sorry, we have to end the call here. Goodbye."
    still_there: Sentence = "Are you still there?"
    farewell: Sentence = "Thank you for your time. Goodbye."
    opted_out: Sentence = (
        "I have noted that you do not want to be called, and you will not hear from us again. Goodbye."
    )
    connecting: Sentence = "One moment, please. I will connect you."
    not_reached: Sentence = "I am sorry, nobody can take your call right now. Is there anything else I can do?"
    wait: Sentence = "One moment, please."
    queued: Sentence = "All our lines are busy. Please hold, you will be answered as soon as possible."
    busy: Sentence = "All our lines are busy right now. Please call again in a few minutes. Goodbye."
    dropped_for_good: Sentence = "I am sorry, we have technical difficulties. Please call again later."


class AgentRecording(BaseModel):
    """What must come before a call may be recorded.

    consent: "free", nothing;  "announced", `phrase` was heard to its end, and the caller has stayed;  "asked", `phrase`
    asks, and the caller has said yes.
    """

    model_config = _FROZEN
    consent: Literal["free", "announced", "asked"] = "free"
    phrase: str = ""

    @model_validator(mode="after")
    def _phrase_is_there(self) -> Self:
        if self.consent != "free" and not self.phrase.strip():
            raise PydanticCustomError("phrase", "needs a phrase that the caller hears before it")
        return self


class AgentOutbound(BaseModel):
    """What the agent says on calls that it places, after its `identity`.

    purpose: which consent a call needs;  reason: why it calls;  message: left with an answering machine, none if empty;
    screened: said to an assistant that asks on the callee's behalf why we call; empty: the reason;
    menu_keys: pressed in a telephone menu; empty: the call ends there.
    """

    model_config = _FROZEN
    purpose: Literal["informational", "marketing"] = "informational"
    reason: Sentence
    message: str = ""
    screened: str = ""
    menu_keys: Annotated[str, StringConstraints(pattern=r"^[0-9*#A-DwW]{0,32}$")] = ""


Key = Annotated[str, StringConstraints(pattern=r"^[0-9*#]?$")]
"""A key of a telephone, or none."""


class AgentKeys(BaseModel):
    """Keys with a meaning of their own: never to be called again; to speak with a human."""

    model_config = _FROZEN
    opt_out: Key = ""
    human: Key = ""


class Agent(BaseModel):
    """Everything the operator decides about the one who answers.

    hints: names and rare words that callers may say, for a transcriber that heeds them; the first hundred or so count.
    identity: who is speaking, and that it is an AI; said first in every call, and again until it was heard;
    transfer_to: who is rung up for a caller who wants a human, or when the line to us keeps breaking;
    transfer_briefly: what that person is told before they take the call, with {words} for the caller's last words;
    empty: the call simply rings there;  when_full: what becomes of a caller for whom there is no room.

    Texts may hold variables of the call in braces; {agent} and {company} are always there.
    """

    model_config = _FROZEN
    name: Sentence
    company: Sentence
    language: Literal["en"] = "en"
    greeting: Sentence
    persona: Sentence
    facts: tuple[Sentence, ...] = ()
    hints: tuple[Sentence, ...] = ()
    examples: tuple[Example, ...] = ()
    voice: AgentVoice = AgentVoice()
    limits: AgentLimits = AgentLimits()
    phrases: AgentPhrases = AgentPhrases()
    identity: str = ""
    transfer_to: PhoneNumber | None = None
    transfer_briefly: str = ""
    when_full: Literal["hang up", "queue", "call back", "forward"] = "hang up"
    recording: AgentRecording = AgentRecording()
    outbound: AgentOutbound | None = None
    keys: AgentKeys = AgentKeys()

    @field_validator("when_full")
    @classmethod
    def _can_forward(cls, when_full: str, info: ValidationInfo) -> str:
        if when_full == "forward" and not info.data.get("transfer_to"):
            raise PydanticCustomError("forward", "needs transfer_to, the number that callers are forwarded to")
        return when_full

    @model_validator(mode="after")
    def _can_call_back(self) -> Self:
        if self.when_full == "call back":
            if self.outbound is None:
                raise PydanticCustomError("call back", "when_full = 'call back' needs a table [outbound]")
            if wanted := set(variables_of(self.outbound.reason)) - {"agent", "company"}:
                raise PydanticCustomError(
                    "call back",
                    "when_full = 'call back' needs an [outbound] reason without variables: {wanted} is not known then",
                    {"wanted": ", ".join(sorted(wanted))},
                )
        return self

    @field_validator("outbound")
    @classmethod
    def _says_who_calls(cls, outbound: AgentOutbound | None, info: ValidationInfo) -> AgentOutbound | None:
        company = info.data.get("company", "")
        identity = info.data.get("identity", "").replace("{agent}", info.data.get("name", ""))
        if outbound and (wrong := opening_is_lawful(identity.replace("{company}", company), company)):
            raise PydanticCustomError("identity", "needs a lawful identity: {wrong}", {"wrong": " ".join(wrong)})
        return outbound


def filled(agent: Agent, variables: Mapping[str, str], *, outbound: bool) -> Agent:
    """The agent as it speaks in one call, its variables filled in. In `persona`, {name} is the agent's own name.

    outbound: whether it is a call that we place; only then are the texts for such calls filled, too.
    Raises MissingVariableError naming the variable that a text needs, ConfigError for an identity that says too little.
    """
    known = {**variables, "agent": agent.name, "company": agent.company}
    changes: dict[str, object] = {
        "identity": fill(agent.identity, known),
        "persona": fill(agent.persona, {**known, "name": agent.name}),
        "facts": tuple(fill(fact, known) for fact in agent.facts),
    }
    if not outbound:
        return agent.model_copy(update={**changes, "greeting": fill(agent.greeting, known)})
    if wrong := opening_is_lawful(str(changes["identity"]), agent.company):
        raise ConfigError(f"with these variables the identity of {agent.name!r} is not lawful: {' '.join(wrong)}")
    if agent.outbound:
        texts = {name: fill(getattr(agent.outbound, name), known) for name in ("reason", "message", "screened")}
        changes["outbound"] = agent.outbound.model_copy(update=texts)
    return agent.model_copy(update=changes)


def answering(agent: Agent) -> Agent:
    """The agent as it answers calls that come in. Raises ConfigError when a text needs a variable: none is known."""
    try:
        return filled(agent, {}, outbound=False)
    except MissingVariableError as missing:
        raise ConfigError(
            f"the agent {agent.name!r} cannot answer calls: a text of its file says {{{missing.name}}}, which only "
            "calls that we place can have; take it out, or name another agent with CLIENT_CALLER_AGENT"
        ) from missing


def load_agent(path: Path) -> Agent:
    """The agent described by the file. Raises ConfigError with all mistakes at once, one a line: file, line, field."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as refusal:
        raise ConfigError(
            f"the agent file {path} cannot be read ({refusal.strerror}): name another with CLIENT_CALLER_AGENT"
        ) from refusal
    except UnicodeDecodeError as wrong:
        raise ConfigError(f"the agent file {path} is not UTF-8 text: save it as UTF-8") from wrong
    try:
        return Agent.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as wrong:
        raise ConfigError(f"the agent file {path} is not valid TOML: {wrong}") from wrong
    except ValidationError as wrong:
        lines = _lines_of_fields(text)
        raise ConfigError("\n".join(_explain(error, path, lines) for error in wrong.errors())) from wrong


Place = tuple[int | str, ...]
"""Where a value lies: names of tables and keys, and numbers of elements counted from 0."""

_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([\w.-]+)\s*\]")
_KEY: Final = re.compile(r"""\s*["']?([\w-]+)["']?\s*=""")


def _lines_of_fields(text: str) -> dict[Place, int]:
    """The line, counted from 1, of every table and key of a valid TOML text. Quoted keys with dots are not found."""
    lines: dict[Place, int] = {}
    elements: dict[str, int] = {}
    table: Place = ()
    quote = ""
    for number, line in enumerate(text.splitlines(), 1):
        header, key = _HEADER.match(line), _KEY.match(line)
        if not quote and header:
            table = tuple(header[2].split("."))
            if header[1] == "[[":
                elements[header[2]] = elements.get(header[2], -1) + 1
                table = (*table, elements[header[2]])
            lines[table] = number
        elif not quote and key:
            lines[(*table, key[1])] = number
        quote = _open_quote(line, quote)
    return lines


def _open_quote(line: str, quote: str) -> str:
    """The triple quote that is open after this line, given the one open before it; empty if none is."""
    for mark in re.findall(r'"""|\'\'\'', line):
        if not quote:
            quote = mark
        elif mark == quote:
            quote = ""
    return quote


def _explain(error: ErrorDetails, path: Path, lines: Mapping[Place, int]) -> str:
    place = error["loc"]
    found = next((lines[place[:depth]] for depth in range(len(place), 0, -1) if place[:depth] in lines), 1)
    field = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
    return f"{path}, line {found}: {field} {_complaint(error, place)}"


def _complaint(error: ErrorDetails, place: Place) -> str:
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "extra_forbidden":
        return f"is not a field of an agent file; here may stand: {', '.join(_fields_beside(place))}"
    if error["type"] == "string_too_short":
        return "must not be empty"
    what: str = error["msg"].removeprefix("Input ")
    return what if isinstance(error["input"], Mapping) else f"{what} (it is {error['input']!r})"


def _fields_beside(place: Place) -> list[str]:
    """The fields that the table around `place` may have."""
    model = _TABLES.get(str(place[0]), Agent) if len(place) > 1 else Agent
    return list(model.model_fields)


_TABLES: Final[dict[str, type[BaseModel]]] = {
    "examples": Example,
    "voice": AgentVoice,
    "limits": AgentLimits,
    "phrases": AgentPhrases,
    "recording": AgentRecording,
    "outbound": AgentOutbound,
    "keys": AgentKeys,
}
