"""Sentences: from streamed text to pieces a voice can speak.

In:   text as the model makes it, in fragments of any size.
Out:  pieces in order: the first one early, at a clause or a phrase, so that the voice can begin; then whole sentences,
      and each line of a list or table as one.
Rule: the text is judged character by character, so how the stream was cut changes nothing. What nobody would say aloud
      is taken out (markup.py); everything else passes unchanged.
"""

import re
from typing import Final

from client_caller.thinking.markup import ECHO, HIDDEN, TURN_MARK, Where, is_open, speakable, unsaid, visible

__all__ = ["PieceCutter", "is_whole", "speakable"]

_WORD: Final = re.compile(r"\S+")


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text))


_TITLES: Final = _words(
    "dr. mr. mrs. ms. mx. prof. rev. gen. sgt. capt. lt. col. hon. mt. ft. e.g. i.e. vs. approx. ca."
)
"""Never the end of a sentence."""

_NUMBERED: Final = _words("no. nos. nr. tel. ext. fig. vol. pg. art. sec. apt. rm.")
"""The end of a sentence unless a number follows: "No. 5", "No. We are closed"."""

_MAY_END: Final = _words(
    "a.m. p.m. etc. inc. ltd. co. corp. llc. bros. dept. est. st. ave. rd. blvd. ln. sq. jr. sr. ph.d. min. max. hr. "
    "hrs. sec. lb. lbs. oz. jan. feb. mar. apr. jun. jul. aug. sep. sept. oct. nov. dec. mon. tue. tues. wed. thu. "
    "thur. thurs. fri."
)
"""Those that end a sentence where the next word begins one."""

_INITIALS: Final = re.compile(r"(?!I\.$)[A-Za-z]\.|(?:[A-Za-z]\.){2,}")

_STARTERS: Final = _words(
    "I I'm I'll I've I'd We We're We'll We've You You're You'll It It's That That's This These Those There There's "
    "They He She Shall Should Would Will Could Can Do Does Did Is Are Was Were Have Has Please The A An If What When "
    "Where Which Who How Why And But Or So Our Your My His Her Their Let Let's Thank Thanks Yes No Not Just Then Also "
    "After Before For At On In From With Unfortunately However Otherwise Great Sure Okay OK Sorry Is Once Until Any "
    "Anything All Each"
)
"""Words with a capital that, after an abbreviation, begin a sentence rather than a name."""

_LEANING: Final = _words(
    "a an the this that these those my your our their his her its of to in on at by for from with about into and or "
    "but so if as than is are was were be been will would can could may might must shall should do does did have has "
    "had not no any some every each all much many i we you they he she it very too more most what which who how when "
    "where per one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty "
    "seventy eighty ninety hundred thousand"
)
"""Words that lean on the next one: a voice that stops behind them sounds broken."""

_PHRASE_STARTS: Final = _words(
    "and but or so because if when while before after until unless that which who where at in on for with from to "
    "between during through by about"
)
"""Words that begin a phrase: a voice may take a breath before them."""

_CLAUSE_WORDS: Final = 3  # fewest words before a comma for it to end the first piece
_PHRASE_WORDS: Final = 4  # fewest words before a phrase that begins
_LONGEST_START: Final = 4  # from here on any word that does not lean on the next may end the first piece

_CLOSERS: Final = r"[\"'”’»)\]*_`]*\Z"
_SENTENCE_END: Final = re.compile(r"[.!?…]" + _CLOSERS)
_ELLIPSIS: Final = re.compile(r"(?:\.\.|…)" + _CLOSERS)
_CLAUSE_END: Final = re.compile(r"[,;:–—]" + _CLOSERS)
_LIST_NUMBER: Final = re.compile(r"\(?\d{1,2}[.)]\s*")
_NO_MARK: Final = re.compile(r"[\w)%€$£°\"”’]\Z")
_MARKS_AROUND: Final = "\"'“”‘’«»()[]*_`"


def is_whole(piece: str) -> bool:
    """Whether a sentence ends where this piece ends."""
    return bool(_SENTENCE_END.search(piece))


