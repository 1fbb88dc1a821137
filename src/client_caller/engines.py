"""What the ear and the voice do for one call: three tasks that take orders out of mailboxes, and report.

In:   orders to decode, to judge and to say.     Out: events for the heart; speech for the playout.
Rule: an engine's failure becomes an event. What a withdrawn order still yields is not reported.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from client_caller.agent import Agent
from client_caller.conversation.actions import CloseTurn, Say, ScoreTurn, Transcribe
from client_caller.conversation.events import (
    Event,
    Transcript,
    TurnScored,
)
from client_caller.errors import EngineError, EngineTimeout
from client_caller.hearing.listener import Listener, TurnAudio
from client_caller.hearing.protocols import Transcriber, TurnModel, VoiceActivity
from client_caller.mailbox import Mailbox
from client_caller.reporting import Fact, Task, reporting
from client_caller.speaking.fillers import Fillers
from client_caller.speaking.playout import Playout
from client_caller.speaking.protocol import Speech, Voice
from client_caller.talking import Talking
from client_caller.thinking.protocol import LanguageModel

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

    playout: given the speech of pieces as it is made;  wake: called when it was given some;
    happen: told of every event;  fact: told of what is worth recording, as `fact(name, **fields)`.
    Run its `tasks` for as long as the call lasts.
    """

    def __init__(
        self,
        call_id: str,
        engines: Engines,
        listener: Listener,
        playout: Playout,
        wake: Callable[[], None],
        happen: Callable[[Event], None],
        fact: Fact,
    ) -> None:
        self._to_decode: Mailbox[int] = Mailbox()
        self._to_judge: Mailbox[int] = Mailbox()
        self._to_say: Mailbox[Say] = Mailbox(_PIECES_AT_MOST)
        self.interims_dropped = 0
        self._decoding: TurnAudio | None = None
        self._call_id = call_id
        self._engines = engines
        self._listener = listener
        self._playout = playout
        self._talking = Talking(call_id, playout.heard_s)
        self._wake = wake
        self._happen = happen
        self._fact = fact
        self._reporting = partial(reporting, call_id, happen, fact)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What is to be run beside the call."""
        return self.find_words, self.judge_turns, self.speak

    def order(self, action: Transcribe | ScoreTurn | CloseTurn | Say) -> None:
        """Have an engine do this."""
        match action:
            case Transcribe(pause=pause):
                self._decode(pause)
            case ScoreTurn(pause=pause):
                self._to_judge.put(pause)
            case CloseTurn():
                self._listener.close_turn()
                self._talking.close_turn()
            case Say():
                self._to_say.put(action)

    def cancel_reply(self) -> None:
        """Make no more of the reply's sound."""
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
                        self._talking.pause()
                        self._happen(Transcript(pause, known))
                    else:
                        audio = self._listener.turn_audio()
                        words = self._listener.decoded(audio, await self._transcribed(audio))
                        self._talking.pause()
                        self._happen(Transcript(pause, words))

    async def _transcribed(self, audio: TurnAudio) -> str:
        self._decoding, turn = audio, self._talking.turn
        try:
            text = await self._engines.transcriber.transcribe(audio.samples)
        finally:
            self._decoding = None
        self._talking.decoded(turn, audio, text)
        return text

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

    async def speak(self) -> None:
        """Have the pieces spoken, in order, and take leave of the voice when the call is over."""
        try:
            while True:
                async with self._to_say.take() as say:
                    with self._reporting("voice", say.reply):
                        try:
                            await self._speak(say)
                        except EngineError:
                            self._end(say)  # no more of it will come, and the reply may do without
                            raise
                        self._end(say)
        finally:
            self._engines.voice.leave(self._call_id)

    def _end(self, say: Say) -> None:
        self._playout.finish_piece(say.reply, say.piece)
        self._wake()

    async def _speak(self, say: Say) -> None:
        begun, talk = False, self._talking.says(say.reply, say.piece)
        async with aclosing(self._engines.voice.speak(say.text, talk)) as speeches:
            while (speech := await _next_speech(speeches)) is not None:
                self._playout.add(say.reply, say.piece, say.text, speech)
                self._wake()
                if not begun:
                    begun = True
                    self._fact("first audio", reply=say.reply, piece=say.piece)


async def _next_speech(speeches: AsyncGenerator[Speech, None]) -> Speech | None:
    """The next stretch, None at the end. Raises EngineTimeout."""
    try:
        async with asyncio.timeout(_SPEECH_WITHIN_S):
            return await anext(speeches, None)
    except TimeoutError as late:
        raise EngineTimeout("voice", f"no sound within {_SPEECH_WITHIN_S} s") from late
