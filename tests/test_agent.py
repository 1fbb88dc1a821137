"""The agent file: read whole, or refused with every mistake and its line."""

from pathlib import Path

import pytest

from client_caller.agent import answering, filled, load_agent
from client_caller.errors import ConfigError
from client_caller.outbound.opening import MissingVariableError

SMALLEST = 'name = "Anna"\ncompany = "Maple"\ngreeting = "Hello"\npersona = "You are Anna."\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return path


def complaints(folder: Path, text: str) -> list[str]:
    """What is said about the text, without the file's name."""
    path = write(folder, text)
    with pytest.raises(ConfigError) as told:
        load_agent(path)
    return [line.removeprefix(f"{path}, ") for line in str(told.value).splitlines()]


def test_four_fields_are_enough_and_the_rest_has_defaults(tmp_path: Path) -> None:
    agent = load_agent(write(tmp_path, SMALLEST))
    assert (agent.name, agent.language, agent.facts, agent.hints, agent.examples) == ("Anna", "en", (), (), ())
    assert (agent.voice.name, agent.voice.words_per_minute, agent.voice.pitch) == ("en-us", 165, 50)
    assert agent.phrases.repeat == "Sorry, I did not catch that. Could you say it again?"


def test_the_agent_that_comes_with_the_project_is_valid() -> None:
    agent = load_agent(Path(__file__).parent.parent / "agents" / "receptionist.toml")
    assert agent.greeting
    assert agent.examples


def test_all_mistakes_are_told_at_once_each_with_its_line_field_and_what_is_allowed(tmp_path: Path) -> None:
    text = (
        'name = "Anna"\ncompany = ""\ngreeting = "Hello"\nlanguage = "xx"\ncolour = "red"\n'
        "[voice]\nwords_per_minute = 900\npich = 3\n"
    )
    assert complaints(tmp_path, text) == [
        "line 2: company must not be empty",
        "line 4: language should be 'en' (it is 'xx')",
        "line 1: persona is missing",
        "line 7: voice.words_per_minute should be less than or equal to 300 (it is 900)",
        "line 8: voice.pich is not a field of an agent file; here may stand: name, words_per_minute, pitch",
        "line 5: colour is not a field of an agent file; here may stand: name, company, language, greeting, persona, "
        "facts, hints, examples, voice, limits, phrases, identity, transfer_to, transfer_briefly, when_full, "
        "recording, outbound, keys",
    ]


def test_a_mistake_in_the_second_of_two_examples_is_found_there(tmp_path: Path) -> None:
    text = SMALLEST + '[[examples]]\ncaller = "a"\nagent = "b"\n[[examples]]\ncaller = "c"\nagent = 4\n'
    assert complaints(tmp_path, text) == ["line 10: examples[2].agent should be a valid string (it is 4)"]


def test_what_is_missing_in_a_table_is_told_with_the_line_of_the_table(tmp_path: Path) -> None:
    text = SMALLEST + '[[examples]]\ncaller = "a"\n'
    assert complaints(tmp_path, text) == ["line 5: examples[1].agent is missing"]


def test_lines_inside_long_texts_are_not_taken_for_fields(tmp_path: Path) -> None:
    text = 'name = "A"\ncompany = "B"\npersona = """\n[voice]\npitch = 7\n"""\ngreeting = "H"\n[voice]\npitch = 200\n'
    assert complaints(tmp_path, text) == ["line 9: voice.pitch should be less than or equal to 99 (it is 200)"]


def test_a_mistake_of_syntax_is_told_with_its_line(tmp_path: Path) -> None:
    assert "not valid TOML" in complaints(tmp_path, 'name = "Anna"\ncompany\n')[0]
    assert "line 2" in complaints(tmp_path, 'name = "Anna"\ncompany\n')[0]


def test_a_missing_file_is_told_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml cannot be read \(No such file.*CLIENT_CALLER_AGENT"):
        load_agent(tmp_path / "none.toml")


def test_a_file_that_is_not_text_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_agent(path)


@pytest.mark.parametrize("number", ["", "15550100002", "+0155501000", "+1 555 010 0002", "+1555", "+" + "1" * 16])
def test_a_number_that_no_carrier_can_dial_is_refused(tmp_path: Path, number: str) -> None:
    text = f'name = "Anna"\ncompany = "B"\ngreeting = "Hello"\npersona = "You."\ntransfer_to = "{number}"\n'
    assert complaints(tmp_path, text) == [
        f"line 5: transfer_to must be a number in E.164 form, such as +15550100002 (it is {number!r})"
    ]


CALLS = 'identity = "Hello, this is {agent}, the automated assistant of {company}."\n'
OUTBOUND = (
    '[outbound]\nreason = "I call about your appointment on {day}, {name}."\nmessage = "Please call us, {name}."\n'
)


def test_an_agent_that_places_calls_has_its_variables_filled_in_and_keeps_its_own_name(tmp_path: Path) -> None:
    text = SMALLEST.replace("You are Anna", "You are {name} of {company}, and call {who}") + CALLS + OUTBOUND
    agent = filled(
        load_agent(write(tmp_path, text)), {"name": "Ada", "day": "Tuesday", "who": "clients"}, outbound=True
    )
    assert agent.identity == "Hello, this is Anna, the automated assistant of Maple."
    assert agent.persona == "You are Anna of Maple, and call clients."
    assert agent.outbound
    assert agent.outbound.reason == "I call about your appointment on Tuesday, Ada."
    assert agent.outbound.message == "Please call us, Ada."


def test_a_variable_that_is_not_there_is_named(tmp_path: Path) -> None:
    agent = load_agent(write(tmp_path, SMALLEST + CALLS + OUTBOUND))
    with pytest.raises(MissingVariableError, match="day"):
        filled(agent, {"name": "Ada"}, outbound=True)
    assert filled(agent, {}, outbound=False).greeting == "Hello", "in a call that comes in nobody needs them"


def test_an_agent_that_answers_and_needs_a_variable_is_refused_with_its_name(tmp_path: Path) -> None:
    agent = load_agent(write(tmp_path, SMALLEST.replace('"Hello"', '"Hello {who}"')))
    with pytest.raises(ConfigError, match=r"\{who\}.*another agent with CLIENT_CALLER_AGENT"):
        answering(agent)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (OUTBOUND, "line 5: outbound needs a lawful identity"),
        ('identity = "Hello, this is Anna of Maple."\n' + OUTBOUND, "must say that a machine is calling"),
        ('when_full = "forward"\n', "line 5: when_full needs transfer_to"),
        ('when_full = "call back"\n', "needs a table [outbound]"),
        ('when_full = "call back"\n' + CALLS + OUTBOUND, "day, name is not known then"),
        ('[recording]\nconsent = "asked"\n', "needs a phrase that the caller hears"),
        ('[keys]\nhuman = "00"\n', "line 6: keys.human"),
        ('[keys]\nopt_in = "1"\n', "here may stand: opt_out, human"),
        ('[outbound]\nreason = "Hello"\nmenu_keys = "one"\n', "outbound.menu_keys"),
    ],
)
def test_what_the_law_or_a_call_needs_and_is_missing_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    assert any(complaint in told for told in complaints(tmp_path, SMALLEST + text)), complaints(
        tmp_path, SMALLEST + text
    )


def test_the_agent_that_places_calls_is_valid_and_lawful() -> None:
    agent = load_agent(Path(__file__).parent.parent / "agents" / "clinic.toml")
    assert agent.outbound
    assert filled(agent, {"name": "Ada", "day": "Tuesday"}, outbound=True).identity.endswith("of Harbour Clinic.")
