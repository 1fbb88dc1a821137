"""The law: the rules that every call we place must keep.

In:   a TOML file, or nothing.
Out:  one frozen `Law`; or a ConfigError with every mistake, each with its field.
Rule: the rules of a place only ever make stricter what holds everywhere. A number with no source is a choice of ours.
"""

import tomllib
from collections.abc import Mapping
from datetime import date, time
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from client_caller.errors import ConfigError
from client_caller.outbound.hours import Hours, Window
from client_caller.outbound.places import STRICTER, is_place

Purpose = Literal["informational", "marketing"]
"""What a call is for. Who advertises in it, if only at its end, calls it marketing."""

ConsentKind = Literal["informational", "marketing", "call back"]
"""What somebody agreed to: to be told something, to be advertised to, or to be called back once, as they had asked."""

_FROZEN = ConfigDict(frozen=True, extra="forbid")
_Hours = Annotated[float, Field(gt=0, le=24 * 365)]


class Caps(BaseModel):
    """How often one number may be called, by whatever campaign: calls within any 24 h, 7 days, 30 days.

    min_spacing_h: hours between two calls.   Sources: three a day in Florida, Oklahoma and Maryland (places.py); seven
    a week is what debt collectors may without being presumed to harass, 12 CFR 1006.14(b)(2).
    """

    model_config = _FROZEN
    per_day: int = Field(3, ge=1)
    per_week: int = Field(7, ge=1)
    per_month: int | None = Field(None, ge=1)
    min_spacing_h: _Hours = 0.25


class PlaceCaps(BaseModel):
    """The same where a place allows less; None: as everywhere."""

    model_config = _FROZEN
    per_day: int | None = Field(None, ge=1)
    per_week: int | None = Field(None, ge=1)
    per_month: int | None = Field(None, ge=1)


class ConsentRules(BaseModel):
    """Which kinds of consent allow which calls, the best first.

    written: purposes for which the words that were agreed to must be at hand;  call_back_days: days for which the wish
    to be called back holds.   Source: prior express consent, and prior express *written* consent for telemarketing, are
    needed for a call with an artificial voice, 47 CFR 64.1200(a)(1) to (3) and (f)(9), FCC 24-17.
    """

    model_config = _FROZEN
    informational: tuple[ConsentKind, ...] = ("call back", "informational", "marketing")
    marketing: tuple[ConsentKind, ...] = ("marketing",)
    written: tuple[Purpose, ...] = ("marketing",)
    call_back_days: int = Field(30, ge=1)


class Retries(BaseModel):
    """Hours to wait after a contact's first, second, … attempt, by how the last one ended; where none is left, no more.

    An unanswered call is followed by one at another time of day. not_now: the carrier refused, with one of
    `not_now_codes`, for reasons that pass ("unreachable": it could not be asked); other refusals are final.
    Source of the code: twilio.com/docs/api/errors.
    """

    model_config = _FROZEN
    busy: tuple[_Hours, ...] = (0.25, 1.0, 4.0)
    no_answer: tuple[_Hours, ...] = (4.0, 22.0, 26.0)
    machine: tuple[_Hours, ...] = (4.0, 22.0)
    voicemail_left: tuple[_Hours, ...] = ()
    failed: tuple[_Hours, ...] = (1.0, 4.0)
    canceled: tuple[_Hours, ...] = (0.25, 1.0, 4.0)
    line_lost: tuple[_Hours, ...] = (0.25,)
    not_now: tuple[_Hours, ...] = (0.25, 1.0, 4.0)
    not_now_codes: tuple[str, ...] = ("20429", "unreachable")


def _one_or_more(windows: tuple[Window, ...]) -> tuple[Window, ...]:
    if not windows:
        raise PydanticCustomError("hours", "must have a window, or nobody could ever be called")
    return windows


class Place(BaseModel):
    """What a country or a state asks for besides.

    purposes: of which calls;  closed_on: dates on which nobody is called there;  source: the text of the law.
    """

    model_config = _FROZEN
    purposes: tuple[Purpose, ...] = ("informational", "marketing")
    calling_hours: Hours = ()
    closed_on: tuple[date, ...] = ()
    caps: PlaceCaps = PlaceCaps()
    source: str = ""


def _with_built_in(places: Any) -> Any:
    if not isinstance(places, Mapping):
        return places
    for name in places:
        if not (isinstance(name, str) and is_place(name)):
            raise PydanticCustomError("place", 'must name countries and states as "FR" and "US-FL"')
    return {**STRICTER, **places}


def _read_only(places: Mapping[str, Place]) -> Mapping[str, Place]:
    return MappingProxyType(dict(places))


class Law(BaseModel):
    """All rules of calling people.

    calling_hours: by the callee's wall clock, wherever the number may be;  closed_on: dates on which nobody is called;
    places: what is stricter where; naming one replaces what is built in for it, and leaves the others.
    Source of the hours: 47 CFR 64.1200(c)(1), which asks them of solicitations only.
    """

    model_config = _FROZEN
    calling_hours: Annotated[Hours, AfterValidator(_one_or_more)] = (Window(start=time(8), end=time(21)),)
    closed_on: tuple[date, ...] = ()
    caps: Caps = Caps()
    consent: ConsentRules = ConsentRules()
    retries: Retries = Retries()
    places: Annotated[
        Mapping[str, Place], BeforeValidator(_with_built_in), AfterValidator(_read_only), Field(validate_default=True)
    ] = {}


def parse_law(text: str, name: str) -> Law:
    """The rules of a TOML text; what it does not mention stays as built in.

    name: of its file, for the messages.   Raises ConfigError with all mistakes at once, one a line: file and field.
    """
    try:
        return Law.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as wrong:
        raise ConfigError(f"the rules in {name} are not valid TOML: {wrong}") from wrong
    except ValidationError as wrong:
        raise ConfigError("\n".join(f"{name}: {_explain(error)}" for error in wrong.errors())) from wrong


def _explain(error: ErrorDetails) -> str:
    field = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).removeprefix(".")
    if error["type"] == "extra_forbidden":
        return f"{field} is not a field of the rules"
    if error["type"] == "missing":
        return f"{field} is missing"
    return f"{field} {error['msg'].removeprefix('Input ')} (it is {error['input']!r})"
