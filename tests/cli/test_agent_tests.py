"""`client-caller agents test`: what passes, what fails and how it is shown, mistakes of the files; the shipped ones."""

import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from agent_files import AGENTS, OUTBOUND, SAYS_WHO, SMALLEST
from cli.talking_server import Script, talking_server
from client_caller import cli
from client_caller.agent_tests import AgentTest, AgentTests, Answer, TypedTurn, load_agent_tests, pattern_of
from client_caller.errors import ConfigError
from client_caller.thinking.protocol import ToolCall

HOURS = '[hours]\ntimezone = "America/New_York"\ntuesday = "09:00-17:00"\n'
TRANSFER = (
    'transfer_to = "+12125550102"\n[[transfers]]\nname = "billing"\nto = "+12125550105"\nwhen = "An invoice."\n'
    "in_hours_only = true\n"
)
TOOL = (
    '[[tools]]\nname = "free_times"\ndescription = "Free times."\nurl = "http://127.0.0.1:9/{day}"\n'
    'headers = { Authorization = "{secret.NOBODY_HAS_IT}" }\n'
    '[[tools.parameters]]\nname = "day"\ntype = "date"\ndescription = "The day."\n'
)
AGENT = SMALLEST + SAYS_WHO + TRANSFER + HOURS + TOOL
HEAD = 'agent = "agent.toml"\n[[tests]]\nname = "it works"\n'
TRANSFERS = ToolCall("transfer", json.dumps({"to": "billing", "reason": "an invoice"}))
LOOKS = ToolCall("free_times", json.dumps({"day": "2026-06-04"}))


@pytest.fixture(autouse=True)
def an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def examined(tests: str, script: Script, *words: str, agent: str = AGENT) -> tuple[int, str]:
    """The exit code, and what is shown with all blanks made one."""
    Path("agent.toml").write_text(agent)
    Path("tests.toml").write_text(tests)
    with talking_server(script) as (url, _):
        result = CliRunner().invoke(
            cli.app, ["agents", "test", "tests.toml", "--server", url, *words], env={"COLUMNS": "240"}
        )
    return result.exit_code, re.sub(r"\s+", " ", result.output)


def turn(**fields: object) -> str:
    return "[[tests.turns]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in fields.items())


def complaints(tests: str, agent: str = AGENT) -> list[str]:
    Path("agent.toml").write_text(agent)
    Path("tests.toml").write_text(tests)
    with pytest.raises(ConfigError) as told:
        load_agent_tests(Path("tests.toml"))
    return [line.removeprefix("tests.toml, ") for line in str(told.value).splitlines()]


def test_what_comes_out_as_expected_passes() -> None:
    test = HEAD + 'opening = ["Automated  assistant", "/hel+o/"]\nnever = ["maybe"]\n'
    test += turn(
        say="Are you open?", expect=["yes"], any_of=["today", "tomorrow"], never=["no"], no_tool=True, ends=False
    )
    test += turn(say="Thanks, bye.", ends="hang up")
    code, shown = examined(test, {"Are you open?": "Yes, until five today. Nothing else."})
    assert (code, shown) == (0, "tests.toml passed it works 1 passed, 0 failed. ")


@pytest.mark.parametrize(
    ("expected", "wrong"),
    [
        ({"expect": ["until", "six"]}, "does not say “six”"),
        ({"expect": ["/s[iy]x/"]}, "does not say /s[iy]x/"),
        ({"any_of": ["six", "fiv"]}, "says none of “six”, “fiv”"),
        ({"never": ["FIVE"]}, "says “FIVE”"),
        ({"tool": "transfer"}, "does not call transfer"),
        ({"ends": True}, "the call should end; it goes on"),
        ({"ends": "opted out"}, "the call should end by: opted out; it goes on"),
    ],
)
def test_what_does_not_is_shown_with_what_was_said(expected: dict[str, object], wrong: str) -> None:
    code, shown = examined(HEAD + turn(say="Until when?", **expected), {"Until when?": "Until five."})
    assert code == 1
    assert "FAILED it works" in shown
    assert f"Until when? Until five. {wrong} " in shown
    assert shown.endswith("0 passed, 1 failed. ")


@pytest.mark.parametrize(
    ("expected", "wrong"),
    [
        ({"tool": "transfer", "with": {"to": "Billing", "reason": "/invoice/"}, "ends": "transfer"}, ""),
        ({"tool": "transfer", "with": {"to": "sales"}}, 'does not call transfer with {"to": "sales"}'),
        ({"tool": "transfer", "with": {"whom": "billing"}}, 'does not call transfer with {"whom": "billing"}'),
        ({"no_tool": True}, "calls transfer"),
        ({"ends": False}, "the call should go on; it ends: transfer"),
        ({"ends": "hang up"}, "the call should end by: hang up; it ends: transfer"),
    ],
)
def test_the_call_of_a_tool_is_judged_by_its_name_and_its_arguments(expected: dict[str, object], wrong: str) -> None:
    test = HEAD + turn(say="My invoice!").replace("\n\n", "\n")
    given = expected.pop("with", None)
    test += "".join(f"{name} = {json.dumps(value)}\n" for name, value in expected.items())
    test += f"with = {{ {', '.join(f'{name} = {json.dumps(it)}' for name, it in given.items())} }}\n" if given else ""  # type: ignore[attr-defined]
    code, shown = examined(test, {"My invoice!": TRANSFERS})
    assert code == bool(wrong)
    assert wrong in shown


