"""A reply: from messages to speakable pieces, ended as soon as enough was said.

In:   a language model and what it is to answer.     Out: pieces, each as soon as it is complete.
Rule: the model's stream is closed on every way out, so that its server's slot is free at once.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from client_caller.errors import EngineCrashed
from client_caller.thinking.protocol import LanguageModel, Message
from client_caller.thinking.sentences import PieceCutter


async def reply_pieces(
    model: LanguageModel, messages: Sequence[Message], max_tokens: int, max_sentences: int
) -> AsyncGenerator[str, None]:
    """The pieces of the next reply. It ends early where the model begins to repeat itself.

    Raises EngineError; EngineCrashed also when the model had nothing to say.
    """
    said: set[str] = set()
    async with aclosing(_pieces(model, messages, max_tokens, max_sentences)) as pieces:
        async for piece in pieces:
            if piece.lower() in said:
                break
            said.add(piece.lower())
            yield piece
    if not said:
        raise EngineCrashed("language model", "empty reply")


async def _pieces(
    model: LanguageModel, messages: Sequence[Message], max_tokens: int, max_sentences: int
) -> AsyncGenerator[str, None]:
    cutter = PieceCutter(max_sentences)
    async with aclosing(model.stream(messages, max_tokens)) as fragments:
        async for fragment in fragments:
            for piece in cutter.feed(fragment):
                yield piece
            if cutter.full:
                return
    for piece in cutter.finish():
        yield piece
