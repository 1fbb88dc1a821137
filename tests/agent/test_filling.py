"""Variables: filled in per call, or named when a call does not have them."""

from pathlib import Path

import pytest

from agent_files import OUTBOUND, SAYS_WHO, SMALLEST, write
from client_caller.agent import answering, filled, known_of, load_agent, needed
from client_caller.errors import ConfigError
from client_caller.outbound.opening import MissingVariableError


def test_an_agent_that_places_calls_has_its_variables_filled_in_and_keeps_its_own_name(tmp_path: Path) -> None:
    text = SMALLEST.replace("You are Anna", "You are {name} of {company}, and call {who}") + SAYS_WHO + OUTBOUND
    agent = filled(
        load_agent(write(tmp_path, text)), {"name": "Ada", "day": "Tuesday", "who": "clients"}, outbound=True
    )
    assert agent.identity == "Hello, this is Anna, the automated assistant of Maple."
    assert agent.persona == "You are Anna of Maple, and call clients."
    assert agent.outbound
    assert agent.outbound.reason == "I call about your appointment on Tuesday, Ada."
    assert agent.outbound.message == "Please call us, Ada."


def test_a_variable_that_is_not_there_is_named(tmp_path: Path) -> None:
    agent = load_agent(write(tmp_path, SMALLEST + SAYS_WHO + OUTBOUND))
    with pytest.raises(MissingVariableError, match="day"):
        filled(agent, {"name": "Ada"}, outbound=True)
    assert filled(agent, {}, outbound=False).greeting == "Hello", "in a call that comes in nobody needs them"


def test_an_agent_that_answers_and_needs_a_variable_is_refused_with_its_name(tmp_path: Path) -> None:
    agent = load_agent(write(tmp_path, SMALLEST.replace('"Hello"', '"Hello {who}"')))
    with pytest.raises(ConfigError, match=r"\{who\}.*another agent with CLIENT_CALLER_AGENT"):
        answering(agent)


RICH = """
goals = ["Ask {client_name} about {boat}."]
facts = ["{client_name} owns {boat}."]
transfer_to = "+15550100002"
transfer_briefly = "{client_name} says: {words}, and has {boat}"
variables = { boat = { description = "the boat", default = "a boat" }, client_name = { description = "who is called" } }

[[transfers]]
name = "the yard"
to = "+15550100003"
when = "{client_name} wants {boat} mended."
briefly = "{words}"
"""


def test_every_text_that_may_hold_variables_is_filled_in(tmp_path: Path) -> None:
    agent = load_agent(write(tmp_path, SMALLEST.replace("Hello", "Hello {client_name}") + RICH))
    spoken = filled(agent, {"client_name": "Ada", "boat": " "}, outbound=False)
    assert (spoken.greeting, spoken.goals, spoken.facts) == (
        *("Hello Ada", ("Ask Ada about a boat.",), ("Ada owns a boat.",)),
    )
    assert spoken.transfer_briefly == "Ada says: {words}, and has a boat"
    assert (spoken.transfers[0].when, spoken.transfers[0].briefly) == ("Ada wants a boat mended.", "{words}")


def test_a_default_stands_in_for_what_a_call_lacks_and_yields_to_what_it_has(tmp_path: Path) -> None:
    agent = load_agent(write(tmp_path, SMALLEST + RICH))
    assert known_of(agent, {"more": "1"})["boat"] == "a boat"
    assert known_of(agent, {"boat": "the Mary Rose", "company": "Another"}) == {
        "boat": "the Mary Rose",
        "agent": "Anna",
        "company": "Maple",
    }


def test_a_call_needs_what_its_texts_and_tools_say_and_no_default_gives(tmp_path: Path) -> None:
    tool = (
        '[[tools]]\nname = "book"\ndescription = "b"\nurl = "https://x.example/{client_id}/{day}"\n'
        '[[tools.parameters]]\nname = "day"\ndescription = "the day"\n'
    )
    agent = load_agent(write(tmp_path, SMALLEST.replace("Hello", "Hello {who}") + SAYS_WHO + RICH + OUTBOUND + tool))
    assert needed(agent, outbound=True) == ("client_name", "day", "name", "client_id")
    assert needed(agent, outbound=False) == ("who", "client_name", "client_id")


def test_what_the_file_says_of_a_variable_is_told_with_the_complaint(tmp_path: Path) -> None:
    agent = load_agent(write(tmp_path, SMALLEST + RICH))
    with pytest.raises(MissingVariableError, match=r"add the column client_name \(who is called\)") as missing:
        filled(agent, {}, outbound=False)
    assert missing.value.name == "client_name"
