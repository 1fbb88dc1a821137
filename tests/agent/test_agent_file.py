"""The agent file: read whole, or refused with every mistake and its line."""

from pathlib import Path

import pytest

from agent_files import OUTBOUND, SAYS_WHO, SMALLEST, complaints, write
from client_caller.agent import AgentHours, load_agent
from client_caller.errors import ConfigError


def test_four_fields_are_enough_and_the_rest_has_defaults(tmp_path: Path) -> None:
    agent = load_agent(write(tmp_path, SMALLEST))
    assert (agent.name, agent.language, agent.facts, agent.hints, agent.examples) == ("Anna", "en", (), (), ())
    assert (agent.voice.name, agent.voice.words_per_minute, agent.voice.pitch) == ("en-us", 165, 50)
    assert agent.phrases.repeat == "Sorry, I did not catch that. Could you say it again?"


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
        "line 8: voice.pich is not a field of an agent file; here may stand: name, words_per_minute, pitch, prompt",
        "line 5: colour is not a field of an agent file; here may stand: name, company, language, greeting, persona, "
        "goals, facts, fact_files, hints, examples, voice, pronounce, limits, phrases, identity, transfer_to, "
        "transfer_briefly, transfers, hours, when_full, recording, outbound, keys, variables, built_in, tools, "
        "functions, summary",
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


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (OUTBOUND, "line 5: outbound needs a lawful identity"),
        ('identity = "Hello, this is Anna of Maple."\n' + OUTBOUND, "must say that a machine is calling"),
        ('when_full = "forward"\n', "line 5: when_full needs transfer_to"),
        ('when_full = "call back"\n', "line 5: when_full needs a table [outbound]"),
        (
            'when_full = "call back"\n' + SAYS_WHO + OUTBOUND,
            "line 8: outbound.reason must do without variables where when_full = 'call back': day, name is not known",
        ),
        ('[recording]\nconsent = "asked"\n', "needs a phrase that the caller hears"),
        ('[keys]\nhuman = "00"\n', "line 6: keys.human"),
        ('[keys]\nopt_in = "1"\n', "here may stand: opt_out, human"),
        ('[outbound]\nreason = "Hello"\nmenu_keys = "one"\n', "outbound.menu_keys"),
    ],
)
def test_what_the_law_or_a_call_needs_and_is_missing_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    told = complaints(tmp_path, SMALLEST + text)
    assert any(complaint in line for line in told), told


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('goals = ["Be kind.", ""]\n', "line 5: goals[2] must not be empty"),
        ('documents = ["a"]\n', "line 5: documents is not a field of an agent file; here may stand: name, company"),
        ('built_in = ["hang_up",\n  "dance"]\n', "line 6: built_in[2] should be 'hang_up', 'transfer', 'send_digits'"),
        ("[hours]\n", "line 5: hours.timezone is missing"),
        ('[hours]\ntimezone = "Europe/Atlantis"\n', "line 6: hours.timezone must be a time zone of the IANA database"),
        ('[hours]\ntimezone = "UTC"\nmonday = "8-12"\n', 'line 7: hours.monday must be "closed" or hours such as'),
        ('[hours]\ntimezone = "UTC"\nfriday = "18:00-02:00"\n', "line 7: hours.friday must be stretches in order"),
        ("[variables.day]\n", "line 5: variables.day.description is missing"),
        (
            '[[transfers]]\nname = "a"\nto = "911"\nwhen = "Always."\n',
            "line 7: transfers[1].to must be a number in E.164",
        ),
        ("[limits]\nhistory_tokens = 10\n", "line 6: limits.history_tokens should be greater than or equal to 300"),
        ('pronounce = { Nguyen = "" }\n', "line 5: pronounce.Nguyen must not be empty"),
        ('[[summary.fields]]\nname = "a b"\ndescription = "c"\n', "line 6: summary.fields[1].name string should match"),
        (
            '[[summary.fields]]\nname = "a"\ndescription = "c"\ntype = "number"\nchoices = ["1"]\n',
            "line 5: summary.fields[1] has choices, so its type must be 'string'",
        ),
        (
            '[[tools]]\nname = "a"\ndescription = "b"\nurl = "https://x.example/{it}"\n[[tools.parameters]]\n'
            'name = "it"\ndescription = "c"\n[[tools.parameters]]\nname = "that"\n',
            "line 12: tools[1].parameters[2].description is missing",
        ),
        (
            '[[tools]]\nname = "a"\ndescription = "b"\nurl = "https://x.example/"\n[[tools.parameters]]\nnam = "it"\n',
            "line 10: tools[1].parameters[1].nam is not a field of an agent file; here may stand: name, type",
        ),
    ],
)
def test_a_mistake_is_told_with_line_field_and_what_is_allowed(tmp_path: Path, text: str, complaint: str) -> None:
    told = complaints(tmp_path, SMALLEST + text)
    assert any(line.casefold().startswith(complaint.casefold()) for line in told), told


def test_a_secret_in_the_wrong_place_is_not_said_again(tmp_path: Path) -> None:
    tool = '[[tools]]\nname = "a"\ndescription = "b"\nurl = "https://me:hunter2@x.example/"\n'
    told = complaints(tmp_path, SMALLEST + tool + 'headers = { Authorization = "Bearer hunter2\\n" }\n')
    assert [line.split(" must")[0] for line in told] == [
        "line 8: tools[1].url",
        "line 9: tools[1].headers Authorization",
    ]
    assert "hunter2" not in "".join(told)


def test_files_with_facts_are_read_with_the_agent_and_functions_are_found(tmp_path: Path) -> None:
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "a.md").write_text("\ufeffWe sell boats.\n", encoding="utf-8")
    (tmp_path / "b.TXT").write_text("And oars.", encoding="utf-8")
    (tmp_path / "tools.py").write_text("")
    agent = load_agent(write(tmp_path, SMALLEST + 'fact_files = ["facts/a.md", "b.TXT"]\nfunctions = ["tools.py"]\n'))
    assert agent.documents == ("We sell boats.\n", "And oars.")
    assert agent.functions == (str((tmp_path / "tools.py").resolve()),)


def test_a_file_that_must_not_be_read_is_told_with_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "folder.md").mkdir()
    (folder / "latin.txt").write_bytes(b"\xe9")
    (folder / "long.md").write_text("a" * (256 * 1024 + 1))
    (folder / "facts.toml").write_text("")
    names = ("none.md", "../secret.txt", "link.txt", "folder.md", "latin.txt", "long.md", "facts.toml", "a\\u0000.md")
    rows = "".join(f'  "{name}",\n' for name in names)
    outside = "must be a file in the agent file's own folder, or in a folder below it"
    says = ["is not there", outside, outside, "is not there", "must be UTF-8 text", "must not be larger than 256 KiB"]
    says += ["must end in .md or .txt", outside]
    told = complaints(folder, SMALLEST + f'fact_files = [\n{rows}]\nfunctions = ["none.py"]\n')
    assert [line.split(" (it is")[0] for line in told] == [
        *(f"line {6 + at}: fact_files[{at + 1}] {what}" for at, what in enumerate(says)),
        "line 15: functions[1] is not there",
    ]


def test_the_opening_hours_are_a_table(tmp_path: Path) -> None:
    agent = load_agent(write(tmp_path, SMALLEST + '[hours]\ntimezone = "Europe/Berlin"\nmonday = "09:00-17:00"\n'))
    assert agent.hours == AgentHours(timezone="Europe/Berlin", monday="09:00-17:00")
