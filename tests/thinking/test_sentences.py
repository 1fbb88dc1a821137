"""How streamed text is cut into what a voice can speak."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.thinking.sentences import PieceCutter, speakable


def cut(text: str, max_sentences: int = 99, own_name: str = "Anna") -> list[str]:
    cutter = PieceCutter(max_sentences, own_name)
    return cutter.feed(text) + cutter.finish()


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Yes, of course. I can help.", ["Yes, of course.", "I can help."]),
        ("Yes of course, I can help.", ["Yes of course,", "I can help."]),
        ("I am sorry to hear that it broke.", ["I am sorry to hear", "that it broke."]),
        ("Is there anything else I can help with?", ["Is there anything else", "I can help with?"]),
        ("We are open until 5 p.m. Monday.", ["We are open until 5 p.m. Monday."]),
        ("Dr. Smith comes. He is kind.", ["Dr. Smith comes.", "He is kind."]),
        ("It opens 9.30. It costs 3.5 euros.", ["It opens 9.30.", "It costs 3.5 euros."]),
        ("Bring e.g. a pen. Fine.", ["Bring e.g. a pen.", "Fine."]),
        ("Well... let me see. Yes.", ["Well... let me see.", "Yes."]),
        ("One line\nAnother line", ["One line.", "Another line"]),
    ],
)
def test_pieces_end_where_a_speaker_may_pause(text: str, pieces: list[str]) -> None:
    assert cut(text) == pieces


@pytest.mark.parametrize(
    "sentence",
    [
        "Yes. We close at 5 p.m. today and at 10 a.m. on Sunday.",
        "Yes. He lives in the U.S. with J. R. Smith of Acme Inc. in Texas.",
        "Yes. It is room No. 5, tel. 12 34, ext. 7, at St. Mary's Rd. 4.",
        "Yes. It costs 3.5 or 3,50 euros, approx. 4 dollars, i.e. little.",
        "Yes. Please ask Dr. Smith, Mrs. Jones, or Prof. Lee Jr. about it.",
        "Yes. Version 2.0.1 is at example.com/a.b, since Dec. 5.",
        "Yes. We open at 8 a.m. Eastern time.",
        "Yes. It is... a bit… odd.",
    ],
)
def test_a_stop_inside_a_sentence_does_not_end_it(sentence: str) -> None:
    assert cut(sentence) == ["Yes.", sentence.removeprefix("Yes. ")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("We close at 5 p.m.", "Shall I book it?"),
        ("He lives in the U.S.", "That is far."),
        ("We sell pens, paper, etc.", "What do you need?"),
        ("No.", "We are closed."),
        ("No.", "Unfortunately not."),
        ("Let me check...", "Yes, it is free."),
        ("Let me check…", "The first is free."),
        ("It is Acme Inc.", "They know."),
        ("You need plan B.", "Shall I go on?"),
        ("Write to info@brightline.com.", "Shall I repeat it?"),
        ("See www.brightline.com!", "It is all there."),
        ('He said "yes."', "Then he left."),
        ("She left (at last!)", "He stayed."),
        ("« Bonjour ! »", "Il part."),
        ("It costs 5.", "Is that fine?"),
        ("So do I.", "Very much."),
    ],
)
def test_a_stop_that_the_next_word_shows_to_be_an_end_is_one(first: str, second: str) -> None:
    said = first.replace("« Bonjour ! »", "Bonjour!")
    assert cut(f"Fine. {first} {second}") == ["Fine.", said, second]


def test_only_the_first_piece_may_end_inside_a_sentence() -> None:
    assert cut("I can do that, of course, today. I can do that, of course, today.") == [
        "I can do that,",
        "of course, today.",
        "I can do that, of course, today.",
    ]


@pytest.mark.parametrize("leaning", ["the", "to", "your", "of", "and", "is", "Dr.", "5", "×"])
def test_no_piece_ends_with_a_word_that_leans_on_the_next(leaning: str) -> None:
    pieces = cut(f"Please bring red green blue hats {leaning} big warm soft coats today.")
    assert len(pieces) == 2
    assert not pieces[0].endswith(f" {leaning}")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("1. Unplug it.\n2. Plug it in.", ["Unplug it.", "Plug it in."]),
        ("- Unplug it\n- Plug it in\n", ["Unplug it.", "Plug it in."]),
        (
            "Two steps:\n\n* **First** unplug it;\n* then plug it in\n",
            ["Two steps:", "First unplug it;", "then plug it in."],
        ),
        ("Take these:\n\n1️⃣ Bread\n2️⃣ Milk\n", ["Take these:", "Bread.", "Milk."]),
        ("Do this: 1. Unplug it. 2. Plug it in.", ["Do this: 1.", "Unplug it.", "2. Plug it in."]),
        ("# Hours\nMonday: nine to five.", ["Hours.", "Monday: nine to five."]),
        ("| Day | Hours |\n|:---|---:|\n| Mon. Only | 9 to 5 |\n", ["Day, Hours.", "Mon. Only, 9 to 5."]),
        ("> Be kind\n---\n***\nThat is all.", ["Be kind.", "That is all."]),
        ("- [ ] Bring a pen\n- [x] Call us", ["Bring a pen.", "Call us"]),
        ("5. That is how many.", ["5. That is how many."]),
    ],
)
def test_each_line_of_a_list_is_a_sentence(text: str, pieces: list[str]) -> None:
    assert cut(text) == pieces


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('Look:\n```json\n{"a": 1}\n```\nThat is it.', ["Look:", "That is it."]),
        ("```tool_code\nprint(book(day='Monday'))\n```", []),
        ("Look: ```python\nx = 1\n", ["Look:"]),
        ("```\nGood morning.\n```", ["Good morning."]),
        ("```text\nGood morning.\n```\n", ["Good morning."]),
        ("<think>\nThe caller is angry.\nI must be kind.\n</think>\n\nGood morning.", ["Good morning."]),
        ("<think>The caller", []),
        ('One moment. <tool_call>{"name": "book"}</tool_call> Thanks.', ["One moment.", "Thanks."]),
    ],
)
def test_what_is_not_meant_for_the_caller_is_passed_over(text: str, said: list[str]) -> None:
    assert cut(text) == said


@pytest.mark.parametrize(
    "mark",
    ["<end_of_turn>", "<start_of_turn>user", "<eos>", "<|im_end|>", "<|eot_id|>", "</s>", "[INST]", "<|endoftext|>"],
)
def test_a_mark_of_the_chat_template_ends_the_reply(mark: str) -> None:
    cutter = PieceCutter(99)
    assert cutter.feed(f"We are open.{mark}\nAnd now you. Go on") == ["We are open."]
    assert cutter.over
    assert cutter.finish() == []


@pytest.mark.parametrize("echo", ["<start_of_turn>model\n", "<|im_start|>assistant\n", "<bos><start_of_turn>model\n"])
def test_the_templates_opening_of_the_answer_ends_nothing(echo: str) -> None:
    assert cut(f"{echo}We are open. Come in.") == ["We are open.", "Come in."]


def test_it_is_full_after_the_sentences_allowed_and_cuts_no_more() -> None:
    cutter = PieceCutter(max_sentences=2)
    pieces = cutter.feed("I will call back today for you. Two. Three. Four.")
    assert pieces == ["I will call back", "today for you.", "Two."]
    assert cutter.full
    assert cutter.finish() == []


@pytest.mark.parametrize("more", [" Three", "\n\n- Three", " 😀 **Three"])
def test_a_full_cutter_tells_that_there_is_more_to_say(more: str) -> None:
    cutter = PieceCutter(max_sentences=2)
    cutter.feed("One. Two. ")
    assert not cutter.beyond
    cutter.feed(more)
    cutter.finish()
    assert cutter.beyond == "Three"


@pytest.mark.parametrize(
    "nothing", ["", "\n\n", " 😀 ", "*smiles*", "[waits]", "\n- ", "\n---\n", "<end_of_turn> user"]
)
def test_what_nobody_would_say_is_not_more_to_say(nothing: str) -> None:
    cutter = PieceCutter(max_sentences=2)
    cutter.feed(f"One. Two. {nothing}")
    assert cutter.finish() == []
    assert not cutter.beyond


def test_half_a_sentence_is_kept_back_when_the_model_was_cut_off() -> None:
    cutter = PieceCutter(max_sentences=9)
    assert cutter.feed("It is open. And it will be") == ["It is open."]
    assert cutter.finish(cut_off=True) == []
    assert cutter.beyond == "And it will be"


@pytest.mark.parametrize(("text", "rest"), [("It will be", "It will be"), ("One. It is open.", "It is open.")])
def test_a_whole_sentence_or_the_only_one_is_said_though_the_model_was_cut_off(text: str, rest: str) -> None:
    cutter = PieceCutter(max_sentences=9)
    cutter.feed(text)
    assert cutter.finish(cut_off=True) == [rest]
    assert not cutter.beyond


def test_what_is_flushed_is_a_line_of_its_own() -> None:
    cutter = PieceCutter(max_sentences=9)
    assert cutter.feed("Let me check") == []
    assert cutter.flush() == ["Let me check."]
    assert cutter.flush() == []
    assert cutter.feed("It is free. ") == ["It is free."]


WORDS = [
    "yes",
    "the",
    "open,",
    "5",
    "p.m.",
    "U.S.",
    "9.30",
    "Dr.",
    "that",
    "from",
    "fine.",
    "Why?",
    "Good!",
    "well...",
    "We",
]
SAYABLE = [
    *WORDS,
    "No.",
    "(so",
    "far)",
    "info@x.com.",
    "J.",
    "**so**",
    "__it__",
    "`it`",
    "~~no~~",
    "*it*",
    "[it](http://x.y)",
]
UNSAID = [
    "😀",
    "👨‍👩‍👧",
    "🇩🇪",
    "**",
    "[waits]",
    "(laughs)",
    "*sighs*",
    "<br>",
    "|",
    "…",
    "\n",
    "\n- ",
    "\n## ",
    "\n> ",
    "\n---\n",
    "«",
    "»",
]
PARTS = st.lists(st.sampled_from(SAYABLE + UNSAID), max_size=40)
ANYTHING = st.lists(
    st.sampled_from(
        [
            *SAYABLE,
            *UNSAID,
            "[",
            "]",
            "*",
            "<",
            "<think>",
            "</think>",
            "```",
            "```js\n",
            "#",
            "_",
            "<eos>",
            "](",
            "1️⃣",
            "\\*",
        ]
    )
    | st.text(max_size=5),
    max_size=40,
).map(" ".join) | st.text("*_`#[]()<>|~ \nab.5😀\u200d\ufe0f\u20e3", max_size=60)


@given(text=ANYTHING, cuts=st.lists(st.integers(0, 200), max_size=20), max_sentences=st.integers(1, 9))
def test_how_the_stream_was_cut_changes_nothing(text: str, cuts: list[int], max_sentences: int) -> None:
    edges = [0, *sorted(min(edge, len(text)) for edge in cuts), len(text)]
    cutter = PieceCutter(max_sentences, "Anna")
    pieces = [piece for a, b in itertools.pairwise(edges) for piece in cutter.feed(text[a:b])]
    assert pieces + cutter.finish() == cut(text, max_sentences)


@given(text=ANYTHING)
def test_no_piece_has_markup_in_it_or_is_without_words(text: str) -> None:
    for piece in cut(text):
        assert not set(piece) & set("*#`[]|~«»\n\u200d\ufe0f\u20e3😀👨👩👧")
        assert any(character.isalnum() for character in piece)
        assert piece == " ".join(piece.split())
        assert not re.search(r"(?<!\w)_|_(?!\w)", piece)


def letters(said: str) -> str:
    return "".join(character for character in said if character.isalnum())


@given(parts=PARTS)
def test_no_word_is_lost_or_doubled(parts: list[str]) -> None:
    spoken = " ".join(part.replace("http://x.y", "") for part in parts if part not in UNSAID)
    assert letters(" ".join(cut(" ".join(parts)))) == letters(spoken)


@given(text=ANYTHING)
def test_what_is_speakable_stays_as_it_is(text: str) -> None:
    once = speakable(text, "")
    assert speakable(once, "") == once or "&" in text or "\\" in text or "<" in text
