"""Places: countries and states whose rules are stricter than those that hold everywhere.

In:   an E.164 number, and where its owner is said to live.
Out:  the places whose rules hold for it.
Rule: in doubt all of them. What stands here is what could be sourced, not all there is; whoever calls people for a
      living asks a lawyer, and writes what he learns into the file with the rules.

A place is a country, "FR", or a state of the United States, "US-FL". Numbers move with people: the area code is a
guess, which some of these states presume to be right (Fla. Stat. 501.059, Conn. Gen. Stat. 42-288(c)).
"""

import re
from typing import Any, Final

import phonenumbers

from client_caller.outbound.numbers import country_of

_VENDOR = "a dialler vendor's list of November 2025, dropcowboy.com/state-compliance"
_NO_SUNDAY = ["mon", "tue", "wed", "thu", "fri", "sat"]
_WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]


def _stricter(start: str, end: str, source: str, days: list[str] | None = None, **caps: int) -> dict[str, Any]:
    window = {"start": start, "end": end, **({"days": days} if days else {})}
    return {"purposes": ["marketing"], "calling_hours": [window], "caps": caps, "source": source}


STRICTER: Final[dict[str, dict[str, Any]]] = {
    "FR": {
        "purposes": ["marketing"],
        "calling_hours": [
            {"days": _WEEKDAYS, "start": "10:00", "end": "13:00"},
            {"days": _WEEKDAYS, "start": "14:00", "end": "20:00"},
        ],
        "caps": {"per_month": 4},
        "source": "Code de la consommation, art. D. 223-9 (décret 2022-1313); public holidays are not known here",
    },
    "US-AL": _stricter("08:00", "20:00", f"{_VENDOR}; holidays are not known here", _NO_SUNDAY),
    "US-CT": _stricter("09:00", "20:00", f"Conn. Gen. Stat. 42-288a; hours by {_VENDOR}"),
    "US-FL": _stricter("08:00", "20:00", "Fla. Stat. 501.616(6)", per_day=3),
    "US-KY": _stricter("10:00", "21:00", f"KRS 367.46955; hours by {_VENDOR}"),
    "US-LA": _stricter("08:00", "20:00", "La. R.S. 45:811; state holidays are not known here", _NO_SUNDAY),
    "US-MA": _stricter("08:00", "20:00", "201 CMR 12.02(2)"),
    "US-MD": _stricter("08:00", "20:00", "Stop the Spam Calls Act of 2023, Md. Code, Com. Law 14-4502", per_day=3),
    "US-MI": _stricter("09:00", "21:00", _VENDOR),
    "US-MN": _stricter("09:00", "21:00", _VENDOR),
    "US-MS": _stricter("08:00", "20:00", "Miss. Code 77-3-723", _NO_SUNDAY),
    "US-NM": _stricter("09:00", "21:00", _VENDOR),
    "US-NV": _stricter("09:00", "20:00", _VENDOR),
    "US-OK": _stricter("09:00", "20:00", "15 O.S. 775C.4 (until 8 p.m.) and 755.1 (machines: from 9 a.m.)", per_day=3),
    "US-RI": _stricter("09:00", "18:00", f"R.I. Gen. Laws 5-61-3.6; hours by {_VENDOR}", _WEEKDAYS),
    "US-SD": _stricter("09:00", "21:00", "SDCL 37-30-28", _WEEKDAYS),
    "US-TX": {
        "purposes": ["marketing"],
        "calling_hours": [
            {"days": _NO_SUNDAY, "start": "09:00", "end": "21:00"},
            {"days": ["sun"], "start": "12:00", "end": "21:00"},
        ],
        "source": "Tex. Bus. & Com. Code 301.051",
    },
    "US-WA": _stricter("08:00", "20:00", "RCW 19.158.040(2)"),
}
"""Rules for advertising calls, as the model `Place` of law.py reads them, each with its source."""

_AREA_CODES: Final = {
    "US-AL": "205 251 256 334 659 938",
    "US-CT": "203 475 860 959",
    "US-FL": "239 305 321 324 352 386 407 448 561 645 656 689 727 728 754 772 786 813 850 863 904 941 954",
    "US-KY": "270 364 502 606 859",
    "US-LA": "225 318 337 504 985",
    "US-MA": "339 351 413 508 617 774 781 857 978",
    "US-MD": "227 240 301 410 443 667",
    "US-MI": "231 248 269 313 517 586 616 734 810 906 947 989",
    "US-MN": "218 320 507 612 651 763 952",
    "US-MS": "228 601 662 769",
    "US-NM": "505 575",
    "US-NV": "702 725 775",
    "US-OK": "405 539 572 580 918",
    "US-RI": "401",
    "US-SD": "605",
    "US-TX": "210 214 254 281 325 346 361 409 430 432 469 512 682 713 726 737 806 817 830 832 903 915 936 940 945 956 "
    "972 979",
    "US-WA": "206 253 360 425 509 564",
}
"""Area codes of the states above: those of the library's own 100 MB of geography (phonenumbers.geocoder)."""

_STATE_OF: Final = {code: state for state, codes in _AREA_CODES.items() for code in codes.split()}


def is_place(text: str) -> bool:
    """Whether this is how a place is written."""
    return bool(re.fullmatch(r"[A-Z]{2}|US-[A-Z]{2}", text)) and text[:2] in phonenumbers.SUPPORTED_REGIONS


def places_of(number: str, region: str | None) -> frozenset[str]:
    """The places whose rules may hold for an E.164 number.

    region: where its owner is said to live, a place such as "FR" or "US-FL"; None when nobody knows.
    """
    places = {place for place in (country_of(number), region) if place}
    if number.startswith("+1") and (state := _STATE_OF.get(number[2:5])):
        places.add(state)
    return frozenset(places | {place.split("-")[0] for place in places})
