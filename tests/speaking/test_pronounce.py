"""What a caller should hear of what is written: the cases in pronounce_cases.txt, and what holds for any text."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from client_caller.speaking.pronounce import Pronouncer, Spoken

ENGLISH = Pronouncer("en", {})
CASES = [
    tuple(line.split(" => "))
    for line in Path(__file__).with_name("pronounce_cases.txt").read_text(encoding="utf-8").splitlines()
    if " => " in line
]

_FRAGMENTS = (
    "1 0 27 2026 1,234 12:30 € $ £ % . , ; : ! ? ... … - – — / + = & @ # * ( ) [ ] { } \" ' “ ” ’ ~ < > ^ _ | \\ ½ ² ° "
    "٣ ① Ⅷ a A I the Dr. St. Mr Nov. Nov Mon Sat Sun am p.m. No. no. e.g. etc. U.S. Ph.D. FBI NASA OK VPNs iPhone km "
    "km/h kg h min in of to since order code PIN CA VIII Part Henry Main st nd th s k x w/ www. https:// .com "
    "info@x.co.uk é Zoë 東京 😀 \u200d \u0301"
)
FRAGMENTS = st.sampled_from(_FRAGMENTS.split())
TEXTS = st.lists(st.one_of(FRAGMENTS, st.just(" "), st.text(max_size=4)), max_size=14).map("".join)


def said(text: str) -> str:
    return ENGLISH.spoken(text).text


@pytest.mark.parametrize(("written", "spoken"), CASES, ids=[written for written, _ in CASES])
def test_it_is_said_as_a_person_would_say_it(written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize("spoken", sorted({spoken for _, spoken in CASES}))
def test_what_is_ready_to_be_said_is_left_alone(spoken: str) -> None:
    assert said(spoken) == spoken


@pytest.mark.parametrize("written", [written for written, _ in CASES])
def test_every_word_with_letters_or_digits_is_said(written: str) -> None:
    words = [place for place, word in enumerate(written.split()) if any(c.isalnum() for c in word)]
    assert set(words) <= set(ENGLISH.spoken(written).of)


def check_anything(text: str, pronouncer: Pronouncer = ENGLISH) -> None:
    spoken = pronouncer.spoken(text)
    assert len(spoken.words) == len(spoken.of)
    assert list(spoken.of) == sorted(spoken.of)
    assert set(spoken.of) <= set(range(len(text.split())))
    assert spoken.text.split() == list(spoken.words)
    assert not any(character.isdigit() or character in '€$£%@#&*/+=<>[](){}"“”_~^|\\' for character in spoken.text)
    assert pronouncer.spoken(spoken.text).words == spoken.words


@settings(derandomize=True, max_examples=1000)
@given(TEXTS)
@example("1" * 5000 + "!" * 5000)
@example("¨ ﷺ ¯")
def test_anything_becomes_words_without_digits_and_signs_and_stays_so(text: str) -> None:
    check_anything(text)


@settings(derandomize=True)
@given(st.text())
def test_no_text_of_unicode_is_too_much(text: str) -> None:
    check_anything(text)


@pytest.mark.parametrize(
    "text",
    [
        "Nothing in here needs to change, does it?",
        "It’s a check-in; really: yes! No...",
        "Zoë's café in Łódź.",
        "I do.",
    ],
)
def test_a_text_that_needs_nothing_comes_out_as_it_is(text: str) -> None:
    assert ENGLISH.spoken(text) == Spoken(tuple(text.split()), tuple(range(len(text.split()))))


def test_spoken_words_stand_for_the_written_ones() -> None:
    spoken = ENGLISH.spoken("Pay $1.5 million on Nov. 27, 2026 — please.")
    parts = {
        place: " ".join(w for w, of in zip(spoken.words, spoken.of, strict=True) if of == place) for place in range(9)
    }
    assert parts == {
        **{0: "Pay", 1: "one point five", 2: "million dollars", 3: "on", 4: "November", 5: "twenty-seventh,"},
        **{6: "twenty twenty-six,", 7: "", 8: "please."},
    }


def test_names_are_said_as_given_longest_first_whole_and_in_any_case() -> None:
    names = {"Siobhan": "Shi-vawn", "Siobhan Lee": "Shi-vawn Leigh", "Brightline": "Bright Line", "B2B": "bee to bee"}
    pronouncer = Pronouncer("en", names)
    text = "SIOBHAN LEE, Siobhan's brightline; (Brightline) Brightlines, B2B."
    assert pronouncer.spoken(text).text == (
        "Shi-vawn Leigh, Shi-vawn's Bright Line, Bright Line, Brightlines, bee to bee."
    ).replace("Line, Bright", "Line; Bright", 1)
    assert pronouncer.spoken(text).of == (0, 1, 2, 3, 3, 4, 4, 5, 6, 6, 6)


@settings(derandomize=True)
@given(TEXTS)
def test_names_keep_what_holds_for_any_text(text: str) -> None:
    check_anything(f"Nguyen {text} AXA", Pronouncer("en", {"Nguyen": "Win", "AXA": "AKSA"}))


def test_in_another_language_only_names_are_changed() -> None:
    spoken = Pronouncer("de", {"Siobhan": "Schi-woon"}).spoken("Um 9:30 kommt Siobhan, 30 €.")
    assert spoken == Spoken(("Um", "9:30", "kommt", "Schi-woon,", "30", "€."), (0, 1, 2, 3, 4, 5))


def test_a_date_that_could_be_two_is_read_as_the_country_does() -> None:
    assert said("03/04/2026").startswith("March fourth")
    assert Pronouncer("en-GB", {}).spoken("03/04/2026").text.startswith("April third")
    assert Pronouncer("en-GB", {}).spoken("11/27/2026").text.startswith("November twenty-seventh")
