"""What the language model is told."""

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.agent import load_agent
from client_caller.conversation.actions import Turn
from client_caller.thinking.prompt import Prompt, system_text
from client_caller.thinking.protocol import Message, ToolCall
from client_caller.thinking.sentences import speakable

PROMPT = Prompt("You are Anna.", [("Hi.", "Hello!")])
RECEPTIONIST = Path(__file__).parents[2] / "agents" / "receptionist.toml"

CUTS = st.sampled_from([None, "caller", "line", "voice"])
SPOKEN = st.builds(Turn, st.sampled_from(["caller", "agent"]), st.sampled_from(["a", "b b"]), CUTS)
TOOL = st.builds(Turn, st.just("tool"), st.sampled_from(["yes", ""]), st.none(), st.just("look_up"), st.just("{}"))
TURNS = st.lists(st.one_of(SPOKEN, TOOL))
NOTES = st.sampled_from(["", "The caller wants a refund."])

CALLER, AGENT = Turn("caller", "Is it free?"), Turn("agent", "Let me check.")
ASKED = Turn("tool", "Yes.", tool="look_up", arguments='{"hour": 3}')
CALL = ToolCall("look_up", '{"hour": 3}')


def told(*history: Turn, condensed: str = "") -> list[Message]:
    """The messages behind the prompt's opening."""
    return PROMPT.messages(history, condensed)[3:]


def test_the_system_text_names_the_agent_and_lists_the_facts() -> None:
    facts = ["Open till six.", "Closed on Sunday."]
    text = system_text("Anna", "Brightline", "You are {name} of {company}.\n", facts)
    assert text.startswith("You are Anna of Brightline.\nOpen till six.\nClosed on Sunday.\n")
    assert "dash" in text, "and what a dash at the end of its own words means"


def test_a_small_model_is_shown_the_examples_again_behind_the_greeting() -> None:
    """And is told nothing else: a very small model is easily put off."""
    table = tomllib.loads(RECEPTIONIST.read_text(encoding="utf-8"))
    persona = table["persona"].replace("{name}", "Anna").replace("{company}", "Brightline")
    dash = "Where your own words end in a dash, the caller broke in there and heard no more of them."
    system = "\n".join([persona, *table["facts"], dash])
    examples = [
        message
        for example in table["examples"]
        for message in (Message("user", example["caller"]), Message("assistant", example["agent"]))
    ]
    prompt = Prompt.of(load_agent(RECEPTIONIST))
    begun = [Message("system", system), *examples]
    assert prompt.messages(()) == begun
    greeted = [Message("user", "Hello?"), Message("assistant", "Good morning.")]
    said = prompt.messages((Turn("agent", "Good morning."), Turn("caller", "Hi.")))
    assert said == [*begun, *greeted, *examples, Message("user", "Hi.")]
    assert prompt.messages((Turn("caller", "Hi."),)) == [*begun, Message("user", "Hi.")]


def described(**fields: object) -> SimpleNamespace:
    plain = {"name": "Anna", "company": "B", "persona": "You are {name}.", "goals": (), "facts": (), "examples": ()}
    return SimpleNamespace(**plain | fields)


def test_what_differs_from_call_to_call_is_told_with_the_callers_first_words() -> None:
    agent = described(goals=("Find an hour.", "Say goodbye."), facts=("It is free.",))
    prompts = [
        Prompt.of(agent, opening_hours="We are open on Monday.", plain=False, today=today)
        for today in ("Monday, 3 March 2025, 09:05", "Tuesday, 4 March 2025, 12:00")
    ]
    begun, others = (prompt.messages(()) for prompt in prompts)
    assert begun == others
    lines = begun[0].content.splitlines()
    assert lines[:5] == [
        "You are Anna.",
        "Your goal: Find an hour.",
        "Your goal: Say goodbye.",
        "It is free.",
        "We are open on Monday.",
    ]
    assert "telephone" in lines[5]
    greeted = prompts[0].messages((Turn("agent", "Good morning."), Turn("caller", "Hi.")))[len(begun) :]
    assert [message.content for message in greeted] == [
        "[This call takes place on Monday, 3 March 2025, 09:05.]\nHello?",
        "Good morning.",
        "Hi.",
    ]


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
    assert told(Turn("caller", "Wait."), Turn("caller", "I mean this.")) == [Message("user", "Wait. I mean this.")]


def test_a_tool_is_called_in_the_message_of_what_was_said_before() -> None:
    assert told(CALLER, AGENT, ASKED, Turn("agent", "It is.")) == [
        Message("user", "Is it free?"),
        Message("assistant", "Let me check.", CALL),
        Message("tool", "Yes."),
        Message("assistant", "It is."),
    ]


