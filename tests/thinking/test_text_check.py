"""Text that no caller could make anything of is told from a reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.thinking.text_check import TextCheck


def verdict(text: str, cut: int = 3) -> str | None:
    """What is wrong with a text that comes in fragments of `cut` characters."""
    check = TextCheck()
    found = (check.feed(text[start : start + cut]) for start in range(0, len(text), cut))
    return next((wrong for wrong in found if wrong), None)


@pytest.mark.parametrize("text", ["!" * 60, "\n \n" * 30, "... --- ...!?" * 5])
def test_forty_characters_without_a_word_are_nonsense(text: str) -> None:
    assert verdict(text) is not None


@pytest.mark.parametrize("unit", ["a", "no ", "the the ", "we are open, "])
@pytest.mark.parametrize("cut", [1, 4, 50])
def test_what_repeats_itself_more_than_twenty_times_is_nonsense(unit: str, cut: int) -> None:
    assert verdict("We are. " + unit * 30, cut) == "nonsense: it repeats itself"
    assert verdict("We are. " + unit * 9, cut) is None


@pytest.mark.parametrize("cut", [1, 4, 500])
@pytest.mark.parametrize(
    "unit",
    [
        "We are open from eight. Please call us again. ",
        "I can help. What is your name? ",
        "and then we go to the shop around the corner ",
        "I am an assistant.\nHow may I help?\n\n",
    ],
)
def test_sentences_that_come_again_and_again_are_nonsense(unit: str, cut: int) -> None:
    assert verdict("Hello. " + unit * 6, cut) == "nonsense: it repeats itself"
    assert verdict("Hello. " + unit * 2, cut) is None


@pytest.mark.parametrize("nothing", [" \n\t  \n \r\n" * 40, "- . _ | " * 30, "?!… — " * 40])
def test_a_reply_that_trails_off_without_words_is_nonsense(nothing: str) -> None:
    assert verdict(f"We are open. {nothing}") is not None


@pytest.mark.parametrize("sign", ["\x00", "\x07", "\x1b", "\x7f", "\x9b"])
def test_control_characters_are_nonsense(sign: str) -> None:
    assert verdict(f"We are {sign}open") == "nonsense: control characters"


@pytest.mark.parametrize(
    "text",
    [
        "We are open Monday to Friday, from eight to six.",
        "— “Ja”, natürlich: 24/7!\n\t- Öffnungszeiten\r\n",
        "Your number is 0000 0000 0000 0000.",
        "It is one two three, one two three, one two three, one two three, one two three.",
        "Monday nine to five, Tuesday nine to five, Wednesday nine to five, Thursday nine to five, and so on.",
        "| Day | Hours |\n|-----------------|-----------------|\n| Monday | nine to five |",
        "Ha ha ha ha ha ha, very good!",
        "我们星期一到星期五营业。",
        "",
    ],
)
def test_a_reply_makes_sense(text: str) -> None:
    assert verdict(text) is None


@given(st.lists(st.text(max_size=30), max_size=30))
def test_any_text_is_judged(fragments: list[str]) -> None:
    check = TextCheck()
    for fragment in fragments:
        check.feed(fragment)
    assert check.has_words == any(character.isalnum() for character in "".join(fragments))
