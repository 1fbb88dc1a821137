"""A reply ends when enough was said, and always lets go of the model."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from client_caller.errors import EngineCrashed
from client_caller.thinking.protocol import Message
from client_caller.thinking.reply import reply_pieces
from client_caller.thinking.scripted import ScriptedModel

QUESTION = [Message("user", "Hi.")]


def pieces_of(reply: str, max_sentences: int = 9) -> tuple[list[str], ScriptedModel]:
    model = ScriptedModel({"Hi.": reply})

    async def collect() -> list[str]:
        return [piece async for piece in reply_pieces(model, QUESTION, "CA1", 99, max_sentences)]

    return asyncio.run(collect()), model


def test_the_pieces_of_a_reply_come_in_order() -> None:
    assert pieces_of("Good morning. How are you?")[0] == ["Good morning.", "How are you?"]


def test_it_ends_after_the_sentences_allowed_and_closes_the_stream() -> None:
    pieces, model = pieces_of("One. Two. Three. Four.", max_sentences=2)
    assert pieces == ["One.", "Two."]
    assert model.open_streams == 0


def test_it_ends_where_the_model_begins_to_repeat_itself() -> None:
    assert pieces_of("I can help. I can help. I can help. Yes.")[0] == ["I can help."]


@pytest.mark.parametrize("nothing", ["", "*smiles*", "..."])
def test_a_reply_without_words_is_a_crash(nothing: str) -> None:
    with pytest.raises(EngineCrashed, match="empty reply"):
        pieces_of(nothing)


def test_closing_a_reply_closes_the_models_stream() -> None:
    model = ScriptedModel({"Hi.": "One. Two. Three."})

    async def take_one() -> str:
        async with aclosing(reply_pieces(model, QUESTION, "CA1", 99, 9)) as pieces:
            first = await anext(pieces)
            assert model.open_streams == 1
        return first

    assert asyncio.run(take_one()) == "One."
    assert model.open_streams == 0


def test_an_engine_error_passes_through_after_what_was_said() -> None:
    class Breaking:
        async def stream(self, messages: Sequence[Message], call_id: str, max_tokens: int) -> AsyncGenerator[str, None]:
            yield "Good morning. "
            raise EngineCrashed("language model", "gone")

        async def read_ahead(self, messages: Sequence[Message], call_id: str) -> float | None: ...

    said: list[str] = []

    async def collect() -> None:
        async for piece in reply_pieces(Breaking(), QUESTION, "CA1", 99, 9):
            said.append(piece)

    with pytest.raises(EngineCrashed, match="gone"):
        asyncio.run(collect())
    assert said == ["Good morning."]