def test_a_tool_called_without_a_word_has_a_message_of_its_own() -> None:
    call, result = Message("assistant", "", CALL), Message("tool", "Yes.")
    assert told(CALLER, ASKED, ASKED)[1:] == [call, result, call, result]
    assert told(ASKED) == [Message("user", "Hello?"), call, result]


def test_a_caller_who_speaks_before_anything_was_said_of_a_result_is_answered_by_a_dash() -> None:
    assert told(CALLER, AGENT, ASKED, Turn("caller", "Never mind."))[2:] == [
        Message("tool", "Yes."),
        Message("assistant", "—"),
        Message("user", "Never mind."),
    ]


def test_what_was_condensed_stands_before_the_callers_words_and_is_not_theirs() -> None:
    (both,) = told(CALLER, condensed="Earlier: a refund.")
    notes, words = both.content.split("]\n")
    assert both.role == "user"
    assert notes.startswith("[Your notes")
    assert notes.endswith("\nEarlier: a refund.")
    assert words == "Is it free?"
    assert [message.role for message in told(AGENT, condensed="Earlier.")] == ["user", "assistant"]


@given(history=TURNS, condensed=NOTES)
def test_roles_alternate_after_the_system_message_and_a_tool_counts_as_user(
    history: list[Turn], condensed: str
) -> None:
    messages = PROMPT.messages(history, condensed)
    roles = ["user" if message.role == "tool" else message.role for message in messages]
    assert roles == ["system", *(["user", "assistant"] * len(roles))[: len(roles) - 1]]
    spoken = [message.role for message in messages if message.role != "tool" and not message.call]
    assert spoken == roles[: len(spoken)], "vLLM's template for Gemma 3 looks at these alone"


@given(history=TURNS, condensed=NOTES)
def test_calls_and_results_are_pairs_and_nothing_said_is_lost(history: list[Turn], condensed: str) -> None:
    messages = PROMPT.messages(history, condensed)
    for before, after in zip(messages, [*messages[1:], Message("user", "")], strict=True):
        assert (before.call is not None) == (after.role == "tool")
    assert [message.content for message in messages if message.role == "tool"] == [
        turn.text for turn in history if turn.speaker == "tool"
    ]
    for speaker, role in (("caller", "user"), ("agent", "assistant")):
        told = "".join(message.content for message in messages[3:] if message.role == role)
        assert all(turn.text in told for turn in history if turn.speaker == speaker)


@given(history=TURNS, more=TURNS, condensed=NOTES)
def test_a_longer_history_begins_with_the_shorter_ones_messages(
    history: list[Turn], more: list[Turn], condensed: str
) -> None:
    """All but the last of them to the byte; that one may go on, or turn out to have called a tool."""
    short, long = PROMPT.messages(history, condensed), PROMPT.messages(history + more, condensed)
    assert long[: len(short) - 1] == short[:-1]
    assert long[len(short) - 1].role == short[-1].role
    assert long[len(short) - 1].content.startswith(short[-1].content)


ANSWERS = st.lists(st.one_of(TOOL, st.builds(Turn, st.just("agent"), st.sampled_from(["a", "b b"]), CUTS)), min_size=1)
EXCHANGES = st.lists(st.tuples(st.builds(Turn, st.just("caller"), st.just("c")), ANSWERS), min_size=1, max_size=5)


@given(greeting=ANSWERS | st.just([]), exchanges=EXCHANGES, condensed=NOTES)
def test_each_prompt_of_a_call_begins_with_all_of_the_one_before(
    greeting: list[Turn], exchanges: list[tuple[Turn, list[Turn]]], condensed: str
) -> None:
    """A prompt ends with the caller's turn, or with a tool's while a reply goes on; nothing of it changes later."""
    history, before = list(greeting), list[Message]()
    for caller, answers in exchanges:
        history.append(caller)
        for turn in (None, *answers):
            if turn is not None:
                history.append(turn)
            if history[-1].speaker == "agent":
                continue
            messages = PROMPT.messages(history, condensed)
            assert messages[: len(before)] == before
            before = messages


@pytest.mark.parametrize("goes_on", [Turn("caller", "And when?"), ASKED], ids=["a caller goes on", "a tool follows"])
def test_only_the_last_message_ever_changes(goes_on: Turn) -> None:
    history = [CALLER] if goes_on.speaker == "caller" else [CALLER, AGENT]
    short, long = told(*history), told(*history, goes_on)
    assert short[:-1] == long[: len(short) - 1]
    assert short[-1] != long[len(short) - 1]
