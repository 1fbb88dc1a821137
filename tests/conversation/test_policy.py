"""How long a pause is waited for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripts import MANNER

from client_caller.conversation.policy import completeness, normalised, patience


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
    ],
)
def test_an_unfinished_sentence_is_waited_for_more_than_two_and_a_half_seconds(text: str) -> None:
    assert patience(text, 0.99, MANNER) > 2.5


@pytest.mark.parametrize("text", ["Yes.", "No, thank you.", "Good to know.", "When?", "Goodbye."])
def test_a_whole_short_turn_is_answered_at_once_whatever_it_sounds_like(text: str) -> None:
    assert patience(text, 0.01, MANNER) < 0.3


@pytest.mark.parametrize("text", ["Wait.", "Hold on."])
def test_who_asks_for_silence_gets_it(text: str) -> None:
    assert patience(text, 0.99, MANNER) > 1.5


def test_thanks_are_given_time_for_a_goodbye() -> None:
    assert 0.5 < patience("Thank you very much!", 0.99, MANNER) < 0.8


def test_a_subject_and_its_verb_begin_a_clause_unless_they_answer() -> None:
    assert patience("We had everything before us, we had", 0.9, MANNER) > 2.5
    assert patience("Yes, we had", 0.9, MANNER) < 2.0


def test_a_verdict_that_is_missing_is_taken_for_the_worst() -> None:
    assert patience("What does it cost?", None, MANNER) == patience("What does it cost?", 0.0, MANNER)


def test_a_finished_sentence_that_sounds_finished_is_answered_within_a_third_of_a_second() -> None:
    assert patience("What are your opening hours?", 0.9, MANNER) < 0.33


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_sounding_more_finished_never_means_waiting_longer(text: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert patience(text, high, MANNER) <= patience(text, low, MANNER)


@given(st.text(), st.one_of(st.none(), st.floats(0, 1)))
def test_the_wait_stays_between_quick_and_patient(text: str, p_done: float | None) -> None:
    assert MANNER.quick_s <= patience(text, p_done, MANNER) <= MANNER.patient_s
    assert 0 <= completeness(text, p_done) <= 1


def test_transcripts_that_differ_in_looks_only_are_the_same() -> None:
    assert normalised("I’m here, OK?") == normalised("i'm here ok")
