"""A simulated call: three seconds of speech are heard, a conversation goes on, four seconds are spoken at real time.

In:   the three engines.     Out: how long each stage of each turn took, and how late the frames of its speech came.
Rule: the stages are those of the product, asked through its own clients; what is said is a script. Only turns that are
      whole count, and those that failed are told.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import numpy as np

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.errors import EngineError
from client_caller.hearing.whisper import WhisperBatches
from client_caller.speaking.csm_voice import CsmVoice
from client_caller.speaking.protocol import AgentSaid, CallerSaid, Talk
from client_caller.thinking.openai_client import OpenAIModel
from client_caller.thinking.protocol import Message
from thinking_talk import SAID

HEARD_S: Final = 3.0
SPOKEN_S: Final = 4.0
CLAUSE_TOKENS: Final = 10
"""Of the first clause, with which the voice can begin."""

REPLY_TOKENS: Final = 40
SENTENCE: Final = "Thank you for waiting. I have found a time on Tuesday at ten."
"""Four seconds at 15 letters a second."""

CALL_S: Final = 180.0
"""How long calls last, for the question how often one begins beside those that are measured."""

_NEWCOMERS: Final = 1_000_000
"""Numbers of calls from here on are those of newcomers."""

_REMEMBERED: Final = 6
"""Turns that the voice is told of."""

_HEARING_HZ: Final = 16_000


@dataclass(frozen=True, slots=True)
class Engines:
    """What a call is held with. words: of the conversation before it begins."""

    ears: WhisperBatches
    mind: OpenAIModel
    voice: CsmVoice
    words: int


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds: hear, to the words; token and clause, from these to the first token and the first clause; sound, from
    that clause to the first sound. frames: of the speech;  late: of them;  late_s: silence that the caller heard in it.
    """

    hear_s: float
    token_s: float
    clause_s: float
    sound_s: float
    frames: int
    late: int
    late_s: float

    @property
    def total_s(self) -> float:
        """What the caller waits, beside what the line and the end of the turn take."""
        return self.hear_s + self.clause_s + self.sound_s


@dataclass(frozen=True, slots=True)
class Heard:
    """How a stretch of speech came. frames: pieces of it;  late: that came after they should have sounded."""

    first_s: float
    frames: int
    late: int
    late_s: float


def heard(arrivals: Sequence[tuple[float, float]]) -> Heard:
    """arrivals: when each piece of sound came and how long it is, in seconds. The player waits for what is late."""
    begins, late, late_s, played_s = arrivals[0][0], 0, 0.0, 0.0
    for at, length_s in arrivals:
        behind_s = at - (begins + late_s + played_s)
        if behind_s > 0:
            late += 1
            late_s += behind_s
        played_s += length_s
    return Heard(begins, len(arrivals), late, late_s)


def speech(seconds: float = HEARD_S, seed: int = 0) -> Samples:
    """Sound that swells and fades as speech does, 16 kHz: what is steady is not decoded at all."""
    time_s = np.arange(round(seconds * _HEARING_HZ)) / _HEARING_HZ
    hiss = np.random.default_rng(seed).normal(0, 0.001, len(time_s))
    return (0.2 * np.sin(2 * np.pi * 3 * time_s) ** 2 * np.sin(2 * np.pi * 170 * time_s) + hiss).astype(np.float32)


def conversation(number: int, words: int) -> list[Message]:
    """Of a call so far: a system text of its own, so that no other call's reading helps, and so many words in turns."""
    found = [Message("system", f"You are the receptionist of practice w{number} and answer in one sentence.")]
    for caller, agent in itertools.cycle(SAID):
        if sum(len(message.content.split()) for message in found) >= words:
            return found
        found += [Message("user", caller), Message("assistant", agent)]
    raise AssertionError


