"""Engines that can be relied on: each of the protocols once more, around engines that may crash, hang or talk nonsense.

In:   the engines of one kind, the best first, and time limits.     Out: one engine of that kind.
Rule: whatever an engine does, there is a result or an EngineError within a known time, and nobody is told of a failure
      that another engine could make good. A cancelled job is no failure; every generator is closed on every way out.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from client_caller.audio.frame import Samples
from client_caller.chain import Breaker, Chain, Link
from client_caller.errors import EngineCrashed, EngineError, EngineTimeout
from client_caller.hearing.level_activity import LevelActivity
from client_caller.hearing.protocols import Transcriber, TurnModel, VoiceActivity
from client_caller.line.patience import Patience
from client_caller.speaking.protocol import Speech, Talk, Voice, WordTime
from client_caller.speaking.relay import Relay
from client_caller.speaking.sound_check import SoundCheck
from client_caller.thinking.protocol import LanguageModel, Message, ToolCall, ToolOffer
from client_caller.thinking.text_check import TextCheck

log = logging.getLogger("client_caller.engines")

_CLEAN_UP_S: Final = 0.5
"""How long an engine that was stopped may take to tidy up; what hangs even then is left where it is."""

_WRITE_WITHIN_S: Final = 20.0
"""For a summary, unless the settings say otherwise. Nobody waits for it but the record of the call."""

_CALL_TOKENS: Final = 2_000
"""Tokens of one tool call. What a caller leaves as a message has some hundred."""

_PER_SECOND_S: Final = 0.5
"""Added to a transcriber's limit for each second of sound: one that decodes slower falls behind."""

_TURN_MODEL_S: Final = 1.0
"""A verdict later than that finds the pause decided without it."""

_ACTIVITY_S: Final = 0.5
"""For one window. The frames that come meanwhile are kept, so nothing is lost but time."""

_TRIES: Final = 2
_HZ: Final = 16_000


@asynccontextmanager
async def _within(seconds: float, engine: str, what: str) -> AsyncIterator[None]:
    """A time limit on what is done inside. Raises EngineTimeout, at the latest when the clean-up had its time, too."""
    try:
        async with asyncio.timeout(seconds + _CLEAN_UP_S), asyncio.timeout(seconds):
            yield
    except TimeoutError as late:
        raise EngineTimeout(engine, f"{what} within {seconds:g} s") from late


@asynccontextmanager
async def _closing(generator: AsyncGenerator[Any, None]) -> AsyncIterator[None]:
    """Close `generator` at the end; one that does not let itself be closed is left."""
    try:
        yield
    finally:
        try:
            async with asyncio.timeout(_CLEAN_UP_S):
                await generator.aclose()
        except TimeoutError:
            log.warning("an engine's generator does not close")


