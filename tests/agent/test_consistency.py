"""Consistency: an agent whose parts contradict each other is refused, with the line of every contradiction."""

from pathlib import Path

import pytest

from agent_files import OUTBOUND, SAYS_WHO, SMALLEST, complaints, write
from client_caller.agent import load_agent

TRANSFER = '[[transfers]]\nname = "{}"\nto = "+15550100003"\nwhen = "Always."\n'
TOOL = '[[tools]]\nname = "{}"\ndescription = "b"\nurl = "https://x.example/"\n'
FIELD = '[[summary.fields]]\nname = "{}"\ndescription = "b"\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (TOOL.format("a") + TOOL.format("a"), "line 10: tools[2].name is taken by tools[1]"),
        (
            TRANSFER.format("The Yard") + TRANSFER.format("the yard"),
            "line 10: transfers[2].name is taken by transfers[1]",
        ),
        (
            FIELD.format("a") + FIELD.format("b") + FIELD.format("a"),
            "line 12: summary.fields[3].name is taken by summary.f",
        ),
        (
            TOOL.format("hang_up"),
            "line 6: tools[1].name must not be that of a built-in tool, which are hang_up, transfer",
        ),
        ('built_in = ["hang_up", "transfer"]\n', "line 5: built_in[2] needs somebody to transfer to: transfer_to, or"),
        ('built_in = ["look_up"]\n', "line 5: built_in[1] needs something to look up: fact_files"),
        ('built_in = ["hang_up",\n"hang_up"]\n', "line 6: built_in[2] is there twice"),
        (TRANSFER.format("a") + "in_hours_only = true\n", "line 9: transfers[1].in_hours_only needs a table [hours]"),
        ('[variables.agent]\ndescription = "a"\n', "line 5: variables.agent has a meaning of its own"),
        ('goals = [\n"Ask {who}.",\n"Ask {who."]\n', "line 7: goals[2] has a brace that stands alone"),
        ('transfer_briefly = "{words}, {"\n', "line 5: transfer_briefly has a brace that stands alone"),
        (SAYS_WHO + '[outbound]\nreason = "Hello {name}"\nmessage = "}"\n', "line 8: outbound.message has a brace"),
    ],
)
def test_a_contradiction_is_told_where_it_stands(tmp_path: Path, text: str, complaint: str) -> None:
    (told,) = complaints(tmp_path, SMALLEST + text)
    assert told.startswith(complaint), told


def test_all_contradictions_are_told_at_once(tmp_path: Path) -> None:
    text = 'built_in = ["transfer", "look_up"]\n[variables.company]\ndescription = "a"\n' + TOOL.format("look_up")
    told = complaints(tmp_path, SMALLEST + text)
    assert [line.split(":")[0] for line in told] == ["line 6", "line 5", "line 5", "line 9"]


def test_a_promised_call_may_say_variables_that_have_a_default(tmp_path: Path) -> None:
    text = 'when_full = "call back"\n' + SAYS_WHO + OUTBOUND + "[variables]\n"
    text += "".join(f'{name} = {{ description = "d", default = "a {name}" }}\n' for name in ("day", "name"))
    assert load_agent(write(tmp_path, SMALLEST + text)).when_full == "call back"


def test_built_in_tools_are_those_that_apply_unless_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("a")

    def offered(text: str) -> tuple[str, ...]:
        return load_agent(write(tmp_path, SMALLEST + text)).offered

    always = {"hang_up", "send_digits", "take_message", "opt_out", "schedule_callback"}
    assert set(offered("")) == always
    assert set(offered('fact_files = ["a.md"]\n')) == always | {"look_up"}
    assert set(offered('transfer_to = "+15550100002"\n')) == always | {"transfer"}
    assert set(offered(TRANSFER.format("a"))) == always | {"transfer"}
    assert offered("built_in = []\n") == ()
    assert offered('built_in = ["opt_out"]\n') == ("opt_out",)
