"""Arguments: what a language model may pass to a tool, and whether it did.

In:   parameters, as an agent file or a function declares them; later the JSON text that the model wrote.
Out:  a model of pydantic, whose schema the language model is shown; arguments in which nothing is unexpected.
Rule: whatever the caller said the model into, no value passes that is not of the declared kind. What is refused is not
      repeated in the complaint.
"""

import datetime
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError, from_json

from client_caller.errors import ToolFailed
from client_caller.tools.declared import ToolParameter
from client_caller.tools.protocol import Tool

LONGEST_TEXT: Final = 500
"""Characters of one argument: more than anybody says in a breath."""

_LONGEST_ARGUMENTS: Final = 8_192
_LARGEST: Final = 10**15
"""Beyond it, doubles no longer tell whole numbers and their halves apart."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?")
_BETWEEN_DIGITS: Final = str.maketrans("", "", " -().\u00a0\u2011\u2013/")


def _refused(what: str) -> PydanticCustomError:
    return PydanticCustomError("argument", "{what}", {"what": what})


def _text(value: object) -> str:
    """One line: a model writes line breaks where a caller paused, and nothing depends on them."""
    if not isinstance(value, str):
        raise _refused("must be a text in quotes")
    line = " ".join(value.split())
    if len(line) > LONGEST_TEXT:
        raise _refused(f"must not be longer than {LONGEST_TEXT} characters")
    if any(unicodedata.category(char) in {"Cc", "Cs", "Co"} for char in line):
        raise _refused("must not hold control characters")
    return line


def _filled_text(value: str) -> str:
    if not value:
        raise _refused("must not be empty")
    return value


def _number(value: object) -> object:
    """Small models put numbers into quotes: "4" is 4, for nothing else can be meant."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", value.strip()):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise _refused("must be a number, without quotes")
    return value


def _integer(value: object) -> int:
    number = _number(value)
    if isinstance(number, float) and number.is_integer():
        return int(number)
    if not isinstance(number, int):
        raise _refused("must be a whole number")
    return number


def _float(value: object) -> float:
    return float(_number(value))  # type: ignore[arg-type]


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise _refused("must be true or false")


def _date(value: object) -> datetime.date:
    if isinstance(value, str) and _DATE.fullmatch(value.strip()):
        try:
            return datetime.date.fromisoformat(value.strip())
        except ValueError:
            raise _refused("is no day of the calendar") from None
    raise _refused("must be a date written like 2026-11-27")


def _time(value: object) -> datetime.time:
    if not isinstance(value, str) or not _TIME.fullmatch(value.strip()):
        raise _refused("must be a time of day written like 15:30")
    return datetime.time.fromisoformat(value.strip())


def _phone(value: object) -> str:
    number = value.translate(_BETWEEN_DIGITS) if isinstance(value, str) else ""
    if not _E164.fullmatch(number):
        raise _refused("must be a telephone number with its country, written like +15550100002")
    return number


def _schema(kind: str, **more: str) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **more})


