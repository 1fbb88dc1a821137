"""`client-caller chat`: a whole call, typed into a pipe."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent_files import OUTBOUND, SAYS_WHO, SMALLEST
from cli.talking_server import Script, talking_server
from client_caller import cli
from client_caller.thinking.protocol import ToolCall

TRANSFER = 'transfer_to = "+12125550102"\nbuilt_in = ["transfer", "take_message"]\n'
TOOL = '[[tools]]\nname = "free_times"\ndescription = "Free times."\nurl = "http://127.0.0.1:9/times"\n'
OPENING = (
    "Anna: Hello, this is Anna, the automated assistant of Maple. Hello\n",
    "  [noted: who is calling was heard]\n",
)


@pytest.fixture(autouse=True)
def an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def chat(agent: str, typed: str, script: Script, *words: str) -> str:
    """What the command shows, behind its first line."""
    Path("agent.toml").write_text(agent)
    with talking_server(script) as (url, _):
        result = CliRunner().invoke(
            cli.app, ["chat", "--agent", "agent.toml", "--server", url, "--model", "m", *words], input=typed
        )
    assert result.exit_code == 0, result.output
    first, _, rest = result.output.partition("\n")
    assert first == "m. An empty line is silence, /key 5 presses a key, /quit hangs up."
    return rest


def fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    monkeypatch.setattr(sys, "argv", ["client-caller", "chat", "--server", "http://127.0.0.1:9/v1", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    return capsys.readouterr().err


def test_a_call_is_typed_from_the_greeting_to_the_goodbye() -> None:
    shown = chat(SMALLEST + SAYS_WHO, "How are you?\nThanks, bye.\n", {"How are you?": "Fine. And you?"})
    assert shown == (
        "".join(OPENING)
        + "You: How are you?\nAnna: Fine. And you?\n"
        + "You: Thanks, bye.\nAnna: Hm.\n  [the call is over: the caller said goodbye]\n"
    )


def test_a_tool_is_shown_with_what_it_was_given_and_what_it_told() -> None:
    call = ToolCall("take_message", json.dumps({"message": "Ada called."}))
    script = {"Tell her I called.": call, "The message was taken and will be read.": "I will."}
    shown = chat(SMALLEST + SAYS_WHO + TRANSFER, "Tell her I called.\n", script)
    assert (
        "You: Tell her I called.\n"
        '  take_message(message="Ada called.")\n'
        "  take_message tells: The message was taken and will be read.\n"
        "Anna: I will.\n"
    ) in shown
    assert not list(Path().glob("runs*")), "nothing is kept"


def test_the_end_of_the_input_hangs_up() -> None:
    assert chat(SMALLEST + SAYS_WHO, "", {}).endswith("  [the call is over: the caller hung up]\n")


def test_quitting_hangs_up() -> None:
    shown = chat(SMALLEST + SAYS_WHO, "/quit\nHello?\n", {})
    assert shown.endswith("You: /quit\n  [the call is over: the caller hung up]\n")


def test_an_empty_line_is_silence() -> None:
    shown = chat(SMALLEST + SAYS_WHO, "\n\n", {})
    assert "You: \nAnna: Are you still there?\nYou: \nAnna: Thank you for your time. Goodbye.\n" in shown
    assert shown.endswith("  [the call is over: the caller was silent]\n")


def test_keys_are_pressed_and_what_is_no_command_is_explained() -> None:
    shown = chat(SMALLEST + SAYS_WHO, "/key 12\n/key x\n/fly\n", {"[pressed 12]": "Twelve."})
    assert "You: /key 12\nAnna: Twelve.\n" in shown
    assert shown.count("  An empty line is silence") == 2


def test_an_opt_out_is_shown() -> None:
    shown = chat(SMALLEST + SAYS_WHO, "Do not call me again.\n", {})
    assert "  [noted: opted out]\n" in shown
    assert shown.endswith("  [the call is over: opted out]\n")


def test_a_transfer_may_come_back_or_not() -> None:
    agent = SMALLEST + SAYS_WHO + TRANSFER
    shown = chat(agent, "I want to speak with a human.\n/back\nOh.\n", {"Oh.": "Sorry."})
    assert "  [put through to +12125550102]\n" in shown
    assert "You: /back\nAnna: I am sorry, nobody can take your call right now." in shown
    assert "You: Oh.\nAnna: Sorry.\n" in shown
    assert "hung up" not in chat(agent, "I want to speak with a human.\n\n", {})


def test_an_outbound_call_has_its_variables_filled_in() -> None:
    agent = SMALLEST + SAYS_WHO + OUTBOUND
    shown = chat(agent, "", {}, "--outbound", "--var", "name=Ada", "--var", "day=Tuesday")
    assert "I call about your appointment on Tuesday, Ada.\n" in shown


def test_whoever_pretends_tells_what_a_tool_tells() -> None:
    script: Script = {"When?": ToolCall("free_times", "{}"), "at three": "At three."}
    shown = chat(SMALLEST + SAYS_WHO + TOOL, "When?\nat three\n", script, "--pretend")
    assert (
        "  free_times()\n  what does free_times tell? at three\n  free_times tells: at three\nAnna: At three.\n"
        in shown
    )


def test_a_tool_that_cannot_be_reached_is_not_the_end() -> None:
    shown = chat(SMALLEST + SAYS_WHO + TOOL, "When?\nOh.\n", {"When?": ToolCall("free_times", "{}")})
    assert "  free_times tells: " in shown
    assert "You: Oh.\nAnna: Hm.\n" in shown


def test_a_server_that_is_gone_is_shown_and_the_agent_excuses_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("agent.toml").write_text(SMALLEST + SAYS_WHO)
    words = ["chat", "--agent", "agent.toml", "--server", "http://127.0.0.1:9/v1"]
    result = CliRunner().invoke(cli.app, words, input="Hello?\n")
    assert "  [failed: language model: " in result.output
    assert "Anna: I am sorry, I need a moment." in result.output


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--agent", "none.toml"], "the agent file none.toml cannot be read"),
        (["--agent", "agent.toml", "--outbound"], "needs a value for its variable day"),
        (["--agent", "agent.toml", "--var", "dya=Tuesday"], "has no variable 'dya'; it has: day, name"),
        (["--agent", "agent.toml", "--var", "day"], "--var must be NAME=VALUE"),
    ],
)
def test_a_mistake_is_one_sentence(
    words: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("agent.toml").write_text(SMALLEST + SAYS_WHO + OUTBOUND)
    told = fail(monkeypatch, capsys, *words)
    assert complaint in told
    assert told.count("\n") == 1


def test_a_tool_that_lacks_its_secret_is_told_before_the_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("agent.toml").write_text(SMALLEST + TOOL + 'headers = { Authorization = "{secret.CRM_KEY}" }\n')
    assert "CRM_KEY" in fail(monkeypatch, capsys, "--agent", "agent.toml")
