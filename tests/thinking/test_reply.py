"""A reply ends when enough was said, says nothing it must not, and always lets go of the model."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.errors import EngineCrashed
from client_caller.thinking.guard import Guard
from client_caller.thinking.protocol import Message, ToolCall, ToolOffer
from client_caller.thinking.reply import reply_pieces

QUESTION = [Message("user", "Hi.")]
BOOK = ToolCall("book", '{"day": "Monday"}')
OFFER = ToolOffer("book", "Books.", {"type": "object"})
MORE = "Shall I go on?"

Streamed = str | ToolCall | EngineCrashed


class Saying:
    """A language model that streams what it is given, or breaks where an exception stands."""

    def __init__(self, *streamed: Streamed) -> None:
        self.streamed = list(streamed)
        self.given = 0
        self.open_streams = 0
        self.offered: Sequence[ToolOffer] = ()

    async def stream(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, tools: Sequence[ToolOffer] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        self.open_streams += 1
        self.offered = tools
        try:
            for found in self.streamed:
                self.given += 1
                if isinstance(found, EngineCrashed):
                    raise found
                yield found
        finally:
            self.open_streams -= 1

    async def read_ahead(
        self, messages: Sequence[Message], call_id: str, tools: Sequence[ToolOffer] = ()
    ) -> float | None: ...

    async def write(self, messages: Sequence[Message], call_id: str, max_tokens: int, schema: object = None) -> str: ...


def words_of(text: str) -> list[str]:
    return [f"{word} " for word in text.split(" ")]


def pieces_of(
    model: Saying,
    max_sentences: int = 9,
    max_tokens: int = 99,
    tools: Sequence[ToolOffer] = (),
    check_back: str = "",
    guard: Guard | None = None,
) -> list[str | ToolCall]:
    async def collect() -> list[str | ToolCall]:
        pieces = reply_pieces(
            model, QUESTION, "CA1", max_tokens, max_sentences, tools=tools, check_back=check_back, guard=guard
        )
        return [piece async for piece in pieces]

    try:
        return asyncio.run(collect())
    finally:
        assert model.open_streams == 0


def said(text: str, max_sentences: int = 9, max_tokens: int = 99, check_back: str = "") -> list[str | ToolCall]:
    return pieces_of(Saying(*words_of(text)), max_sentences, max_tokens, check_back=check_back)


def test_the_pieces_of_a_reply_come_in_order() -> None:
    assert said("Good morning. How are you?") == ["Good morning.", "How are you?"]


def test_it_ends_after_the_sentences_allowed_and_closes_the_stream() -> None:
    model = Saying(*words_of("One. Two. Three. Four."))
    assert pieces_of(model, max_sentences=2) == ["One.", "Two."]
    assert model.given == 2


def test_it_ends_where_the_model_begins_to_repeat_itself() -> None:
    assert said("I can help. I can help. I can help. Yes.", check_back=MORE) == ["I can help."]


@pytest.mark.parametrize("nothing", ["", "*smiles*", "...", "[waits]", "<end_of_turn> Hello.", "<think>They want"])
def test_a_reply_without_words_is_a_crash(nothing: str) -> None:
    with pytest.raises(EngineCrashed, match="empty reply"):
        said(nothing)


def test_closing_a_reply_closes_the_models_stream() -> None:
    model = Saying("One. ", "Two. ", "Three. ")

    async def take_one() -> str | ToolCall:
        async with aclosing(reply_pieces(model, QUESTION, "CA1", 99, 9)) as pieces:
            first = await anext(pieces)
            assert model.open_streams == 1
        return first

    assert asyncio.run(take_one()) == "One."
    assert model.open_streams == 0


def test_an_engine_error_passes_through_after_what_was_said() -> None:
    model, heard = Saying("Good morning. ", EngineCrashed("language model", "gone")), list[str | ToolCall]()

    async def collect() -> None:
        async for piece in reply_pieces(model, QUESTION, "CA1", 99, 9):
            heard.append(piece)

    with pytest.raises(EngineCrashed, match="gone"):
        asyncio.run(collect())
    assert heard == ["Good morning."]


@pytest.mark.parametrize("first", ["Hi. ", BOOK])
def test_the_first_token_is_told_once(first: str | ToolCall) -> None:
    told: list[bool] = []

    async def collect() -> None:
        async for _ in reply_pieces(Saying("", first, "Yes. "), QUESTION, "CA1", 99, 9, lambda: told.append(True)):
            pass

    asyncio.run(collect())
    assert told == [True]


# --- tools


def test_tools_are_offered_to_the_model_and_its_calls_come_in_order() -> None:
    model = Saying("Let me ", "check", BOOK, "It is ", "free. ", BOOK, "Fine.")
    assert pieces_of(model, tools=[OFFER]) == ["Let me check.", BOOK, "It is free.", BOOK, "Fine."]
    assert list(model.offered) == [OFFER]


def test_a_reply_of_a_tool_call_alone_is_not_empty() -> None:
    assert pieces_of(Saying(BOOK), tools=[OFFER]) == [BOOK]


def test_tools_do_not_count_as_sentences() -> None:
    model = Saying(BOOK, BOOK, "One. ", BOOK, "Two. ", "Three. ")
    assert pieces_of(model, max_sentences=2, tools=[OFFER]) == [BOOK, BOOK, "One.", BOOK, "Two."]


def test_a_tool_is_called_though_enough_was_said_before() -> None:
    model = Saying("One moment. ", "I look. ", "\n", BOOK, "Then more. ")
    assert pieces_of(model, max_sentences=2, tools=[OFFER], check_back=MORE) == ["One moment.", "I look.", BOOK]


# --- the check-back


def test_a_caller_is_asked_whether_to_go_on_when_there_is_more_to_say() -> None:
    assert said("One. Two. Three. Four.", max_sentences=2, check_back=MORE) == ["One.", "Two.", MORE]


@pytest.mark.parametrize(
    "text", ["One. Two.", "One. Two. \n 😀", "One. Two? Three.", 'One. "Two?" Three.', "One. Two. <eos> User"]
)
def test_nobody_is_asked_when_all_was_said_or_something_was_asked(text: str) -> None:
    assert MORE not in said(text, max_sentences=2, check_back=MORE)


def test_nobody_is_asked_for_more_of_what_must_not_be_said() -> None:
    assert said("One. Two. Caller: Thanks.", max_sentences=2, check_back=MORE) == ["One.", "Two."]


def test_the_stream_is_looked_on_into_until_the_next_word_only() -> None:
    model = Saying("One. ", "\n", "- ", "Two ", "and ", "three. ")
    assert pieces_of(model, max_sentences=1, check_back=MORE) == ["One.", MORE]
    assert model.given == 4


def test_what_was_said_is_there_before_the_stream_is_looked_on_into() -> None:
    model = Saying("One. ", "Two. ")

    async def take_one() -> int:
        async with aclosing(reply_pieces(model, QUESTION, "CA1", 99, 1, check_back=MORE)) as pieces:
            assert await anext(pieces) == "One."
            return model.given

    assert asyncio.run(take_one()) == 1


def test_a_failure_after_the_last_sentence_is_none() -> None:
    assert pieces_of(Saying("One. ", EngineCrashed("language model", "gone")), 1, check_back=MORE) == ["One."]


# --- the limit of tokens


def test_half_a_sentence_at_the_limit_is_not_said() -> None:
    assert said("It is open. And it will be", max_tokens=7) == ["It is open."]
    assert said("It is open. And it will be", max_tokens=7, check_back=MORE) == ["It is open.", MORE]


def test_fragments_of_several_tokens_count_by_their_characters() -> None:
    assert pieces_of(Saying("It is open. And it will be"), max_tokens=7) == ["It is open."]


def test_a_short_answer_without_a_mark_is_whole() -> None:
    assert said("Yes", max_tokens=7) == ["Yes"]
    assert said("It is. Until six", max_tokens=7) == ["It is.", "Until six"]


def test_half_a_sentence_is_said_when_nothing_whole_was() -> None:
    assert said("It is open today and also", max_tokens=6) == ["It is open today", "and also"]


def test_a_sentence_that_ends_at_the_limit_is_said() -> None:
    assert said("It is open. And it will be.", max_tokens=7) == ["It is open.", "And it will be."]


# --- the guard


def test_a_reply_ends_where_the_model_goes_on_in_the_callers_place() -> None:
    assert said("We are open.\nCaller: Thanks.\nAgent: Bye.") == ["We are open."]


def test_code_is_dropped_to_its_end() -> None:
    text = 'Sure. print("Good morning. How are you?", {"a": "is it well"}) Come in.'
    assert said(text) == ["Sure."]
    assert said(text.replace(") Come", ")\nCome")) == ["Sure.", "Come in."]


def test_what_is_dropped_does_not_end_the_reply() -> None:
    assert said('We are open. {"a": 1, "b": 2}\nCome in.') == ["We are open.", "Come in."]


def test_what_the_model_is_told_is_not_said() -> None:
    guard = Guard(secret_text="Never tell anyone that the discount goes up to forty percent.")
    model = Saying(*words_of("Yes. I should never tell anyone that the discount goes up to forty percent. Bye."))
    assert pieces_of(model, guard=guard) == ["Yes."]


def test_another_language_is_a_crash() -> None:
    with pytest.raises(EngineCrashed, match="nonsense: another language"):
        said("Wir haben von acht bis sechs Uhr geöffnet.")


@pytest.mark.parametrize("text", ['{"a": 1, "b": 2}', "User: Hello."])
def test_a_reply_of_which_nothing_may_be_said_is_a_crash(text: str) -> None:
    with pytest.raises(EngineCrashed, match="nothing fit to be said"):
        said(text)


STREAMED = st.lists(
    st.sampled_from(
        [
            "One. ",
            "It is open",
            " and so",
            ". ",
            "\n",
            " Caller: ",
            "{",
            '"a": 1',
            "<eos>",
            "???",
            "*x*",
            "```js\n",
            BOOK,
        ]
    ),
    max_size=20,
)


@given(streamed=STREAMED, max_sentences=st.integers(1, 4), max_tokens=st.integers(1, 20))
def test_a_reply_keeps_its_promises(streamed: list[Streamed], max_sentences: int, max_tokens: int) -> None:
    model = Saying(*streamed)
    try:
        pieces = pieces_of(model, max_sentences, max_tokens, [OFFER], MORE)
    except EngineCrashed:
        return
    assert pieces
    spoken = [piece for piece in pieces if isinstance(piece, str)]
    assert len(spoken) <= max_sentences + 2
    assert MORE not in spoken[:-1]
    assert not any(set("*`<") & set(piece) or "Caller" in piece for piece in spoken)
