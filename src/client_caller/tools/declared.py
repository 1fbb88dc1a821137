"""A tool that an agent file declares: one HTTP request, and what the language model may put into it.

In:   a table of the agent file.     Out: a frozen `DeclaredTool`, or every mistake with the field that it is in.
Rule: the operator alone decides whom a request goes to: scheme and host hold no placeholder. Secrets go into headers
      and the query, never into what the model reads or writes.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from client_caller.errors import ConfigError
from client_caller.tools.placeholders import CALLS_OWN, Slot, parts_of, slots_of

NAME_PATTERN: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")
ToolName = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN.pattern}$")]
"""How a language model calls a tool."""

Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
ParameterType = Literal["string", "integer", "number", "boolean", "date", "time", "phone"]

WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_OURS: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "idempotency-key"}
)
"""Headers that are not the operator's to set: they belong to the connection, the body, or the promise of once only."""

_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FROZEN: Final = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ToolParameter(BaseModel):
    """One argument that the language model gives.

    type: "date" is 2026-11-27, "time" is 15:30, "phone" is +15550100002;  choices: the only texts allowed; empty: any.
    """

    model_config = _FROZEN
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,40}$")]
    type: ParameterType = "string"
    description: Sentence
    required: bool = True
    choices: tuple[Sentence, ...] = ()

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in CALLS_OWN or name == "secret":
            raise _wrong("name", f"{name} is filled in by the call itself, not by the language model; rename it")
        return name

    @model_validator(mode="after")
    def _only_texts_are_chosen(self) -> Self:
        if self.choices and self.type != "string":
            raise _wrong("choices", f'has choices, so its type must be "string" (it is "{self.type}")')
        if len(set(self.choices)) < len(self.choices):
            raise _wrong("choices", "has a choice twice")
        return self


