"""English abbreviations, acronyms and addresses: letters that stand for words.

In:   how they are written.     Out: rules.
Rule: a full stop that belongs to an abbreviation ends the sentence, too, where the text ends or a word follows that
      usually begins one.
"""

import re
from typing import Final

from client_caller.speaking.english_numbers import cardinal, digits, ordinal, roman, year
from client_caller.speaking.english_spelling import ACRONYMS, capitals, is_shouted, spelled
from client_caller.speaking.pronounce_rules import Near, Rule, rule, several

_TITLES: Final = {
    **{"mr": "Mister", "mrs": "Missus", "ms": "Miz", "prof": "Professor", "rev": "Reverend", "capt": "Captain"},
    **{
        "lt": "Lieutenant",
        "sgt": "Sergeant",
        "gen": "General",
        "sen": "Senator",
        "gov": "Governor",
        "hon": "Honorable",
    },
}
_WITH_POINT: Final = {
    **{
        "e.g": "for example",
        "i.e": "that is",
        "a.k.a": "also known as",
        "etc": "et cetera",
        "vs": "versus",
        "ca": "about",
    },
    **{
        "approx": "approximately",
        "est": "estimated",
        "min": "minimum",
        "max": "maximum",
        "tel": "telephone",
        "dept": "department",
    },
    **{
        "appt": "appointment",
        "inc": "Incorporated",
        "ltd": "Limited",
        "co": "Company",
        "corp": "Corporation",
        "vol": "volume",
    },
    **{
        "fig": "figure",
        "incl": "including",
        "excl": "excluding",
        "bldg": "building",
        "apt": "apartment",
        "ste": "suite",
    },
    **{
        "rm": "room",
        "govt": "government",
        "misc": "miscellaneous",
        "temp": "temperature",
        "jr": "Junior",
        "sr": "Senior",
    },
    **{"asst": "assistant", "mgr": "manager", "ref": "reference", "qty": "quantity", "ave": "Avenue"},
    **{
        "rd": "Road",
        "blvd": "Boulevard",
        "hwy": "Highway",
        "pkwy": "Parkway",
        "ln": "Lane",
        "sq": "Square",
        "fwy": "Freeway",
    },
    **{"esp": "especially", "cont": "continued", "dob": "date of birth", "ext": "extension", "assoc": "associates"},
    **{"hr": "hour", "hrs": "hours", "mins": "minutes", "yr": "year", "yrs": "years", "wk": "week", "wks": "weeks"},
    **{"no": "number", "nos": "numbers", "tel.no": "telephone number", "p.s": "P S", "mt": "Mount", "ft": "Fort"},
}
_BARE: Final = several(
    "mr mrs ms prof etc vs approx dept appt ltd inc corp incl excl apt ave blvd hwy pkwy bldg govt jr sr qty"
)
"""Those that are known without their point."""

ABBREVIATIONS: Final = frozenset(_WITH_POINT) | _BARE
_ONLY_BEFORE: Final = {
    **{word: re.compile(r"\d|$") for word in ("no", "nos", "fig", "vol", "min", "max", "est")},
    **{word: re.compile(r"[A-Z][a-z]") for word in ("mt", "ft", "gen", "sen", "hon", "gov")},
}
"""What must follow; else the letters are a word ("no.") or something else."""

