"""Letters and signs: what a voice can read as it stands, and what is only another way of writing something it can.

In:   a word with any characters of Unicode.     Out: the same in letters, digits and the few signs that rules know.
Rule: nothing here knows a language.
"""

import re
import unicodedata
from typing import Final

_PAUSES: Final = ("?", "!", "...", ".", ":", ";", ",")
"""What a voice pauses at, the strongest first."""

_SAYABLE: Final = re.compile(r"[A-Za-z]+(?:['’-][A-Za-z]+)*(?:\.\.\.|[,.;:!?])?")
_KNOWN: Final = frozenset("$€£¥₹₩₽₺¢§°±×÷≈≤≥→^–—“”‘’«»Ω")
_SAME: Final = {
    **{"−": "-", "‐": "-", "‑": "-", "‒": "–", "―": "—", "⁄": "/", "ʼ": "’", "´": "’", "…": "...", "⇒": "→", "™": ""},
    **{
        "½": "1/2",
        "¼": "1/4",
        "¾": "3/4",
        "⅓": "1/3",
        "⅔": "2/3",
        "⅛": "1/8",
        "№": "No. ",
        "‰": " per mille",
        "⋅": "×",
    },
}


def strongest(signs: str) -> str:
    """The mark among these signs at which a voice pauses most; "" if there is none."""
    return next((mark for mark in _PAUSES if mark in signs), "")


def sayable(word: str) -> str:
    """What of a word without spaces is letters, with apostrophes and hyphens inside it and one pause behind it."""
    if _SAYABLE.fullmatch(word):
        return word
    core = word.rstrip(",.;:!?")
    kept: list[str] = []
    for character in core:
        if is_letter(character) or (character in "'’-" and kept and is_letter(kept[-1])):
            kept.append(character)
    letters = "".join(kept).rstrip("'’-")
    return letters + strongest(word[len(core) :]) if letters else ""


def is_letter(character: str) -> bool:
    """A letter of any script, or a mark upon one."""
    return unicodedata.category(character)[0] in "LM"


def in_plain_signs(word: str) -> list[str]:
    """The words that are left when rare ways of writing are resolved: "２½" is "2" and "1/2", a picture is nothing."""
    plain: list[str] = []
    for character in word:
        plain.append(_plain(character, plain[-1] if plain else ""))
    return "".join(plain).split()


def _plain(character: str, before: str) -> str:
    if character.isascii() or character in _KNOWN:
        return character if character.isprintable() else ""
    if (same := _SAME.get(character)) is not None:
        return f" {same}" if before[-1:].isdigit() and same[:1].isdigit() else same
    form = unicodedata.decomposition(character)
    digit = unicodedata.digit(character, None)
    if digit is not None:
        raised = form.startswith("<super>") and not before.startswith("^") and before != ""
        return f"^{digit}" if raised else str(digit)
    if form.startswith("<"):
        plain = unicodedata.normalize("NFKC", character)
        return "".join(c for c in plain if c.isascii() or is_letter(c) or c in _KNOWN)
    if is_letter(character):
        return character
    return "" if unicodedata.category(character) == "Cf" else " "
