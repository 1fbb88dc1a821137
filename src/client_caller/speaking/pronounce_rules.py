"""What a language fills in so that its texts can be said: rules for what is written otherwise than it is spoken.

In:   patterns, and functions that know how to say what they match.     Out: a `Pronunciation`, the table of a language.
Rule: a rule is tried where a word begins, and what it matches ends where a word ends; it never sees the whole text.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

TAIL: Final = ",.;:!?\"'”’»)]}*_`"
"""What may stand behind a word and is no part of it."""


def several(words: str) -> frozenset[str]:
    """The words of a list that is written as one line."""
    return frozenset(words.split())


_END: Final = rf"(?=[{re.escape(TAIL)}]*(?:\s|$))"
_EDGES: Final = "\"'“”‘’«»()[]{},.;:!?…*_`~^|\\=<>#@"
_STARTERS: Final = several(
    "the we you i i'm it he she they this that these those if and but so please would could can do does is are what "
    "when how where who my our your their there thank thanks in for on at to let no yes then also all after before"
)


@dataclass(frozen=True)
class Near:
    """What stands around a match: some sixty characters of the line to both sides."""

    before: str
    after: str

    @cached_property
    def previous(self) -> str:
        """The word before, without punctuation; "" at the beginning or behind the end of a sentence."""
        words = self.before.split()
        return "" if not words or words[-1][-1] in "!?" else words[-1].strip(_EDGES)

    @cached_property
    def next(self) -> str:
        """The word behind, without punctuation; "" where a mark or the end stands first."""
        behind = self.after.lstrip("\"'”’»)]}*_`")
        return behind.split(maxsplit=1)[0].strip(_EDGES) if behind[:1] == " " and behind.strip() else ""

    @cached_property
    def ends_sentence(self) -> bool:
        """Whether a full stop that closes the match also closes its sentence, as far as one can see."""
        words = self.after.strip(_EDGES + " ").split(maxsplit=1)
        if self.after[:1] in {",", ";", ":", "?", "!"}:
            return False
        return not words or (words[0][:1].isupper() and words[0].strip(_EDGES).lower().replace("’", "'") in _STARTERS)

    @property
    def counted(self) -> bool:
        """Whether the word behind is something that a number counts: "1500 users", not "1500 is"."""
        return self.next.islower() and len(self.next) > 3 and self.next.endswith("s") and self.next not in _NO_THINGS

    @property
    def adjective(self) -> bool:
        """Whether the match describes the word behind it: "a 5 km walk"."""
        return self.previous.lower() in {"a", "an"} and self.next[:1].islower() and self.next not in _SMALL_WORDS


_NO_THINGS: Final = several("does this thus plus always perhaps unless less was has")
_SMALL_WORDS: Final = several("a an the and or to in on at of for from with by is was are per each as but if")

Say = Callable[[re.Match[str], Near], str | None]
"""How a match is said, the words of one written word divided from the next by "|"; None where it is something else."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is written one way and said another."""

    pattern: re.Pattern[str]
    say: Say


def rule(pattern: str, flags: int = 0) -> Callable[[Say], Rule]:
    """Make a function the rule for `pattern`, which matches from the beginning of a word to the end of one."""
    return lambda say: Rule(re.compile(f"(?:{pattern}){_END}", flags), say)


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """The table of a language.

    rules: the first that has an answer is taken;  triggers: words in small letters that look plain and yet need a rule;
    parts: divides one written word into several (a range, two words joined by a dash), each said for itself;
    other: says what has no rule, whatever it is;  to: what a dash between two
    numbers is called;  number: whether a word is one to which such a dash leads.
    """

    rules: tuple[Rule, ...]
    triggers: frozenset[str]
    parts: Callable[[str], list[str]]
    other: Callable[[str], str]
    to: str
    number: Callable[[str], bool]
