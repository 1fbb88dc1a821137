"""The guard: what a language model wrote, but must not say.

In:   the pieces of a reply, before they are spoken, and what is not meant for callers.
Out:  per piece: speak it, drop it, end the reply before it, or call the reply nonsense.
Rule: pure. It judges what the agent would say, never the caller's words: an order that a caller smuggled in is caught
      by what it makes the agent say. Disclosure and opting out do not depend on it, for no model decides on them.

Profanity and slurs are not filtered: a list of words would silence names, quotations and places, and a model that
swears of itself is the wrong model. What is untrue, beside the point or rude passes, too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from client_caller.thinking.languages import another_language

_RUN: Final = 8
"""So many words in a row that stand in the instructions, too, are no coincidence."""

_CONTEXT: Final = 12
"""Words said before that a short piece is judged together with, so that cutting finely hides nothing."""

_SHORT: Final = 4
"""A piece of fewer words is judged with those before it when it comes to its language."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of a piece, and why."""

    act: Literal["speak", "drop", "end", "nonsense"]
    why: str = ""


SPEAK: Final = Verdict("speak")
CODE: Final = Verdict("drop", "code")
ROLE_PLAY: Final = Verdict("end", "it goes on in the caller's place")
LEAK: Final = Verdict("end", "it tells its instructions")
ANOTHER_LANGUAGE: Final = Verdict("nonsense", "another language")


class Guard:
    """Judges the pieces of one agent's replies.

    language: the one wanted, as a language tag;  secret_text: the persona and what else instructs the model, but not
    the facts, for those are meant to be told;  own_name: the agent's. A sentence of the secret text that has the name
    in it introduces the agent, and words in quotation marks are there to be said: neither is secret.
    """

    def __init__(self, language: str = "en", secret_text: str = "", own_name: str = "") -> None:
        self._language = language
        self._secret = frozenset(_secret_runs(secret_text, own_name))
        self.own_name = own_name

    def judge(self, piece: str, said: str = "") -> Verdict:
        """What is to become of a piece. said: what the reply has said before it."""
        if _OTHER_SPEAKER.search(piece):
            return ROLE_PLAY
        if _is_code(piece):
            return CODE
        before = said.split()[-_CONTEXT:]
        if self._secret and not self._secret.isdisjoint(_runs(_plain(" ".join((*before, piece))))):
            return LEAK
        together = piece if len(piece.split()) >= _SHORT else " ".join((*before, piece))
        return ANOTHER_LANGUAGE if another_language(together, self._language) else SPEAK


_OTHER_SPEAKER: Final = re.compile(
    r"^\W*(?i:user|caller|human|customer|system)\s?:(?!\d|//)|(?:^|\s)(?:User|Caller|Human|USER|CALLER)\s?:(?!\w|//)"
)

_QUOTED: Final = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»")
_SENTENCES: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

_WEB: Final = re.compile(r"\S+://\S+|\bwww\.\S+|\S+@\S+")
_CODE: Final = re.compile(
    r"^\W*\"[\w.-]+\"\s*:\s*(?:[\"{]|(?:-?[\d.]+|true|false|null)?[\s,}.]*$)"  # a line of JSON
    r"|\{\s*['\"]?\w+['\"]?\s*:|,\s*['\"]\w+['\"]\s*:"
    r"|\b\w+\((?:\w+\s*=|['\"{])|\b[a-z_]\w*\.\w+\([^)]*\)|\b[a-z]+_\w+\(|\w\(\)"  # a call
    r"|^\W*(?:def|class|function)\s+\w+\s*(?:[({]|:\W*$)|^import\s+[\w.]+$|^from\s+[\w.]+\s+import\b"
    r"|^\W*(?:const|let|var)\s+\w+\s*=|(?:==|!=)|=>|[)}=].*;\W*$|^\s*SELECT\s.*FROM\s|^return\s+\w+[;(]|</\w|/>"
)
_SIGNS: Final = re.compile(r"[{}<>=;\\]")
_SIGNS_SHARE: Final = 0.1
_FEWEST_SIGNS: Final = 3


def _is_code(piece: str) -> bool:
    """Whether a piece is for machines: JSON, a call, a line of a program."""
    text = _WEB.sub("", piece)
    if _CODE.search(text):
        return True
    signs = len(_SIGNS.findall(text))
    return signs >= _FEWEST_SIGNS and signs >= _SIGNS_SHARE * len("".join(text.split()))


def _plain(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def _runs(words: list[str]) -> Iterator[tuple[str, ...]]:
    """Every run of so many words."""
    return zip(*(islice(words, start, None) for start in range(_RUN)), strict=False)


def _secret_runs(secret_text: str, own_name: str) -> set[tuple[str, ...]]:
    runs: set[tuple[str, ...]] = set()
    name = own_name.lower()
    for part in _QUOTED.sub("\n", secret_text).split("\n"):
        kept = [sentence for sentence in _SENTENCES.split(part) if not (name and name in sentence.lower())]
        runs.update(_runs(_plain(" ".join(kept))))
    return runs
