"""Which passages a question finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.tools.look_up import UNKNOWN, LookUp, stems

CLINIC = """# Prices
A check-up costs 95 dollars. A cleaning is 120 dollars.

# Opening hours
We are open Monday to Friday, from 8:30 to 17:00.

On Saturdays we are closed.

# Insurance
We accept Delta Dental and Aetna. Other insurers pay you back.

# Getting here
Parking is free behind the building. Bus 42 stops at the door.
"""
FACTS = ("The dentist is Dr. Anna Kovač.", "Cancellations are free until 24 hours before the appointment.")


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("Where can I park?", "Getting here: Parking is free behind the building."),
        ("are you closed on a saturday", "Opening hours: On Saturdays we are closed."),
        ("how much is a cleaning", "A cleaning is 120 dollars."),
        ("price", "Prices: A check-up costs 95 dollars."),
        ("can I cancel my appointment", "Cancellations are free"),
        ("is the doctor called Kovac", "Dr. Anna Kovač"),
        ("insurances", "Insurance: We accept Delta Dental"),
        ("bus 42", "Bus 42 stops at the door."),
    ],
)
def test_a_question_finds_its_passage_first(question, found):
    assert found in LookUp([CLINIC, *FACTS]).find(question).split("\n")[0]


@pytest.mark.parametrize("question", ["Do you sell bicycles?", "what is the", "", "43", "?!"])
def test_what_no_passage_tells_is_said_to_be_unknown(question):
    assert LookUp([CLINIC, *FACTS]).find(question) == UNKNOWN
    assert LookUp([]).find(question) == UNKNOWN


def test_words_of_a_family_meet_and_numbers_stay_apart():
    assert stems("insurance")[0] == stems("Insurances")[0]
    assert stems("cancelled cancellation cancelling") == ["cancel"] * 3
    assert stems("policies policy") == ["polic"] * 2
    assert stems("24 240 2.4 appointments") == ["24", "240", "2", "4", "appoint"]


@given(texts=st.lists(st.text(max_size=3_000), max_size=5), question=st.text(max_size=100))
def test_what_is_found_is_short_and_in_the_texts(texts, question):
    found = LookUp(texts).find(question)
    assert len(found) <= 1_200
    if found != UNKNOWN:
        assert len(found.split("\n- ")) <= 3


def test_a_long_paragraph_is_parted_between_its_sentences():
    long = " ".join(f"Room {number} has a view of the lake and a bath." for number in range(60))
    found = LookUp([f"# Rooms\n{long}"]).find("room 41")
    assert "Room 41 has a view of the lake and a bath." in found
    assert all(line.startswith("- Rooms: Room ") and line.endswith("bath.") for line in found.split("\n"))
