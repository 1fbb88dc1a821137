"""Opening hours: whether somebody is there now, and when somebody will be.

In:   the hours of a week by the wall clock of one place; an instant.
Out:  yes or no, the next opening, and a sentence that tells the hours.
Rule: no clock is read here. Where the clock changes, a stretch counts by its shorter reading, as in outbound/hours.py.
"""

import re
from datetime import datetime, time
from itertools import pairwise
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, WithJsonSchema
from pydantic_core import PydanticCustomError

from client_caller.agent.tables import FROZEN
from client_caller.outbound.hours import DAYS, Window, next_open

_CLOCK: Final = r"(?:[01]\d|2[0-3]):[0-5]\d"
_STRETCH: Final = rf"{_CLOCK}\s*-\s*(?:{_CLOCK}|24:00)"
_DAY: Final = rf"closed|{_STRETCH}(?:\s*,\s*{_STRETCH})*"
_MIDNIGHT: Final = time.max
"""How 24:00 is kept; a microsecond is lost, and nobody comes then."""


def _stretches(text: str) -> tuple[tuple[time, time], ...]:
    """The stretches of one day, which are in order and apart if the text was checked."""
    clocks = re.findall(rf"{_CLOCK}|24:00", text)
    times = [_MIDNIGHT if clock == "24:00" else time.fromisoformat(clock) for clock in clocks]
    return tuple(zip(times[::2], times[1::2], strict=True))


def _in_order(text: str) -> str:
    text = text.strip()
    if not re.fullmatch(_DAY, text):
        raise PydanticCustomError("hours", 'must be "closed" or hours such as "08:00-12:00, 13:00-18:00"')
    edges = [edge for stretch in _stretches(text) for edge in stretch]
    if any(earlier >= later for earlier, later in pairwise(edges)):
        raise PydanticCustomError(
            "hours",
            'must be stretches in order that do not touch, none of which goes past midnight: a night ends at "24:00" '
            'and goes on the next day at "00:00"',
        )
    return text


def _zone(key: str) -> str:
    try:
        ZoneInfo(key)
    except (ValueError, OSError, ZoneInfoNotFoundError) as unknown:
        raise PydanticCustomError(
            "zone", 'must be a time zone of the IANA database, such as "Europe/Berlin" or "America/New_York"'
        ) from unknown
    return key


OpenTimes = Annotated[str, AfterValidator(_in_order), WithJsonSchema({"type": "string", "pattern": f"^({_DAY})$"})]
"""The hours of one day: "08:00-12:00, 13:00-18:00", or "closed"."""


class AgentHours(BaseModel):
    """When the company is open; a day that is not named is closed."""

    model_config = FROZEN
    timezone: Annotated[str, AfterValidator(_zone)]
    """The time zone of the IANA database in which the hours are meant, such as Europe/Berlin."""
    monday: OpenTimes = "closed"
    """Hours such as "08:00-12:00, 13:00-18:00", or "closed"."""
    tuesday: OpenTimes = "closed"
    """The same."""
    wednesday: OpenTimes = "closed"
    """The same."""
    thursday: OpenTimes = "closed"
    """The same."""
    friday: OpenTimes = "closed"
    """The same."""
    saturday: OpenTimes = "closed"
    """The same."""
    sunday: OpenTimes = "closed"
    """The same."""

    @property
    def week(self) -> tuple[tuple[tuple[time, time], ...], ...]:
        """The stretches of each day, Monday first; 24:00 is a microsecond earlier."""
        days = (self.monday, self.tuesday, self.wednesday, self.thursday, self.friday, self.saturday, self.sunday)
        return tuple(_stretches(day) for day in days)


def next_opening(hours: AgentHours, now: datetime) -> datetime | None:
    """The first instant from `now` on (with a time zone) at which it is open, by the clock of the place; `now` itself
    if it is open. None: it never opens."""
    windows = tuple(
        Window(days=(day,), start=start, end=end)
        for day, stretches in zip(DAYS, hours.week, strict=True)
        for start, end in stretches
    )
    zone = ZoneInfo(hours.timezone)
    opens = next_open(windows, (), (zone,), now)
    return opens and opens.astimezone(zone)


def is_open(hours: AgentHours, now: datetime) -> bool:
    """Whether it is open at this instant (with a time zone)."""
    return next_opening(hours, now) == now


_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NUMBERS: Final = (
    *("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS: Final = ("", "", "twenty", "thirty", "forty", "fifty")
_QUARTERS: Final = {0: "{hour}", 15: "quarter past {hour}", 30: "half past {hour}", 45: "quarter to {next}"}


def spoken(hours: AgentHours) -> str:
    """The hours as a sentence without digits: "Monday to Friday from eight to twelve and one to six; closed on Saturday
    and Sunday."."""
    by_hours: dict[tuple[tuple[time, time], ...], list[int]] = {}
    for day, stretches in enumerate(hours.week):
        by_hours.setdefault(stretches, []).append(day)
    closed = by_hours.pop((), [])
    told = [f"{_days(days)} {_times(stretches)}" for stretches, days in by_hours.items()]
    if closed:
        days = _days(closed)
        told.append(f"closed {days}" if " to " in days or not by_hours else f"closed on {days}")
    sentence = "; ".join(told)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _days(days: list[int]) -> str:
    if len(days) == len(_NAMES):
        return "every day"
    runs: list[list[int]] = []
    for day in days:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return _listed([part for run in runs for part in _run(run)])


def _run(days: list[int]) -> list[str]:
    names = [_NAMES[day] for day in days]
    return names if len(names) <= 2 else [f"{names[0]} to {names[-1]}"]


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _times(stretches: tuple[tuple[time, time], ...]) -> str:
    if stretches == ((time(0), _MIDNIGHT),):
        return "around the clock"
    plain = all(_is_plain(start, end) for start, end in stretches)
    return "from " + _listed([f"{_clock(start, plain)} to {_clock(end, plain)}" for start, end in stretches])


def _is_plain(start: time, end: time) -> bool:
    """Whether everybody takes the bare hours for what they are: those of an office, from a start by day on, within half
    a turn of the clock's face."""
    lasts_min = (end.hour - start.hour) * 60 + end.minute - start.minute
    return time(7) <= start < time(18) and end != _MIDNIGHT and lasts_min <= 12 * 60


def _clock(at: time, plain: bool) -> str:
    if at in {_MIDNIGHT, time(0)}:
        return "midnight"
    hour, following = _NUMBERS[(at.hour - 1) % 12 + 1], _NUMBERS[at.hour % 12 + 1]
    said = _QUARTERS.get(at.minute, f"{{hour}} {_minutes(at.minute)}").format(hour=hour, next=following)
    return said if plain else f"{said} {_part_of_day(at)}"


def _minutes(minutes: int) -> str:
    if minutes < 10:
        return f"oh {_NUMBERS[minutes]}"
    if minutes < len(_NUMBERS):
        return _NUMBERS[minutes]
    return f"{_TENS[minutes // 10]}-{_NUMBERS[minutes % 10]}".removesuffix("-")


def _part_of_day(at: time) -> str:
    if at.hour < 12:
        return "in the morning"
    return "in the afternoon" if at.hour < 18 else "in the evening" if at.hour < 22 else "at night"
