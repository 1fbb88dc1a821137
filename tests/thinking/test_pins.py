"""What a caller gave stays as they said it, whatever else of a call is condensed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.conversation.actions import Turn
from client_caller.thinking.pins import LONGEST, MOST, pins


def said(*texts: str) -> tuple[str, ...]:
    return pins([Turn("caller", text) for text in texts])


@pytest.mark.parametrize(
    "text",
    [
        "my name is ada lovelace",
        "this is ada speaking",
        "I'm Ada.",
        "i am called ada",
        "it's a d a l o v e",
        "A-D-A",
        "that is s for sierra",
        "my number is five five five one two three four",
        "555-0100-0001",
        "order number x k four four",
        "it was double five oh one two three",
        "on tuesday please",
        "the fifth of may",
        "at three",
        "half past ten",
        "tomorrow in the morning",
        "ada at example dot com",
        "ada.l@example.com",
        "twelve church street",
        "i live in springfield",
        "we are four people",
        "i have 2 dogs",
        "i said wednesday",
    ],
)
def test_a_fact_is_pinned_word_for_word(text: str) -> None:
    assert said(text) == (text,)


@pytest.mark.parametrize(
    "text",
    [
        "one moment please",
        "can you call me back",
        "this is about my order",
        "i would love to",
        "no that's all",
        "yes please",
        "i'm calling about my tooth",
        "what do you mean",
        "",
    ],
)
def test_talk_without_a_fact_is_not(text: str) -> None:
    assert said(text) == ()


def test_only_the_sentences_that_hold_a_fact_are_pinned() -> None:
    assert said("Hi there. My name is Dr. Ada. How are you? See you on Tuesday.") == (
        "My name is Dr. Ada.",
        "See you on Tuesday.",
    )


def test_an_answer_to_a_question_for_a_name_is_pinned_though_nothing_in_it_tells_that_it_is_one() -> None:
    asked = [Turn("agent", "Of course. What is your name?"), Turn("caller", "ada lovelace. why do you ask")]
    assert pins(asked) == ("ada lovelace.",)
    assert pins([asked[0], Turn("caller", "yes, sure.")]) == ()
    assert pins([Turn("agent", "How can I help?"), Turn("caller", "ada lovelace")]) == ()


def test_a_correction_stands_behind_what_it_corrects() -> None:
    assert said("my name is ada", "no it is ava", "on tuesday", "sorry, i meant wednesday") == (
        *("my name is ada", "no it is ava", "on tuesday", "sorry, i meant wednesday"),
    )


def test_what_is_said_again_is_pinned_where_it_was_said_last() -> None:
    assert said("on tuesday", "on wednesday", "On Tuesday") == ("on wednesday", "On Tuesday")


def test_what_a_tool_did_is_pinned_in_one_line_unless_it_only_reads() -> None:
    booked = Turn("tool", "Booked for Tuesday\nat three.", tool="book", arguments='{"day": "tuesday"}')
    looked = Turn("tool", "Open from eight.", tool="look_up", arguments="{}")
    assert pins([booked, looked], reads_only={"look_up"}) == ('book {"day": "tuesday"}: Booked for Tuesday at three.',)
    assert len(pins([Turn("tool", "x" * 999, tool="book")])[0]) == LONGEST


def test_the_agent_s_own_words_are_no_facts_of_the_caller() -> None:
    assert pins([Turn("agent", "My name is Anna. We open at eight.")]) == ()


def test_plain_numbers_go_before_dates_and_names_go_last() -> None:
    turns = [
        Turn("caller", text)
        for text in ("my name is ada", "on tuesday", "i have 2 dogs", "and 3 cats", "call 5550100001")
    ]
    assert pins(turns, most=4) == ("my name is ada", "on tuesday", "and 3 cats", "call 5550100001")
    assert pins(turns, most=2) == ("my name is ada", "call 5550100001")
    assert pins(turns, most=0) == ("my name is ada",)
    assert pins(turns, room=30) == ("my name is ada", "call 5550100001")


def test_a_long_sentence_without_marks_is_cut_between_clauses_and_through_no_number() -> None:
    talk = "well you know i have been thinking about it and then i asked my sister who is a nurse "
    number = "my number is five five five oh one double two three four"
    found = said(talk * 2 + number + " and " + talk + "and my name is ada")
    assert any(number in pin for pin in found)
    assert any(pin.endswith("my name is ada") for pin in found)


def test_another_language_has_at_least_its_digits() -> None:
    turns = [Turn("caller", "mein name ist ada"), Turn("caller", "meine nummer ist 555 01 00")]
    assert pins(turns, language="de") == ("meine nummer ist 555 01 00",)


WORDS = st.sampled_from(
    re.findall(r"\S+|\n", "my name is ada no it not but 5 five double on tuesday i mean at dot A-D-A . , ? é \n")
)
TURNS = st.lists(
    st.builds(
        Turn,
        st.sampled_from(["caller", "agent", "tool"]),
        st.one_of(st.lists(WORDS, max_size=120).map(" ".join), st.text(max_size=60)),
    ),
    max_size=12,
)


@given(TURNS)
def test_pins_are_few_short_different_and_the_callers_own_characters(turns: list[Turn]) -> None:
    found = pins(turns)
    assert len(found) <= MOST
    assert len(set(found)) == len(found)
    assert all(0 < len(pin) <= LONGEST for pin in found)
    caller = [turn.text for turn in turns if turn.speaker == "caller"]
    of_tools = [pin for pin in found if not any(pin in text for text in caller)]
    assert len(of_tools) <= sum(turn.speaker == "tool" for turn in turns)


@given(TURNS, st.integers(0, 40), st.integers(0, 400))
def test_less_room_leaves_some_of_the_same_pins_in_the_same_order(turns: list[Turn], most: int, room: int) -> None:
    all_of_them, left = pins(turns, most=999, room=999_999), pins(turns, most=most, room=room)
    assert [pin for pin in all_of_them if pin in left] == list(left)
    assert len(left) <= max(most, 1)


@given(TURNS)
def test_the_first_name_is_never_lost(turns: list[Turn]) -> None:
    named = [Turn("caller", "my name is ada lovelace"), *turns]
    assert "my name is ada lovelace" in [pin.casefold() for pin in pins(named, most=0)]


def test_a_name_that_was_surely_given_outlives_an_answer_that_only_might_be_one() -> None:
    turns = [
        *(Turn("agent", "What is your name?"), Turn("caller", "well you know how it is")),
        *(Turn("agent", "May I have your name?"), Turn("caller", "my name is ada")),
    ]
    assert pins(turns, most=1) == ("my name is ada",)
    assert pins(turns[:2], most=0) == ("well you know how it is",)
