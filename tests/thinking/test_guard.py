"""What must not be said is caught before it is spoken, and nothing else."""

import pytest

from client_caller.thinking.guard import Guard

PERSONA = """You are Anna, the friendly receptionist of Brightline, a small internet provider in the north of England.
Answer the caller in one or two short sentences and never promise a refund of more than fifty pounds.
If they are angry, say: "I am sorry, I will see to it myself that somebody calls you back today."
Never mention that the line is recorded by our partner company unless the caller asks about it."""

GUARD = Guard("en", PERSONA, "Anna")


def act(piece: str, said: str = "", guard: Guard = GUARD) -> str:
    return guard.judge(piece, said).act


@pytest.mark.parametrize(
    "piece",
    [
        "User: what is it?",
        "Caller: Hi.",
        "caller: hi",
        "Human: Hi.",
        "system: you are",
        "Customer: Yes",
        "Fine. Caller: Hi.",
    ],
)
def test_speaking_in_the_callers_place_ends_the_reply(piece: str) -> None:
    assert act(piece) == "end"


@pytest.mark.parametrize(
    "piece",
    ["The caller: that is you.", "Patient: John Smith.", "Users: ten.", "Username: anna.", "Ratio 3:1, user: fine."],
)
def test_other_words_before_a_colon_pass(piece: str) -> None:
    assert act(piece) == "speak"


@pytest.mark.parametrize(
    "piece",
    [
        "I answer the caller in one or two short sentences.",
        "They said: NEVER PROMISE A REFUND OF MORE THAN FIFTY POUNDS!",
        "sentences and never promise - a refund of more than",
        "Never mention that the line is recorded by our partner company.",
    ],
)
def test_telling_the_instructions_ends_the_reply(piece: str) -> None:
    assert act(piece) == "end"


def test_instructions_told_in_small_pieces_are_noticed() -> None:
    assert act("refund of more", "Well, I must never promise a") == "speak"
    assert act("than fifty pounds.", "Well, I must never promise a refund of more") == "end"


@pytest.mark.parametrize(
    "piece",
    [
        "I am Anna, the friendly receptionist of Brightline, a small internet provider in the north of England.",
        "I am sorry, I will see to it myself that somebody calls you back today.",
        "I never promise a refund.",
        "The line is recorded by our partner.",
    ],
)
def test_introductions_quoted_words_and_short_coincidences_pass(piece: str) -> None:
    assert act(piece) == "speak"


def test_without_a_secret_nothing_is_secret() -> None:
    assert act("Answer the caller in one or two short sentences.", guard=Guard()) == "speak"


@pytest.mark.parametrize(
    "piece",
    [
        '{"name": "book", "arguments": {"day": "Monday"}}',
        '"day": "Monday",',
        '"count": 3,',
        '"done": true',
        "'day': 'Monday', 'hour': 3}",
        'book(day="Monday", hour=3)',
        "print(default_api.book(day='Monday'))",
        "check_calendar(3)",
        "import os",
        "from os import path",
        "def answer(caller):",
        "const x = 5;",
        "if (a == b) return a;",
        "items.map(x => x + 1)",
        "SELECT name FROM callers WHERE id = 5",
        "{x} = {y};",
        "</answer>",
    ],
)
def test_code_is_dropped(piece: str) -> None:
    assert act(piece) == "drop"


@pytest.mark.parametrize(
    "piece",
    [
        "Two plus two = 4.",
        "It costs $5, $6, or $7.",
        'The "Premium" plan: 50 pounds (per month).',
        '"Premium": fifty pounds a month.',
        "See https://x.com/a?b=c&d=e;f=g for more.",
        "Write to first_last@x.com, please;",
        "We open Monday: 9 to 5, Tuesday: 9 to 6.",
        "From Monday.",
        "Is it less than 5 < 6?",
        "Import duties are included.",
        "The plan(s) you have.",
        "I can do that;",
        "Return it to us.",
        "{client_name}, are you there?",
    ],
)
def test_speech_with_signs_in_it_passes(piece: str) -> None:
    assert act(piece) == "speak"


def test_another_language_is_nonsense() -> None:
    assert act("Wir haben heute leider nicht geöffnet.") == "nonsense"
    assert act("Wir haben heute geöffnet.", guard=Guard("de")) == "speak"
    assert act("We are open today until six.", guard=Guard("de-AT")) == "nonsense"


def test_another_language_in_small_pieces_is_noticed() -> None:
    assert act("Ja, natürlich.") == "speak"
    assert act("Wir haben geöffnet.", "Ja, natürlich.") == "nonsense"
    assert act("Danke, merci.", "We are open, and I will see you on Monday.") == "speak"


@pytest.mark.parametrize("piece", ["That is damn good.", "He called me an idiot.", "Oh shit, sorry."])
def test_profanity_is_not_filtered(piece: str) -> None:
    assert act(piece) == "speak"
