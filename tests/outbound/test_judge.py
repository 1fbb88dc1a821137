"""A call is placed only when nothing at all speaks against it, and whoever wonders why not is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people import (
    BERLIN,
    BOTH,
    EVERYWHERE,
    IDAHO,
    INFORMED,
    KATHMANDU,
    KIRIBATI,
    LONG_AGO,
    MIAMI,
    NEW_YORK,
    PARIS,
    SAMOA,
    SATELLITE,
    TOLL_FREE,
    WRITTEN,
    advert,
    called,
    reminder,
)

from client_caller.errors import LocalProtocolError
from client_caller.outbound.hours import DAYS
from client_caller.outbound.judge import Allowed, Consent, Never, Request, Standing, Verdict, Wait, judge
from client_caller.outbound.law import Law, parse_law
from client_caller.outbound.numbers import zones_of
from client_caller.outbound.places import places_of

LAW = Law()
NOON = datetime(2026, 6, 10, 16, tzinfo=UTC)  # a Wednesday, noon in New York


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def why(verdict: Verdict) -> str:
    assert isinstance(verdict, Wait | Never)
    return verdict.why


def until(verdict: Verdict) -> datetime:
    assert isinstance(verdict, Wait), verdict
    return verdict.until


def test_who_agreed_to_be_told_something_may_be_told_but_not_sold_something() -> None:
    informed = Standing(consents=(INFORMED,))
    assert judge(reminder(NEW_YORK), informed, LAW, NOON) == Allowed(INFORMED)
    assert judge(advert(NEW_YORK), informed, LAW, NOON) == Never(
        "There is no consent to marketing calls; what counts is: marketing."
    )


def test_who_agreed_in_writing_to_advertising_may_be_told_things_too() -> None:
    written = Standing(consents=(WRITTEN,))
    assert judge(advert(NEW_YORK), written, LAW, NOON) == Allowed(WRITTEN)
    assert judge(reminder(NEW_YORK), written, LAW, NOON) == Allowed(WRITTEN)


def test_consent_to_advertising_without_the_words_agreed_to_is_not_in_writing() -> None:
    spoken = Standing(consents=(replace(WRITTEN, text=" "),))
    assert "must be in writing" in why(judge(advert(NEW_YORK), spoken, LAW, NOON))
    assert isinstance(judge(reminder(NEW_YORK), spoken, LAW, NOON), Allowed)


def test_without_consent_with_one_revoked_or_with_one_to_something_else_nobody_is_called() -> None:
    assert "no consent" in why(judge(reminder(NEW_YORK), Standing(), LAW, NOON))
    revoked = replace(INFORMED, revoked_at=NOON - timedelta(days=1))
    assert "was revoked" in why(judge(reminder(NEW_YORK), Standing(consents=(revoked,)), LAW, NOON))
    recording = Consent("recording", LONG_AGO)
    assert "no consent" in why(judge(reminder(NEW_YORK), Standing(consents=(recording,)), LAW, NOON))


def test_who_asked_to_be_called_back_is_called_back_for_a_month_but_not_to_be_sold_something() -> None:
    wish = Consent("call back", NOON - timedelta(days=2))
    assert judge(reminder(NEW_YORK), Standing(consents=(wish, INFORMED)), LAW, NOON) == Allowed(wish)
    assert isinstance(judge(advert(NEW_YORK), Standing(consents=(wish,)), LAW, NOON), Never)
    old = replace(wish, given_at=NOON - timedelta(days=30))
    assert "has lapsed" in why(judge(reminder(NEW_YORK), Standing(consents=(old,)), LAW, NOON))


def test_a_wish_to_be_called_back_that_lapses_in_the_night_is_not_waited_for() -> None:
    night = at("2026-06-10T23:00:00-04:00")
    lapsing = Standing(consents=(Consent("call back", night - timedelta(days=29, hours=20)),))
    verdict = judge(reminder(NEW_YORK), lapsing, LAW, night)
    assert isinstance(verdict, Never)
    assert "lapses before that" in verdict.why


def test_a_consent_dated_later_is_waited_for() -> None:
    later = NOON + timedelta(hours=1)
    assert until(judge(reminder(NEW_YORK), Standing(consents=(replace(INFORMED, given_at=later),)), LAW, NOON)) == later


def test_who_wants_no_calls_gets_none_whatever_was_agreed_to() -> None:
    verdict = judge(reminder(NEW_YORK), replace(BOTH, forbidden_since=NOON - timedelta(days=400)), LAW, NOON)
    assert verdict == Never("The number must not be called since 2025-05-06: it is on our list.")


@pytest.mark.parametrize(
    ("number", "now", "opens"),
    [
        (NEW_YORK, "2026-03-07T21:00:00-05:00", "2026-03-08T08:00:00-04:00"),
        (BERLIN, "2026-03-28T21:00:00+01:00", "2026-03-29T08:00:00+02:00"),
        (BERLIN, "2026-10-25T07:59:00+01:00", "2026-10-25T08:00:00+01:00"),
        (KATHMANDU, "2026-06-10T21:00:00+05:45", "2026-06-11T08:00:00+05:45"),
        (SAMOA, "2026-06-10T21:00:00+13:00", "2026-06-11T08:00:00+13:00"),
        (KIRIBATI, "2026-06-10T09:30:00+14:00", "2026-06-10T10:00:00+14:00"),  # eight o'clock on Tarawa
        (IDAHO, "2026-06-10T08:30:00-06:00", "2026-06-10T08:00:00-07:00"),  # half past seven in the state's north
        (IDAHO, "2026-06-10T20:30:00-07:00", "2026-06-11T08:00:00-07:00"),  # half past nine in its south
        (TOLL_FREE, "2026-06-10T12:00:00-04:00", "2026-06-11T08:00:00+10:00"),  # Guam gets up
    ],
)
def test_a_call_waits_until_it_is_decent_everywhere_the_number_may_be(number: str, now: str, opens: str) -> None:
    verdict = judge(reminder(number), BOTH, LAW, at(now))
    assert until(verdict) == at(opens)
    assert until(verdict).tzinfo is UTC
    assert "it is" in why(verdict)


def test_the_zone_of_the_address_counts_besides_that_of_the_number() -> None:
    morning = at("2026-06-10T09:00:00-04:00")
    assert isinstance(judge(reminder(NEW_YORK), BOTH, LAW, morning), Allowed)
    moved = judge(reminder(NEW_YORK, "America/Los_Angeles"), BOTH, LAW, morning)
    assert until(moved) == at("2026-06-10T08:00:00-07:00")
    assert why(moved) == (
        "In America/Los_Angeles, one of 2 time zones it may be in, it is Wed 06:00, "
        "and calls are allowed from 08:00 to 21:00."
    )


def test_where_no_hour_is_decent_in_all_zones_nobody_is_called() -> None:
    office = parse_law('[calling_hours]\nstart = "09:00"\nend = "17:00"', "rules.toml")
    verdict = judge(reminder(NEW_YORK, "Asia/Tokyo"), BOTH, office, NOON)
    assert isinstance(verdict, Never)
    assert "no time at which" in verdict.why


def test_a_number_in_no_known_zone_needs_one_of_its_address() -> None:
    assert "no known time zone" in why(judge(reminder(SATELLITE), BOTH, LAW, NOON))
    assert isinstance(judge(reminder(SATELLITE, "America/New_York"), BOTH, LAW, NOON), Allowed)
    assert "time zone is unknown" in why(judge(reminder(NEW_YORK, "Europe/Berln"), BOTH, LAW, NOON))


def test_what_is_no_number_is_never_called() -> None:
    assert why(judge(reminder("911"), BOTH, LAW, NOON)).startswith("The number has no country")
    assert "premium-rate" in why(judge(reminder("+19005551234"), BOTH, LAW, NOON))


def test_states_and_countries_are_stricter_with_advertising() -> None:
    evening = at("2026-06-10T20:30:00-04:00")
    assert isinstance(judge(reminder(MIAMI), BOTH, LAW, evening), Allowed)
    verdict = judge(advert(MIAMI), BOTH, LAW, evening)
    assert until(verdict) == at("2026-06-11T08:00:00-04:00")
    assert "by the rules of US-FL" in why(verdict)
    assert judge(advert(NEW_YORK, region="US-FL"), BOTH, LAW, evening) == verdict
    assert isinstance(judge(advert(NEW_YORK), BOTH, LAW, evening), Allowed)


def test_nobody_in_france_is_sold_anything_over_lunch_on_saturdays_or_five_times_a_month() -> None:
    assert until(judge(advert(PARIS), BOTH, LAW, at("2026-06-12T13:30:00+02:00"))) == at("2026-06-12T14:00:00+02:00")
    assert until(judge(advert(PARIS), BOTH, LAW, at("2026-06-13T11:00:00+02:00"))) == at("2026-06-15T10:00:00+02:00")
    now = at("2026-06-12T15:00:00+02:00")
    four = called(*(timedelta(days=days) for days in (2, 10, 20, 29)), now=now)
    assert until(judge(advert(PARIS), four, LAW, now)) == at("2026-06-15T10:00:00+02:00")
    assert isinstance(judge(reminder(PARIS), four, LAW, now), Allowed)


def test_a_number_is_not_called_more_often_than_the_caps_allow() -> None:
    def hours(*ago: float) -> Verdict:
        return judge(reminder(NEW_YORK), called(*(timedelta(hours=one) for one in ago), now=NOON), LAW, NOON)

    assert isinstance(hours(0.25), Allowed)
    assert hours(0.2) == Wait(NOON + timedelta(minutes=3), "It was called less than 15 minutes ago.")
    assert isinstance(hours(1, 23), Allowed)
    three_a_day = hours(23, 1, 22)
    assert until(three_a_day) == NOON + timedelta(hours=1)
    assert why(three_a_day) == "It was called 3 times within 24 hours, as often as may be."
    assert isinstance(hours(1, 22, 24), Allowed)
    seven_a_week = hours(*(25 + 20 * day for day in range(7)))
    assert until(seven_a_week) == NOON + timedelta(days=7, hours=-145)
    assert "7 times within 7 days" in why(seven_a_week)


def test_all_reasons_are_told_each_once() -> None:
    night = at("2026-06-10T22:00:00-04:00")
    told = why(judge(advert(MIAMI), called(*[timedelta(minutes=9)] * 3, now=night), LAW, night))
    assert told.count("calls are allowed") == 1
    assert told.count("It was called") == 1


def test_an_instant_without_a_time_zone_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        judge(reminder(NEW_YORK), BOTH, LAW, datetime(2026, 6, 10, 12))


# What must never happen.

INSTANTS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))
REQUESTS = st.builds(
    Request,
    st.sampled_from(EVERYWHERE),
    st.sampled_from(["informational", "marketing"]),
    st.sampled_from(
        [None, "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati", "Nowhere/At_All"]
    ),
    st.sampled_from([None, "US-FL", "US-RI", "US-TX", "FR"]),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Request, Standing, datetime]:
    now = draw(INSTANTS)
    spans = st.timedeltas(timedelta(), timedelta(days=40))
    consents = st.builds(
        Consent,
        st.sampled_from(["informational", "marketing", "call back", "recording"]),
        spans.map(lambda span: now - span + timedelta(days=3)),
        text=st.sampled_from(["", "I agree."]),
        revoked_at=st.sampled_from([None, None, now]),
    )
    standing = Standing(
        draw(st.sampled_from([None, None, None, now])),
        tuple(draw(st.lists(consents, max_size=3))),
        tuple(now - span for span in draw(st.lists(spans, max_size=9))),
    )
    return draw(REQUESTS), standing, now


@given(cases())
def test_who_is_called_is_awake_everywhere_has_agreed_and_was_not_called_too_often(
    case: tuple[Request, Standing, datetime],
) -> None:
    request, standing, now = case
    verdict = judge(request, standing, LAW, now)
    if not isinstance(verdict, Allowed):
        assert verdict.why.endswith(".")
        return
    rules = [LAW.calling_hours] + [
        LAW.places[name].calling_hours
        for name in places_of(request.number, request.region) & LAW.places.keys()
        if request.purpose in LAW.places[name].purposes
    ]
    for name in {*zones_of(request.number), *([request.zone] if request.zone else [])}:
        wall = now.astimezone(ZoneInfo(name))
        for windows in rules:
            assert any(w.start <= wall.time() < w.end and DAYS[wall.weekday()] in w.days for w in windows), name
    assert standing.forbidden_since is None
    assert verdict.consent in standing.consents
    assert verdict.consent.revoked_at is None
    assert verdict.consent.given_at <= now
    assert request.purpose == "informational" or (verdict.consent.kind == "marketing" and verdict.consent.text)
    assert sum(placed > now - timedelta(days=1) for placed in standing.placed_at) < 3
    assert sum(placed > now - timedelta(days=7) for placed in standing.placed_at) < 7


@given(cases())
def test_what_is_waited_for_comes_and_not_before_its_time(case: tuple[Request, Standing, datetime]) -> None:
    request, standing, now = case
    verdict = judge(request, standing, LAW, now)
    if isinstance(verdict, Wait):
        assert verdict.until > now
        assert isinstance(judge(request, standing, LAW, verdict.until), Allowed)
        assert not isinstance(judge(request, standing, LAW, verdict.until - timedelta(microseconds=1)), Allowed)
        assert not isinstance(judge(request, standing, LAW, now + (verdict.until - now) / 2), Allowed)


def strictness(verdict: Verdict) -> datetime:
    """When the call may be placed: the later, the stricter."""
    match verdict:
        case Allowed():
            return datetime.min.replace(tzinfo=UTC)
        case Wait(instant, _):
            return instant
        case Never():
            return datetime.max.replace(tzinfo=UTC)


@given(cases(), st.timedeltas(timedelta(), timedelta(days=40)), st.sampled_from(["Asia/Tokyo", "Europe/London"]))
def test_nothing_that_speaks_against_a_call_ever_brings_it_nearer(
    case: tuple[Request, Standing, datetime], ago: timedelta, zone: str
) -> None:
    request, standing, now = case
    before = strictness(judge(request, standing, LAW, now))
    again = replace(standing, placed_at=(*standing.placed_at, now - ago))
    assert strictness(judge(request, again, LAW, now)) >= before
    fewer = replace(standing, consents=standing.consents[1:])
    assert strictness(judge(request, fewer, LAW, now)) >= before
    if request.zone is None:
        assert strictness(judge(replace(request, zone=zone), standing, LAW, now)) >= before
    if request.region is None:
        assert strictness(judge(replace(request, region="US-RI"), standing, LAW, now)) >= before
    forbidden = replace(standing, forbidden_since=now)
    assert isinstance(judge(request, forbidden, LAW, now), Never)
