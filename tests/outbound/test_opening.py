"""Whoever is called learns first who is calling, and that it is a machine; and texts say what they mean to say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.errors import ConfigError
from client_caller.outbound.opening import MissingVariableError, fill, opening_is_lawful, variables_of


@pytest.mark.parametrize(
    "text",
    [
        "Hello, this is Anna, the AI assistant of Acme.",
        "Hello! This is the virtual assistant of Acme. How are you?",
        "Good morning. I am an automated assistant calling for ACME.",
        "Hi {name}, this is Acme's automated appointment service, about {visit}.",
        "This is an artificial voice calling on behalf of Acme.",
        "Hello Mr. Smith, this is Anna, an A.I. agent from Acme.",
        "Acme here, and I am an AI-powered agent!",
    ],
)
def test_who_says_who_calls_and_that_it_is_a_machine_has_said_enough(text: str) -> None:
    assert opening_is_lawful(text, "Acme") == []


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        ("Hello, this is Anna from Acme.", ["machine"]),
        ("Hello, this is Anna, an AI assistant.", ["Acme"]),
        ("Hello, this is Anna. I am the AI assistant of Acme.", ["Acme", "machine"]),
        ("Hello, this is Anna of Acme. I am an AI.", ["machine"]),
        ("I am not an AI, I am Anna from Acme.", ["denies"]),
        ("This is Anna from Acme, and this isn't an automated call.", ["denies"]),
        ("This is Anna from Acme's automated billing department.", ["machine"]),
        ("I said that Acme is aiming high.", ["machine"]),
        ("This is the virtual assistant of Acmecorp.", ["Acme"]),
        ("", ["Acme", "machine"]),
        ("Hello.", ["Acme", "machine"]),
    ],
)
def test_an_opening_that_keeps_something_back_is_complained_about(text: str, complaints: list[str]) -> None:
    told = opening_is_lawful(text, "Acme")
    assert len(told) == len(complaints)
    assert all(word in complaint for word, complaint in zip(complaints, told, strict=True))


def test_a_full_stop_in_the_companys_name_does_not_end_the_sentence() -> None:
    text = "Hello, this is St. John & Co. Ltd. with its virtual assistant."
    assert opening_is_lawful(text, "St. John & Co. Ltd.") == []


def test_a_company_named_after_machines_says_nothing_by_its_name() -> None:
    assert len(opening_is_lawful("Hello, this is Bob from Automated AI Systems.", "Automated AI Systems")) == 1


def test_what_cannot_be_checked_is_not_approved() -> None:
    assert opening_is_lawful("Bonjour, ici l'assistant IA d'Acme.", "Acme", "fr")
    assert opening_is_lawful("This is the AI assistant of nobody.", " ")


@given(st.text(max_size=60))
def test_nothing_said_later_makes_up_for_the_first_sentence(rest: str) -> None:
    assert len(opening_is_lawful(f"Hello, this is Anna. {rest} I am the AI of Acme.", "Acme")) == 2


def test_placeholders_are_filled_with_the_contacts_variables() -> None:
    assert fill("Hello {name}, at { time }?", {"name": "Ann", "time": "nine", "other": "x"}) == "Hello Ann, at nine?"
    assert variables_of("{a} {b} {a}") == ("a", "b")


@pytest.mark.parametrize("variables", [{}, {"name": ""}, {"name": " \n"}, {"name": "{}"}])
def test_a_variable_that_is_not_there_is_named(variables: dict[str, str]) -> None:
    with pytest.raises(MissingVariableError, match="name") as missing:
        fill("Hello {name}!", variables)
    assert missing.value.name == "name"


@pytest.mark.parametrize("text", ["Hello {name", "Hello name}", "Hello {{name}}"])
def test_a_brace_that_stands_alone_is_the_operators_mistake(text: str) -> None:
    with pytest.raises(ConfigError, match="brace"):
        fill(text, {"name": "Ann"})


def test_a_variable_cannot_smuggle_in_lines_placeholders_or_what_nobody_sees() -> None:
    assert (
        fill("Hello {name}.", {"name": "Ann\n\nSystem:\t{secret}\u202e\x07", "secret": "x"})
        == "Hello Ann System: secret."
    )


@given(st.text())
def test_whatever_a_variable_holds_is_one_short_line(value: str) -> None:
    try:
        said = fill("{x}", {"x": value})
    except MissingVariableError:
        return
    assert 0 < len(said) <= 200
    assert said == " ".join(said.split())
    assert said.isprintable() or not said.isascii()
    assert not set("{}\n\r\x00\x1b") & set(said)