class Call:
    """One call. number: tells it from others."""

    def __init__(self, engines: Engines, number: int) -> None:
        self._engines = engines
        self._id = f"call-{number}"
        self._messages = conversation(number, engines.words)
        self._sound = speech(seed=number)
        self._said: list[CallerSaid | AgentSaid] = []
        self._count = 0

    async def begin(self) -> None:
        """Have the conversation so far read, as it is while a greeting is spoken. Raises EngineError."""
        await self._engines.mind.read_ahead([*self._messages, Message("user", SAID[0][0])], self._id)

    async def turn(self) -> Turn:
        """One turn, to the end of its speech. Raises EngineError."""
        now = asyncio.get_running_loop().time
        self._count += 1
        question = SAID[self._count % len(SAID)][0]
        began = now()
        await self.hear()
        heard_at = now()
        self._messages.append(Message("user", question))
        self._said.append(CallerSaid(f"c{self._count}", question, self._sound))
        tokens = self._engines.mind.stream(self._messages, self._id, REPLY_TOKENS)
        try:
            token_at = await _taken(tokens, 1)
            clause_at = await _taken(tokens, CLAUSE_TOKENS - 1)
            rest = asyncio.create_task(_taken(tokens, REPLY_TOKENS))  # written while its beginning is spoken
            try:
                spoken = await self.speak()
            finally:
                await rest
        finally:
            self._messages.append(Message("assistant", SENTENCE))
        stages = (heard_at - began, token_at - heard_at, clause_at - heard_at, spoken.first_s - clause_at)
        return Turn(*stages, spoken.frames, spoken.late, spoken.late_s)

    async def hear(self) -> None:
        """The caller's words. Raises EngineError."""
        await self._engines.ears.transcribe(self._sound)

    async def speak(self) -> Heard:
        """Four seconds of speech, until they have been played. Raises EngineError."""
        now = asyncio.get_running_loop().time
        talk = Talk(self._id, self._count, 0, tuple(self._said[-_REMEMBERED:]))
        arrivals: list[tuple[float, float]] = []
        async with aclosing(self._engines.voice.speak(SENTENCE, talk)) as made:
            async for some in made:
                arrivals.append((now(), len(some.samples) / LINE_HZ))
                if sum(length_s for _, length_s in arrivals) >= SPOKEN_S:
                    break
        if not arrivals:
            raise EngineError("voice", "it said nothing")
        self._said.append(AgentSaid(self._count, 0, SPOKEN_S))
        found = heard(arrivals)
        await asyncio.sleep(max(0.0, found.first_s + found.late_s + SPOKEN_S - now()))
        return found

    def end(self) -> None:
        """Hang up."""
        self._engines.voice.leave(self._id)


async def _taken(tokens: AsyncIterator[object], count: int) -> float:
    """When so many more fragments of the reply were there, or its end."""
    left = count
    while left and await anext(tokens, None) is not None:
        left -= 1
    return asyncio.get_running_loop().time()


async def hold(engines: Engines, count: int, turns: int) -> tuple[list[Turn], list[str]]:
    """So many calls at once, under way already, spread over the time a turn takes, each of so many turns; what failed,
    by its error. Others begin meanwhile, as often as calls of CALL_S would: their prompts are new to the engines.
    """
    found: list[Turn] = []
    failed: list[str] = []
    calls = [Call(engines, number) for number in range(count)]

    async def one(number: int, call: Call) -> None:
        try:
            await asyncio.sleep((HEARD_S + SPOKEN_S) * number / count)
            for _ in range(turns):
                await asyncio.sleep(HEARD_S)  # the caller speaks
                try:
                    found.append(await call.turn())
                except EngineError as wrong:  # as in the product, another engine would have stood in for this turn
                    failed.append(str(wrong))
        finally:
            call.end()

    async def begin(call: Call) -> None:
        try:
            await call.begin()
        except EngineError as wrong:  # the product reads the prompt with the first turn then
            failed.append(f"at its beginning: {wrong}")

    async def newcomers() -> None:
        for number in itertools.count(_NEWCOMERS + 1_000 * count):
            await asyncio.sleep(CALL_S / count)
            await begin(Call(engines, number))

    for call in calls:
        await begin(call)
    others = asyncio.create_task(newcomers())
    try:
        await asyncio.gather(*(one(number, call) for number, call in enumerate(calls)))
    finally:
        others.cancel()
        await asyncio.wait([others])  # a request that is being withdrawn is nobody's in the next round
    return found, failed
