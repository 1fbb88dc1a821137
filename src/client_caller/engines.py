"""What the models do for one call: four tasks that take orders out of mailboxes and report what came of them.

In:   orders to decode, to judge, to answer and to say.     Out: events for the heart; speech for the playout.
Rule: an engine's failure becomes an event. What a withdrawn order still yields is not reported.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from client_caller.agent import Agent
from client_caller.conversation.actions import ReadAhead, Say, ScoreTurn, StartReply, Transcribe, Turn
from client_caller.conversation.events import (
    Engine,
    EngineFailed,
    Event,
    ReplyEnded,
    ReplyText,
    Transcript,
    TurnScored,
    WordsScored,
)
from client_caller.errors import EngineError, EngineTimeout
from client_caller.hearing.listener import Listener, TurnAudio
from client_caller.hearing.protocols import Transcriber, TurnModel, VoiceActivity
from client_caller.mailbox import Mailbox
from client_caller.speaking.fillers import Fillers
from client_caller.speaking.protocol import Speech, Voice
from client_caller.thinking.prompt import Prompt
from client_caller.thinking.protocol import LanguageModel
from client_caller.thinking.reply import reply_pieces

log = logging.getLogger("client_caller.engines")

INTERIM: Final = 0
"""Ordered in place of a pause's number: decode what the caller is in the middle of saying."""

_JUDGED_S: Final = 8.0
"""Seconds of sound that the turn model hears."""

_PIECES_AT_MOST: Final = 64
"""Pieces waiting for the voice; a reply has at most as many sentences as its agent file allows, which is 20."""


_SPEECH_WITHIN_S: Final = 8.0
"""The longest a voice may take to the next stretch of a piece, whatever watchdogs it has of its own."""


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(frozen=True, slots=True)
class Engines:
    """One of each; all calls of a process share them. `activity` makes the part that remembers one call.

    warm: set when nothing is read or loaded any more that would compete with a call;
    voices: makes the voice and the bank of phrases of another agent; without it all agents sound alike.
    """

    activity: Callable[[], VoiceActivity]
    turn_model: TurnModel
    transcriber: Transcriber
    language_model: LanguageModel
    voice: Voice
    fillers: Fillers = field(default_factory=Fillers)
    warm: asyncio.Event = field(default_factory=_set_event)
    voices: Callable[[Agent], Awaitable[tuple[Voice, Fillers]]] | None = None

    async def speaking_as(self, agent: Agent) -> "Engines":
        """The same engines with this agent's voice."""
        if self.voices is None:
            return self
        voice, fillers = await self.voices(agent)
        return replace(self, voice=voice, fillers=fillers)


