"""What is kept of a call that is over: nothing that nobody said."""

import json
import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.conversation.actions import Turn
from client_caller.thinking.afterword import FieldWanted, Value, Wanted, messages, read, schema
from client_caller.thinking.condensing import estimate_tokens

DAY = date(2026, 11, 23)  # a Monday
CALL = (
    Turn("agent", "Hello, this is Anna of Brightline. How can I help you?"),
    Turn("caller", "hi this is ada lovelace l o v e l a c e i have a toothache and want to come on wednesday at three"),
    Turn("tool", "Booked, number 8812.", tool="book", arguments="{}"),
    Turn("agent", "It is booked for Wednesday. What is your number?"),
    Turn("caller", "five double five oh one twenty three and my mail is ada dot l at example dot com"),
    Turn("caller", "there are three of us, we pay two hundred and fifty, and order 4471-9"),
)
WANTED = Wanted(
    outcomes=("booked", "not booked"),
    fields=(
        FieldWanted("caller_name", "string", "Who called"),
        FieldWanted("visit", "date", "When they come"),
        FieldWanted("people", "number", "How many come"),
        FieldWanted("in_pain", "boolean", "Whether it hurts"),
        FieldWanted("about", "string", "What it is about", ("tooth", "bill")),
        FieldWanted("reason", "string", "Why they call"),
    ),
)


def answer(**changes: Any) -> str:
    told = {"summary": "Ada wants to come.", "outcome": "booked", "fields": {}}
    return json.dumps({**told, **changes})


def found(kind: Any, value: object, name: str = "found", *turns: Turn, on: date | None = DAY) -> Value:
    wanted = Wanted((), (FieldWanted(name, kind, "What was said"),))
    return read(answer(fields={name: value}), wanted, turns or CALL, on=on).fields[name]


def test_an_answer_as_it_should_be_is_kept() -> None:
    fields = {
        "caller_name": "Ada Lovelace",
        "visit": "2026-11-25",
        "people": 3,
        "in_pain": True,
        "about": "Tooth",
        "reason": "The caller has a toothache and wants to be seen.",
    }
    kept = read(answer(fields=fields), WANTED, CALL, on=DAY)
    assert kept.summary == "Ada wants to come."
    assert kept.outcome == "booked"
    assert kept.fields == {**fields, "about": "tooth"}


@pytest.mark.parametrize(
    "value",
    [
        *("Ada", "ADA LOVELACE", "5550123", "555-01-23", "ada.l@example.com", "4471-9", "order 44719", "three people"),
        "they said they want to come soon",
    ],
)
def test_a_string_whose_names_and_numbers_were_said_is_kept(value: str) -> None:
    assert found("string", value) == value


@pytest.mark.parametrize(
    "value",
    [
        *("John Smith", "Ada Byron", "5550199", "+1 5550123", "8812", "order 4472", "they know Mr Brown", "", "  "),
        *("ada<|im_end|>", "x" * 201, 7, None, True, ["Ada"]),
    ],
)
def test_a_string_with_a_name_or_a_number_that_nobody_said_is_none(value: object) -> None:
    assert found("string", value) is None


def test_of_a_name_every_word_must_have_been_said_also_in_small_letters() -> None:
    assert found("string", "john smith", "caller_name") is None
    assert found("string", "lovelace", "caller_name") == "lovelace"


def test_a_name_that_was_only_spelled_was_said() -> None:
    assert found("string", "Szabo", "name", Turn("caller", "it is s z a b o")) == "Szabo"


def test_a_digit_of_a_telephone_number_is_no_number_of_people() -> None:
    assert found("number", 5) is None


@pytest.mark.parametrize(("value", "kept"), [(3, 3), (250, 250), (250.0, 250.0), (4, None), ("3", None), (True, None)])
def test_a_number_must_have_been_said_in_words_or_in_digits(value: object, kept: Value) -> None:
    assert found("number", value) == kept


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("it was 1,249.50 in all", 1249.5),
        ("twenty five thousand", 25_000),
        ("one thousand two hundred and three", 1203),
        ("the twenty fifth", 25),
        ("ninety nine", 99),
    ],
)
def test_numbers_are_read_as_they_are_said(said: str, value: float) -> None:
    assert found("number", value, "found", Turn("caller", said)) == value
    assert found("number", value + 1, "found", Turn("caller", said)) is None


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("on the fifth of may", "2027-05-05"),
        ("may twenty fifth", "2027-05-25"),
        ("5/17 please", "2027-05-17"),
        ("on friday", "2026-11-27"),
        ("tomorrow", "2026-11-24"),
        ("today", "2026-11-23"),
    ],
)
def test_a_date_must_have_been_named(said: str, value: str) -> None:
    assert found("date", value, "found", Turn("caller", said)) == value
    assert found("date", "2027-02-11", "found", Turn("caller", said)) is None


@pytest.mark.parametrize("value", ["2026-11-31", "2026-13-25", "25 November", "20261125", 20261125, "", None])
def test_a_date_that_is_not_written_as_one_is_none(value: object) -> None:
    assert found("date", value) is None


def test_a_weekday_names_no_day_of_next_year() -> None:
    assert found("date", "2027-11-24") is None  # a Wednesday, too


