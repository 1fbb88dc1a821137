"""Numbers: from what people write to what a carrier dials.

In:   a telephone number as somebody wrote it, and the country it was written in.
Out:  its E.164 form, or a NumberError; the time zones it may be in; a mask that may be logged.
Rule: what costs the callee money, cannot exist or answers emergencies is never dialled.
"""

import re
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType, shortnumberinfo, timezone

from client_caller.errors import ClientCallerError


class NumberError(ClientCallerError):
    """A number that cannot or must not be dialled; the message says why and what to do, without the number."""


_REFUSED: Final = {
    PhoneNumberType.PREMIUM_RATE: "a premium-rate number, and is never called",
    PhoneNumberType.SHARED_COST: "a number for which the callee pays a share, and is never called",
    PhoneNumberType.PAGER: "a pager, and is never called",
    PhoneNumberType.VOICEMAIL: "a mailbox and not a telephone; give that of the telephone",
}
"""Pagers and calls charged to the callee, which 47 CFR 64.1200(a)(1)(iii) bars to artificial voices; mailboxes."""


def parse_number(text: str, region: str | None) -> str:
    """The number in E.164 form.

    region: ISO 3166 code of the country that numbers without a plus are meant for, such as "US"; None: all need one.
    Raises NumberError for what is no number, lacks its country, has an extension, cannot exist or must not be called.
    """
    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        raise NumberError(f"{region!r} is no country: give two capital letters of ISO 3166, such as US, GB or DE")
    number = _read(text, region)
    if number.extension:
        raise NumberError("has an extension, which cannot be dialled: give a direct number")
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.UNKNOWN:
        if shortnumberinfo.is_valid_short_number(number):
            raise NumberError("is an emergency or short number, and is never called")
        raise NumberError("cannot exist: check its digits, and the country it is meant for")
    if kind in _REFUSED:
        raise NumberError(f"is {_REFUSED[kind]}")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _read(text: str, region: str | None) -> PhoneNumber:
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as wrong:
        if wrong.error_type == wrong.INVALID_COUNTRY_CODE:
            raise NumberError("has no country: write it with a plus and the country's code, such as +1…") from None
        if wrong.error_type == wrong.NOT_A_NUMBER:
            raise NumberError("is not a telephone number") from None
        raise NumberError("has too many or too few digits") from None


def zones_of(number: str) -> tuple[str, ...]:
    """The IANA time zones that an E.164 number may be in, sorted; none if that cannot be told (satellites).

    By country and area code: those of a mobile telephone that has moved, or of a ported number, are elsewhere.
    """
    zones = timezone.time_zones_for_number(phonenumbers.parse(number))
    return tuple(sorted(zone for zone in zones if zone != timezone.UNKNOWN_TIMEZONE))


def country_of(number: str) -> str | None:
    """The ISO 3166 code of the country of an E.164 number; None for numbers of no country."""
    country = phonenumbers.region_code_for_number(phonenumbers.parse(number))
    return None if country == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY else country


def mask(number: str) -> str:
    """The last four digits, for logs; nothing of a number that has no more."""
    digits = re.sub(r"\D", "", number)
    return f"…{digits[-4:]}" if len(digits) > 4 else "…"
