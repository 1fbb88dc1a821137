"""A reply: from messages to speakable pieces, ended as soon as enough was said.

In:   a language model and what it is to answer.     Out: pieces, each as soon as it is complete.
Rule: the model's stream is closed on every way out, so that its server's slot is free at once.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from client_caller.errors import EngineCrashed
from client_caller.thinking.protocol import LanguageModel, Message
from client_caller.thinking.sentences import PieceCutter


async def reply_pieces(
    model: LanguageModel,
    messages: Sequence[Message],
    call_id: str,
    max_tokens: int,
    max_sentences: int,
    on_first_token: Callable[[], None] = lambda: None,
) -> AsyncGenerator[str, None]:
    """The pieces of the next reply. It ends early where the model begins to repeat itself.

    on_first_token: called once, when the model begins to answer.
    Raises EngineError; EngineCrashed also when the model had nothing to say.
    """
    said: set[str] = set()
    async with aclosing(_pieces(model, messages, call_id, max_tokens, max_sentences, on_first_token)) as pieces:
        async for piece in pieces:
            if piece.lower() in said:
                break
            said.add(piece.lower())
            yield piece
    if not said:
        raise EngineCrashed("language model", "empty reply")


async def _pieces(
    model: LanguageModel,
    messages: Sequence[Message],
    call_id: str,
    max_tokens: int,
    max_sentences: int,
    on_first_token: Callable[[], None],
) -> AsyncGenerator[str, None]:
    cutter, begun = PieceCutter(max_sentences), False
    async with aclosing(model.stream(messages, call_id, max_tokens)) as fragments:
        async for fragment in fragments:
            if fragment and not begun:
                begun = True
                on_first_token()
            for piece in cutter.feed(fragment):
                yield piece
            if cutter.full:
                return
    for piece in cutter.finish():
        yield piece
