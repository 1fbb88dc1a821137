"""English dates and times of day.

In:   how they are written, British, American or ISO.     Out: rules.
Rule: of 27/11 and 11/27 the one that can be a date is it. 03/04 can be both: American, it is in March, and British,
      in April. With points the day is first, as everywhere that points are used. A time without am or pm and from
      13:00 on is said in twelve hours, for so it is said on the telephone; 12:00 is "twelve o'clock", and 09:00,
      which only a clock of 24 hours writes, is in the morning.
"""

import re
from typing import Final

from client_caller.speaking.english_numbers import cardinal, ordinal, year
from client_caller.speaking.pronounce_rules import Near, Rule, rule, several

MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_MONTH: Final = {month[:3].lower(): month for month in MONTHS}
_WEEKDAY: Final = {day[:3].lower(): day for day in WEEKDAYS}
MONTH: Final = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEPT?|OCT|NOV|DEC)"
)
_DATE_WORDS: Final = several("on by until till from since before after due dated date expires through")
_PARTS_OF_DAY: Final = frozenset({"morning", "noon", "afternoon", "evening", "night"})
_LONG_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _day_of(month: int, day: int, year_: str = "") -> str | None:
    """ "November twenty-seventh, twenty twenty-six"; None for a day that there is not."""
    if not (1 <= month <= 12 and 1 <= day <= _LONG_MONTHS[month - 1]):
        return None
    words = f"{MONTHS[month - 1]} {ordinal(day)}"
    return f"{words}, {year(_full(year_))}" if year_ else words


def _full(text: str) -> int:
    """The year that two or four digits mean: 69 and before is in this century."""
    number = int(text)
    return number if len(text) > 2 else number + (2000 if number < 70 else 1900)


def _is_year(text: str) -> bool:
    return len(text) == 4 and 1100 <= int(text) < 2100


