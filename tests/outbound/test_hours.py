"""Hours hold by the callee's wall clock, also in nights in which it is put on or back."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from client_caller.outbound.hours import DAYS, Window, next_open

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
DAYTIME = (Window(start=time(8), end=time(21)),)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def within(hours: tuple[Window, ...], zone: ZoneInfo, instant: datetime) -> bool:
    """By the wall clock alone."""
    wall = instant.astimezone(zone)
    return any(w.start <= wall.time() < w.end and DAYS[wall.weekday()] in w.days for w in hours)


@pytest.mark.parametrize(
    ("zone", "now", "opens"),
    [
        (BERLIN, "2026-01-15T07:59:59+01:00", "2026-01-15T08:00:00+01:00"),
        (BERLIN, "2026-01-15T20:59:59+01:00", "2026-01-15T20:59:59+01:00"),
        (BERLIN, "2026-01-15T21:00:00+01:00", "2026-01-16T08:00:00+01:00"),
        (BERLIN, "2026-03-28T22:00:00+01:00", "2026-03-29T08:00:00+02:00"),  # ten hours of sleep, of which nine passed
        (BERLIN, "2026-10-24T22:00:00+02:00", "2026-10-25T08:00:00+01:00"),  # and of which eleven did
        (NEW_YORK, "2026-03-07T22:00:00-05:00", "2026-03-08T08:00:00-04:00"),
        (NEW_YORK, "2026-10-31T22:00:00-04:00", "2026-11-01T08:00:00-05:00"),
        (ZoneInfo("Asia/Kathmandu"), "2026-01-15T02:14:00+00:00", "2026-01-15T02:15:00+00:00"),  # +5:45
        (ZoneInfo("Pacific/Kiritimati"), "2026-01-15T17:00:00+00:00", "2026-01-15T18:00:00+00:00"),  # the 16th there
        (ZoneInfo("Pacific/Apia"), "2011-12-30T07:30:00+00:00", "2011-12-30T18:00:00+00:00"),  # the 30th never came
    ],
)
def test_the_next_opening_is_by_the_clock_on_the_callees_wall(zone: ZoneInfo, now: str, opens: str) -> None:
    assert next_open(DAYTIME, (), [zone], at(now)) == at(opens)


def test_a_window_within_the_hour_that_is_left_out_in_spring_is_left_out() -> None:
    night = (Window(start=time(2, 10), end=time(2, 50)),)
    assert next_open(night, (), [BERLIN], at("2026-03-29T00:00:00+01:00")) == at("2026-03-30T02:10:00+02:00")


def test_a_window_that_comes_twice_in_autumn_opens_late_and_closes_early() -> None:
    begins_in_it = (Window(start=time(2, 30), end=time(5)),)
    assert next_open(begins_in_it, (), [BERLIN], at("2026-10-25T02:30:00+02:00")) == at("2026-10-25T02:30:00+01:00")
    ends_in_it = (Window(start=time(1), end=time(2, 30)),)
    assert next_open(ends_in_it, (), [BERLIN], at("2026-10-25T02:00:00+01:00")) == at("2026-10-26T01:00:00+01:00")


def test_lunch_and_the_weekend_are_waited_out() -> None:
    weekdays = DAYS[:5]
    hours = (Window(days=weekdays, start=time(10), end=time(13)), Window(days=weekdays, start=time(14), end=time(20)))
    assert next_open(hours, (), [BERLIN], at("2026-01-16T13:00:00+01:00")) == at("2026-01-16T14:00:00+01:00")
    assert next_open(hours, (), [BERLIN], at("2026-01-16T20:00:00+01:00")) == at("2026-01-19T10:00:00+01:00")


def test_nothing_opens_on_closed_dates_however_many_there_are() -> None:
    christmas = [date(2026, 12, 24) + timedelta(days=ahead) for ahead in range(30)]
    assert next_open(DAYTIME, christmas, [BERLIN], at("2026-12-24T12:00:00+01:00")) == at("2027-01-23T08:00:00+01:00")


def test_zones_that_share_an_hour_wait_for_it_and_others_for_ever() -> None:
    far_apart = [ZoneInfo("America/Los_Angeles"), ZoneInfo("Europe/Moscow")]
    office = (Window(start=time(9), end=time(20)),)
    assert next_open(office, (), far_apart, at("2026-07-01T12:00:00+00:00")) == at("2026-07-01T16:00:00+00:00")
    assert next_open((Window(start=time(9), end=time(17)),), (), far_apart, at("2026-07-01T12:00:00+00:00")) is None


def test_an_hour_that_is_shared_in_summer_only_is_waited_for_since_autumn() -> None:
    zones = [ZoneInfo("America/Los_Angeles"), ZoneInfo("Europe/Moscow")]  # Moscow keeps the same time all year
    until_half_past_seven = (Window(start=time(9), end=time(19, 30)),)
    assert next_open(until_half_past_seven, (), zones, at("2026-12-01T12:00:00+00:00")) == at(
        "2027-03-14T16:00:00+00:00"
    )


ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana"]
WINDOWS = (
    st.tuples(st.sets(st.sampled_from(DAYS), min_size=1), st.times(), st.times())
    .filter(lambda drawn: drawn[1] < drawn[2])
    .map(lambda drawn: Window(days=tuple(drawn[0]), start=drawn[1], end=drawn[2]))
)
INSTANTS = st.datetimes(datetime(2009, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))


@given(st.lists(WINDOWS, min_size=1, max_size=3).map(tuple), st.sets(st.sampled_from(ZONES), min_size=1), INSTANTS)
@example((Window(start=time(2, 10), end=time(2, 50)),), {"Europe/Berlin"}, at("2026-03-29T00:00:00+00:00"))
@example((Window(start=time(0, 15), end=time(0, 45)),), {"America/Havana"}, at("2026-11-01T03:00:00+00:00"))
def test_the_next_opening_is_open_on_every_wall_and_is_its_own_next_opening(
    hours: tuple[Window, ...], names: set[str], now: datetime
) -> None:
    zones = [ZoneInfo(name) for name in sorted(names)]
    opens = next_open(hours, (), zones, now)
    if opens is not None:
        assert opens >= now
        assert all(within(hours, zone, opens) for zone in zones)
        assert next_open(hours, (), zones, opens) == opens


@given(st.sets(st.sampled_from(ZONES), min_size=1, max_size=3), INSTANTS, st.integers(0, 48 * 4))
def test_no_open_quarter_of_an_hour_is_passed_over(names: set[str], now: datetime, quarters: int) -> None:
    zones = [ZoneInfo(name) for name in sorted(names)]
    now = now.replace(minute=0, second=0, microsecond=0)
    later = now + timedelta(minutes=15 * quarters)
    opens = next_open(DAYTIME, (), zones, now)
    assert all(within(DAYTIME, zone, later) for zone in zones) <= (opens is not None and opens <= later)


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": "21:00", "end": "08:00"},
        {"start": "08:00", "end": "08:00"},
        {"start": "8", "end": "21:00"},
        {"start": "08:00", "end": "24:00"},
        {"start": "08:00", "end": "21:00", "days": []},
        {"start": "08:00", "end": "21:00", "days": ["monday"]},
        {"start": "08:00Z", "end": "21:00"},
    ],
)
def test_a_window_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Window.model_validate(wrong)
