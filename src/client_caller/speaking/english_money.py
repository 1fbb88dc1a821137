"""English money, measures and all that stands with a number.

In:   amounts with their signs, British, American or continental.     Out: rules.
Rule: the unit is said where it is said, not where it is written: "$1.5 million" ends in "dollars". Money has no three
      decimals, so "€1.234" is more than a thousand euros.
"""

import re
from typing import Final

from client_caller.speaking.english_numbers import NUMBER, cardinal, digits, fraction, is_one, quantity, whole, written
from client_caller.speaking.pronounce_rules import Near, Rule, rule

_DOLLAR: Final = ("dollar", "dollars", "cent", "cents")
_CURRENCIES: Final = {
    **{
        "$": _DOLLAR,
        "US$": ("U S dollar", "U S dollars", "cent", "cents"),
        "USD": ("U S dollar", "U S dollars", "cent", "cents"),
    },
    **{"€": ("euro", "euros", "cent", "cents"), "EUR": ("euro", "euros", "cent", "cents")},
    **{"£": ("pound", "pounds", "penny", "pence"), "GBP": ("pound", "pounds", "penny", "pence")},
    **{sign: ("Canadian dollar", "Canadian dollars", "cent", "cents") for sign in ("C$", "CA$", "CAD")},
    **{sign: ("Australian dollar", "Australian dollars", "cent", "cents") for sign in ("A$", "AU$", "AUD")},
    **{sign: ("New Zealand dollar", "New Zealand dollars", "cent", "cents") for sign in ("NZ$", "NZD")},
    **{"CHF": ("Swiss franc", "Swiss francs", "centime", "centimes"), "¥": ("yen", "yen", "sen", "sen")},
    **{"JPY": ("yen", "yen", "sen", "sen"), "₹": ("rupee", "rupees", "paisa", "paise")},
    **{"INR": ("rupee", "rupees", "paisa", "paise"), "SEK": ("Swedish krona", "Swedish kronor", "öre", "öre")},
    **{
        "NOK": ("Norwegian krone", "Norwegian kroner", "øre", "øre"),
        "DKK": ("Danish krone", "Danish kroner", "øre", "øre"),
    },
    **{"PLN": ("zloty", "zlotys", "grosz", "groszy"), "₽": ("ruble", "rubles", "kopeck", "kopecks")},
}
"""One, several, and a hundredth of it, one and several."""

_SIGN: Final = r"(?:US|CA|C|AU|A|NZ)?\$|[€£¥₹₽]"
_CODE: Final = r"EUR|USD|GBP|CHF|CAD|AUD|NZD|JPY|INR|SEK|NOK|DKK|PLN"
_SCALE: Final = r"(?: (?:thousand|million|billion|trillion)\b|k|K|mn|m|M|bn|b|B|tn)"
_SCALES: Final = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "tn": "trillion"}
STARTS_MONEY: Final = rf"(?:{_SIGN})"


def _amount(number: str, currency: str, scale: str, near: Near) -> str | None:
    """The words of a sum of money; those behind the last "|" are of another written word than those before."""
    parts = written(number, money=True)
    if parts is None:
        return None
    one, many, small_one, small_many = _CURRENCIES[currency]
    large, small = parts
    if scale:
        scaled = quantity(number)
        word = _SCALES.get(scale.strip().lower(), scale.strip())
        return f"{scaled}{'|' if scale.startswith(' ') else ' '}{word} {one if near.adjective else many}"
    if len(small) > 2:
        return f"{whole(large)} point {digits(small)} {many}"
    cents = int(small.ljust(2, "0")) if small else 0
    coins = f"{cardinal(cents)} {small_one if cents == 1 or near.adjective else small_many}"
    if not int(large) and cents:
        return coins
    notes = f"{whole(large, divided=True)} {one if is_one(large) or near.adjective else many}"
    return f"{notes} and {coins}" if cents else notes


def _signed(sign: str | None, words: str | None) -> str | None:
    return words and {"-": "minus ", "+": "plus "}.get(sign or "", "") + words


@rule(rf"([-+]?)({_SIGN}) ?([-+]?)({NUMBER})({_SCALE}?)(?:,-|\.-)?")
def _before(found: re.Match[str], near: Near) -> str | None:
    return _signed(found[1] or found[3], _amount(found[4], found[2], found[5], near))