class SturdyModel:
    """A language model: the first of a chain that answers.

    first_token_s: for one engine to begin, its second try included, and to read ahead;
    next_token_s: between two fragments;  write_within_s: for one engine to write something whole.
    """

    def __init__(
        self,
        models: Sequence[LanguageModel],
        first_token_s: float,
        next_token_s: float,
        write_within_s: float = _WRITE_WITHIN_S,
    ) -> None:
        self._chain = Chain("language model", models)
        self._first_token_s = first_token_s
        self._next_token_s = next_token_s
        self._write_within_s = write_within_s

    async def stream(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, tools: Sequence[ToolOffer] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        """Text fragments and tool calls of the reply, from its first word or call on.

        An engine that fails before that is tried again at once, unless it was too slow, and then the next is asked.
        Raises the last EngineError when all failed, and that of the engine which failed later: what was said, stands.
        """
        failures: list[EngineError] = []
        for link, until in self._tries(failures):
            begun = False
            try:
                async with aclosing(self._answer(link, until, messages, call_id, max_tokens, tools)) as parts:
                    async for part in parts:
                        begun = True
                        yield part
            except EngineError as failure:
                if begun:
                    raise
                failures.append(failure)
            else:
                return
        raise failures[-1]

    def _tries(self, failures: Sequence[EngineError]) -> Iterator[tuple[Link[LanguageModel], float]]:
        """Whom to try, and until when it must have begun."""
        for link in self._chain.usable():
            until = asyncio.get_running_loop().time() + self._first_token_s
            for _ in range(_TRIES):
                yield link, until
                if isinstance(failures[-1], EngineTimeout) or asyncio.get_running_loop().time() >= until:
                    break

    async def _answer(
        self,
        link: Link[LanguageModel],
        until: float,
        messages: Sequence[Message],
        call_id: str,
        max_tokens: int,
        tools: Sequence[ToolOffer],
    ) -> AsyncGenerator[str | ToolCall, None]:
        """One engine's answer. Raises EngineError also when there is neither a word nor a call in it."""
        check, held, answers, empty = TextCheck(), "", False, 0
        within_s = max(0.0, until - asyncio.get_running_loop().time())
        with self._chain.watching(link):
            parts = link.engine.stream(messages, call_id, max_tokens, tools)
            async with _closing(parts):
                while (part := await self._next_part(parts, check, within_s)) is not None:
                    now = asyncio.get_running_loop().time()
                    empty = 0 if part else empty + 1
                    if empty:  # it writes a tool call, so it has begun
                        until = max(until, now + self._next_token_s)
                        if empty > _CALL_TOKENS:
                            raise EngineCrashed("language model", "nonsense: a tool call without end")
                    elif answers:
                        yield part
                    elif isinstance(part, str) and not check.has_words:
                        held += part
                    else:
                        answers = True
                        self._chain.answers(link)
                        for begun in (held + part,) if isinstance(part, str) else (held, part):
                            if begun:
                                yield begun
                    within_s = self._next_token_s if answers else max(0.0, until - now)
            if not answers:
                raise EngineCrashed("language model", "empty reply")

    async def _next_part(
        self, parts: AsyncGenerator[str | ToolCall, None], check: TextCheck, within_s: float
    ) -> str | ToolCall | None:
        """The next fragment or call; None at the end. Raises EngineError."""
        async with _within(within_s, "language model", "no token"):
            async for part in parts:
                if isinstance(part, str) and (wrong := check.feed(part)):
                    raise EngineCrashed("language model", wrong)
                return part
        return None

    async def read_ahead(
        self, messages: Sequence[Message], call_id: str, tools: Sequence[ToolOffer] = ()
    ) -> float | None:
        """Have the engine that would be asked now read `messages`. A failure is raised, but not held against it."""
        async with _within(self._first_token_s, "language model", "nothing read ahead"):
            return await self._chain.usable()[0].engine.read_ahead(messages, call_id, tools)

    async def write(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, schema: Mapping[str, Any] | None = None
    ) -> str:
        """What the first engine writes that does; a failure is not held against it, for it may still talk well.

        Raises the last EngineError when all engines failed.
        """
        failures: list[EngineError] = []
        for link in self._chain.usable():
            try:
                async with _within(self._write_within_s, "language model", "nothing written"):
                    text = await link.engine.write(messages, call_id, max_tokens, schema)
                return _read_through(text, is_json=schema is not None)
            except EngineError as failure:
                failures.append(failure)
        raise failures[-1]


def _read_through(text: str, *, is_json: bool) -> str:
    """What was written, if anybody can make something of it. Raises EngineCrashed."""
    check = TextCheck()
    wrong = check.feed(text)
    if is_json:
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            wrong = wrong or "nonsense: no JSON"
    elif not check.has_words:
        wrong = wrong or "it wrote nothing"
    if wrong:
        raise EngineCrashed("language model", wrong)
    return text


class SturdyTranscriber:
    """Speech to text: the first of a chain that finds words. within_s: for one engine, and half a second per second."""

    def __init__(self, transcribers: Sequence[Transcriber], within_s: float) -> None:
        self._chain = Chain("transcriber", transcribers)
        self._within_s = within_s

    async def transcribe(self, samples: Samples) -> str:
        """The words, or "" when there are none. Raises the last EngineError when all engines failed."""
        within_s = self._within_s + _PER_SECOND_S * len(samples) / _HZ
        failures: list[EngineError] = []
        for link in self._chain.usable():
            try:
                with self._chain.watching(link):
                    async with _within(within_s, "transcriber", "no words"):
                        words = await link.engine.transcribe(samples)
            except EngineError as failure:
                failures.append(failure)
            else:
                self._chain.answers(link)
                return words
        raise failures[-1]


class SturdyTurnModel:
    """A turn model that is not waited for longer than its verdict would be of use."""

    def __init__(self, model: TurnModel) -> None:
        self._model = model

    async def p_done(self, samples: Samples) -> float:
        """P(the turn is over) in [0, 1]. Raises EngineError."""
        async with _within(_TURN_MODEL_S, "turn model", "no verdict"):
            return _probability(await self._model.p_done(samples), "turn model")


class SturdyActivity:
    """Voice activity of one call: the model's, or by loudness while that fails. `breaker`: the model's."""

    def __init__(self, model: VoiceActivity, breaker: Breaker) -> None:
        self._model = model
        self._breaker = breaker
        self._level = LevelActivity()
        self._by_level = False
        self._patience = Patience(_CLEAN_UP_S)  # what `_within` does, thirty times a second

    async def probability(self, window: Samples) -> float:
        """P(speech) in [0, 1] of the next window. Raises nothing."""
        p = await self._asked(window)
        if (p is None) != self._by_level:
            self._by_level = p is None
            log.warning("voice activity changed hands", extra={"by": "loudness" if self._by_level else "model"})
        by_level = self._level.judged(window)  # every window, for the floor of the noise
        return by_level if p is None else p

    async def _asked(self, window: Samples) -> float | None:
        """What the model says; None while it does not."""
        if self._breaker.rests:
            return None
        if self._by_level:
            self._model.reset()  # what it remembers is not what came before this window
        try:
            with self._breaker.watching():
                return _probability(await self._in_time(window), "voice activity model")
        except EngineTimeout:
            self._breaker.failed(for_good=True)  # 15 windows have come meanwhile; two more such waits, and 45
        except EngineError:
            pass  # told when the work changes hands, not at each of thirty windows a second
        return None

    async def _in_time(self, window: Samples) -> float:
        try:
            return await self._patience.wait(self._model.probability(window), self._patience.now + _ACTIVITY_S)
        except TimeoutError as late:
            raise EngineTimeout("voice activity model", f"no verdict within {_ACTIVITY_S:g} s") from late

    def reset(self) -> None:
        """Forget the voices heard so far; the floor of the noise stays known."""
        self._model.reset()


def sturdy_activity(new_model: Callable[[], VoiceActivity]) -> Callable[[], VoiceActivity]:
    """Makes the voice activity of each call, around a model that all share."""
    breaker = Breaker()
    return lambda: SturdyActivity(new_model(), breaker)


class SturdyVoice:
    """A voice: when one fails, the next says what is left of the piece; the last is tried twice.

    first_sound_s: for one voice to begin;  next_sound_s: for each further stretch.
    """

    def __init__(self, voices: Sequence[Voice], first_sound_s: float, next_sound_s: float) -> None:
        self._chain = Chain("voice", voices, full_fails=False)
        self._first_sound_s = first_sound_s
        self._next_sound_s = next_sound_s

    async def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
        """The piece as audio, with the times of its words. Raises the last EngineError when all voices failed."""
        relay, failures = Relay(text), list[EngineError]()
        usable = self._chain.usable()
        for link in (*usable, usable[-1]):
            try:
                async with aclosing(self._spoken(link, relay, talk)) as stretches:
                    async for speech in stretches:
                        yield speech
            except EngineError as failure:
                failures.append(failure)
                relay.hand_on()
                if not relay.has_words:
                    return
            else:
                return
        raise failures[-1]

    def leave(self, call_id: str) -> None:
        """Told to every voice."""
        for engine in self._chain.engines:
            engine.leave(call_id)

    async def _spoken(self, link: Link[Voice], relay: Relay, talk: Talk | None) -> AsyncGenerator[Speech, None]:
        """What is left of the piece, by this voice. Raises EngineError."""
        check, within_s = SoundCheck(), self._first_sound_s
        with self._chain.watching(link):
            speeches = link.engine.speak(relay.text, talk)
            async with _closing(speeches):
                while (speech := await _next_stretch(speeches, within_s)) is not None:
                    if wrong := check.feed(speech.samples):
                        raise EngineCrashed("voice", wrong)
                    within_s = self._next_sound_s
                    if (stretch := relay.goes_on(speech)) is not None:
                        self._chain.answers(link)
                        yield stretch
            if relay.has_words and not check.has_sound:
                raise EngineCrashed("voice", "no sound")
            if (stretch := relay.end()) is not None:
                yield stretch


async def _next_stretch(speeches: AsyncGenerator[Speech, None], within_s: float) -> Speech | None:
    """The next stretch with sound or silence in it; at the end what words came without, then None."""
    words: tuple[WordTime, ...] = ()
    last: Speech | None = None
    async with _within(within_s, "voice", "no sound"):
        async for last in speeches:
            words += last.words
            if len(last.samples):
                return Speech(last.samples, words)
    return Speech(last.samples, words) if last and words else None


def _probability(p: float, engine: str) -> float:
    if not 0 <= p <= 1:
        raise EngineCrashed(engine, "nonsense: no probability")
    return p
