"""What the first words of whoever answers a call tell of who it is.

In:   bare words.     Out: what they say.
Rule: each text by itself; what it means when and after what else, `who_answered.py` knows.
"""

from collections.abc import Sequence
from enum import Enum, auto

from client_caller.conversation.language import Answering, is_wholly, mentions


class Said(Enum):
    """What words tell of who says them."""

    NOTHING = auto()  # there are none
    UNKNOWN = auto()
    SCREENING = auto()
    NO_MESSAGES = auto()
    VOICEMAIL = auto()
    MENU = auto()
    ASKING = auto()  # an assistant that screens calls, unless we have spoken
    UNAVAILABLE = auto()  # a machine, unless we have spoken
    REACHED = auto()  # probably a machine
    RECEPTION = auto()  # a human who answers for others
    HELLO = auto()  # a human


def said_by(words: Sequence[str], tables: Answering) -> Said:
    """What the bare words tell; the first that fits, in the order in which they are sure."""
    if not words:
        return Said.NOTHING
    found = (
        (Said.SCREENING, mentions(tables.screening, words)),
        (Said.NO_MESSAGES, mentions(tables.no_messages, words)),
        (Said.RECEPTION, mentions(tables.offers, words)),
        (Said.VOICEMAIL, mentions(tables.voicemail, words)),
        (Said.MENU, mentions(tables.menu, words)),
        (Said.ASKING, mentions(tables.asking, words)),
        (Said.HELLO, is_wholly(tables.hellos, words)),
        (Said.RECEPTION, mentions(tables.receptions, words)),
        (Said.UNAVAILABLE, mentions(tables.unavailable, words)),
        (Said.REACHED, mentions(tables.reached, words)),
    )
    return next((said for said, fits in found if fits), Said.UNKNOWN)