_ONLY_CAPITAL: Final = several("rd ln sq co ste rm mt ft gen sen hon gov lt rev")
_SLASHED: Final = {
    **{"w/": "with", "w/o": "without", "c/o": "care of", "b/c": "because", "n/a": "not available", "a/c": "A C"},
    **{"and/or": "and or", "24/7": "twenty-four seven", "50/50": "fifty fifty", "i/o": "I O", "9/11": "nine eleven"},
    **{"s/he": "she or he", "24/7/365": "twenty-four seven"},
}
SLASHED: Final = frozenset(_SLASHED)
_STREETS: Final = (
    r"St|Ave|Rd|Blvd|Ln|Dr|Ct|Pl|Sq|Hwy|Pkwy|Way|Street|Avenue|Road|Boulevard|Lane|Drive|Court|Place|Square"
)
_STATES: Final = dict(
    pair.split(":")
    for pair in several(
        "AL:Alabama AK:Alaska AZ:Arizona AR:Arkansas CA:California CO:Colorado CT:Connecticut DE:Delaware FL:Florida "
        "GA:Georgia HI:Hawaii ID:Idaho IL:Illinois IN:Indiana IA:Iowa KS:Kansas KY:Kentucky LA:Louisiana ME:Maine "
        "MD:Maryland MA:Massachusetts MI:Michigan MN:Minnesota MS:Mississippi MO:Missouri MT:Montana NE:Nebraska "
        "NV:Nevada NH:New_Hampshire NJ:New_Jersey NM:New_Mexico NY:New_York NC:North_Carolina ND:North_Dakota OH:Ohio "
        "OK:Oklahoma OR:Oregon PA:Pennsylvania RI:Rhode_Island SC:South_Carolina SD:South_Dakota TN:Tennessee TX:Texas "
        "UT:Utah VT:Vermont VA:Virginia WA:Washington WV:West_Virginia WI:Wisconsin WY:Wyoming DC:D_C"
    )
)
_KINGS: Final = several(
    "Henry Elizabeth Louis Charles George Edward William Richard James Philip Benedict Francis Pius"
)
_BEHIND_NUMERAL: Final = frozenset({"", "is", "was", "of", "and", "to"})  # else a single I, V or X is a letter
_PARTS: Final = several(
    "Part Chapter Act Phase Type Level Stage Class Volume Book War Title Tier Schedule Section Article Version Mark "
    "Grade"
)


@rule(r"\w{1,7}/[\w/]{0,6}")
def _slashed(found: re.Match[str], _: Near) -> str | None:
    return _SLASHED.get(found[0].lower())


@rule(r"(St|Dr)(\.?)")
def _saint_or_street(found: re.Match[str], near: Near) -> str | None:
    name, kind = {"St": ("Saint", "Street"), "Dr": ("Doctor", "Drive")}[found[1]]
    in_address = re.search(r"\d[A-Za-z]{0,2} (?:[A-Z][\w.]* ){0,3}$", near.before) is not None
    named = near.previous[:1].isupper() or re.fullmatch(r"\d+(?:st|nd|rd|th)", near.previous) is not None
    if re.match(r" [A-Z][a-z]", near.after) and not (in_address and named):
        return name
    street = named and (found[1] == "St" or in_address or bool(near.after) is False or near.after[:1] == ",")
    said = kind if street else name
    return said + ("." if found[2] and near.ends_sentence else "")


@rule(rf"(\d{{4}})(?= (?:[NSEW]\.? )?[A-Z][a-z]+(?: [A-Z][a-z]+)? (?:{_STREETS})\b)\b")
def _house(found: re.Match[str], _: Near) -> str | None:
    return year(int(found[1])) if int(found[1]) >= 1000 else digits(found[1])


@rule(r"([NSEW])\.?(?= [A-Z][a-z])")
def _side(found: re.Match[str], near: Near) -> str | None:
    side = {"N": "North", "S": "South", "E": "East", "W": "West"}[found[1]]
    return side if near.previous[:-1].isdigit() or near.previous.isdigit() else None


@rule(r"([A-Z]{2}) (\d{5})(?:-(\d{4}))?")
def _state(found: re.Match[str], near: Near) -> str | None:
    if not near.before.rstrip().endswith(",") or found[1] not in _STATES:
        return None
    more = f", {digits(found[3])}" if found[3] else ""
    return f"{_STATES[found[1]].replace('_', ' ')}|{digits(found[2])}{more}"


@rule(r"([A-Za-z]+(?:\.[A-Za-z]+)*)(\.?)")
def _abbreviation(found: re.Match[str], near: Near) -> str | None:
    short, pointed = found[1].lower(), bool(found[2])
    if not pointed and short not in _BARE and short not in {"e.g", "i.e", "a.k.a"}:
        return None
    if short in _TITLES:
        return _TITLES[short] if found[1][0].isupper() and (pointed or short in _BARE) else None
    if short not in _WITH_POINT or (short in _ONLY_CAPITAL | {"ave"} and not found[1][0].isupper()):
        return None
    if (only := _ONLY_BEFORE.get(short)) and not (near.next and only.match(near.next)):
        return None
    return _WITH_POINT[short] + ("." if pointed and near.ends_sentence else "")