def test_a_tool_of_the_operators_own_tells_what_the_test_says_and_is_never_called() -> None:
    test = HEAD + '[[tests.answers]]\ntool = "free_times"\nwith = { day = "2026-06-05" }\nresult = "nothing"\n'
    test += '[[tests.answers]]\ntool = "free_times"\nwith = { day = "2026-06-04" }\nresult = "at three"\n'
    test += turn(say="On Thursday?", tool="free_times", expect=["three"])
    code, shown = examined(test, {"On Thursday?": LOOKS, "at three": "It is free at three."})
    assert (code, shown) == (0, "tests.toml passed it works 1 passed, 0 failed. ")


def test_a_tool_for_which_the_test_has_no_answer_is_a_failure() -> None:
    code, shown = examined(HEAD + turn(say="On Thursday?"), {"On Thursday?": LOOKS})
    assert code == 1
    assert 'calls free_times with {"day": "2026-06-04"}, for which the test has no answer' in shown


@pytest.mark.parametrize(("at", "ends"), [("2026-06-02T10:00:00", "transfer"), ("2026-06-06T10:00:00", False)])
def test_the_clock_of_a_test_opens_and_closes_the_company(at: str, ends: object) -> None:
    test = HEAD + f"at = {at}\n" + turn(say="My invoice!", ends=ends)
    assert examined(test, {"My invoice!": TRANSFERS})[0] == 0


def test_keys_silence_transfers_that_come_back_and_opt_outs_are_turns_like_any_other() -> None:
    agent = AGENT.replace("[hours]", '[keys]\nopt_out = "9"\n[hours]')
    test = HEAD + turn(key="12", expect=["twelve"]) + turn(silence=True, expect=["Are you still there"])
    test += turn(say="I want to speak to a human.", ends="transfer") + turn(back=True, expect=["nobody"], ends=False)
    test += turn(key="9", ends="opted out")
    code, shown = examined(test, {"[pressed 12]": "Twelve."}, agent=agent)
    assert (code, shown) == (0, "tests.toml passed it works 1 passed, 0 failed. ")


def test_a_turn_after_the_end_of_the_call_is_a_failure() -> None:
    code, shown = examined(HEAD + turn(say="Thanks, bye.") + turn(say="Hello?"), {})
    assert code == 1
    assert "Hello? the call was over before" in shown


def test_what_is_never_to_be_said_in_a_whole_test_is_watched_for_from_its_first_word() -> None:
    code, shown = examined(HEAD + 'never = ["automated"]\n' + turn(say="Oh."), {})
    assert code == 1
    assert "says “automated”" in shown


def test_an_outbound_agent_is_tested_with_the_files_variables() -> None:
    test = HEAD.replace("[[tests]]", 'outbound = true\n[variables]\nname = "Ada"\nday = "Tuesday"\n[[tests]]')
    test += 'opening = ["appointment on Tuesday, Ada"]\n' + turn(say="Yes.")
    assert examined(test, {}, agent=SMALLEST + SAYS_WHO + OUTBOUND)[0] == 0


def test_calls_that_went_well_are_shown_when_that_is_wanted() -> None:
    shown = examined(HEAD + turn(say="Until when?"), {"Until when?": "Until five."}, "--show")[1]
    assert "Until when? Until five." in shown


def test_every_test_is_a_case_of_junit() -> None:
    tests = HEAD + turn(say="One.", expect=["two"]) + '[[tests]]\nname = "another"\n' + turn(say="One.")
    examined(tests, {"One.": "Three."}, "--junit", "out.xml")
    suite = ElementTree.parse("out.xml").getroot()[0]
    assert suite.attrib == {"name": "tests.toml", "tests": "2", "failures": "1", "skipped": "0"}
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("does not say “two”", "One.: Three.")
    assert [case.get("name") for case in suite] == ["it works", "another"]


@pytest.mark.parametrize(
    ("wanted", "text", "found"),
    [
        ("open", "We are Open.", True),
        ("open", "We opened.", False),
        ("see  you", "I see\nyou", True),
        ("$5 (five)", "It is $5 (five).", True),
        ("/^we/", "We are.", True),
        ("/", "a/b", True),
    ],
)
def test_words_are_found_whole_and_in_any_case(wanted: str, text: str, found: bool) -> None:
    assert bool(pattern_of(wanted).search(text)) is found