class DeclaredTool(BaseModel):
    """One HTTP request that an agent may make.

    url, headers, query, body: may hold {placeholders}: parameters, the call's variables, caller_number and call_id; in
    headers and the query also {secret.NAME}. A text that is nothing but a placeholder takes the value itself, a number
    as a number; one whose value is not known is left out;
    body: sent as JSON; empty: all arguments, when the method has a body;
    answer: what the model is told, with {fields} of a JSON answer; empty: the answer itself, cut;
    reads_only: the request changes nothing; None: true for GET;  repeatable: made anew for the same arguments;
    within_s: seconds it may take;  bridge: said when it keeps the caller waiting.
    """

    model_config = _FROZEN
    name: ToolName
    description: Sentence
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    parameters: tuple[ToolParameter, ...] = ()
    url: str
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    body: dict[str, Any] = {}
    answer: str = ""
    reads_only: bool | None = None
    repeatable: bool = False
    within_s: float = Field(5.0, ge=0.1, le=20)
    bridge: str = ""

    @property
    def only_reads(self) -> bool:
        """Whether the request changes nothing in the world."""
        return self.method == "GET" if self.reads_only is None else self.reads_only

    @property
    def secrets(self) -> frozenset[str]:
        """The secrets it needs, by name in lower case."""
        return frozenset(slot.secret for slot in self._slots() if slot.secret)

    @property
    def variables(self) -> frozenset[str]:
        """The variables of the call that it asks for; the agent must have them."""
        given = {parameter.name for parameter in self.parameters} | CALLS_OWN
        return frozenset(slot.name for slot in self._slots() if not slot.secret) - given

    @field_validator("parameters")
    @classmethod
    def _are_told_apart(cls, parameters: tuple[ToolParameter, ...]) -> tuple[ToolParameter, ...]:
        names = [parameter.name for parameter in parameters]
        if len(set(names)) < len(names):
            raise _wrong("parameters", "two parameters have the same name")
        return parameters

    @field_validator("url")
    @classmethod
    def _goes_where_the_operator_says(cls, url: str) -> str:
        split = split_url(url)
        _slots(url)
        if any(re.search(r"[\s\x00-\x1f\\]", part) for part in parts_of(url) if isinstance(part, str)):
            raise _wrong("url", "must not hold blanks or backslashes")
        if set("{}") & set(split.scheme + split.netloc):
            raise _wrong("url", "scheme and host must be fixed: placeholders belong into the path or the query")
        if split.scheme not in {"http", "https"} or not split.hostname:
            raise _wrong("url", "must begin with http:// or https:// and a host")
        if "@" in split.netloc:
            raise _wrong("url", "must not hold a password: use a header with {secret.NAME}")
        if split.fragment:
            raise _wrong("url", "must not have a part behind #: no server would see it")
        _no_secrets(_slots(split.path), "the path of the url")
        if any(_slots(pair.partition("=")[0]) for pair in split.query.split("&")):
            raise _wrong("url", "has a placeholder for a name in the query: write name={placeholder}")
        return url

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(name):
                raise _wrong("headers", "a header's name may hold letters, digits and hyphens only")
            if name.lower() in _OURS:
                raise _wrong("headers", f"{name} is set by the program, not here")
            if re.search(r"[\x00-\x1f\x7f]", value):
                raise _wrong("headers", f"{name} must be one line")
            _slots(value)
        return headers

    @field_validator("query")
    @classmethod
    def _are_known(cls, query: dict[str, str]) -> dict[str, str]:
        for value in query.values():
            _slots(value)
        return query

    @field_validator("body")
    @classmethod
    def _is_json(cls, body: dict[str, Any]) -> dict[str, Any]:
        for text in _texts(body):
            _no_secrets(_slots(text), "the body")
        return body

    @field_validator("answer")
    @classmethod
    def _is_template(cls, answer: str) -> str:
        _no_secrets(_slots(answer, odd_names=True), "the answer")
        return answer

    @model_validator(mode="after")
    def _every_parameter_has_its_place(self) -> Self:
        if self.body and self.method not in WITH_BODY:
            raise _wrong("body", f"{self.method} has no body: use the query, or another method")
        in_path = {slot.name for slot in slots_of(split_url(self.url).path)}
        used = {slot.name for slot in self._slots()}
        for parameter in self.parameters:
            if not parameter.required and parameter.name in in_path:
                raise _wrong("parameters", f"{parameter.name} stands in the path of the url, so it must be required")
            if parameter.name not in used and (self.body or self.method not in WITH_BODY):
                raise _wrong(
                    "parameters", f"{parameter.name} is used nowhere: write {{{parameter.name}}} where it belongs"
                )
        return self

    def _slots(self) -> Iterator[Slot]:
        for text in (self.url, *self.headers.values(), *self.query.values(), *_texts(self.body)):
            yield from slots_of(text)


def split_url(url: str) -> SplitResult:
    """The parts of a URL with its placeholders. Raises PydanticCustomError when it is none."""
    try:
        split = urlsplit(url)
        _ = split.port
    except ValueError:
        raise _wrong("url", "is not a URL") from None
    return split


def _slots(template: str, odd_names: bool = False) -> tuple[Slot, ...]:
    try:
        slots = slots_of(template)
    except ConfigError as wrong:
        raise _wrong("placeholder", str(wrong)) from None
    if not odd_names:
        _plain_names(slots)
    return slots


def _plain_names(slots: tuple[Slot, ...]) -> None:
    for slot in slots:
        if "." in (slot.secret or slot.name):
            raise _wrong("placeholder", f"{{{slot.name}}} is none: only secrets have a dot, as in {{secret.NAME}}")


def _no_secrets(slots: tuple[Slot, ...], place: str) -> None:
    if any(slot.secret for slot in slots):
        raise _wrong("secret", f"a secret must not stand in {place}: put it into a header or the query")


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value but for the names of its fields. Raises PydanticCustomError for what is no JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
    elif not (value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))):
        raise _wrong("json", "must be JSON: texts, numbers, true, false, lists and tables; put a date in quotes")


def _wrong(kind: str, what: str) -> PydanticCustomError:
    return PydanticCustomError(f"tool_{kind}", "{what}", {"what": what})
