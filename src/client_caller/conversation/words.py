"""The English words by which a pause in mid-sentence is told from an end.

Data only, and all of it: another language is another such table.
"""

from typing import Final


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


DANGLING: Final = _words(
    "a an the my your his our their its every",
    "and or but because if when where how why what while although unless until since than as whether which who whose",
    "of from into onto to with for at after",
    "i'm i'd i've i'll you're we're they're he's she's there's",
    "very really quite i we they he she am",
)
"""Last words after which a sentence is practically never over."""

DANGLING_PAIRS: Final = frozenset(
    {
        ("would", "like"),
        ("i", "want"),
        ("i", "need"),
        ("want", "you"),
        ("trying", "to"),
        ("is", "that"),
        ("was", "that"),
        ("it", "was"),
        ("it", "is"),
        ("name", "is"),
        ("number", "is"),
        ("address", "is"),
        ("do", "you"),
        ("can", "you"),
        ("could", "you"),
        ("can", "i"),
        ("thing", "is"),
        ("calling", "about"),
        ("looking", "for"),
        ("think", "that"),
        ("know", "if"),
        ("to", "know"),
    }
)
"""Last two words after which a sentence is practically never over."""

OPEN: Final = _words(
    "in on by about over under before near through between like so",
    "is are was were be been have has had do does did will would can could should may might must",
    "don't doesn't didn't can't won't it's that's what's this these those some any each no that",
    "just only also even not then want need trying going her",
)
"""Last words after which more follows oftener than not, though some sentences end on them."""

SUBJECTS: Final = _words("i you he she it we they there who that")
AUXILIARIES: Final = _words("am is are was were have has had do does did will would can could should may might must")
ANSWERS: Final = _words("yes yeah yep no nope sure okay ok")
"""A subject and its auxiliary, last, begin a clause ("… and then we had"), unless the turn answers ("Yes, we did")."""

FILLERS: Final = _words("um uh er erm hmm ah eh mm well")
"""Sounds of somebody still thinking, when they come last."""

HOLDS: Final = frozenset(
    {"wait", "stop", "wait stop", "hold on", "one moment", "one second", "just a moment", "excuse me", "sorry", "hey"}
)
"""Whole turns that ask for silence, not for an answer."""

CLOSINGS: Final = frozenset({"thanks", "thank you", "thank you very much", "thank you so much", "thanks a lot"})
"""After these a goodbye often follows, and nobody minds a late answer."""

WHOLE_TURNS: Final = frozenset(
    {
        "yes",
        "yeah",
        "yep",
        "no",
        "nope",
        "okay",
        "ok",
        "sure",
        "right",
        "correct",
        "exactly",
        "fine",
        "great",
        "perfect",
        "no thanks",
        "no thank you",
        "yes please",
        "hello",
        "hi",
        "goodbye",
        "bye",
        "bye bye",
        "thank you goodbye",
        "i do",
        "i am",
        "it is",
        "yes it is",
        "yes i do",
        "good to know",
        "when",
        "where",
        "how",
        "why",
        "what",
        "which",
        "who",
    }
)
"""What people say as a whole turn."""
