"""The agents that come with the project, and the files that new ones start from."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from agent_files import AGENTS
from client_caller.agent import answering, filled, is_open, load_agent, needed, next_opening
from outbound_calls import NOON, VARS

TEMPLATES = Path(str(files("client_caller.agent") / "templates"))
SHIPPED = pytest.mark.parametrize("path", sorted(AGENTS.glob("*.toml")), ids=lambda path: path.stem)
ALL = pytest.mark.parametrize(
    "path", [*sorted(AGENTS.glob("*.toml")), *sorted(TEMPLATES.glob("*.toml"))], ids=lambda path: path.stem
)


def test_all_are_looked_at() -> None:
    names = {path.stem for path in AGENTS.glob("*.toml")}
    assert names == {"receptionist", "clinic_reception", "appointment_reminder", "lead_qualification"}
    assert {path.stem for path in TEMPLATES.glob("*.toml")} == {"reception", "reminder", "qualification"}


@ALL
def test_an_agent_is_in_order_and_can_answer_calls(path: Path) -> None:
    agent = load_agent(path)
    assert answering(agent).identity.startswith(f"Hello, this is {agent.name}")


@ALL
def test_an_agent_needs_no_server_of_its_own(path: Path) -> None:
    assert load_agent(path).tools == ()


@ALL
def test_what_is_commented_out_is_in_order_too(path: Path, tmp_path: Path) -> None:
    """The lines behind # that look like TOML, put in force."""
    text = re.sub(r"(?m)^# (?=\w+ = |\[\[?[\w.]+\]\]?$)", "", path.read_text(encoding="utf-8"))
    (tmp_path / "facts").mkdir()
    for name in ("prices.md", "harbour_clinic.md"):
        (tmp_path / "facts" / name).write_text("facts")
    switched_on = tmp_path / path.name
    switched_on.write_text(text, encoding="utf-8")
    assert load_agent(switched_on)


@SHIPPED
def test_an_editor_is_told_where_the_schema_is(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "#:schema ../docs/agent-file.schema.json"
    assert (path.parent / first.removeprefix("#:schema ")).is_file()


def test_the_reception_knows_its_facts_and_its_hours() -> None:
    agent = load_agent(AGENTS / "clinic_reception.toml")
    assert "look_up" in agent.offered
    assert "Blood is taken Monday to Thursday" in agent.documents[0]
    assert agent.hours
    assert not is_open(agent.hours, NOON), "at noon the clinic closes for an hour"
    assert str(next_opening(agent.hours, NOON)) == "2026-06-02 13:00:00-04:00"
    assert [target.name for target in agent.transfers if target.in_hours_only] == ["the nurse", "billing"]


def test_the_reminder_needs_a_name_and_a_day_and_says_them() -> None:
    agent = load_agent(AGENTS / "appointment_reminder.toml")
    assert set(needed(agent, outbound=True)) == set(VARS) == set(agent.variables)
    called = filled(agent, VARS, outbound=True)
    assert called.identity.endswith("of Harbour Clinic.")
    assert called.outbound
    assert "Ada of the appointment on Tuesday" in called.outbound.reason


def test_the_qualification_advertises_and_does_without_variables() -> None:
    agent = load_agent(AGENTS / "lead_qualification.toml")
    assert agent.outbound
    assert agent.outbound.purpose == "marketing"
    assert needed(agent, outbound=True) == needed(agent, outbound=False) == ()
    called = filled(agent, {"client_name": "Ada", "interest": "panels for a barn"}, outbound=True)
    assert "You speak with Ada, who asked about\npanels for a barn." in called.persona