class PieceCutter:
    """Cuts one reply. Feed it fragments, then call `finish` for the rest.

    own_name: the agent's, which some models set before what they say.
    `full` turns true when `max_sentences` have been cut. What is fed after that is not cut, but kept in `beyond`.
    `over` turns true where a chat template's mark ends the model's own message; what is fed after that is ignored.
    """

    def __init__(self, max_sentences: int, own_name: str = "") -> None:
        self._max_sentences = max_sentences
        self._own_name = own_name
        self._sentences = 0
        self._begun = False
        self._where: Where = "reply"
        self._text = ""
        self._hidden_until = ""
        self.over = False
        self.beyond = ""

    @property
    def full(self) -> bool:
        """Whether the reply is as long as it may be."""
        return self._sentences >= self._max_sentences

    def feed(self, text: str) -> list[str]:
        """The pieces that these characters complete."""
        return [piece for character in visible(text) for piece in self._take(character)]

    def flush(self) -> list[str]:
        """What is left, as a line of its own, for something else comes before what the model says next."""
        return self._take("\n")

    def finish(self, cut_off: bool = False) -> list[str]:
        """The last piece, if something speakable is left.

        cut_off: the model was stopped before it was done. If a whole sentence was said, half a one is kept in `beyond`.
        """
        pieces = [] if self.over else self._uncover()
        left = [] if self.over or self._hidden_until else self._cut(len(self._text))
        if self.full or (cut_off and self._sentences and left and not is_whole(left[-1])):
            self.beyond = self.beyond or " ".join(left)
            return pieces
        return pieces + left

    def _take(self, character: str) -> list[str]:
        if self.over:
            return []
        self._text += character
        if not character.isspace() or (character != "\n" and self._text[-2:-1].isspace()):
            return []
        pieces = self._uncover()
        if self.over or self._hidden_until:
            return pieces
        if self.full:
            self._look_beyond(character)
            return pieces
        return pieces + (self._line() if character == "\n" else self._within_line())

    def _uncover(self) -> list[str]:
        """Pass over what is not meant for the caller, up to where that ends. What stood before it is a piece."""
        if self._where == "reply" and (echo := ECHO.match(self._text)):
            self._text = self._text[echo.end() :]
        pieces: list[str] = []
        while True:
            if self._hidden_until:
                _, found, self._text = self._text.partition(self._hidden_until)
                if not found:
                    return pieces
                self._hidden_until = ""
            mark, hidden = TURN_MARK.search(self._text), HIDDEN.search(self._text)
            if not mark and not hidden:
                return pieces
            first = min((found for found in (mark, hidden) if found), key=re.Match.start)
            after = self._text[first.end() :]
            self._text = self._text[: first.start()]
            if not self.full:
                pieces += self._line()
            self._text = after
            if first is mark:
                self.over, self._text = True, ""
                return pieces
            self._hidden_until = f"</{first.group(1)}>" if first.group(1) else "```"

    def _look_beyond(self, character: str) -> None:
        """Whether there is more to say than may be said."""
        words = self._text[unsaid(self._text, self._where, self._own_name) :]
        if character != "\n" and is_open(words, self._where):
            return
        said = speakable(self._text, self._where, self._own_name)
        if _has_words(said):
            self.beyond = self.beyond or said
        elif character == "\n":
            self._text, self._where = "", "line"

    def _line(self) -> list[str]:
        """The rest of a line is a sentence, whatever its end; a line without words is nothing."""
        pieces = self._cut(len(self._text))
        self._sentences += bool(pieces)
        self._where = "line" if self._begun else "reply"
        self._text = ""
        return [f"{piece}." if _NO_MARK.search(piece) and not is_whole(piece) else piece for piece in pieces]

    def _within_line(self) -> list[str]:
        words_from = unsaid(self._text, self._where, self._own_name)
        words = self._text[words_from:]
        if is_open(words, self._where):
            return []
        if end := _sentence_end(words):
            pieces = self._cut(words_from + end)
            if not pieces:
                self._text = self._text[words_from + end :]
                return []
            self._sentences += 1
            self._where = "sentence"
            return pieces if self.full or not self._text else pieces + self._within_line()
        early_end = 0 if self._begun else _early_end(words)
        return self._cut(words_from + early_end) if early_end else []

    def _cut(self, end: int) -> list[str]:
        piece = speakable(self._text[:end], self._where, self._own_name)
        if not _has_words(piece):
            return []
        self._text = self._text[end:]
        self._begun, self._where = True, ""
        return [piece]


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _sentence_end(words: str) -> int:
    """Where a sentence ends in words the last of which is complete: behind it, before it, or 0 for nowhere yet."""
    *_, before, last = ("", "", *words.rsplit(None, 2)[-2:])
    if before and _may_end(before.strip(_MARKS_AROUND)) and _begins(last.strip(_MARKS_AROUND), before.lower()):
        return len(words.rstrip()) - len(last)
    if not _SENTENCE_END.search(last) or _LIST_NUMBER.fullmatch(words):
        return 0
    bare = last.strip(_MARKS_AROUND)
    return 0 if bare.lower() in _TITLES or _may_end(bare) else len(words)


def _may_end(word: str) -> bool:
    """Whether a word ends a sentence only if the next one begins another."""
    known = word.lower() in _MAY_END | _NUMBERED
    initials = bool(_INITIALS.fullmatch(word)) and word.lower() not in _TITLES
    return known or initials or bool(_ELLIPSIS.search(word))


def _begins(word: str, before: str) -> bool:
    """Whether a word begins a sentence, after one that may have ended it."""
    if before in _NUMBERED:
        return word[:1].isupper() and not any(character.isdigit() for character in word)
    bare = word.replace("’", "'").rstrip(",!?;:")
    if _ELLIPSIS.search(before) and bare.split("'")[0] == "I":
        return False
    return bare in _STARTERS or (len(bare) > 2 and bare.rstrip(".") in _STARTERS)


def _early_end(text: str) -> int:
    """Where the first piece may end before its sentence does; 0 if nowhere yet."""
    words = list(_WORD.finditer(text))
    if len(words) >= _CLAUSE_WORDS and _CLAUSE_END.search(words[-1].group()):
        return len(text)
    if len(words) <= _PHRASE_WORDS:
        return 0
    before, last = (word.group().lower().strip("_*`") for word in words[-2:])
    is_word = before[-1:].isalpha() and not any(character.isdigit() for character in before)
    leans = before in _LEANING | _PHRASE_STARTS or not is_word
    goes_on = last in _PHRASE_STARTS or len(words) > _LONGEST_START
    return words[-1].start() if goes_on and not leans and not last.endswith(".") else 0