@rule(rf"([-+]?)({NUMBER})({_SCALE}?) ?({_SIGN}|{_CODE})")
def _behind(found: re.Match[str], near: Near) -> str | None:
    words = _signed(found[1], _amount(found[2], found[4], found[3], near))
    return _divided(words, found[0].count(" ") + 1)


@rule(rf"({_CODE}) ?([-+]?)({NUMBER})({_SCALE}?)")
def _code(found: re.Match[str], near: Near) -> str | None:
    return _divided(_signed(found[2], _amount(found[3], found[1], found[4], near)), found[0].count(" ") + 1)


@rule(rf"({NUMBER}) ?(¢|p)")
def _coins(found: re.Match[str], near: Near) -> str | None:
    words = quantity(found[1])
    coin = {"¢": ("cent", "cents"), "p": ("penny", "pence")}[found[2]]
    return words and f"{words} {coin[0] if is_one(found[1]) or near.adjective else coin[1]}"


def _divided(words: str | None, written_words: int) -> str | None:
    """Where two are written, the last word said is that of the second."""
    if words is None or written_words != 2 or "|" in words:
        return words and (words if words.count("|") == written_words - 1 else words.replace("|", " "))
    *first, last = words.split()
    return f"{' '.join(first)}|{last}" if first else words


_UNITS: Final = {
    **{"km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "mi": "mile", "yd": "yard"},
    **{"kg": "kilogram", "g": "gram", "mg": "milligram", "μg": "microgram", "mcg": "microgram", "lb": "pound"},
    **{"lbs": "pound", "oz": "ounce", "l": "liter", "L": "liter", "ml": "milliliter", "mL": "milliliter"},
    **{"cl": "centiliter", "dl": "deciliter", "gal": "gallon", "kB": "kilobyte", "KB": "kilobyte", "MB": "megabyte"},
    **{"GB": "gigabyte", "TB": "terabyte", "kbit": "kilobit", "Mbit": "megabit", "Gbit": "gigabit", "Mb": "megabit"},
    **{"W": "watt", "kW": "kilowatt", "MW": "megawatt", "kWh": "kilowatt hour", "MWh": "megawatt hour"},
    **{"Wh": "watt hour", "V": "volt", "mV": "millivolt", "mA": "milliamp", "mAh": "milliamp hour", "Ah": "amp hour"},
    **{"J": "joule", "kJ": "kilojoule", "kcal": "kilocalorie", "cal": "calorie", "Pa": "pascal", "bar": "bar"},
    **{"h": "hour", "hr": "hour", "hrs": "hour", "min": "minute", "mins": "minute", "s": "second", "sec": "second"},
    **{"secs": "second", "ms": "millisecond", "wk": "week", "wks": "week", "yr": "year", "yrs": "year", "mos": "month"},
    **{
        "tsp": "teaspoon",
        "tbsp": "tablespoon",
        "px": "pixel",
        "dB": "decibel",
        "Ω": "ohm",
        "pcs": "piece",
        "ha": "hectare",
        "in.": "inch",
        "ft.": "foot",
    },
    **{
        "min.": "minute",
        "hrs.": "hour",
        "hr.": "hour",
        "lbs.": "pound",
        "oz.": "ounce",
        "sec.": "second",
        "ft": "foot",
    },
    **{"m^2": "square meter", "m2": "square meter", "sqm": "square meter", "km^2": "square kilometer"},
    **{"cm^2": "square centimeter", "ft^2": "square foot", "sq ft": "square foot", "sq. ft.": "square foot"},
    **{"m^3": "cubic meter", "m3": "cubic meter", "cm^3": "cubic centimeter", "°": "degree", "pt": "point"},
}
_AS_THEY_ARE: Final = {
    **{"°C": "degrees Celsius", "°F": "degrees Fahrenheit", "° C": "degrees Celsius", "° F": "degrees Fahrenheit"},
    **{
        "Hz": "hertz",
        "kHz": "kilohertz",
        "MHz": "megahertz",
        "GHz": "gigahertz",
        "%": "percent",
        "mph": "miles per hour",
    },
    **{"km/h": "kilometers per hour", "kph": "kilometers per hour", "kmh": "kilometers per hour"},
    **{"m/s": "meters per second", "Mbps": "megabits per second", "Mbit/s": "megabits per second"},
    **{"Gbps": "gigabits per second", "Gbit/s": "gigabits per second", "kbps": "kilobits per second"},
    **{"kbit/s": "kilobits per second", "MB/s": "megabytes per second", "Mb/s": "megabits per second"},
    **{"rpm": "R P M", "bpm": "beats per minute", "psi": "P S I", "dpi": "D P I", "fps": "frames per second"},
}
UNITS: Final = frozenset(_UNITS) | frozenset(_AS_THEY_ARE)
_UNIT: Final = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_PLURALS: Final = {"foot": "feet", "inch": "inches", "hertz": "hertz", "square foot": "square feet", "bar": "bar"}


def _of_unit(unit: str, *, one: bool) -> str:
    if unit in _AS_THEY_ARE:
        words = _AS_THEY_ARE[unit]
        return words.replace("degrees", "degree").replace("miles", "mile").replace("meters", "meter") if one else words
    name = _UNITS[unit]
    return name if one else _PLURALS.get(name, f"{name}s")


@rule(rf"([-+]?)({NUMBER})( ?)({_UNIT})(?!\w)")
def _measure(found: re.Match[str], near: Near) -> str | None:
    words = quantity(found[2])
    if found[4] == "s" and not found[3] and found[2].isdigit() and len(found[2]) in {2, 4} and found[2][-1] == "0":
        return None  # the nineties
    stop = "." if found[4].endswith(".") and near.ends_sentence else ""
    unit = _of_unit(found[4], one=is_one(found[2]) or near.adjective) + stop
    return _signed(found[1], words and f"{words}{'|' if found[3] else ' '}{'|'.join(_as_written(unit, found[4]))}")


def _as_written(said: str, unit: str) -> list[str]:
    """The words of a unit, divided if it was written in two."""
    return said.split(maxsplit=1) if " " in unit and " " in said else [said]


@rule(rf"(?:(\d{{1,3}})[ +-])?(\d{{1,3}})/(\d{{1,3}})(?: ?({_UNIT})(?!\w))?")
def _fraction(found: re.Match[str], near: Near) -> str | None:
    unit = found[4] or ""
    name = _UNITS.get(unit, "")
    if (unit and not name) or near.previous.lower() == "page":
        return None
    over, under, divide = int(found[2]), int(found[3]), "|" if f"/{found[3]} " in found[0] else " "
    part = fraction(over, under, "" if found[1] else name)
    if part is None:
        return f"{cardinal(over)} out of {cardinal(under)}" if over <= under and not unit and not found[1] else None
    if not found[1]:
        head, _, last = part.rpartition(" ")
        return f"{head}{divide}{last}" if unit else part
    part = "a half" if part == "one half" else part.replace("one ", "a ")
    between = "|" if " " in found[0].split("/")[0] else " "
    return f"{whole(found[1])}{between}and {part}" + (f"{divide}{_of_unit(unit, one=False)}" if unit else "")


@rule(rf"({NUMBER})( ?)[x×]\2({NUMBER})(?:( ?)({_UNIT})(?!\w))?")
def _by(found: re.Match[str], _: Near) -> str | None:
    one, other, divide = quantity(found[1]), quantity(found[3]), "|" if found[2] else " "
    unit = f"{'|' if found[4] else ' '}{_of_unit(found[5], one=False)}" if found[5] else ""
    return one and other and f"{one}{divide}by{divide}{other}{unit}"


@rule(r"(\d{1,2})(?:'|’|′)(?: ?(\d{1,2})(?:\"|”|″|′′|'')?)?")
def _feet(found: re.Match[str], near: Near) -> str | None:
    if found[2] is None and ("'" in near.before or "‘" in near.before):
        return None  # a quotation ends
    return f"{cardinal(int(found[1]))} foot" + (f" {cardinal(int(found[2]))}" if found[2] else "")


@rule(rf"({NUMBER})(?:\"|″|′′|'')")
def _inches(found: re.Match[str], near: Near) -> str | None:
    if any(quote in near.before for quote in '"“'):
        return None
    words = quantity(found[1])
    return words and f"{words} {'inch' if is_one(found[1]) or near.next.islower() else 'inches'}"


RULES: Final[tuple[Rule, ...]] = (_before, _behind, _code, _coins, _feet, _inches, _fraction, _by, _measure)
