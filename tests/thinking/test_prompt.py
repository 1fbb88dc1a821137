"""What the language model is told."""

from hypothesis import given
from hypothesis import strategies as st

from client_caller.conversation.actions import Turn
from client_caller.thinking.prompt import Prompt, system_text
from client_caller.thinking.protocol import Message
from client_caller.thinking.sentences import speakable

PROMPT = Prompt("You are Anna.", [("Hi.", "Hello!")])

CUTS = st.sampled_from([None, "caller", "line", "voice"])
TURNS = st.lists(st.builds(Turn, st.sampled_from(["caller", "agent"]), st.sampled_from(["a", "b b"]), CUTS))


def test_the_system_text_names_the_agent_and_lists_the_facts() -> None:
    facts = ["Open till six.", "Closed on Sunday."]
    text = system_text("Anna", "Brightline", "You are {name} of {company}.\n", facts)
    assert text.startswith("You are Anna of Brightline.\nOpen till six.\nClosed on Sunday.\n")
    assert "dash" in text, "and what a dash at the end of its own words means"


def test_a_greeting_is_preceded_by_what_it_answers() -> None:
    said = Prompt("s", []).messages([Turn("agent", "Hello!"), Turn("caller", "Hi.")])
    assert said == [
        Message("system", "s"),
        Message("user", "Hello?"),
        Message("assistant", "Hello!"),
        Message("user", "Hi."),
    ]


def test_what_was_interrupted_ends_in_a_dash() -> None:
    said = PROMPT.messages([Turn("caller", "Price?"), Turn("agent", "It costs", cut_by="caller")])
    assert said[-1] == Message("assistant", "It costs —")


def test_what_the_line_or_the_voice_cut_off_says_so_and_is_never_said_aloud() -> None:
    for cut_by, why in (("line", "line"), ("voice", "sound")):
        said = PROMPT.messages([Turn("caller", "Price?"), Turn("agent", "It costs", cut_by=cut_by)])
        assert said[-1].content.startswith("It costs — [")
        assert why in said[-1].content
        assert speakable(said[-1].content) == "It costs —"


def test_turns_of_one_speaker_in_a_row_become_one_message() -> None:
    said = PROMPT.messages([Turn("caller", "Wait."), Turn("caller", "I mean this.")])
    assert said[3:] == [Message("user", "Wait. I mean this.")]


@given(history=TURNS)
def test_roles_alternate_after_the_system_message(history: list[Turn]) -> None:
    roles = [message.role for message in PROMPT.messages(history)]
    assert roles == ["system", *(["user", "assistant"] * len(roles))[: len(roles) - 1]]


@given(history=TURNS, more=TURNS)
def test_a_longer_history_begins_with_the_shorter_ones_messages(history: list[Turn], more: list[Turn]) -> None:
    short, long = PROMPT.messages(history), PROMPT.messages(history + more)
    assert long[: len(short) - 1] == short[:-1]
    assert long[len(short) - 1].role == short[-1].role
    assert long[len(short) - 1].content.startswith(short[-1].content)
