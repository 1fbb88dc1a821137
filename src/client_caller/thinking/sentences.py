"""Sentences: from streamed text to pieces a voice can speak.

In:   text as the model makes it, in fragments of any size.
Out:  pieces in order: the first one early, at a clause or a phrase, so that the voice can begin; then whole sentences.
Rule: the text is judged character by character, so how the stream was cut changes nothing. What nobody would say aloud
      (markup, emoji, stage directions, the speaker's own name) is taken out; everything else passes unchanged.
"""

import re
from typing import Final

_WORD: Final = re.compile(r"\S+")

_ABBREVIATIONS: Final = frozenset(
    _WORD.findall("dr. mr. mrs. ms. prof. st. no. nr. tel. ext. approx. vs. etc. e.g. i.e. a.m. p.m. inc. ltd. co.")
)

_LEANING: Final = frozenset(
    _WORD.findall(
        "a an the this that these those my your our their his her its of to in on at by for from with about into "
        "and or but so if as than is are was were be been will would can could may might must shall should "
        "do does did have has had not no any some every each all much many i we you they he she it very too more most "
        "what which who how when where per one two three four five six seven eight nine ten eleven twelve "
        "fifteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand"
    )
)
"""Words that lean on the next one: a voice that stops behind them sounds broken."""

_PHRASE_STARTS: Final = frozenset(
    _WORD.findall(
        "and but or so because if when while before after until unless that which who where "
        "at in on for with from to between during through by about"
    )
)
"""Words that begin a phrase: a voice may take a breath before them."""

_CLAUSE_WORDS: Final = 3  # fewest words before a comma for it to end the first piece
_PHRASE_WORDS: Final = 4  # fewest words before a phrase that begins
_LONGEST_START: Final = 4  # from here on any word that does not lean on the next may end the first piece

_SENTENCE_END: Final = re.compile(r"[.!?][\"'”’)*_]*$")
_CLAUSE_END: Final = re.compile(r"[,;:–—][\"'”’)*_]*$")
_BULLET: Final = r"\s*(?:(?:#+|>|[-*•–]|\d{1,2}[.)])\s+|(?:\*\*)?(?:assistant|agent)(?:\*\*)?:(?:\*\*)?\s+)*"
_UNSAID_AT: Final = {
    "reply": re.compile(_BULLET + r"(?:(?:\*\*)?[A-Z][a-z]*(?:\*\*)?:(?:\*\*)?\s+)?" + _BULLET, re.IGNORECASE),
    "line": re.compile(_BULLET, re.IGNORECASE),
    "": re.compile(""),
}
"""What is dropped where a reply, a line or neither begins: bullets, headings, and who is speaking."""

_STAGE_DIRECTION: Final = re.compile(r"\[[^\]]*\]|(?:^|(?<=[.!?] ))\*(?!\*)[^*\n]+\*(?!\*)")
_MARKUP: Final = re.compile(r"\*+|`+|~~|(?<!\w)_+|_+(?!\w)")
_PICTURES: Final = re.compile(
    "[\U0001f000-\U0001faff\U00002600-\U000027bf\U00002190-\U000021ff\U00002b00-\U00002bff\ufe0f\u200d\u20e3]"
)


def speakable(text: str, where: str = "reply") -> str:
    """What of a text would be said aloud, with single spaces. where: it begins a "reply", a "line", or neither ("")."""
    text = text[_unsaid(text, where) :]
    for pattern in (_STAGE_DIRECTION, _PICTURES, _MARKUP):
        text = pattern.sub("", text)
    return " ".join(text.split())


class PieceCutter:
    """Cuts one reply. Feed it fragments, then call `finish` for the rest.

    `full` turns true when `max_sentences` have been cut; what is fed after that is ignored.
    """

    def __init__(self, max_sentences: int) -> None:
        self._max_sentences = max_sentences
        self._sentences = 0
        self._begun = False
        self._where = "reply"
        self._text = ""

    @property
    def full(self) -> bool:
        """Whether the reply is as long as it may be."""
        return self._sentences >= self._max_sentences

    def feed(self, text: str) -> list[str]:
        """The pieces that these characters complete."""
        return [piece for character in text for piece in self._take(character)]

    def finish(self) -> list[str]:
        """The last piece, if something speakable is left."""
        return [] if self.full else self._cut(len(self._text))

    def _take(self, character: str) -> list[str]:
        if self.full:
            return []
        self._text += character
        if not character.isspace():
            return []
        words_from = _unsaid(self._text, self._where)
        words = self._text[words_from:]
        if character != "\n" and _is_open(words):
            return []
        if character == "\n" or _ends_sentence(words.rstrip()):
            pieces = self._cut(len(self._text))
            self._sentences += bool(pieces)
            self._where = "line" if character == "\n" and self._begun else self._where
            return pieces
        early_end = 0 if self._begun else _early_end(words)
        return self._cut(words_from + early_end) if early_end else []

    def _cut(self, end: int) -> list[str]:
        piece = speakable(self._text[:end], self._where)
        if not any(character.isalnum() for character in piece):
            return []
        self._text = self._text[end:]
        self._begun, self._where = True, ""
        return [piece]


def _unsaid(text: str, where: str) -> int:
    """How much of the beginning is not part of what is said."""
    found = _UNSAID_AT[where].match(text)
    return found.end() if found else 0


def _is_open(words: str) -> bool:
    """Whether a bracket or an emphasis waits for its other half, which decides what it is."""
    return words.rfind("[") > words.rfind("]") or words.replace("**", "").count("*") % 2 == 1


def _ends_sentence(words: str) -> bool:
    if not _SENTENCE_END.search(words) or words.endswith("..."):
        return False
    last = words.split()[-1].lstrip("\"'“‘(")
    return last.lower() not in _ABBREVIATIONS and not re.fullmatch(r"(?!I)[A-Za-z]\.", last)


def _early_end(text: str) -> int:
    """Where the first piece may end before its sentence does; 0 if nowhere yet."""
    words = list(_WORD.finditer(text))
    if len(words) >= _CLAUSE_WORDS and _CLAUSE_END.search(words[-1].group()):
        return len(text)
    if len(words) <= _PHRASE_WORDS:
        return 0
    before, last = (word.group().lower().strip("_*`") for word in words[-2:])
    leans = before in _LEANING | _PHRASE_STARTS or any(character.isdigit() for character in before)
    goes_on = last in _PHRASE_STARTS or len(words) > _LONGEST_START
    return words[-1].start() if goes_on and not leans else 0