@pytest.mark.parametrize(
    ("tests", "complaint"),
    [
        ("", "line 1: agent is missing"),
        ('agent = "none.toml"\n[[tests]]\nname = "a"\n' + turn(say="b"),
         "line 1: agent is no agent file (it is 'none.toml')"),
        (HEAD, "line 2: tests[1].turns is missing"),
        (HEAD + "turns = []\n", "line 4: tests[1].turns must have one at least"),
        (HEAD + turn(say="a", key="1"), "line 4: tests[1].turns[1] must have one of say, key, silence and back"),
        (HEAD + turn(expect=["a"]), "line 4: tests[1].turns[1] must have one of say, key, silence and back"),
        (HEAD + turn(key="x"), "line 5: tests[1].turns[1].key "),
        (HEAD + turn(say="a", expects=["b"]),
         "line 6: tests[1].turns[1].expects is not a field of a file of agent tests; "
         "here may stand: say, key, silence, back, expect, any_of, never, tool, with, no_tool, ends"),
        (HEAD + turn(say="a", expect=["/(/"]), "line 6: tests[1].turns[1].expect[1] is no regular expression: "),
        (HEAD + turn(say="a", ends="soon"), "line 6: tests[1].turns[1].ends must be true, false, \"transfer\", "),
        (HEAD + turn(say="a", tool="fly"),
         "line 6: tests[1].turns[1].tool is no tool of the agent, which are: free_times, "),
        (HEAD + "[[tests.answers]]\ntool = \"transfer\"\nresult = \"x\"\n" + turn(say="a"),
         "line 5: tests[1].answers[1].tool is no tool of the agent's own, which are: free_times (it is 'transfer')"),
        (HEAD + turn(say="a", no_tool=True, tool="transfer"),
         "line 4: tests[1].turns[1] cannot want a tool and no_tool"),
        (HEAD + turn(say="a") + '[[tests]]\nname = "it works"\n' + turn(say="a"),
         "line 7: tests[2].name is there twice"),
        ('outbound = true\n' + HEAD + turn(say="a"),
         "line 1: variables do not do: the agent 'Anna' cannot place calls"),
        (HEAD.replace("[[tests]]", '[variables]\nday = "Monday"\n[[tests]]') + turn(say="a"),
         "line 2: variables do not do: the agent 'Anna' has no variable 'day'; it has none"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_line_field_and_what_is_allowed(tests: str, complaint: str) -> None:
    assert [line for line in complaints(tests) if line.startswith(complaint)], complaints(tests)


def test_all_mistakes_are_told_at_once() -> None:
    assert len(complaints(HEAD + turn(say="a", ends="soon", expects=["b"]) + turn(say="a", key="1"))) == 3


def test_a_mistaken_file_exits_with_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("tests.toml").write_text("agent = \n")
    for file, complaint in (("tests.toml", "are not valid TOML"), ("none.toml", "cannot be read")):
        monkeypatch.setattr(sys, "argv", ["client-caller", "agents", "test", file])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 2
        told = capsys.readouterr().err
        assert told.startswith(f"the agent tests {file} ")
        assert complaint in told


# The shipped ones.

SHIPPED = sorted((AGENTS / "tests").glob("*.toml"))


def test_every_shipped_agent_has_tests_and_some_hold_with_any_model() -> None:
    assert [file.stem for file in SHIPPED] == sorted(file.stem for file in AGENTS.glob("*.toml"))
    for file in SHIPPED:
        tests = load_agent_tests(file).tests.tests
        assert 3 <= sum(test.embedded for test in tests) < len(tests)


@pytest.mark.models
@pytest.mark.parametrize(
    "name",
    [
        "receptionist",
        pytest.param("appointment_reminder", marks=pytest.mark.long),
        pytest.param("clinic_reception", marks=pytest.mark.long),
        pytest.param("lead_qualification", marks=pytest.mark.long),
    ],
)
def test_what_holds_with_any_model_holds_with_the_embedded_one(name: str) -> None:
    file = AGENTS / "tests" / f"{name}.toml"
    result = CliRunner().invoke(cli.app, ["agents", "test", str(file)], env={"COLUMNS": "240"})
    assert result.exit_code == 0, result.output
    assert "FAILED" not in result.output
    assert re.search(r"^[3-9] passed, 0 failed\.$", result.output, re.MULTILINE)
    assert re.search(r"^\d+ left out\. They are meant for a large model: ", result.output, re.MULTILINE)


def test_the_example_of_the_documentation_is_in_order(tmp_path: Path) -> None:
    text = (AGENTS.parent / "docs" / "agent-tests.md").read_text(encoding="utf-8")
    example = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert example
    for folder in ("agents", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "agents" / "front_desk.toml").write_text(AGENT)
    file = tmp_path / "tests" / "front_desk.toml"
    file.write_text(example[1])
    (test,) = load_agent_tests(file).tests.tests
    assert [turn.tool for turn in test.turns] == ["free_times", "transfer"]


def test_the_documentation_names_every_field() -> None:
    text = (AGENTS.parent / "docs" / "agent-tests.md").read_text(encoding="utf-8")
    for table in (AgentTests, AgentTest, TypedTurn, Answer):
        for name, field in table.model_fields.items():
            assert re.search(rf"`(\[\[)?(tests\.)?{field.alias or name}(\]\])?`", text), name
