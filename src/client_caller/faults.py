"""Faults on demand: what any engine may do wrong, done by a sound engine at the jobs that a plan names.

In:   an engine, and a plan: which of its jobs suffer which fault.     Out: an engine of the same kind that is not well.
Rule: nothing is left to chance, and all waiting is on the running loop's clock, so a rehearsal repeats to the sample.
      Jobs are counted from 0, for one engine and all calls; to read ahead or to write something is a job, too.

    voice = faulty(voice, first(2, crash()))                    # the first two pieces
    model = faulty(model, every(5, hang(after=3)))              # every fifth reply, behind its third fragment
    voice = faulty(voice, scheduled([None, nonsense(Kind.SILENCE), None, hang(4.0)]))
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, TypeVar, overload

import numpy as np

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.errors import EngineCrashed, refusal
from client_caller.hearing.protocols import Transcriber, TurnModel, VoiceActivity
from client_caller.speaking.protocol import Speech, Talk, Voice, WordTime
from client_caller.thinking.protocol import LanguageModel, Message, ToolCall, ToolOffer


class Kind(Enum):
    """What goes wrong. What only some engines can do says so; another engine asked for it works as ever."""

    CRASH = "it raises an error"
    HANG = "nothing comes for a while; then it goes on"
    LATE = "all that it makes comes at once, a while after it was made"
    NOTHING = "it ends without, or without more of, a result"
    BUSY = "its server refuses with status 429"
    BROKEN = "its server answers with status 500"
    LOST = "its process is gone"
    SIGNS = "language model: punctuation without words"
    LOOP = "language model and transcriber: the same words again and again"
    CONTROL = "language model: control characters"
    NO_NUMBERS = "voice: samples that are no numbers; turn model and voice activity: a probability that is none"
    INFINITE = "voice: infinite samples"
    CLIPPED = "voice: noise at full scale"
    SILENCE = "voice: digital silence without end"
    ENDLESS = "voice: the same sound without end"
    BACKWARDS = "voice: word times that run backwards"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. seconds: how long a hang lasts, or how late the result is;  after: items of a stream that are well."""

    kind: Kind
    seconds: float = math.inf
    after: int = 0


Plan = Callable[[int], Fault | None]
"""The fault of a job, by its number; None for a job that goes well."""


def crash(after: int = 0) -> Fault:
    """It raises EngineCrashed, behind `after` items."""
    return Fault(Kind.CRASH, after=after)


def hang(seconds: float = math.inf, after: int = 0) -> Fault:
    """It stands still for so long, behind `after` items."""
    return Fault(Kind.HANG, seconds, after)


def late(seconds: float) -> Fault:
    """Its result comes so much later."""
    return Fault(Kind.LATE, seconds)


def nonsense(kind: Kind, after: int = 0) -> Fault:
    """What comes behind `after` items is of no use; `kind` says in which way."""
    return Fault(kind, after=after)


def always(fault: Fault) -> Plan:
    """Every job."""
    return lambda job: fault


def first(jobs: int, fault: Fault) -> Plan:
    """The first so many jobs."""
    return lambda job: fault if job < jobs else None


def every(nth: int, fault: Fault) -> Plan:
    """Every nth job, beginning with the nth."""
    return lambda job: fault if job % nth == nth - 1 else None


def scheduled(faults: Sequence[Fault | None]) -> Plan:
    """Job by job; what comes after the list goes well."""
    return lambda job: faults[job] if job < len(faults) else None


@overload
def faulty(engine: LanguageModel, plan: Plan) -> LanguageModel: ...
@overload
def faulty(engine: Transcriber, plan: Plan) -> Transcriber: ...
@overload
def faulty(engine: TurnModel, plan: Plan) -> TurnModel: ...
@overload
def faulty(engine: VoiceActivity, plan: Plan) -> VoiceActivity: ...
@overload
def faulty(engine: Voice, plan: Plan) -> Voice: ...
def faulty(engine: Any, plan: Plan) -> Any:
    """This engine, unwell as planned. Raises TypeError for what is no engine."""
    for method, wrapper in _WRAPPERS.items():
        if hasattr(engine, method):
            return wrapper(engine, _Jobs(plan))
    raise TypeError(f"{type(engine).__name__} is no engine")


