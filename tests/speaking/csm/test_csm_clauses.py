"""Pieces cut to clauses: where, and that nothing gets lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.speaking.csm.clauses import LIMIT, clauses

CASES = [
    ("", []),
    (" \n ", []),
    ("Yes.  Of\ncourse.", ["Yes. Of course."]),
    (
        "We are open from Monday to Friday. On Saturdays we close at noon; on Sundays, we are closed.",
        ["We are open from Monday to Friday.", "On Saturdays we close at noon; on Sundays, we are closed."],
    ),
    (
        "On Saturdays, we close at noon; on Sundays and on holidays, we are closed.",
        ["On Saturdays, we close at noon;", "on Sundays and on holidays, we are closed."],
    ),
    (
        "Yes, there is one at the station — the other is by the old harbour, near the bridge.",
        ["Yes, there is one at the station —", "the other is by the old harbour, near the bridge."],
    ),
    (
        "Please unplug the router, and plug it in again after one whole minute has passed.",
        ["Please unplug the router,", "and plug it in again after one whole minute has passed."],
    ),
    (
        "Please unplug your router now and plug it in again one minute or so from now.",
        ["Please unplug your router now", "and plug it in again one minute or so from now."],
    ),
    (
        "Please plug your router in again one whole minute later than you did last time.",
        ["Please plug your router in again one", "whole minute later than you did last time."],
    ),
    (
        "Yes. Your order was sent to your new address last Tuesday by ordinary mail.",
        ["Yes. Your order was sent to your new", "address last Tuesday by ordinary mail."],
    ),
    (
        'She said: "We shall call you back tomorrow!" Would that suit you, or not?',
        ['She said: "We shall call you back tomorrow!"', "Would that suit you, or not?"],
    ),
]


@pytest.mark.parametrize(("text", "wanted"), CASES)
def test_a_piece_is_cut_where_a_speaker_would_pause(text: str, wanted: list[str]) -> None:
    assert clauses(text, 70 if len(text) > 70 else LIMIT) == wanted


def test_what_is_short_enough_stays_whole() -> None:
    assert clauses("One. Two; three, four.") == ["One. Two; three, four."]


WORDS = st.text(st.sampled_from("ab.,;:—-!?\"') \n\t"), max_size=600)


@given(text=WORDS, limit=st.integers(1, 150))
def test_no_word_is_lost_or_split_and_every_clause_is_short(text: str, limit: int) -> None:
    cut = clauses(text, limit)
    assert " ".join(cut).split() == text.split()
    assert all(clause and clause == " ".join(clause.split()) for clause in cut)
    assert all(len(clause) <= limit or " " not in clause for clause in cut)


@given(st.lists(st.sampled_from(["yes.", "certainly,", "and", "telephones", "a"]), max_size=120))
def test_without_need_no_clause_is_a_scrap(words: list[str]) -> None:
    cut = clauses(" ".join(words))
    assert len(cut) < 2 or min(map(len, cut)) >= 20
