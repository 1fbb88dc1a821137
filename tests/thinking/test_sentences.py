"""How streamed text is cut into what a voice can speak."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.thinking.sentences import PieceCutter, speakable


def cut(text: str, max_sentences: int = 99) -> list[str]:
    cutter = PieceCutter(max_sentences)
    return cutter.feed(text) + cutter.finish()


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Yes, of course. I can help.", ["Yes, of course.", "I can help."]),
        ("Yes of course, I can help.", ["Yes of course,", "I can help."]),
        ("I am sorry to hear that it broke.", ["I am sorry to hear", "that it broke."]),
        ("Is there anything else I can help with?", ["Is there anything else", "I can help with?"]),
        ("We are open until 5 p.m. Monday.", ["We are open until 5 p.m. Monday."]),
        ("Dr. Smith comes. He is kind.", ["Dr. Smith comes.", "He is kind."]),
        ("It opens 9.30. It costs 3.5 euros.", ["It opens 9.30.", "It costs 3.5 euros."]),
        ("Bring e.g. a pen. Fine.", ["Bring e.g. a pen.", "Fine."]),
        ("Well... let me see. Yes.", ["Well... let me see.", "Yes."]),
        ("One line\nAnother line", ["One line", "Another line"]),
    ],
)
def test_pieces_end_where_a_speaker_may_pause(text: str, pieces: list[str]) -> None:
    assert cut(text) == pieces


def test_only_the_first_piece_may_end_inside_a_sentence() -> None:
    assert cut("I can do that, of course, today. I can do that, of course, today.") == [
        "I can do that,",
        "of course, today.",
        "I can do that, of course, today.",
    ]


@pytest.mark.parametrize("leaning", ["the", "to", "your", "of", "and", "is"])
def test_no_piece_ends_with_a_word_that_leans_on_the_next(leaning: str) -> None:
    pieces = cut(f"Please bring red green blue hats {leaning} big warm soft coats today.")
    assert len(pieces) == 2
    assert not pieces[0].endswith(f" {leaning}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("**Sure!** That is *really* good.", ["Sure!", "That is really good."]),
        ("*smiles* Hello there.", ["Hello there."]),
        ("[laughs] Hello there.", ["Hello there."]),
        ("Hello there 😀 my friend.", ["Hello there my friend."]),
        ("Anna: Hello there.", ["Hello there."]),
        ("A: Hello there.", ["Hello there."]),
        ("assistant: Hello there.", ["Hello there."]),
        ("1. Unplug it.\n2. Plug it in.", ["Unplug it.", "Plug it in."]),
        ("- Unplug it.\n- Plug it in.", ["Unplug it.", "Plug it in."]),
        ("# Hours\nMonday: nine to five.", ["Hours", "Monday: nine to five."]),
        ("Say `yes` to __all__ of it.", ["Say yes to all of it."]),
        ("— ...", []),
    ],
)
def test_what_nobody_says_aloud_is_left_out(text: str, said: list[str]) -> None:
    assert cut(text) == said


def test_it_is_full_after_the_sentences_allowed_and_ignores_the_rest() -> None:
    cutter = PieceCutter(max_sentences=2)
    pieces = cutter.feed("I will call back today for you. Two. Three. Four.")
    assert pieces == ["I will call back", "today for you.", "Two."]
    assert cutter.full
    assert cutter.finish() == []


BITS = ["yes", "the", "open,", "5", "p.m.", "9.30", "Dr.", "that", "from", "fine.", "Why?", "Good!", "well...", "a\n"]
MARKUP = ["**so**", "`it`", "😀", "[waits]", "**", ":"]
TEXTS = st.lists(st.sampled_from(BITS + MARKUP), max_size=40).map(" ".join)


@given(text=TEXTS, cuts=st.lists(st.integers(0, 200), max_size=20))
def test_how_the_stream_was_cut_changes_nothing(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(edge, len(text)) for edge in cuts), len(text)]
    cutter = PieceCutter(99)
    pieces = [piece for a, b in itertools.pairwise(edges) for piece in cutter.feed(text[a:b])]
    assert pieces + cutter.finish() == cut(text)


@given(text=TEXTS)
def test_no_word_is_lost_or_doubled(text: str) -> None:
    def letters(said: str) -> str:
        return "".join(character for character in said if character.isalnum())

    assert letters(" ".join(cut(text))) == letters(speakable(text))