_WELL: Final = Fault(Kind.HANG, 0.0)
_STEP_S: Final = 0.02
"""Seconds between two items of a stream of nonsense."""

_CONTROL: Final = "\x1b[2J\x07"
_SIGN: Final = "!"
_WORDS: Final = "thank you "
_LOOPS: Final = 40

Item = TypeVar("Item")


class _Jobs:
    """Counts the jobs of one engine."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._begun = 0

    def begin(self) -> Fault:
        """The fault of the job that begins now; one that does nothing when it is to go well."""
        self._begun += 1
        return self._plan(self._begun - 1) or _WELL


async def _sleep(seconds: float) -> None:
    if math.isinf(seconds):
        await asyncio.get_running_loop().create_future()
    elif seconds:
        await asyncio.sleep(seconds)


async def _suffer(engine: str, fault: Fault) -> None:
    """What every kind of engine may do wrong before it has done anything."""
    match fault.kind:
        case Kind.CRASH:
            raise EngineCrashed(engine, "it crashed, as planned")
        case Kind.LOST:
            raise EngineCrashed(engine, "the connection to the server failed, as planned")
        case Kind.BUSY:
            raise refusal(engine, 429)
        case Kind.BROKEN:
            raise refusal(engine, 500)
        case Kind.HANG:
            await _sleep(fault.seconds)


async def _suffered(
    engine: str, items: AsyncGenerator[Item, None], fault: Fault, spoilt: AsyncGenerator[Item, None] | None
) -> AsyncGenerator[Item, None]:
    """A stream of which the first items are well. spoilt: what comes instead of the others."""
    async with aclosing(items):
        if fault.kind is Kind.LATE:
            made = [item async for item in items]
            await _sleep(fault.seconds)
            for item in made:
                yield item
            return
        for _ in range(fault.after):
            try:
                yield await anext(items)
            except StopAsyncIteration:
                return
        await _suffer(engine, fault)
        if fault.kind is not Kind.NOTHING:
            async with aclosing(spoilt or items) as rest:
                async for item in rest:
                    yield item


class FaultyModel:
    """A language model that is not well."""

    def __init__(self, model: LanguageModel, jobs: _Jobs) -> None:
        self._model = model
        self._jobs = jobs

    async def stream(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, tools: Sequence[ToolOffer] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        """The reply, as far as it goes well."""
        fault = self._jobs.begin()
        token = {Kind.SIGNS: _SIGN, Kind.LOOP: _WORDS, Kind.CONTROL: _CONTROL}.get(fault.kind)
        spoilt: AsyncGenerator[str | ToolCall, None] | None = _again(token, max_tokens) if token else None
        parts = self._model.stream(messages, call_id, max_tokens, tools)
        async with aclosing(_suffered("language model", parts, fault, spoilt)) as suffered:
            async for part in suffered:
                yield part

    async def read_ahead(
        self, messages: Sequence[Message], call_id: str, tools: Sequence[ToolOffer] = ()
    ) -> float | None:
        """The verdict, if it goes well."""
        fault = self._jobs.begin()
        await _suffer("language model", fault)
        verdict = await self._model.read_ahead(messages, call_id, tools)
        await _sleep(fault.seconds if fault.kind is Kind.LATE else 0.0)
        return None if fault.kind is Kind.NOTHING else verdict

    async def write(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> str:
        """What it writes, if it goes well."""
        fault = self._jobs.begin()
        await _suffer("language model", fault)
        text = await self._model.write(messages, call_id, max_tokens, schema)
        await _sleep(fault.seconds if fault.kind is Kind.LATE else 0.0)
        spoilt = {Kind.NOTHING: "", Kind.SIGNS: _SIGN, Kind.LOOP: (_WORDS * _LOOPS).strip(), Kind.CONTROL: _CONTROL}
        return spoilt.get(fault.kind, text)


class FaultyTranscriber:
    """A transcriber that is not well."""

    def __init__(self, transcriber: Transcriber, jobs: _Jobs) -> None:
        self._transcriber = transcriber
        self._jobs = jobs

    async def transcribe(self, samples: Samples) -> str:
        """The words, if it goes well."""
        fault = self._jobs.begin()
        await _suffer("transcriber", fault)
        words = await self._transcriber.transcribe(samples)
        await _sleep(fault.seconds if fault.kind is Kind.LATE else 0.0)
        return {Kind.NOTHING: "", Kind.LOOP: (_WORDS * _LOOPS).strip()}.get(fault.kind, words)


class FaultyTurnModel:
    """A turn model that is not well."""

    def __init__(self, model: TurnModel, jobs: _Jobs) -> None:
        self._model = model
        self._jobs = jobs

    async def p_done(self, samples: Samples) -> float:
        """The verdict, if it goes well."""
        fault = self._jobs.begin()
        await _suffer("turn model", fault)
        p = await self._model.p_done(samples)
        await _sleep(fault.seconds if fault.kind is Kind.LATE else 0.0)
        return math.nan if fault.kind is Kind.NO_NUMBERS else p


class FaultyActivity:
    """Voice activity that is not well; a job is a window."""

    def __init__(self, activity: VoiceActivity, jobs: _Jobs) -> None:
        self._activity = activity
        self._jobs = jobs

    async def probability(self, window: Samples) -> float:
        """P(speech), if it goes well."""
        fault = self._jobs.begin()
        await _suffer("voice activity model", fault)
        p = await self._activity.probability(window)
        await _sleep(fault.seconds if fault.kind is Kind.LATE else 0.0)
        return math.nan if fault.kind is Kind.NO_NUMBERS else p

    def reset(self) -> None:
        """Forget what was heard, but not the plan."""
        self._activity.reset()


class FaultyVoice:
    """A voice that is not well."""

    def __init__(self, voice: Voice, jobs: _Jobs) -> None:
        self._voice = voice
        self._jobs = jobs

    async def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
        """The piece, as far as it goes well."""
        fault = self._jobs.begin()
        speeches = self._voice.speak(text, talk)
        async with aclosing(_suffered("voice", speeches, fault, _spoilt_sound(speeches, fault.kind))) as suffered:
            async for speech in suffered:
                yield speech

    def leave(self, call_id: str) -> None:
        """Told to the voice inside."""
        self._voice.leave(call_id)


_WRAPPERS: Final[dict[str, Callable[[Any, _Jobs], Any]]] = {
    "stream": FaultyModel,
    "transcribe": FaultyTranscriber,
    "p_done": FaultyTurnModel,
    "probability": FaultyActivity,
    "speak": FaultyVoice,
}
"""By the method that only this kind of engine has."""


async def _again(item: Item, times: int | None = None) -> AsyncGenerator[Item, None]:
    """The same so often, or without end."""
    made = 0
    while times is None or made < times:
        await asyncio.sleep(_STEP_S)
        yield item
        made += 1


def _spoilt_sound(speeches: AsyncGenerator[Speech, None], kind: Kind) -> AsyncGenerator[Speech, None] | None:
    """What becomes of the rest of a piece; None for what does not spoil sound."""
    stretch = np.full(round(0.2 * LINE_HZ), 0.1, np.float32)
    match kind:
        case Kind.NO_NUMBERS:
            return _each(speeches, lambda speech: replace(speech, samples=speech.samples * np.float32(math.nan)))
        case Kind.INFINITE:
            return _each(speeches, lambda speech: replace(speech, samples=speech.samples + np.float32(math.inf)))
        case Kind.CLIPPED:
            return _each(speeches, lambda speech: replace(speech, samples=np.sign(speech.samples)))
        case Kind.BACKWARDS:
            return _each(speeches, lambda speech: replace(speech, words=tuple(map(_backwards, speech.words))))
        case Kind.SILENCE:
            return _again(Speech(0 * stretch))
        case Kind.ENDLESS:
            return _again(Speech(stretch))
    return None


async def _each(items: AsyncGenerator[Item, None], change: Callable[[Item], Item]) -> AsyncGenerator[Item, None]:
    async for item in items:
        yield change(item)


def _backwards(word: WordTime) -> WordTime:
    return WordTime(word.index, 60.0 - word.start_s, 60.0 - word.end_s)
