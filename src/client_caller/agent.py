"""The agent file: who answers, what it knows, how it sounds, and where it stops.

In:   a TOML file written by the operator.
Out:  one frozen `Agent`; or a ConfigError with every mistake of the file, each with its line and what is allowed.
Rule: nothing here knows how a prompt is built or a voice is made; those rooms read the fields they need.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from client_caller.errors import ConfigError

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
    """Where the agent stops: seconds of a call, sentences and tokens of a reply."""

    model_config = _FROZEN
    max_call_s: float = Field(600.0, gt=0, le=14_400)
    max_reply_sentences: int = Field(3, ge=1, le=20)
    max_reply_tokens: int = Field(120, ge=8, le=2_000)


class AgentPhrases(BaseModel):
    """What is said when no language model has a say.

    repeat: a turn could not be understood;  fillers: said by turns while an answer keeps the caller waiting;
    trouble, offer: no answer could be found, once and then again;  dropped: said first after a lost line, and then
    as_i_said with what the caller had not heard, or so_far with the caller's own unfinished words, or go_on;
    goodbye: the call has lasted as long as it may;  busy, wait, dropped_for_good: spoken by the carrier's own voice.
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
    wait: Sentence = "One moment, please."
    busy: Sentence = "All our lines are busy right now. Please call again in a few minutes. Goodbye."
    dropped_for_good: Sentence = "I am sorry, we have technical difficulties. Please call again later."


class Agent(BaseModel):
    """Everything the operator decides about the one who answers.

    hints: names and rare words that callers may say, for a transcriber that heeds them; the first hundred or so count.
    transfer_to: who is rung up for the caller when the line to us keeps breaking; without it the call ends there.
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
    transfer_to: PhoneNumber | None = None


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
    return f"{error['msg'].removeprefix('Input ')} (it is {error['input']!r})"


def _fields_beside(place: Place) -> list[str]:
    """The fields that the table around `place` may have."""
    table: Any = {"examples": Example, "voice": AgentVoice, "limits": AgentLimits, "phrases": AgentPhrases}
    model = table.get(place[0], Agent) if len(place) > 1 else Agent
    return list(model.model_fields)
