"""English for what one writes down: telephone numbers, e-mails, web addresses, codes and references.

In:   how they are written.     Out: rules.
Rule: said slowly enough to be noted: digits one by one ("zero", not "oh"), with a pause where a group ends. Of a web
      address nobody notes "https", "www." and what follows a question mark, so they are not said.
"""

import re
from typing import Final

from client_caller.speaking.english_numbers import cardinal, digits, grouped
from client_caller.speaking.english_spelling import ACRONYMS, spelled
from client_caller.speaking.english_words import ABBREVIATIONS
from client_caller.speaking.pronounce_rules import Near, Rule, rule, several

_TOP: Final = (
    "com|org|net|info|edu|gov|io|co|uk|de|eu|fr|es|it|nl|at|ch|us|ca|au|ie|in|app|dev|ai|biz|health|shop|online|me|tv"
)
_SIGNS: Final = {
    ".": "dot",
    "-": "dash",
    "_": "underscore",
    "/": "slash",
    "@": "at",
    "+": "plus",
    "~": "tilde",
    ":": "colon",
}
_SHORT_WORDS: Final = several("co me my go to at in it on no we the be by or our for new get hi")
_EMAIL: Final = r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"
WEB: Final = re.compile(rf"https?://|www\.|\w@[\w-]+\.\w|mailto:|\w\.(?:{_TOP})[/?#]", re.IGNORECASE)
"""What makes a word an address that no other reading may take apart."""


@rule(rf"(?:mailto:)?({_EMAIL})", re.IGNORECASE)
def _email(found: re.Match[str], _: Near) -> str | None:
    return _address(found[1])


@rule(r"(?:https?://)?(?:www\.)?([^\s\"'<>?#]*[\w/])(?:[?#][^\s\"'<>]*[\w/=])?", re.IGNORECASE)
def _link(found: re.Match[str], _: Near) -> str | None:
    return _address(found[1].rstrip("/")) if re.match(r"https?://|www\.", found[0], re.IGNORECASE) else None


@rule(
    rf"((?:[a-z0-9-]+\.)+(?:{_TOP})(?:\.(?:uk|au|nz|in))?(?:/[^\s\"'<>?#]*)?)(?:[?#][^\s\"'<>]*[\w/=])?", re.IGNORECASE
)
def _domain(found: re.Match[str], _: Near) -> str | None:
    return _address(found[1].rstrip("/")) if re.search(r"[a-z]", found[1].split(".")[0], re.IGNORECASE) else None


@rule(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?::(\d{2,5}))?")
def _ip(found: re.Match[str], _: Near) -> str | None:
    said = " dot ".join(digits(found[place]) for place in range(1, 5))
    return said + (f", port {digits(found[5])}" if found[5] else "")


def _address(text: str) -> str:
    """What an e-mail or a web address is called: its words, letters and digits in order."""
    last = text.split("/")[0].rpartition(".")[2].lower()
    words: list[str] = []
    for run in re.findall(r"[^\W\d_]+|\d|[^\w\s]|_", text.lower()):
        if run.isdigit():
            words.append(digits(run))
        elif run.isalpha():
            short_top = run == last and len(run) == 2 and run not in {"co", "me"}
            words.append(spelled(run) if short_top or not _is_word(run) else run)
        else:
            words.append(_SIGNS.get(run, ""))
    return " ".join(words)


def _is_word(run: str) -> bool:
    """Whether one would say these letters as a word."""
    if run in ABBREVIATIONS - {"max", "min", "est"} - _SHORT_WORDS:
        return False  # it stands for nothing here
    return not run.isascii() or (len(run) > 2 and re.search(r"[aeiouy]", run) is not None) or run in _SHORT_WORDS


_EXTENSION: Final = r"(?:,? (?:ext\.?|extension|x) ?(\d{1,6})|x(\d{1,6}))?"


@rule(rf"(\+\d{{1,15}}(?:[ ./()-]{{1,3}}\d{{1,15}}){{0,6}}){_EXTENSION}")
def _international(found: re.Match[str], _: Near) -> str | None:
    return _telephone(found[1], found, fewest=7)


@rule(
    r"(\(\d{2,5}\)[ ./-]{0,2}\d{2,8}(?:[ ./-]\d{2,8}){0,3}|0\d{1,4}(?:[ ./-]\d{2,8}){1,4}|0\d{8,14}"
    rf"|(?:1[ .-])?\(?\d{{3}}\)?[ .-]\d{{3}}[ .-]\d{{4}}|\d{{3}}-\d{{4}}){_EXTENSION}"
)
def _national(found: re.Match[str], near: Near) -> str | None:
    if re.fullmatch(r"\d00-\d000", found[1]):
        return None  # a range
    return _telephone(found[1], found, fewest=7)


@rule(r"(1-)?(8\d\d)-([A-Z]{4,9})")
def _vanity(found: re.Match[str], _: Near) -> str | None:
    return f"{'one, ' if found[1] else ''}{digits(found[2])}, {found[3].lower()}"


