"""What a language model writes and nobody says is taken out, and nothing else."""

import pytest

from client_caller.thinking.markup import is_open, speakable


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("**Sure!** That is *really* good.", "Sure! That is really good."),
        ("***Very*** good, __very__ _good_.", "Very good, very good."),
        ("*Really* good idea.", "Really good idea."),
        ("*free* of charge, *always* open.", "free of charge, always open."),
        ("*always* open.", "always open."),
        ("Say `yes` to ~~none~~ of it.", "Say yes to none of it."),
        ("Write to first_last@x.com.", "Write to first_last@x.com."),
        ("See [our page](https://x.com/a_(b)?c=d#e) there.", "See our page there."),
        ('See [our page](https://x.com "The page").', "See our page."),
        ("Look ![a cat](cat.png) here.", "Look here."),
        ("See https://x.com/a?b=c and www.y.com now.", "See https://x.com/a?b=c and www.y.com now."),
        ("See <https://x.com/a> or <info@x.com>.", "See https://x.com/a or info@x.com."),
        ("One<br>two <b>three</b> <break time='1s'/> four &amp; five.", "One two three four & five."),
        ("Two is < three and > one.", "Two is < three and > one."),
        ("It is 5 \\* 3 = 15.", "It is 5 times 3 = 15."),
        ("It is 5*3, #1 of ~20, in C#.", "It is 5 times 3, number 1 of about 20, in C."),
        ("Press * or #, then the #.", "Press star or pound, then the pound."),
        ("She said \u201cgo\u201d and 'go'.", "She said \u201cgo\u201d and 'go'."),
        ("Thank you, [Name]. And you, 😀?", "Thank you. And you?"),
        ("— it is -5, – or .5.", "it is -5, – or .5."),
        ("Il dit « oui ».", "Il dit oui."),
    ],
)
def test_markup_is_taken_out_and_its_words_stay(text: str, said: str) -> None:
    assert speakable(text) == said


@pytest.mark.parametrize(
    "emoji", ["😀", "👨‍👩‍👧‍👦", "👍🏽", "🇩🇪", "❤️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "☎️", "➡️", "✅", "⭐", "™", "⏰", "▪️", "→", "🫠"]
)
def test_emoji_are_taken_out(emoji: str) -> None:
    assert speakable(f"Hello {emoji} there{emoji}! {emoji}") == "Hello there!"


def test_the_digit_of_a_keycap_stays() -> None:
    assert speakable("Press 1️⃣ or 2️⃣.") == "Press 1 or 2."


@pytest.mark.parametrize(
    "direction",
    [
        *(
            "*smiles*",
            "*smiles warmly and waves*",
            "*Smiles*",
            "*clears throat*",
            "_chuckles_",
            "*tilts head, thinking*",
        ),
        *("[pause]", "[laughs]", "[Your Name]", "(laughs)", "(Laughing softly)", "(pauses for a moment)", "(warmly)"),
        *("(clears throat)", "(in a friendly tone)", "(sighs.)", "*smiles* [pause]", "(typing)"),
    ],
)
def test_stage_directions_are_taken_out(direction: str) -> None:
    assert speakable(f"{direction} Hello there.") == "Hello there."


@pytest.mark.parametrize("direction", ["*laughs*", "[pause]", "(laughs)", "(sighs softly)", "_smiles_"])
def test_known_stage_directions_are_taken_out_anywhere(direction: str) -> None:
    assert speakable(f"Well, {direction} hello.") == "Well, hello."


@pytest.mark.parametrize(
    "text",
    [
        "We are open (except on Sunday).",
        "Call (555) 010-0199.",
        "It pauses (pauses are billed, too).",
        "She waits (waiting costs nothing).",
        "The clinic (for smiles) is here.",
        "Beat it (silence is golden).",
    ],
)
def test_other_words_in_parentheses_are_said(text: str) -> None:
    assert speakable(text) == text


@pytest.mark.parametrize(
    "label", ["Agent:", "assistant:", "**Anna:**", "Anna :", "**Anna**:", "AI:", "Anna Maria:", "A:", "> Agent:"]
)
@pytest.mark.parametrize("where", ["reply", "line"])
def test_the_speakers_own_name_is_not_said(label: str, where: str) -> None:
    assert speakable(f"{label} Hello there.", "line" if where == "line" else "reply", "Anna Maria") == "Hello there."


@pytest.mark.parametrize(
    "text", ["Monday: nine to five.", "Price: fifty euros.", "Sure: I can.", "Anna Smith: one two three."]
)
def test_other_words_before_a_colon_are_said(text: str) -> None:
    assert speakable(text, own_name="Anna Maria") == text


@pytest.mark.parametrize(
    ("words", "waits"),
    [
        *(("I *am ", True), ("[one ", True), ("(laughs ", True), ("<br ", True), ("| Day ", True)),
        *(("I *am* ", False), ("5 * 3 ", False), ("**Sure, I ", False), ("[one] ", False), ("(one ", False)),
        *(("*" + "long " * 20, False), ("[" + "long " * 20, False), ("5 < 6 ", False)),
    ],
)
def test_a_text_is_open_where_its_other_half_decides_what_it_is(words: str, waits: bool) -> None:
    assert is_open(words, "line") == waits
