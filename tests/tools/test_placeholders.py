"""Braces in an operator's texts."""

import pytest

from client_caller.errors import ConfigError
from client_caller.tools.placeholders import Slot, parts_of, slots_of


def test_slots_and_literal_text_come_in_order():
    assert parts_of("a{b}{{c}}{ first name }") == ("a", Slot("b"), "{c}", Slot("first name"))
    assert parts_of("") == ()
    assert slots_of("{a}{b}{a}") == (Slot("a"), Slot("b"))


def test_secrets_are_known_by_their_names_in_lower_case():
    assert Slot("secret.KEY").secret == "key"
    assert Slot("secrets").secret == ""


@pytest.mark.parametrize("text", ["{", "}", "a{b", "{}", "{a{b}}", '{"a": 1}'])
def test_a_stray_brace_is_the_operators_mistake(text):
    with pytest.raises(ConfigError, match="a brace stands alone"):
        parts_of(text)