def _telephone(text: str, found: re.Match[str], fewest: int) -> str | None:
    if not fewest <= sum(character.isdigit() for character in text) <= 15:
        return None
    said: list[str] = []
    for word in text.split():
        groups = [_group(group) for group in re.findall(r"\+?\d+", word)]
        said.append(", ".join(groups))
    words = ",|".join(said)
    extension = found[2] or found[3]
    if not extension:
        return words
    between = "|" if " " in found[0][len(text) :] else " "
    inner = "|" if re.search(r"[a-z.] \d+$", found[0]) else " "
    return f"{words},{between}extension{inner}{digits(extension)}"


def _group(text: str) -> str:
    number = text.lstrip("+")
    if text.startswith("+1") and len(number) == 11:
        said = f"one, {digits(number[1:4])}, {digits(number[4:7])}, {digits(number[7:])}"
    elif len(number) == 10:
        said = f"{digits(number[:3])}, {digits(number[3:6])}, {digits(number[6:])}"
    else:
        said = grouped(number)
    return f"plus {said}" if text.startswith("+") else said


_STRONG: Final = (
    r"number|no|nr|code|reference|ref|account|invoice|iban|pin|id|zip|postcode|extension|ext|room|suite|flight|bus|box|"
    r"policy|serial|passcode|password|booking|confirmation|reservation|tracking|membership|ending in|ends in|digits|"
    r"dial|highway|route|apartment|apt|ste|rm|hotline|phone|order|ticket|call|text|press|card|case|customer|member|"
    r"gate|unit|ending"
)
_ANNOUNCED: Final = re.compile(
    rf"(?:^|[\s\"(#])(?:{_STRONG})(?:,? (?:number|no|code|is|id|was|of|at|in|it's|it’s))*[.:,#]? ?#?$", re.IGNORECASE
)


@rule(r"#?(\d{3,15}(?:[ -]\d{2,15}){0,6})")
def _announced(found: re.Match[str], near: Near) -> str | None:
    """Digits after a word that announces them."""
    if not _ANNOUNCED.search(near.before) or near.counted or re.fullmatch(r"\d{1,3}00-\d{1,3}00", found[1]):
        return None
    if re.search(r"(?:\bin|\bat)$", near.before.rstrip()) and not re.search(r"end(?:ing|s) in$", near.before.rstrip()):
        return None
    return ",|".join(", ".join(grouped(part) for part in word.split("-")) for word in found[1].split(" "))


@rule(r"(?:ext|extension|Ext|Extension)\.?( ?)(\d{1,6})")
def _extension(found: re.Match[str], _: Near) -> str | None:
    return f"extension{'|' if found[1] else ' '}{digits(found[2])}"


@rule(r"\d{4}(?: \d{4}){2,4}")
def _card(found: re.Match[str], _: Near) -> str | None:
    return ",|".join(digits(group) for group in found[0].split())


@rule(r"#(\d+)")
def _numbered(found: re.Match[str], near: Near) -> str | None:
    said = cardinal(int(found[1])) if len(found[1]) < 3 and not found[1].startswith("0") else grouped(found[1])
    return said if _ANNOUNCED.search(near.before) else f"number {said}"


@rule(r"(?:(?:No|no|Nr|nr|Nos)\. ?#?|No |# )(\d+)")
def _number(found: re.Match[str], _: Near) -> str | None:
    said = cardinal(int(found[1])) if len(found[1]) < 3 and not found[1].startswith("0") else grouped(found[1])
    return f"number{'|' if ' ' in found[0] else ' '}{said}"


@rule(r"(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])([A-Z0-9]{1,20}(?:-[A-Z0-9]{1,20}){0,8})(['’]?s)?")
def _code(found: re.Match[str], near: Near) -> str | None:
    """Capital letters and digits: short ones as a name ("A four"), long ones letter by letter and digit by digit."""
    groups = found[1].split("-")
    runs = [re.findall(r"[A-Z]+|\d+", group) for group in groups]
    longest = max(len(run) for group in runs for run in group if run.isdigit())
    short = (
        longest <= 2
        and near.previous.lower() not in {"iban", "code", "reference"}
        and (len(found[1]) <= 5 or any(run in ACRONYMS for group in runs for run in group))
    )

    def said(run: str) -> str:
        if run.isalpha():
            return ACRONYMS.get(run) or spelled(run)
        return cardinal(int(run)) if short and not (run.startswith("0") and len(run) > 1) else digits(run)

    words = (" " if short else ", ").join(" ".join(said(run) for run in group) for group in runs)
    return words + (("es" if words.endswith("x") else "s" if words[-1].islower() else "'s") if found[2] else "")


PLACES: Final[tuple[Rule, ...]] = (_email, _link, _ip, _domain)
TELEPHONES: Final[tuple[Rule, ...]] = (_extension, _international, _national, _vanity)
CODES: Final[tuple[Rule, ...]] = (_card, _announced, _numbered, _number)
MIXED: Final[tuple[Rule, ...]] = (_code,)