class EngineWork:
    """The engines at work for one call.

    happen: told of every event;  sound: given the speech of a piece as it is made, and None at its end;
    fact: told of what is worth recording, as `fact(name, **fields)`.
    Run `find_words`, `judge_turns`, `think` and `speak` for as long as the call lasts.
    """

    def __init__(
        self,
        call_id: str,
        engines: Engines,
        agent: Agent,
        listener: Listener,
        happen: Callable[[Event], None],
        sound: Callable[[Say, Speech | None], None],
        fact: Callable[..., None],
    ) -> None:
        self._to_decode: Mailbox[int] = Mailbox()
        self._to_judge: Mailbox[int] = Mailbox()
        self._to_answer: Mailbox[StartReply | ReadAhead] = Mailbox()
        self._to_say: Mailbox[Say] = Mailbox(_PIECES_AT_MOST)
        self.interims_dropped = 0
        self._decoding: TurnAudio | None = None
        self._replying = False  # and not reading ahead, which is better finished than begun anew
        self._call_id = call_id
        self._engines = engines
        self._limits = agent.limits
        self._prompt = Prompt.of(agent)
        self._listener = listener
        self._happen = happen
        self._sound = sound
        self._fact = fact

    def order(self, action: Transcribe | ScoreTurn | StartReply | ReadAhead | Say) -> None:
        """Have an engine do this. A reply takes the place of one that is being made."""
        match action:
            case Transcribe(pause=pause):
                self._decode(pause)
            case ScoreTurn(pause=pause):
                self._to_judge.put(pause)
            case StartReply() | ReadAhead():
                if self._replying and isinstance(action, StartReply):
                    self._to_answer.withdraw()
                self._to_answer.put(action)
            case Say():
                self._to_say.put(action)

    def cancel_reply(self) -> None:
        """Make no more of the reply, neither words nor sound."""
        self._to_answer.withdraw()
        self._to_say.withdraw()

    def _decode(self, pause: int) -> None:
        """Find the words of the turn as of this pause, at once.

        What is being decoded is waited for when it holds all the voice there is, and given up otherwise.
        """
        if self._decoding is None or not self._listener.holds_all(self._decoding):
            self._count_dropped(self._to_decode.withdraw())
        self._count_dropped(self._to_decode.put(pause))

    def decode_interim(self) -> None:
        """Decode what the caller is in the middle of saying, as soon as nothing else of this call is decoded."""
        self._count_dropped(self._to_decode.put(INTERIM))

    async def find_words(self) -> None:
        """Find the caller's words at each pause, and now and then in between."""
        while True:
            async with self._to_decode.take() as pause:
                with self._reporting("transcriber", pause):
                    if pause == INTERIM:
                        audio = self._listener.interim_audio()
                        self._happen(self._listener.interim(audio, await self._transcribed(audio)))
                    elif (known := self._listener.words()) is not None:
                        self._happen(Transcript(pause, known))
                    else:
                        audio = self._listener.turn_audio()
                        words = self._listener.decoded(audio, await self._transcribed(audio))
                        self._happen(Transcript(pause, words))

    async def _transcribed(self, audio: TurnAudio) -> str:
        self._decoding = audio
        try:
            return await self._engines.transcriber.transcribe(audio.samples)
        finally:
            self._decoding = None

    def _count_dropped(self, orders: Sequence[int]) -> None:
        if INTERIM in orders:
            self.interims_dropped += orders.count(INTERIM)
            self._fact("interim dropped", so_far=self.interims_dropped)

    async def judge_turns(self) -> None:
        """Ask the turn model at each pause."""
        while True:
            async with self._to_judge.take() as pause:
                with self._reporting("turn model", pause):
                    p_done = await self._engines.turn_model.p_done(self._listener.recent_audio(_JUDGED_S))
                    self._happen(TurnScored(pause, p_done))

    async def think(self) -> None:
        """Make the replies, and read ahead for them."""
        await self._read(())  # what every prompt of this call begins with
        while True:
            async with self._to_answer.take() as order:
                if isinstance(order, ReadAhead):
                    await self._read(order.history)
                else:
                    self._replying = True
                    try:
                        await self._reply(order)
                    finally:
                        self._replying = False

    async def _read(self, history: Sequence[Turn]) -> None:
        with self._reporting("language model", 0):
            p_end = await self._engines.language_model.read_ahead(self._prompt.messages(history), self._call_id)
            if history and history[-1].speaker == "caller" and history[-1].text:
                self._happen(WordsScored(history[-1].text, p_end))

    async def _reply(self, order: StartReply) -> None:
        with self._reporting("language model", order.reply):
            pieces = reply_pieces(
                self._engines.language_model,
                self._prompt.messages(order.history),
                self._call_id,
                self._limits.max_reply_tokens,
                self._limits.max_reply_sentences,
                partial(self._fact, "first token", reply=order.reply),
            )
            async with aclosing(pieces):
                async for piece in pieces:
                    self._happen(ReplyText(order.reply, piece))
            self._happen(ReplyEnded(order.reply))

    async def speak(self) -> None:
        """Have the pieces spoken, in order."""
        while True:
            async with self._to_say.take() as say:
                with self._reporting("voice", say.reply):
                    begun = False
                    async with aclosing(self._engines.voice.speak(say.text)) as speeches:
                        while (speech := await _next_speech(speeches)) is not None:
                            self._sound(say, speech)
                            if not begun:
                                begun = True
                                self._fact("first audio", reply=say.reply, piece=say.piece)
                    self._sound(say, None)

    @contextmanager
    def _reporting(self, engine: Engine, number: int) -> Iterator[None]:
        try:
            yield
        except EngineError as failure:
            self._fact("engine failed", what=str(failure))
            log.warning("an engine failed", extra={"call": self._call_id, "engine": engine, "why": str(failure)})
            self._happen(EngineFailed(engine, number))


async def _next_speech(speeches: AsyncGenerator[Speech, None]) -> Speech | None:
    """The next stretch, None at the end. Raises EngineTimeout."""
    try:
        async with asyncio.timeout(_SPEECH_WITHIN_S):
            return await anext(speeches, None)
    except TimeoutError as late:
        raise EngineTimeout("voice", f"no sound within {_SPEECH_WITHIN_S} s") from late
