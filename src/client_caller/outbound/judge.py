"""The judge: whether a number may be called now.

In:   who is to be called what for, what is known of the number, the law, the instant.
Out:  Allowed, and by which consent; Wait, until when and why; Never, and why.
Rule: the same question is asked when a call is ordered and again just before it is dialled. In doubt the answer is no.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from client_caller.errors import LocalProtocolError
from client_caller.outbound.hours import Window, next_open
from client_caller.outbound.law import Caps, Law, Place, PlaceCaps, Purpose
from client_caller.outbound.numbers import NumberError, parse_number, zones_of
from client_caller.outbound.places import places_of


@dataclass(frozen=True, slots=True)
class Consent:
    """What somebody agreed to, and how one would prove it.

    kind: a ConsentKind, any other counts for nothing here;  given_at, revoked_at: with time zones;  source: where it
    was given;  text: the words agreed to.
    """

    kind: str
    given_at: datetime
    source: str = ""
    text: str = ""
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A call that somebody wants placed.

    number: in E.164 form;  zone: the IANA time zone of the callee's address, None if unknown;  region: the country or
    state of that address, "FR" or "US-FL", None if unknown.
    """

    number: str
    purpose: Purpose
    zone: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a number.

    forbidden_since: since when it must not be called;  placed_at: when we placed calls to it, in the last 30 days at
    least, for whatever campaign and with whatever outcome, in any order.
    """

    forbidden_since: datetime | None = None
    consents: tuple[Consent, ...] = ()
    placed_at: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Allowed:
    """It may be dialled now."""

    consent: Consent


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now. until: UTC, the first instant at which it is allowed if nothing changes;  why: for people."""

    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Never:
    """Not at all, as things stand. why: for people."""

    why: str


Verdict = Allowed | Wait | Never

_HORIZON: Final = timedelta(days=500)
"""Beyond this nothing is looked for: longer than hours and caps together can put a call off."""