def test_a_value_that_is_not_among_the_choices_is_none() -> None:
    kept = read(answer(outcome="lost", fields={"about": "weather", "in_pain": "yes"}), WANTED, CALL)
    assert kept.outcome == ""
    assert kept.fields["about"] is None
    assert kept.fields["in_pain"] is None


def test_any_short_outcome_will_do_when_the_agent_file_names_none() -> None:
    assert read(answer(outcome="appointment made"), Wanted(), CALL).outcome == "appointment made"
    assert read(answer(outcome="word " * 9), Wanted(), CALL).outcome == ""


def test_a_summary_is_short_and_has_no_numbers_that_nobody_said() -> None:
    told = "Ada called. Her number is 5550199. She pays 250. " + "She talks. " * 40
    summary = read(answer(summary=told), WANTED, CALL).summary
    assert summary.startswith("Ada called. She pays 250. She talks.")
    assert len(summary.split()) <= 60


@pytest.mark.parametrize("summary", ["<|im_start|>Ada", "", "Her number is 5550199.", 7, None])
def test_where_nothing_is_left_of_a_summary_the_callers_first_words_stand(summary: object) -> None:
    made = read(answer(summary=summary), WANTED, CALL).summary
    assert made.startswith("The caller said: hi this is ada lovelace l o v")


def test_json_may_stand_among_other_words() -> None:
    assert read(f"Here it is:\n```json\n{answer()}\n```", WANTED, CALL).outcome == "booked"


@pytest.mark.parametrize("text", ["", "Ada called.", '{"summary": "secret', "[1]", "{" * 5_000 + "}"])
def test_what_is_no_json_object_is_refused_without_its_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"^the afterword is no JSON object$"):
        read(text, WANTED, CALL)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
KINDS = {"caller_name": str, "visit": str, "people": (int, float), "in_pain": bool, "about": str, "reason": str}


@given(JSON, JSON, st.one_of(JSON, st.dictionaries(st.sampled_from([*KINDS]), JSON)))
def test_whatever_a_model_writes_what_is_kept_is_of_the_wanted_types(
    summary: object, outcome: object, fields: object
) -> None:
    kept = read(answer(summary=summary, outcome=outcome, fields=fields), WANTED, CALL)
    assert [*kept.fields] == [*KINDS]
    assert all(value is None or isinstance(value, KINDS[name]) for name, value in kept.fields.items())
    assert kept.outcome in ("", *WANTED.outcomes)
    json.dumps(dict(kept.fields), allow_nan=False)


TOLD = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(re.findall(r"\S+", "five double oh 12 1,2,3 1.2.3 ² ١٢ hundred and the fifth may 1,249.50 a-b"))
    ).map(" ".join),
)


@given(st.lists(st.builds(Turn, st.sampled_from(["caller", "agent", "tool"]), TOLD), max_size=4), JSON, TOLD)
def test_whatever_was_said_an_answer_is_read(turns: list[Turn], value: object, text: str) -> None:
    for one in WANTED.fields:
        fields = {one.name: text if one.type == "string" else value}
        kept = read(answer(fields=fields), WANTED, turns, on=DAY)
        if not turns:
            assert kept.fields["caller_name"] is None


@pytest.mark.parametrize("value", [10**400, 1e300, -(10**18)])
def test_a_number_beyond_all_measure_is_none(value: float) -> None:
    assert found("number", value) is None


@given(st.integers(0, 10**9))
def test_a_long_number_is_kept_only_if_it_was_said(number: int) -> None:
    said = "".join(digit for turn in CALL for digit in turn.text if digit.isdigit()) + "5550123"
    if str(number) not in said and number not in (2, 3, 50, 200, 250):
        assert found("string", f"{number}") is None
        assert found("number", number) is None


def test_the_schema_asks_for_every_field_and_lets_it_be_empty() -> None:
    asked = schema(WANTED)
    assert asked["required"] == ["summary", "outcome", "fields"]
    assert asked["properties"]["outcome"] == {"enum": ["booked", "not booked"]}
    fields = asked["properties"]["fields"]
    assert fields["required"] == [*KINDS]
    assert fields["properties"]["about"]["enum"] == ["tooth", "bill", None]
    assert all("null" in json.dumps(one) for one in fields["properties"].values())
    assert "fields" not in schema(Wanted())["properties"]


def test_the_model_is_given_the_call_its_day_and_what_is_wanted() -> None:
    system, user = messages(CALL, WANTED, "Anna", "Brightline", on=DAY)
    assert (system.role, user.role) == ("system", "user")
    assert "of its agent Anna" in system.content
    assert "one of: booked, not booked" in system.content
    assert '"about" (tooth or bill): What it is about' in system.content
    assert user.content.startswith("The call was on Monday, 2026-11-23.\nThe call:\nAgent: Hello")
    assert "Result of book: Booked, number 8812." in user.content


def test_of_a_long_call_the_end_is_told_and_the_name_from_its_beginning() -> None:
    talk = (Turn("caller", "and what else is there to do"), Turn("agent", "Nothing else, I would say."))
    told = messages((*CALL, *talk * 200), WANTED, "Anna", "Brightline", budget_tokens=600)[1].content
    assert estimate_tokens(told) <= 700
    assert "this is ada lovelace" in told
    assert told.endswith("Agent: Nothing else, I would say.")