@rule(r"((?:[A-Za-z]\.){2,8})([A-Za-z]?)(['’]?s)?")
def _pointed(found: re.Match[str], near: Near) -> str | None:
    letters = (found[1] + found[2]).replace(".", "")
    said = capitals(letters) if letters in {"AM", "PM"} else spelled(letters.upper())
    stop = "." if near.ends_sentence and not found[2] and not found[3] else ""
    return said + ("'s" if found[3] else "") + stop


@rule(r"(I{2,3}|IV|VI{1,3}|IX|XI{1,3}|XIV|XV|I|V|X)(['’]s)?(?![\w-])")
def _roman(found: re.Match[str], near: Near) -> str | None:
    before, value = near.previous, roman(found[1])
    if before in _KINGS and (len(found[1]) > 1 or near.next in _BEHIND_NUMERAL):
        return f"the {ordinal(value)}{found[2] or ''}"
    if before in _PARTS and (len(found[1]) > 1 or near.next in _BEHIND_NUMERAL):
        return cardinal(value)
    return cardinal(value) if len(found[1]) > 1 and re.fullmatch(r"[A-Z][a-z]+", before) else None


@rule(r"([A-Z]{1,5})&([A-Z]{1,5})(['’]s)?")
def _and(found: re.Match[str], _: Near) -> str | None:
    return f"{spelled(found[1])} and {spelled(found[2])}{found[3] or ''}"


@rule(r"([A-Z]{2,})(['’]?s)?")
def _capitals(found: re.Match[str], near: Near) -> str | None:
    shouted = any(len(word) > 2 and is_shouted(word) for word in (near.previous, near.next))
    said = found[1].lower() if found[1] in {"US", "IT", "WHO"} and shouted else capitals(found[1])
    if not found[2]:
        return said
    plural = "s" if found[2] == "s" and len(said.split()[-1]) > 1 and said[-1].islower() else "'s"
    return said + plural


@rule(r"([a-z])([A-Z]{2,4})(['’]?s)?")
def _small_first(found: re.Match[str], _: Near) -> str | None:
    """eSIM, iOS."""
    return f"{spelled(found[1].upper())} {ACRONYMS.get(found[2]) or spelled(found[2])}" + ("'s" if found[3] else "")


@rule(r"(pp?)\.( ?)(?=\d)(\d+)")
def _page(found: re.Match[str], _: Near) -> str | None:
    return f"{'pages' if found[1] == 'pp' else 'page'}{'|' if found[2] else ' '}{cardinal(int(found[3]))}"


@rule(r"A[-–]Z")
def _alphabet(_: re.Match[str], __: Near) -> str | None:
    return "A to Z"


@rule(r"([#*])")
def _key(found: re.Match[str], near: Near) -> str | None:
    """A key of the telephone."""
    told = near.previous.lower() in {"press", "pressing", "or", "then", "hit", "the"}
    return {"#": "pound", "*": "star"}[found[1]] if told else None


@rule(r"Ph\.?D\.?")
def _doctorate(_: re.Match[str], __: Near) -> str | None:
    return "P H D"


ADDRESSES: Final[tuple[Rule, ...]] = (_house, _state, _side, _saint_or_street)
SHORT: Final[tuple[Rule, ...]] = (
    _page,
    _alphabet,
    _key,
    _doctorate,
    _roman,
    _abbreviation,
    _pointed,
    _and,
    _capitals,
    _small_first,
)
SLASHES: Final[tuple[Rule, ...]] = (_slashed,)
TRIGGERS: Final = (
    frozenset({"st", "dr", "ext", "i", "v", "x", "n", "s", "e", "w", "extension", "p", "pp"})
    | _BARE
    | frozenset(word for word in (*_TITLES, *_WITH_POINT))
)
