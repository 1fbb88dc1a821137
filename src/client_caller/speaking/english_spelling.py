"""English capitals: which are said as a word, and which letter by letter.

In:   letters.     Out: words, or single letters with a space between them.
Rule: what is spelled comes out as single letters in the case they were written in; an acronym that is said as a word
      comes out in small letters, so that no voice spells it.
"""

import re
from typing import Final

from client_caller.speaking.pronounce_rules import several

ACRONYMS: Final = {
    **{
        word: word.capitalize()
        for word in several("NASA NATO COVID UNICEF UNESCO OPEC FIFA UEFA IKEA VISA NASDAQ INTERPOL")
    },
    **{
        word: word.lower()
        for word in several("PIN SIM RAM ROM LAN WAN GIF ZIP RADAR LASER SONAR CAPTCHA SCUBA SWIFT IBAN")
    },
    **{
        "AM": "AM",
        "PM": "PM",
        "OK": "okay",
        "WIFI": "Wi-Fi",
        "WI-FI": "Wi-Fi",
        "TV": "T V",
        "JPEG": "J peg",
        "ID": "I D",
    },
    **{
        "MRSA": "M R S A",
        "SARS": "Sars",
        "AIDS": "Aids",
        "HIPAA": "hippa",
        "GAAP": "gap",
        "SAAS": "sass",
        "ESIM": "E sim",
    },
}
"""Capitals and how they are said. What is not here is spelled, unless it is a word that somebody shouts."""

_SHOUTED: Final = several(
    "A I AN AND ARE AS AT BE BUT BY CALL CAN DAY DO DONE DUE EASY EVER FREE FROM FULL GET GO GOOD HAD HAS HAVE HE HELP "
    "HER HERE HIM HIS HOW IF IN INTO IS IT JUST KNOW LAST LATE LESS LIKE LONG LOOK LOVE MADE MAKE MANY MAY ME MORE "
    "MOST MUCH MUST MY NEED NEVER NEW NEXT NICE NO NONE NOT NOTE NOW OF OFF ON ONCE ONE ONLY OPEN OR OUR OUT OVER OWN "
    "PAY PLAN READ SAFE SALE SAME SAY SEE SHE SO SOME SOON STAY STILL STOP SURE TAKE TELL THAN THAT THE THEM THEN "
    "THERE THEY THIS TIME TO TODAY TOO TWO UP URGENT VERY WAIT WANT WAS WE WELL WERE WHAT WHEN WHERE WHO WHY WILL WITH "
    "WORK YES YET YOU YOUR THANK ALL ANY ASK AWAY BACK BEST BOTH CLOSED EACH ELSE FIRST FOR GIVE HELLO HOUR KEEP LEFT "
    "LET MAIN MAIL NAME PAID PART PAST PLEASE PRESS RIGHT ROAD ROOM SIGN START SEND THESE THREE FOUR FIVE SIX TEN TURN "
    "UNTIL USE WEEK YEAR AGAIN ALSO AFTER"
)

_RATHER_SPELLED: Final = frozenset({"IT", "US", "WHO"})  # unless the words beside them are shouted, too
_SPELLED_LETTERS: Final = 5  # longer capitals are shouted rather than spelled


def spelled(letters: str) -> str:
    """Letter by letter."""
    return " ".join(letters)


def is_shouted(word: str) -> bool:
    """Whether these capitals are a common word."""
    return word in _SHOUTED and word not in _RATHER_SPELLED


def capitals(word: str) -> str:
    """How a word in capitals is said: as a word that is one, else letter by letter."""
    if word in ACRONYMS:
        return ACRONYMS[word]
    if is_shouted(word):
        return word.capitalize() if len(word) == 1 else word.lower()
    vowels = re.search(r"[AEIOUY]", word)
    return word.capitalize() if len(word) > _SPELLED_LETTERS and vowels else spelled(word)
