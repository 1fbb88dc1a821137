"""Looking up: which passages of the agent's facts and documents a question is about.

In:   texts of the operator's; later a question in a few words.     Out: the best passages, or that nothing is known.
Rule: passages are given as they stand, never put together anew; what matches no word of the question is not given.

Source of the score: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the
usual k1 and b. The stems are cruder than Porter's: words of one family need only meet, not be words.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

UNKNOWN: Final = "Nothing is known about that. Say so, and do not guess."

_AT_MOST: Final = 3
_TOGETHER: Final = 1_200
"""Characters of all passages given together: a language model on the telephone must read them within the pause."""

_PASSAGE: Final = 550
"""Characters of one passage; longer paragraphs are parted between sentences."""

_K1: Final = 1.2
_B: Final = 0.75
_NEAR_THE_BEST: Final = 0.35
"""Of the best score; a passage below it shares little more than a common word with the question."""

_WORD: Final = re.compile(r"[^\W_]+")
_HEADING: Final = re.compile(r"#{1,6}\s+(.+?)\s*#*")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")
_SUFFIX: Final = re.compile(r"(?:ations?|ings?|ments?|ers?|ed|es|s|ly|e)$")
_STOP_WORDS: Final = (
    "a about an and any are as at be been but by can could did do does for from get give had has have he "
    "her him his how i if in is it its know like me my of on or our please she so some tell than that the "
    "their them there they this to us want was we were what when where which who why will with would you "
    "your yours "
)
_STOP: Final = frozenset(_STOP_WORDS.split())


class LookUp:
    """Passages by the words in them. texts: facts, or documents with blank lines between paragraphs, # for headings."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._passages = tuple(dict.fromkeys(passage for text in texts for passage in _passages(text)))
        self._words = tuple(Counter(stems(passage)) for passage in self._passages)
        self._lengths = tuple(sum(words.values()) for words in self._words)
        self._mean = max(1.0, sum(self._lengths) / max(1, len(self._lengths)))
        self._holding = Counter(word for words in self._words for word in words)

    def find(self, question: str) -> str:
        """The best passages, one a line, at most three and 1,200 characters together; or UNKNOWN."""
        asked = set(stems(question))
        scores = [self._score(asked, at) for at in range(len(self._passages))]
        best = max(scores, default=0.0)
        if best <= 0.0:
            return UNKNOWN
        ranked = sorted(range(len(scores)), key=lambda at: -scores[at])
        found: list[str] = []
        room = _TOGETHER
        for at in ranked[:_AT_MOST]:
            line = f"- {self._passages[at]}"
            if scores[at] >= _NEAR_THE_BEST * best and len(line) < room:
                found.append(line)
                room -= len(line) + 1
        return "\n".join(found)

    def _score(self, asked: set[str], at: int) -> float:
        words, longer = self._words[at], self._lengths[at] / self._mean
        total = 0.0
        for word in asked & words.keys():
            holding = self._holding[word]
            rarity = math.log(1 + (len(self._passages) - holding + 0.5) / (holding + 0.5))
            total += rarity * words[word] * (_K1 + 1) / (words[word] + _K1 * (1 - _B + _B * longer))
        return total


def stems(text: str) -> list[str]:
    """The words of a text without what bends them, and without those that say nothing; numbers as they are."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    return [
        _stem(word) for word in _WORD.findall(re.sub(r"['’](?:s|re|ll|ve|d|m|t)\b", "", plain)) if word not in _STOP
    ]


def _stem(word: str) -> str:
    """insurances, insurance: insuranc;  cancelled, cancellation: cancel;  policies, policy: polic."""
    if word[0].isdigit() or len(word) < 4:
        return word
    word = re.sub(r"(?:ies|y)$", "", word) if len(word) > 4 else word
    for _ in range(2):
        shorter = _SUFFIX.sub("", word)
        if len(shorter) >= 3:
            word = shorter
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def _passages(text: str) -> Iterator[str]:
    """Paragraphs under their heading, none longer than a language model should read at once."""
    heading = ""
    for paragraph in re.split(r"\n\s*\n", text):
        lines: list[str] = []
        for line in paragraph.splitlines():
            found = _HEADING.fullmatch(line.strip())
            if found:
                yield from _parted(heading, lines)
                heading, lines = found[1][:100], []
            else:
                lines.append(line)
        yield from _parted(heading, lines)


def _parted(heading: str, lines: list[str]) -> Iterator[str]:
    title = f"{heading}: " if heading else ""
    passage = ""
    for sentence in _SENTENCE_END.split(" ".join(" ".join(lines).split())):
        for at in range(0, len(sentence), _PASSAGE):
            part = sentence[at : at + _PASSAGE]
            if passage and len(passage) + len(part) >= _PASSAGE:
                yield title + passage
                passage = ""
            passage = f"{passage} {part}" if passage else part
    if passage:
        yield title + passage
