"""A reply: from messages to speakable pieces and tools to be called, ended as soon as enough was said.

In:   a language model, what it is to answer, and a guard.
Out:  pieces, each as soon as it is complete, and tool calls, in the model's order.
Rule: the model's stream is closed on every way out, so that its server's slot is free at once; no piece comes out that
      the guard has not let pass.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Final

from client_caller.errors import EngineCrashed, EngineError
from client_caller.thinking.guard import CODE, Guard
from client_caller.thinking.protocol import LanguageModel, Message, ToolCall, ToolOffer
from client_caller.thinking.sentences import PieceCutter

_CHARACTERS_PER_TOKEN: Final = 4
"""At least so many in running English, for servers that send several tokens at once."""

_SPENT: Final = 0.9
"""Share of the tokens allowed from which on a reply without an end was cut off. Below that the model meant it so."""


async def reply_pieces(
    model: LanguageModel,
    messages: Sequence[Message],
    call_id: str,
    max_tokens: int,
    max_sentences: int,
    on_first_token: Callable[[], None] = lambda: None,
    tools: Sequence[ToolOffer] = (),
    check_back: str = "",
    guard: Guard | None = None,
) -> AsyncGenerator[str | ToolCall, None]:
    """The pieces of the next reply, and the tools it wants called. It ends where the model begins to repeat itself.

    on_first_token: called once, when the model begins to answer;  tools: those on offer;  check_back: said last where
    the model had more to say than it may, unless what was said ends in a question or a tool is called;  guard: without
    one, English is wanted and nothing is secret.

    What stands before a tool call is a piece, however it ends, and tools do not count as sentences. When all sentences
    are said, the stream is looked on into for a tool call or a further word, if either would matter.

    No stream says that the tokens ran out, so that is told from the text: no mark ends the last sentence, and the
    fragments, or a fourth of the characters, are nine tenths of `max_tokens`. Such half a sentence is not said, unless
    no whole one was: its beginning may be spoken already. A short answer without a mark ("Yes") is whole. What was
    left unsaid counts as more to say.

    Raises EngineError; EngineCrashed also when the model had nothing to say that may be said, or talked nonsense.
    """
    spoken = _Spoken(guard or Guard())
    cutter = PieceCutter(max_sentences, spoken.guard.own_name)
    stream = model.stream(messages, call_id, max_tokens, tools)
    found = _found(stream, cutter, max_tokens, on_first_token, look_on=bool(tools or check_back))
    async with aclosing(found):
        async for piece in found:
            if isinstance(piece, ToolCall):
                spoken.called = True
                yield piece
            elif spoken.takes(piece):
                yield piece
            if spoken.ended:
                break
    if spoken.is_empty:
        raise EngineCrashed("language model", spoken.why or "empty reply")
    if check_back and spoken.asks_back(cutter.beyond):
        yield check_back


class _Spoken:
    """What of a reply was let pass so far."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.called = False
        self.ended = False
        self.why = ""
        self._unclosed = 0
        self._text = ""
        self._pieces: set[str] = set()

    @property
    def is_empty(self) -> bool:
        return not self._pieces and not self.called

    def takes(self, piece: str) -> bool:
        """Whether a piece is to be said. Raises EngineCrashed for nonsense."""
        if piece.lower() in self._pieces:
            self.ended = True
            return False
        verdict = CODE if self._unclosed > 0 else self.guard.judge(piece, self._text)
        if verdict.act == "nonsense":
            raise EngineCrashed("language model", f"nonsense: {verdict.why}")
        if verdict.act != "speak":
            self.why, self.ended = f"nothing fit to be said: {verdict.why}", verdict.act == "end"
            # A bracket that code opened is code until it is closed: its middle may read like words.
            self._unclosed += sum((sign in "({") - (sign in ")}") for sign in piece)
            return False
        self._pieces.add(piece.lower())
        self._text = f"{self._text} {piece}"
        return True

    def asks_back(self, beyond: str) -> bool:
        """Whether the caller should be asked if they want to hear what is beyond."""
        if not beyond or self.ended or self.called or self._text.rstrip("\"'”’) ").endswith("?"):
            return False
        return self.guard.judge(beyond, self._text).act == "speak"


async def _found(
    stream: AsyncGenerator[str | ToolCall, None],
    cutter: PieceCutter,
    max_tokens: int,
    on_first_token: Callable[[], None],
    look_on: bool,
) -> AsyncGenerator[str | ToolCall, None]:
    """Pieces and tool calls as the cutter finds them."""
    fragments, characters = 0, 0
    async with aclosing(stream):
        try:
            async for fragment in stream:
                if fragment and not fragments:
                    on_first_token()
                fragments += bool(fragment)
                if isinstance(fragment, ToolCall):
                    for piece in cutter.flush():
                        yield piece
                    yield fragment
                    continue
                characters += len(fragment)
                for piece in cutter.feed(fragment):
                    yield piece
                if cutter.over or cutter.beyond or (cutter.full and not look_on):
                    return
        except EngineError:
            if not cutter.full:
                raise
    cut_off = max(fragments, characters / _CHARACTERS_PER_TOKEN) >= _SPENT * max_tokens
    for piece in cutter.finish(cut_off):
        yield piece