NextAt = Callable[[datetime], datetime | None]
"""The first instant, from a given one on, at which something holds; None if it never does."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """One condition. about: what it is of;  next_at: when it is next met;  why: it is not met at an instant."""

    about: Literal["consent", "caps", "hours"]
    next_at: NextAt
    why: Callable[[datetime], str]


def judge(request: Request, standing: Standing, law: Law, now: datetime) -> Verdict:
    """Whether the call may be placed at `now`, which has a time zone. Never raises for what a request may hold."""
    if now.tzinfo is None:
        raise LocalProtocolError("an instant without a time zone was judged")
    if standing.forbidden_since is not None:
        return Never(f"The number must not be called since {standing.forbidden_since:%Y-%m-%d}: it is on our list.")
    try:
        parse_number(request.number, None)
        zones = _zones_of(request)
    except NumberError as wrong:
        return Never(f"The number {wrong}.")
    kinds = law.consent.marketing if request.purpose == "marketing" else law.consent.informational
    of_kind = [consent for consent in standing.consents if consent.kind in kinds]
    usable = _usable(of_kind, kinds, request.purpose in law.consent.written)
    if not usable:
        return Never(_why_no_consent(of_kind, kinds, request.purpose))
    limits = list(_limits(request, standing, law, usable, zones))
    now = now.astimezone(UTC)
    at = _first_common(limits, now)
    if at == now:
        return Allowed(next(consent for consent in usable if _holds_at(consent, law, now)))
    broken = {limit.about: limit for limit in reversed(limits) if limit.next_at(now) != now}
    reasons = " ".join(limit.why(now) for limit in broken.values())
    if at is not None:
        return Wait(at, reasons)
    lapses = all(limit.next_at(now) for limit in limits) and all(_lapses_at(consent, law) for consent in usable)
    never = (
        "The wish to be called back lapses before that." if lapses else "There is no time at which it may be called."
    )
    return Never(f"{reasons} {never}")


def _first_common(limits: Sequence[_Limit], now: datetime) -> datetime | None:
    """The first instant at which every condition is met. Each only ever moves it on to what it cannot be before."""
    at, latest = now, now + _HORIZON
    while at <= latest:
        settled = at
        for limit in limits:
            following = limit.next_at(settled)
            if following is None:
                return None
            settled = following
        if settled == at:
            return at
        at = settled
    return None


def _limits(
    request: Request, standing: Standing, law: Law, usable: Sequence[Consent], zones: Sequence[ZoneInfo]
) -> Iterator[_Limit]:
    """All conditions; of several about the same, the most telling first."""
    here = sorted(places_of(request.number, request.region) & law.places.keys())
    places = {name: law.places[name] for name in here if request.purpose in law.places[name].purposes}
    yield _consent_limit(usable, law)
    yield from _caps(standing.placed_at, law, places.values())
    for name, place in places.items():
        yield _hours_limit(place.calling_hours or law.calling_hours, place.closed_on, zones, f" by the rules of {name}")
    yield _hours_limit(law.calling_hours, law.closed_on, zones, "")


def _hours_limit(hours: tuple[Window, ...], closed: Collection[date], zones: Sequence[ZoneInfo], by: str) -> _Limit:
    def why(now: datetime) -> str:
        zone = next((zone for zone in zones if next_open(hours, closed, [zone], now) != now), zones[0])
        windows = " and ".join(str(window) for window in hours)
        where = f"{zone.key}, one of {len(zones)} time zones it may be in," if len(zones) > 1 else zone.key
        shut = f", but not on {now.astimezone(zone):%Y-%m-%d}" if now.astimezone(zone).date() in closed else ""
        return f"In {where} it is {now.astimezone(zone):%a %H:%M}, and calls are allowed from {windows}{shut}{by}."

    return _Limit("hours", partial(next_open, hours, closed, zones), why)


def _zones_of(request: Request) -> list[ZoneInfo]:
    names = {*zones_of(request.number), *([request.zone] if request.zone else [])}
    if not names:
        raise NumberError("is in no known time zone; give that of the contact's address")
    try:
        return [ZoneInfo(name) for name in sorted(names)]
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise NumberError("has a contact whose time zone is unknown; write it as in Europe/Berlin") from None


def _caps(placed_at: Sequence[datetime], law: Law, places: Iterable[Place]) -> Iterator[_Limit]:
    placed = sorted(instant.astimezone(UTC) for instant in placed_at)
    caps: list[Caps | PlaceCaps] = [law.caps, *(place.caps for place in places)]
    for days, allowed in (
        (30, [cap.per_month for cap in caps]),
        (7, [cap.per_week for cap in caps]),
        (1, [cap.per_day for cap in caps]),
    ):
        most = min((cap for cap in allowed if cap is not None), default=None)
        if most is not None and len(placed) >= most:
            span = timedelta(days=days)
            yield _not_before(
                placed[-most] + span, f"It was called {most} times within {_span(span)}, as often as may be."
            )
    if placed:
        spacing = timedelta(hours=law.caps.min_spacing_h)
        yield _not_before(placed[-1] + spacing, f"It was called less than {_span(spacing)} ago.")


def _not_before(instant: datetime, why: str) -> _Limit:
    return _Limit("caps", lambda at: max(at, instant), lambda _: why)


def _span(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"{hours / 24:g} days" if hours > 24 else f"{hours:g} hours" if hours >= 1 else f"{hours * 60:g} minutes"


def _usable(of_kind: Sequence[Consent], kinds: tuple[str, ...], written: bool) -> list[Consent]:
    """The consents that count, or will count, for such a call: the best kind first, and of it the newest."""
    counting = [one for one in of_kind if one.revoked_at is None and (one.text.strip() or not written)]
    return sorted(counting, key=lambda one: (kinds.index(one.kind), -one.given_at.timestamp()))


def _lapses_at(consent: Consent, law: Law) -> datetime | None:
    return consent.given_at + timedelta(days=law.consent.call_back_days) if consent.kind == "call back" else None


def _holds_at(consent: Consent, law: Law, at: datetime) -> bool:
    lapses_at = _lapses_at(consent, law)
    return consent.given_at <= at and (lapses_at is None or at < lapses_at)


def _consent_limit(usable: Sequence[Consent], law: Law) -> _Limit:
    def next_at(at: datetime) -> datetime | None:
        if any(_holds_at(consent, law, at) for consent in usable):
            return at
        return min((c.given_at.astimezone(UTC) for c in usable if c.given_at > at), default=None)

    def why(now: datetime) -> str:
        return "The consent is dated later." if next_at(now) else "The wish to be called back has lapsed."

    return _Limit("consent", next_at, why)


def _why_no_consent(of_kind: Sequence[Consent], kinds: tuple[str, ...], purpose: Purpose) -> str:
    if any(consent.revoked_at is None for consent in of_kind):
        return f"The words of the consent to {purpose} calls are not at hand, and it must be in writing."
    if of_kind:
        return f"The consent to {purpose} calls was revoked."
    return f"There is no consent to {purpose} calls; what counts is: {', '.join(kinds)}."
