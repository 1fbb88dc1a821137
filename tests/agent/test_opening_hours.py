"""Opening hours: open or not, open when, and told in words."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from client_caller.agent import AgentHours, is_open, next_opening, spoken

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ZONES = ("UTC", "Etc/GMT-3", "Asia/Kathmandu")
"""In which no clock ever changes."""
CHANGING = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")

Stretches = list[tuple[int, int]]
"""Of one day, in minutes."""

WEEKS = st.lists(
    st.lists(st.integers(0, 1_440), max_size=6, unique=True).map(
        lambda edges: list(zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False))
    ),
    min_size=7,
    max_size=7,
)
MOMENTS = st.integers(0, 3 * 366 * 24 * 60).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + minutes * MINUTE)
MINUTE = timedelta(minutes=1)


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def open_in(zone: str, week: list[Stretches]) -> AgentHours:
    return AgentHours.model_validate(
        {"timezone": zone}
        | {
            day: ", ".join(f"{clock(start)}-{clock(end)}" for start, end in stretches) or "closed"
            for day, stretches in zip(DAYS, week, strict=True)
        }
    )


@given(st.sampled_from(ZONES), WEEKS, MOMENTS)
def test_it_is_open_within_its_stretches_and_not_without(zone: str, week: list[Stretches], now: datetime) -> None:
    local = now.astimezone(ZoneInfo(zone))
    minutes = local.hour * 60 + local.minute
    assert is_open(open_in(zone, week), now) == any(start <= minutes < end for start, end in week[local.weekday()])


@given(st.sampled_from((*ZONES, *CHANGING)), WEEKS, MOMENTS, st.floats(0, 1, exclude_max=True))
def test_the_next_opening_is_the_first_there_is(
    zone: str, week: list[Stretches], now: datetime, fraction: float
) -> None:
    hours = open_in(zone, week)
    opens = next_opening(hours, now)
    if opens is None:
        assert not is_open(hours, now)
        return
    assert opens >= now
    assert opens.tzinfo == ZoneInfo(zone)
    assert is_open(hours, opens)
    between = now + (opens - now) * fraction
    assert is_open(hours, between) == (between >= opens)


@given(st.sampled_from(ZONES), WEEKS, MOMENTS)
def test_what_never_opens_is_what_is_closed_every_day(zone: str, week: list[Stretches], now: datetime) -> None:
    assert (next_opening(open_in(zone, week), now) is None) == (not any(week))


@given(WEEKS)
def test_hours_are_told_in_words_and_no_day_is_left_out(week: list[Stretches]) -> None:
    told = spoken(open_in("UTC", week))
    assert not re.search(r"\d", told)
    assert told.endswith(".")
    named: set[int] = set(range(7)) if "every day" in told.casefold() else set()
    for first, last in re.findall(r"(\w+day)(?: to (\w+day))?", told):
        days = [DAYS.index(day.casefold()) for day in (first, last or first)]
        named |= set(range(days[0], days[1] + 1))
    assert named == set(range(7))


OFFICE = dict.fromkeys(DAYS[:5], "08:00-12:00, 13:00-18:00")


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (OFFICE, "Monday to Friday from eight to twelve and one to six; closed on Saturday and Sunday."),
        (dict.fromkeys(DAYS, "09:30-17:15"), "Every day from half past nine to quarter past five."),
        (dict.fromkeys(DAYS, "00:00-24:00"), "Every day around the clock."),
        ({}, "Closed every day."),
        (
            dict.fromkeys(DAYS[:4:2], "08:05-20:40") | {"sunday": "18:00-24:00"},
            "Monday and Wednesday from eight oh five in the morning to eight forty in the evening; "
            "Sunday from six in the evening to midnight; closed Tuesday and Thursday to Saturday.",
        ),
        (
            dict.fromkeys(DAYS[:3], "00:00-06:45"),
            "Monday to Wednesday from midnight to quarter to seven in the morning; closed Thursday to Sunday.",
        ),
    ],
)
def test_hours_are_told_as_people_tell_them(days: dict[str, str], told: str) -> None:
    assert spoken(AgentHours.model_validate({"timezone": "UTC"} | days)) == told


def test_hours_are_those_of_the_place_whatever_the_clock_does() -> None:
    hours = AgentHours(timezone="Europe/Berlin", sunday="01:00-04:00", monday="09:00-12:00")
    assert not is_open(hours, datetime(2026, 3, 28, 23, 59, tzinfo=UTC))
    assert is_open(hours, datetime(2026, 3, 29, 1, 59, tzinfo=UTC)), "03:59, an hour earlier than the day before"
    assert not is_open(hours, datetime(2026, 3, 29, 2, 0, tzinfo=UTC))
    opens = next_opening(hours, datetime(2026, 3, 29, 2, 0, tzinfo=UTC))
    assert opens == datetime(2026, 3, 30, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    "day",
    [
        *("", "8-12", "08:00", "08:00-25:00", "24:00-24:00", "12:00-08:00", "08:00-12:00 13:00-18:00", "open"),
        *("08:00-12:00, 11:00-13:00", "13:00-18:00, 08:00-12:00", "08:00-08:00", "08:00-12:00,"),
    ],
)
def test_hours_that_nobody_could_keep_are_refused(day: str) -> None:
    with pytest.raises(ValidationError, match=r"must be"):
        AgentHours(timezone="UTC", monday=day)