Text = Annotated[str, BeforeValidator(_text), AfterValidator(_filled_text), WithJsonSchema({"type": "string"})]
Integer = Annotated[int, BeforeValidator(_integer), _schema("integer")]
Number = Annotated[float, BeforeValidator(_float), _schema("number")]
Boolean = Annotated[bool, BeforeValidator(_boolean), _schema("boolean")]
Date = Annotated[datetime.date, BeforeValidator(_date), _schema("string", format="date")]
Time = Annotated[datetime.time, BeforeValidator(_time), _schema("string", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Phone = Annotated[str, BeforeValidator(_phone), _schema("string", pattern=r"^\+[1-9][0-9]{6,14}$")]

KINDS: Final[Mapping[str, Any]] = {
    "string": Text,
    "integer": Integer,
    "number": Number,
    "boolean": Boolean,
    "date": Date,
    "time": Time,
    "phone": Phone,
}
"""What each type of a declared parameter becomes."""


def text_like(pattern: str, complaint: str) -> Any:
    """A kind of text that matches the pattern whole; `complaint` says after the name what it must be."""
    whole = re.compile(pattern)

    def matching(value: str) -> str:
        if not whole.fullmatch(value):
            raise _refused(complaint)
        return value

    return Annotated[
        str, BeforeValidator(_text), AfterValidator(matching), _schema("string", pattern=f"^(?:{pattern})$")
    ]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument. kind: one of KINDS' values, a Literal of texts, or `text_like`;  default: when it is left out."""

    name: str
    kind: Any
    description: str
    required: bool = True
    default: Any = None


def _without_blanks(cls: type[BaseModel], given: object) -> object:
    """A model says that it does not know by null or an empty text; where it need not know, that is no argument."""
    if not isinstance(given, dict):
        return given
    optional = {field.alias for field in cls.model_fields.values() if not field.is_required()}
    return {name: value for name, value in given.items() if name not in optional or value not in (None, "")}


_BLANKS: Final[Any] = model_validator(mode="before")(classmethod(_without_blanks))  # type: ignore[arg-type]


def arguments_model(arguments: Sequence[Argument]) -> type[BaseModel]:
    """What takes these arguments and no other. Names are kept as aliases, so that any name may be used."""
    fields: dict[str, Any] = {
        f"argument_{one.name}": (
            one.kind,
            Field(... if one.required else one.default, alias=one.name, description=one.description or None),
        )
        for one in arguments
    }
    return create_model(
        "Arguments",
        __config__=ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False),
        __validators__={"blanks": _BLANKS},
        **fields,
    )


@cache
def declared_model(parameters: tuple[ToolParameter, ...]) -> type[BaseModel]:
    """What takes the arguments of a declared tool. One model an agent file, however many calls."""
    return arguments_model(
        [
            Argument(one.name, Literal[one.choices] if one.choices else KINDS[one.type], one.description, one.required)
            for one in parameters
        ]
    )


def checked(tool: Tool, arguments: str) -> Mapping[str, Any]:
    """The arguments by name, defaults included, those without a value left out.

    arguments: JSON text of an object; empty for none.
    Raises ToolFailed with a sentence that names every argument in question and what it must be.
    """
    if len(arguments) > _LONGEST_ARGUMENTS:
        raise ToolFailed(f"{tool.name} was not called: the arguments are too long.")
    try:
        given = from_json(arguments.strip() or "{}", allow_inf_nan=False)
    except ValueError:
        raise ToolFailed(f"{tool.name} was not called: its arguments are not valid JSON.") from None
    if not isinstance(given, dict):
        raise ToolFailed(f"{tool.name} was not called: its arguments must be a JSON object.")
    try:
        model = tool.parameters.model_validate(given)
    except ValidationError as wrong:
        raise ToolFailed(f"{tool.name} was not called: {_complaints(tool, wrong)}.") from None
    fields = type(model).model_fields
    values = {field.alias or name: getattr(model, name) for name, field in fields.items()}
    return {name: value for name, value in values.items() if value is not None}


def _complaints(tool: Tool, wrong: ValidationError) -> str:
    names = [field.alias or name for name, field in tool.parameters.model_fields.items()]
    found: dict[str, None] = {}
    for error in wrong.errors(include_url=False, include_input=False):
        name = str(error["loc"][0]) if error["loc"] else ""
        if error["type"] == "extra_forbidden":
            found[f"it takes no other arguments than {', '.join(names)}" if names else "it takes no arguments"] = None
        elif error["type"] == "missing":
            found[f"{name} is missing"] = None
        elif error["type"] == "literal_error":
            found[f"{name} must be one of {error['ctx']['expected']}"] = None
        else:
            found[f"{name} {error['msg'][:1].lower()}{error['msg'][1:]}"] = None
    return "; ".join(found)


def canonical(arguments: Mapping[str, Any]) -> str:
    """The arguments as JSON text, the same for the same arguments whatever their order and writing."""
    return json.dumps(arguments, sort_keys=True, default=plain, separators=(",", ":"), ensure_ascii=False)


def plain(value: object) -> str:
    """A date or a time as JSON text holds it: 2026-11-27, 15:30."""
    if isinstance(value, datetime.time):
        return value.isoformat("seconds" if value.second else "minutes")
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no argument's type")
