"""A sound of the caller over the agent's voice: does the caller want the floor?

In:   the words found in it, how long it was.     Out: whether it interrupts; until when that stays open.
Rule: words decide, as soon as there are any. The agent is silent meanwhile, so a true interruption loses nothing by
      waiting for them, and a false one costs the caller a breath's pause. Where no word comes, length decides.
"""

from dataclasses import dataclass
from math import inf
from typing import Final

from client_caller.conversation.dictation import bare
from client_caller.conversation.language import Language
from client_caller.conversation.reply import Reply

_WORDLESS_S: Final = 1.0
"""A voice that goes on for so long has been decoded twice. With words in it, it would have had the floor by then."""

_WORDS_WITHIN_S: Final = 0.7
"""The words of a sound that is over are waited for so long: a decode takes 0.05 to 0.3 s, and this is all silence."""

_TALK_S: Final = 0.5
"""A sound that could not be decoded is taken for talk from this length on: coughs, clicks and sounds of assent are
shorter, a sentence is longer."""

_NO_WORD_S: Final = 0.13
"""Four windows of voice: a single word found in less is taken for the transcriber's, not the caller's.
An assumption."""

_NO_MORE_S: Final = 0.15
"""A sound that went on for no longer than this after it was decoded is taken to have had no further word in it. If it
had one, the words of the whole, which come 0.05 s later, still interrupt."""

_A_WORD_S: Final = 0.4
"""A sound decoded before it is noticed for so long may break off within a word, and half a word is read as another one.
So little may acquit, but not convict: with words believed from the first decode on, after about 0.25 s of voice, 14 of
27 coughs and sounds of assent stopped the agent, and 5 with this (bench/flow.py, its coughs and short words alone)."""

_ASKED_AHEAD: Final = 3
"""An answer may come so many words before the end of the question."""

NOISES_KNOWN: Final = 3
"""After so many false alarms in one answer the agent falls silent for words only."""


@dataclass(slots=True)
class Overlap:
    """One sound of the caller over the agent's voice, from its onset until it is judged."""

    since: float  # call time at which the caller's voice was noticed, or noticed again
    voiced_s: float | None = None  # seconds of voice in it, once it is over
    wordless: bool = False  # decoded while it lasts, and no word was in it
    harmless_at: float = -inf  # call time until which it was decoded as a noise or a sound of assent
    spoken_over: bool = False  # the agent goes on speaking meanwhile

    @property
    def lasts(self) -> bool:
        """Whether the caller's voice has not stopped yet."""
        return self.voiced_s is None

    def goes_on(self, now: float) -> None:
        """The voice set in again."""
        self.since, self.voiced_s = now, None

    def stops(self, voiced_s: float, now: float) -> None:
        """The voice has stopped, and its words are awaited."""
        self.since, self.voiced_s = now, voiced_s

    def may_interrupt(self, now: float) -> bool:
        """Whether words decoded while it lasts are to be believed."""
        return now - self.since >= _A_WORD_S

    def is_harmless(self, ended_at: float) -> bool:
        """Whether a sound that ended then was known, nearly to its end, not to interrupt."""
        return ended_at - self.harmless_at < _NO_MORE_S

    @property
    def due_at(self) -> float:
        """When it is to be judged although its words have not come."""
        if self.spoken_over:
            return inf
        return self.since + (_WORDLESS_S if self.lasts else _WORDS_WITHIN_S)

    @property
    def seems_talk(self) -> bool:
        """Whether it interrupts, by its length alone."""
        return not self.wordless if self.voiced_s is None else self.voiced_s >= _TALK_S


def interrupts(text: str, overlap: Overlap, reply: Reply, language: Language) -> bool:
    """Whether a caller who says `text` over `reply` wants the floor.

    Sounds of assent do not, unless they may be an answer: the agent has asked, or nothing of its reply was heard yet.
    """
    words = bare(text)
    if not words:
        return False
    if is_assent(words, language):
        return not reply.heard_text or _asks(reply)
    return len(words) > 1 or overlap.voiced_s is None or overlap.voiced_s >= _NO_WORD_S


def is_assent(words: list[str], language: Language) -> bool:
    """Whether the bare words are one sound of assent, or several in a row."""
    while words:
        length = next((n for n in (2, 1) if len(words) >= n and " ".join(words[:n]) in language.assents), 0)
        if not length:
            return False
        words = words[length:]
    return True


def _asks(reply: Reply) -> bool:
    """Whether the caller has just heard a question, or most of it."""
    words = [word for number in reply.order for word in reply.pieces[number].split()]
    heard = sum(reply.heard)
    return any(word.rstrip("\"'”’)").endswith("?") for word in words[max(0, heard - 1) : heard + _ASKED_AHEAD])
