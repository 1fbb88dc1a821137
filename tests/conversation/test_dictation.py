"""What the agent asked for, and how much of it is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.conversation.dictation import Asked, Filled, asked_for, bare, filled
from client_caller.conversation.english import ENGLISH


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Hello, this is Anna. How can I help you?", Asked.ANYTHING),
        ("Is that right?", Asked.YES_OR_NO),
        ("Thank you. Can you tell me your phone number?", Asked.PHONE),
        ("Please tell me your phone number.", Asked.PHONE),
        ("What is your order number?", Asked.NUMBER),
        ("And the card number, please?", Asked.CARD),
        ("What is your e-mail address?", Asked.EMAIL),
        ("Could you spell your name?", Asked.SPELLING),
        ("May I have your full name?", Asked.NAME),
        ("What is your phone number? I will wait.", Asked.NOTHING),
        ("We are open from eight to six.", Asked.NOTHING),
        ("", Asked.NOTHING),
    ],
)
def test_the_last_sentence_tells_what_is_asked_for(said: str, asked: Asked) -> None:
    assert asked_for(said, ENGLISH) is asked


@pytest.mark.parametrize(
    ("text", "asked", "how_full"),
    [
        ("It's 555, 012.", Asked.PHONE, Filled.NO),
        ("It is five five five oh one two three", Asked.PHONE, Filled.NO),
        ("It is five five five, oh one two, three four five six", Asked.PHONE, Filled.YES),
        ("555-012-3456", Asked.PHONE, Filled.YES),
        ("double five five zero twelve thirty four fifty six", Asked.PHONE, Filled.YES),
        ("1 555 012 3456", Asked.PHONE, Filled.YES),
        ("0161 496 00", Asked.PHONE, Filled.NO),
        ("four one one one, one one one one", Asked.CARD, Filled.NO),
        ("4111 1111 1111 1111", Asked.CARD, Filled.YES),
        ("3782 822463 10005", Asked.CARD, Filled.YES),
        ("it is 4 7 1", Asked.NUMBER, Filled.PERHAPS),
        ("my order is four seven one", Asked.NOTHING, Filled.PERHAPS),
        ("my phone number is four seven one", Asked.NOTHING, Filled.NO),
        ("I have two", Asked.NOTHING, None),
        ("sure, one moment please", Asked.PHONE, None),
        ("John at example", Asked.EMAIL, Filled.NO),
        ("john dot smith at", Asked.EMAIL, Filled.NO),
        ("john dot smith at example dot com", Asked.EMAIL, Filled.YES),
        ("It's john@example.com.", Asked.NOTHING, Filled.YES),
        ("john@example.", Asked.NOTHING, Filled.NO),
        ("I have none, sorry", Asked.EMAIL, None),
        ("M I L L", Asked.SPELLING, Filled.PERHAPS),
        ("Miller, M I L L E R", Asked.SPELLING, Filled.YES),
        ("it is spelled M I L", Asked.NOTHING, Filled.PERHAPS),
        ("What are your opening hours?", Asked.NOTHING, None),
        ("", Asked.PHONE, None),
    ],
)
def test_a_slot_is_full_when_its_digits_are_counted(text: str, asked: Asked, how_full: Filled | None) -> None:
    assert filled(text, asked, ENGLISH) is how_full


@given(st.text("0123456789", min_size=1, max_size=9))
def test_a_telephone_number_is_never_full_before_its_tenth_digit(digits: str) -> None:
    assert filled(" ".join(digits), Asked.PHONE, ENGLISH) is Filled.NO


@given(st.text(), st.sampled_from(Asked))
def test_whatever_is_said_is_judged(text: str, asked: Asked) -> None:
    assert filled(text, asked, ENGLISH) in (None, *Filled)
    assert asked_for(text, ENGLISH) in Asked


def test_words_that_differ_in_looks_only_are_the_same() -> None:
    assert bare("I’m here, OK?") == bare("i'm here ok")
