"""`client-caller agents`: files to start from, their mistakes and needs, the schema."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent_files import AGENTS, OUTBOUND, SAYS_WHO, SMALLEST
from client_caller import cli
from client_caller.agent.schema import schema


@pytest.fixture(autouse=True)
def an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["agents", *words], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def fail(*words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["client-caller", "agents", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("kind", ["reception", "reminder", "qualification"])
def test_a_new_agent_of_every_kind_is_in_order_as_it_is(kind: str) -> None:
    path = "agents/front_desk.toml"
    said = f"{path} is written. Change its texts, then: client-caller agents check {path}\n"
    assert run("new", "front_desk", "--kind", kind) == (0, said)
    assert run("check", path)[0] == 0
    assert "#:schema" not in Path(path).read_text(), "there is no schema beside it"


def test_a_new_agent_beside_the_schema_names_it() -> None:
    Path("docs").mkdir()
    Path("docs/agent-file.schema.json").write_text("{}")
    assert run("new", "desk")[0] == 0
    assert Path("agents/desk.toml").read_text().startswith("#:schema ../docs/agent-file.schema.json\n# An agent")


def test_no_agent_is_overwritten(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("desk.toml").write_text("mine")
    told = fail("new", "desk", "--folder", ".", monkeypatch=monkeypatch, capsys=capsys)
    assert told == "desk.toml is there already: choose another name, or remove it\n"
    assert Path("desk.toml").read_text() == "mine"


@pytest.mark.parametrize("name", ["../desk", "a/b", "-a", "a.toml", ""])
def test_a_new_agent_stays_in_its_folder(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = fail("new", "--", name, monkeypatch=monkeypatch, capsys=capsys)
    assert "may hold letters, digits, - and _ only" in told
    assert list(Path().iterdir()) == []


def test_checking_an_agent_tells_what_its_calls_need() -> None:
    variables = '[variables.day]\ndescription = "the day"\n[variables.more]\ndescription = "more"\ndefault = "none"\n'
    Path("a.toml").write_text(SMALLEST.replace("Hello", "Hello {who}") + SAYS_WHO + OUTBOUND + variables)
    assert run("check", "a.toml") == (
        0,
        "a.toml is in order: Anna of Maple.\n"
        "A call that it places needs: day, name.\n"
        "It cannot answer calls, for nobody then knows: who.\n"
        "  day: the day\n"
        "  more: more; if a call has none: none\n",
    )


def test_showing_an_agent_fills_in_defaults_and_facts() -> None:
    code, said = run("show", str(AGENTS / "clinic_reception.toml"))
    shown = json.loads(said)
    assert code == 0
    assert shown["hours"]["saturday"] == "closed"
    assert shown["phrases"]["check_back"] == "Shall I go on?"
    assert shown["documents"][0].startswith("# Harbour Clinic")


def test_the_schema_is_printed_as_it_is() -> None:
    code, said = run("schema")
    assert code == 0
    assert json.loads(said) == schema()
