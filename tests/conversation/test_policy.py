"""How long a pause is waited for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripts import MANNER

from client_caller.conversation.english import ENGLISH
from client_caller.conversation.language import Language
from client_caller.conversation.policy import Evidence, completeness, patience

OPEN_QUESTION = "How can I help you?"
YES_OR_NO = "Would that suit you?"
VERDICTS = st.one_of(st.none(), st.floats(0, 1))


def wait(
    text: str, said: str = "", p_end: float | None = 0.9, p_done: float | None = 0.9, slower: float = 1.0
) -> float:
    return patience(Evidence(text, said, p_end, p_done), MANNER, slower)


@pytest.mark.parametrize(
    "text",
    [
        "I would like",
        "My name is",
        "I am calling about",
        "Can you tell me if",
        "Can you tell me where",
        "I wanted to ask whether the",
        "Um",
        "It costs and",
        "I want to cancel my order because",
        "My phone number is five five five",
    ],
)
def test_an_unfinished_sentence_is_waited_for_more_than_two_and_a_half_seconds(text: str) -> None:
    assert wait(text) > 2.5


@pytest.mark.parametrize("text", ["No, thank you.", "Good to know.", "When?", "Goodbye."])
def test_a_whole_short_turn_is_answered_at_once_whatever_the_models_think(text: str) -> None:
    assert wait(text, p_end=0.01, p_done=0.01) < 0.3


@pytest.mark.parametrize("text", ["Yes.", "No.", "Okay.", "Right."])
def test_a_yes_is_an_answer_where_one_was_asked_for_and_a_beginning_elsewhere(text: str) -> None:
    assert wait(text, YES_OR_NO) < 0.3
    assert 0.6 < wait(text, OPEN_QUESTION) < 1.2


@pytest.mark.parametrize("text", ["Wait.", "Hold on."])
def test_who_asks_for_silence_gets_it(text: str) -> None:
    assert wait(text) > 1.5


def test_thanks_are_given_time_for_a_goodbye() -> None:
    assert 0.5 < wait("Thank you very much!") < 0.8


def test_a_subject_and_its_verb_begin_a_clause_unless_they_answer() -> None:
    assert wait("We had everything before us, we had") > 2.5
    assert wait("Yes, we had") < 2.0


def test_the_tenth_digit_is_answered_at_once_and_the_seventh_is_waited_after() -> None:
    assert wait("555 012 3", "What is your phone number?") > 2.5
    assert wait("555 012 3456", "What is your phone number?", p_end=0.0, p_done=0.0) < 0.3


def test_a_finished_sentence_is_answered_within_a_third_of_a_second() -> None:
    assert wait("What are your opening hours?") < 0.33


@given(st.text(), VERDICTS, VERDICTS)
def test_a_verdict_that_is_missing_is_taken_for_the_worst(text: str, p_end: float | None, p_done: float | None) -> None:
    assert wait(text, p_end=None, p_done=p_done) == wait(text, p_end=0.0, p_done=p_done)
    assert wait(text, p_end=p_end, p_done=None) == wait(text, p_end=p_end, p_done=0.0)


@given(st.text(), VERDICTS, st.floats(0, 1), st.floats(0, 1))
def test_looking_or_sounding_more_finished_never_means_waiting_longer(
    text: str, other: float | None, one: float, two: float
) -> None:
    low, high = sorted((one, two))
    assert wait(text, p_end=other, p_done=high) <= wait(text, p_end=other, p_done=low)
    assert wait(text, p_end=high, p_done=other) <= wait(text, p_end=low, p_done=other)


@given(st.text(), st.text(), VERDICTS, VERDICTS, st.floats(1, 3))
def test_the_wait_stays_between_quick_and_patient(
    text: str, said: str, p_end: float | None, p_done: float | None, slower: float
) -> None:
    assert MANNER.quick_s <= wait(text, said, p_end, p_done, slower) <= MANNER.patient_s
    assert 0 <= completeness(Evidence(text, said, p_end, p_done)) <= 1


def test_a_caller_of_long_pauses_is_given_more_time_but_no_longer_patience() -> None:
    assert wait("I want the red", p_end=0.05, slower=1.5) > wait("I want the red", p_end=0.05)
    assert wait("my name is", slower=1.5) <= MANNER.patient_s


def test_a_second_language_is_data() -> None:
    nothing: dict[str, frozenset[str]] = {
        name: frozenset() for name, kind in Language.__annotations__.items() if "Words" in str(kind)
    }
    german = replace(
        ENGLISH, **{**nothing, "dangling": frozenset({"mein"}), "whole_turns": frozenset({"auf wiedersehen"})}
    )
    assert patience(Evidence("Ich brauche mein", p_end=0.9, p_done=0.9, language=german), MANNER) > 2.5
    assert patience(Evidence("Auf Wiedersehen!", p_end=0.0, p_done=0.0, language=german), MANNER) < 0.3
    assert patience(Evidence("I would like my", p_end=0.9, p_done=0.9, language=german), MANNER) < 0.5
