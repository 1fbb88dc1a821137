"""Hours: when it is decent to call somewhere.

In:   the windows of a week by the wall clock, the time zones that somebody may be in, an instant.
Out:  the next instant within them in all of those zones.
Rule: where the clock changes and a wall time is missing or comes twice, the shorter reading of a window counts.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_WEEK: Final = timedelta(days=7)
_HORIZON: Final = timedelta(days=400)
"""A year and a month: what has no hour in common for so long never has, whatever the summers."""


def _clock(value: object) -> time:
    if isinstance(value, time) and value.tzinfo is None:
        return value
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return time.fromisoformat(value)
    raise PydanticCustomError("clock", 'must be a time of day from "00:00" to "23:59"')


Clock = Annotated[time, BeforeValidator(_clock)]
"""A time of day by the wall clock."""


class Window(BaseModel):
    """A stretch of the day, on some days of the week: from `start`, up to but without `end`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    days: tuple[Day, ...] = Field(DAYS, min_length=1)
    start: Clock
    end: Clock

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if self.start >= self.end:
            raise PydanticCustomError("window", "must have a start before its end; a night needs two windows")
        return self

    def __str__(self) -> str:
        days = "" if set(self.days) == set(DAYS) else f" on {', '.join(self.days)}"
        return f"{self.start:%H:%M} to {self.end:%H:%M}{days}"


def _several(value: Any) -> Any:
    return [value] if isinstance(value, Mapping | Window) else value


Hours = Annotated[tuple[Window, ...], BeforeValidator(_several)]
"""Windows of which any may be open. In TOML one table, or several."""


def next_open(
    hours: tuple[Window, ...], closed: Collection[date], zones: Sequence[ZoneInfo], at: datetime
) -> datetime | None:
    """The first instant from `at` on (with a time zone) that is within the hours in every zone; `at` itself if it is.

    closed: dates on which no window opens where they are.   Returns UTC; None if there is none within a year: zones on
    opposite sides of the world may have no hour in common, or in some seasons only.
    """
    at = at.astimezone(UTC)
    latest = at + _HORIZON
    while at <= latest:
        found = _within_a_week(hours, (), zones, at)
        if found is None:
            at = _next_change(zones, at, latest)
        elif not closed or (found := _within_a_week(hours, closed, zones, at)):
            return found
        else:
            at += _WEEK
    return None


def _within_a_week(
    hours: tuple[Window, ...], closed: Collection[date], zones: Sequence[ZoneInfo], at: datetime
) -> datetime | None:
    """The same, if it comes within eight days. Each zone only ever moves the instant on to what it cannot be before."""
    latest = at + _WEEK + timedelta(days=1)
    while at <= latest:
        settled = at
        for zone in zones:
            opens = _opens(hours, closed, zone, settled)
            if opens is None:
                return None
            settled = opens
        if settled == at:
            return at
        at = settled
    return None


def _next_change(zones: Sequence[ZoneInfo], at: datetime, latest: datetime) -> datetime:
    """A week later; or, as every week is like this one until a clock changes, the last week before one does."""
    at, offsets = at + _WEEK, [at.astimezone(zone).utcoffset() for zone in zones]
    if offsets == [at.astimezone(zone).utcoffset() for zone in zones]:
        while at <= latest and offsets == [(at + _WEEK).astimezone(zone).utcoffset() for zone in zones]:
            at += _WEEK
    return at


def _opens(hours: tuple[Window, ...], closed: Collection[date], zone: ZoneInfo, at: datetime) -> datetime | None:
    """The first instant within the hours in one zone, if it comes within ten days."""
    today = at.astimezone(zone).date()
    for day in (today + timedelta(days=ahead) for ahead in range(10)):
        if day in closed:
            continue
        opens = [
            max(at, begin)
            for begin, end in (_window_on(day, window, zone) for window in hours if DAYS[day.weekday()] in window.days)
            if begin < end and at < end
        ]
        if opens:
            return min(opens)
    return None


def _window_on(day: date, window: Window, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The window on that date in UTC; empty or reversed where the clock leaps over it."""
    starts = [datetime.combine(day, window.start.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1)]
    ends = [datetime.combine(day, window.end.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1)]
    return max(starts), min(ends)
