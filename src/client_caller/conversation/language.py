"""What the rules of turn-taking must know of a language. Data, no code: a second language is a second `Language`.

All words are lower case and bare, as `dictation.bare` leaves them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Words = frozenset[str]
"""Single words, or phrases whose words are parted by one space."""


@dataclass(frozen=True, slots=True)
class Language:
    """One language's words, by what they tell of a pause that follows them."""

    # Last words of a turn.
    dangling: Words  # a sentence is practically never over after these
    dangling_pairs: frozenset[tuple[str, str]]  # nor after these two
    leaning: Words  # more follows oftener than not, though some sentences end on them
    fillers: Words  # sounds of somebody still thinking
    subjects: Words  # a subject and its auxiliary begin a clause ("… and then we had") …
    auxiliaries: Words
    answers: Words  # … unless the turn answers with them ("Yes, we had")

    # Whole turns.
    whole_turns: Words  # complete by themselves
    openers: Words  # complete as the answer to a question of yes or no; else mostly a beginning ("Yes, I have …")
    holds: Words  # ask for silence, not for an answer
    closings: Words  # a goodbye often follows, and nobody minds a late answer

    # Said while the agent speaks.
    assents: Words  # "I am listening, go on", also several of them in a row

    # Dictation.
    digits: Mapping[str, str]  # the digits that a number word stands for: "seven" -> "7", "twelve" -> "12"
    tens: Mapping[str, str]  # "twenty" -> "20"; a digit after it is not a new one
    repeats: Mapping[str, int]  # "double" -> 2
    separators: Words  # may stand between the groups of a number
    phone_digits: Mapping[str, int]  # how many a telephone number has, by its beginning; "" for any other
    at: Words  # how "@" and "." are said
    dot: Words
    domains: Words  # last parts of a mail address

    # What the agent asks for, by words of its question; looked for in this order.
    asks_for_email: Words
    asks_to_spell: Words
    asks_for_card: Words
    asks_for_phone: Words
    asks_for_number: Words
    asks_for_name: Words
    asks_yes_or_no: Words  # first words of a question