@rule(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
def _iso(found: re.Match[str], _: Near) -> str | None:
    day = _day_of(int(found[2]), int(found[3]), found[1])
    if day is None or found[4] is None:
        return day
    at = _clock(int(found[4]), int(found[5]), padded=True)
    return at and f"{day}, at {at}"


def numeric(*, month_first: bool) -> tuple[Rule, ...]:
    """Dates in digits. month_first: which it is where both can be."""

    def ordered(first: int, second: int, sign: str, year_: str = "") -> str | None:
        orders = (
            ((first, second), (second, first)) if month_first and sign != "." else ((second, first), (first, second))
        )
        return next((said for month, day in orders if (said := _day_of(month, day, year_))), None)

    @rule(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d\d)")
    def with_year(found: re.Match[str], _: Near) -> str | None:
        if found[2] == "." and len(found[4]) == 2:
            return None  # a version
        return ordered(int(found[1]), int(found[3]), found[2], found[4])

    @rule(r"(\d{1,2})/(\d{1,2})")
    def without_year(found: re.Match[str], near: Near) -> str | None:
        first, second = int(found[1]), int(found[2])
        told = (
            near.previous.lower() in _DATE_WORDS or near.previous in WEEKDAYS or near.previous[:3].lower() in _WEEKDAY
        )
        if not told and (max(first, second) <= 12 or second in {16, 20}):
            return None  # a fraction
        return ordered(first, second, "/")

    return with_year, without_year


@rule(rf"(the )?(\d{{1,2}})(?:st|nd|rd|th)?( of)? ({MONTH})(?:\.(?= ))?(?:(,?) ?(\d{{4}}))?")
def _day_month(found: re.Match[str], near: Near) -> str | None:
    month = _MONTH[found[4][:3].lower()]
    if not 1 <= int(found[2]) <= 31 or (found[6] and not _is_year(found[6])):
        return None
    the = "the|" if found[1] else "" if near.previous.lower() == "the" else "the "
    of = f"|of|{month}" if found[3] else f"|of {month}"
    return f"{the}{ordinal(int(found[2]))}{of}" + (f",|{year(int(found[6]))}" if found[6] else "")


@rule(rf"({MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?(?: to (\d{{1,2}})(?:st|nd|rd|th)?)?(?:,? (\d{{4}}))?")
def _month_day(found: re.Match[str], _: Near) -> str | None:
    days = [int(day) for day in (found[2], found[3]) if day]
    if not all(1 <= day <= 31 for day in days) or (found[4] and not _is_year(found[4])):
        return None
    said = f"{_MONTH[found[1][:3].lower()]}|" + "|to|".join(ordinal(day) for day in days)
    return said + (f",|{year(int(found[4]))}" if found[4] else "")


@rule(rf"({MONTH})\.?(,?) (\d{{4}})")
def _month_year(found: re.Match[str], _: Near) -> str | None:
    return f"{_MONTH[found[1][:3].lower()]}{found[2]}|{year(int(found[3]))}" if _is_year(found[3]) else None


@rule(r"(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)(\.?)")
def _month(found: re.Match[str], near: Near) -> str | None:
    if found[1] in {"Jan", "Mar"} and not found[2] and not {"to", "→"} & {near.previous, near.next}:
        return None  # a name, a word
    return _MONTH[found[1][:3].lower()] + ("." if found[2] and near.ends_sentence else "")


@rule(r"(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)(\.?)")
def _weekday(found: re.Match[str], near: Near) -> str | None:
    if found[1] in {"Sat", "Sun"}:
        beside = {near.previous, near.next} & {"to", "and", "or", "on", "On", "&", "/", "→"}
        if not beside and not re.match(r"\d|&", near.next) and near.next not in _PARTS_OF_DAY:
            return None  # somebody sat in the sun
    return _WEEKDAY[found[1][:3].lower()] + ("." if found[2] and near.ends_sentence else "")


def _clock(hour: int, minute: int, *, padded: bool) -> str | None:
    """A time of the clock of 24 hours. padded: it is written with a leading zero, or in a way that 12 hours are not."""
    if hour > 24 or minute > 59 or (hour == 24 and minute):
        return None
    if minute == 0 and hour in {0, 24}:
        return "midnight"
    half = "PM" if hour > 12 else "AM" if padded and hour < 12 else ""
    words = _hour(hour, minute)
    return f"{words} {half}" if half else words if minute else f"{words} o'clock"


def _hour(hour: int, minute: int) -> str:
    words = cardinal(hour % 12 or 12)
    return words if not minute else f"{words} {'oh ' if minute < 10 else ''}{cardinal(minute)}"


@rule(r"(\d{1,2})(?:[:.](\d\d))?( ?)(?:([AaPp])\.?[Mm](\.?))(?![A-Za-z])")
def _twelve(found: re.Match[str], near: Near) -> str | None:
    hour, minute, after_noon = int(found[1]), int(found[2] or 0), found[4] in "Pp"
    if hour > 23 or minute > 59:
        return None
    divide = "|" if found[3] else " "
    stop = "." if found[5] and near.ends_sentence else ""
    if hour in {0, 12} and minute == 0:
        return f"twelve{divide}{'noon' if after_noon and hour else 'midnight'}{stop}"
    return f"{_hour(hour, minute)}{divide}{'PM' if after_noon or hour > 12 else 'AM'}{stop}"


@rule(r"(\d{1,2}):(\d\d)(?::(\d\d))?( (?:hrs?|hours|o['’]clock)\b\.?|h)?")
def _twenty_four(found: re.Match[str], _: Near) -> str | None:
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    words = _clock(hour, minute, padded=len(found[1]) == 2 and hour < 10)
    if words is None or second > 59:
        return None
    words += f" and {cardinal(second)} second{'s' * (second != 1)}" if second else ""
    last = words.split()[-1]
    return words.removesuffix(f" {last}") + f"|{last}" if found[4] and found[4] != "h" else words


@rule(r"(\d{1,2})h(\d\d)")
def _continental(found: re.Match[str], _: Near) -> str | None:
    return _clock(int(found[1]), int(found[2]), padded=False)


TIMES: Final[tuple[Rule, ...]] = (_twelve, _twenty_four, _continental)
WORDED_DATES: Final[tuple[Rule, ...]] = (_iso, _day_month, _month_day, _month_year, _month, _weekday)
TRIGGERS: Final = several(
    "jan feb mar apr may jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun the"
) | {month.lower() for month in MONTHS}
"""Words in small letters at which a rule of this file may begin."""
