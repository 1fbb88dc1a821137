"""The worker: the one thread that runs the engine, and the way to it from the event loop.

In:   calls, and what is to be heard, said and cancelled in them, from the event loop.
Out:  to each call the sound that the engine makes for it.
Rule: nothing but this thread touches the engine; between two steps it does what is asked of it, in the order asked,
      and only so much that no voice is late. The thread waits for nobody: a call whose reader is too far behind loses
      its utterance. When anything breaks in it, the engine is over: everything that waits, and whatever is asked later,
      fails, and `on_death` is called, for a process whose GPU has failed must be started again.
"""

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Condition, Thread
from typing import Any, Final, Protocol, TypeVar

import numpy as np

from client_caller.errors import ClientCallerError, EngineCrashed, EngineOverloaded, LocalProtocolError
from client_caller.speaking.csm.protocol import HZ
from client_caller.speaking.csm.turns import CallerTurn, Made, Manner, Utterance

log = logging.getLogger("client_caller.csm")

ENGINE: Final = "voice"
"""Its name in errors."""

TOO_SLOW: Final = "too slow"
"""Why an utterance ended that its reader did not take."""

_WAITING: Final = 256
"""Requests that may wait. A connection has one at a time, so it takes as many connections to come there."""

_BETWEEN_STEPS_S: Final = 0.010
"""How long requests may hold up the next step, unless a single one takes longer: an eighth of a frame."""

_BEHIND_S: Final = 30.0
"""Seconds of sound that may wait for a reader. The engine makes little more than is played meanwhile."""

_WHOLE_S: Final = 360.0
"""The same where it makes all it can: the longest text, which may be taken as it is played."""

_CLOSE_S: Final = 5.0
"""How long the thread's end is waited for; it is in a step, at most."""

Result = TypeVar("Result")


class SpeechEngine(Protocol):
    """The engine, as its thread sees it: `engine.Engine`, or a fake."""

    def open(self, call: str, voice: str, manner: Manner) -> None:
        """Raises ConfigError for an unknown voice."""

    def hear(self, call: str, turn: CallerTurn) -> None:
        """Keep what the caller said."""

    def speak(self, call: str, utterance: Utterance) -> None:
        """Say this, behind what the call is saying. Raises EngineOverloaded."""

    def cancel(self, call: str, utterance: str) -> None:
        """End this utterance, and nothing else; nothing happens if it has ended."""

    def close(self, call: str) -> None:
        """Forget the call."""

    def step(self, now: float) -> Sequence[Made]:
        """Make some more, for whoever needs it most."""

    def rest_s(self, now: float) -> float | None:
        """Seconds until `step` is due; None when it is not, before something is asked."""

    def figures(self) -> dict[str, float]:
        """How it does."""


@dataclass(slots=True, eq=False)
class _Request:
    work: Callable[[SpeechEngine], Any]
    done: Future[Any] = field(default_factory=Future)


class Worker:
    """The engine's thread. All methods are for the event loop in which `start` was awaited.

    build: makes the engine, in the thread, which it never leaves;  now: a clock in seconds that any thread may read;
    on_death: called in the event loop, once, when the engine has died;  calls: that may be open at once.
    """

    def __init__(
        self,
        build: Callable[[], SpeechEngine],
        now: Callable[[], float],
        on_death: Callable[[], None],
        calls: int = 64,
    ) -> None:
        self._build = build
        self._now = now
        self._on_death = on_death
        self._limit = calls
        self._open: dict[str, OpenCall] = {}
        self._opened = 0
        self._in_engine: set[str] = set()  # the thread's own
        self._in_hand: _Request | None = None  # the thread's own
        self._waiting: deque[_Request] = deque()
        self._is_stopping = False
        self._over: str | None = None  # why, once it is
        self._changed = Condition()  # guards the three before it
        self._built: Future[None] = Future()
        self._thread = Thread(
            target=self._run, name="csm engine", daemon=True
        )  # a GPU that hangs must not hold up the end
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_alive(self) -> bool:
        """Whether anything may be asked of it."""
        return self._over is None and not self._is_stopping

    async def start(self) -> None:
        """Have the engine built, and run it. Raises what building it raises."""
        self._loop = asyncio.get_running_loop()
        self._built.set_running_or_notify_cancel()  # from here on it cannot be cancelled under the thread
        self._thread.start()
        await asyncio.wrap_future(self._built)

    async def open(self, voice: str, manner: Manner) -> "OpenCall":
        """A new call, to be closed by who opened it. Raises ConfigError for the voice, EngineError."""
        if len(self._open) >= self._limit:
            raise EngineOverloaded(ENGINE, f"{len(self._open)} calls are open")
        self._opened += 1
        call = self._open[f"call-{self._opened}"] = OpenCall(
            f"call-{self._opened}", self, _BEHIND_S if manner.paced else _WHOLE_S
        )
        try:
            await self.ask(lambda engine: self._open_in(engine, call.id, voice, manner))
            call.is_open = True
        finally:
            if not call.is_open:
                call.close()
        return call

    async def figures(self) -> dict[str, float]:
        """How the engine does; whoever gets them knows that its thread runs. Raises EngineError."""
        return {"open_calls": float(len(self._open)), **await self.ask(lambda engine: engine.figures())}

    async def stop(self) -> None:
        """End the thread after the step that it is in; what waits fails. Safe to repeat."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, _CLOSE_S)
            if self._thread.is_alive():
                log.warning("the engine's thread does not end")

    async def ask(self, work: Callable[[SpeechEngine], Result]) -> Result:
        """The result of `work`, done in the thread. Raises EngineOverloaded when too much waits, EngineCrashed."""
        request = _Request(work)
        with self._changed:
            if len(self._waiting) >= _WAITING:
                raise EngineOverloaded(ENGINE, f"{_WAITING} requests are waiting")
            self._enter(request)
        result: Result = await asyncio.wrap_future(request.done)
        return result

    def tell(self, work: Callable[[SpeechEngine], None]) -> None:
        """Have `work` done in the thread, however much waits; if the engine is over, there is nothing left to do."""
        with self._changed, suppress(EngineCrashed):
            self._enter(_Request(work))

    def forget(self, call: str) -> None:
        """Close a call, whether the engine has it yet or not."""
        self._open.pop(call, None)
        self.tell(lambda engine: self._close_in(engine, call))

    def _enter(self, request: _Request) -> None:
        """With the door held. Raises EngineCrashed."""
        if self._over is not None:
            raise EngineCrashed(ENGINE, self._over)
        if self._is_stopping:
            raise EngineCrashed(ENGINE, "it is being stopped")
        self._waiting.append(request)
        self._changed.notify()

    def _open_in(self, engine: SpeechEngine, call: str, voice: str, manner: Manner) -> None:
        engine.open(call, voice, manner)
        self._in_engine.add(call)

    def _close_in(self, engine: SpeechEngine, call: str) -> None:
        if call in self._in_engine:
            self._in_engine.remove(call)
            engine.close(call)

    def _run(self) -> None:
        """The thread."""
        with _LastWill(self._end):
            engine = self._build()
            self._built.set_result(None)
            while not self._is_stopping:
                self._round(engine)

    def _round(self, engine: SpeechEngine) -> None:
        """Do what is asked, then a step if one is due."""
        request = self._next(engine.rest_s(self._now()))
        until = self._now() + _BETWEEN_STEPS_S
        while request is not None:
            self._do(request, engine)
            request = self._next(0.0) if self._now() < until else None
        rest_s = engine.rest_s(self._now())
        if rest_s is not None and rest_s <= 0 and (made := engine.step(self._now())):
            self._on_loop(lambda: self._hand_out(made))

    def _next(self, rest_s: float | None) -> _Request | None:
        """What is asked next, if anything is within so many seconds; None: however long it takes."""
        with self._changed:
            if not self._waiting and not self._is_stopping and (rest_s is None or rest_s > 0):
                self._changed.wait(rest_s)
            return self._waiting.popleft() if self._waiting and not self._is_stopping else None

    def _do(self, request: _Request, engine: SpeechEngine) -> None:
        """Do it, unless nobody awaits it any more. What is refused on purpose breaks nothing."""
        if not request.done.set_running_or_notify_cancel():
            return
        self._in_hand = request
        try:
            result = request.work(engine)
        except ClientCallerError as refusal:
            request.done.set_exception(refusal)
        else:
            request.done.set_result(result)
        self._in_hand = None

    def _hand_out(self, made: Sequence[Made]) -> None:
        """In the event loop: to each call its own. What a call that is closed was to get is dropped."""
        for some in made:
            if call := self._open.get(some.call):
                call.take(some)

    def _end(self, wrong: BaseException | None) -> None:
        """The thread's last act, whatever ends it: nobody is left waiting."""
        over = "it was stopped" if wrong is None else f"it broke ({_cause_of(wrong)})"
        with self._changed:
            self._over = over
            left = [request for request in self._waiting if request.done.set_running_or_notify_cancel()]
            self._waiting.clear()
        for request in [*([self._in_hand] if self._in_hand else []), *left]:
            request.done.set_exception(EngineCrashed(ENGINE, over))
        if not self._built.done() and wrong is not None:
            self._built.set_exception(wrong)  # it has never lived: whoever starts it is told, and nobody else
            return
        if wrong is not None:
            log.critical("the engine died", extra={"why": _cause_of(wrong), "where": _place_of(wrong)})
        self._on_loop(lambda: self._mourn(over, died=wrong is not None))

    def _mourn(self, over: str, *, died: bool) -> None:
        """In the event loop: the engine is over."""
        for call in self._open.values():
            call.fail(EngineCrashed(ENGINE, over))
        if died:
            self._on_death()

    def _on_loop(self, work: Callable[[], None]) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop is closed: nobody waits for anything
            self._loop.call_soon_threadsafe(work)


class OpenCall:
    """One call: what is said and heard in it. Made by `Worker.open`.

    is_open: until it is closed;  behind_s: seconds of sound that may wait for its reader.
    """

    def __init__(self, id: str, worker: Worker, behind_s: float) -> None:
        self.id = id
        self.is_open = False
        self._worker = worker
        self._behind_s = behind_s
        self._made: deque[Made] = deque()
        self._samples = 0  # of those
        self._given_up: set[str] = set()  # utterances that were not taken, and have not ended yet
        self._failure: EngineCrashed | None = None
        self._something = asyncio.Event()

    async def hear(self, turn: CallerTurn) -> None:
        """Keep what the caller said. Raises EngineError."""
        await self._ask(lambda engine: engine.hear(self.id, turn))

    async def speak(self, utterance: Utterance) -> None:
        """Say this, behind what is being said. Raises EngineError."""
        await self._ask(lambda engine: engine.speak(self.id, utterance))

    async def cancel(self, utterance: str) -> None:
        """End this utterance. Raises EngineError."""
        await self._ask(lambda engine: engine.cancel(self.id, utterance))

    async def made(self) -> AsyncIterator[Made]:
        """All that is made for this call, until it is closed. For one reader. Raises EngineCrashed."""
        while True:
            while self._made:
                some = self._made.popleft()
                self._samples -= len(some.sound)
                yield some
            if self._failure:
                raise self._failure
            if not self.is_open:
                return
            self._something.clear()
            await self._something.wait()

    def close(self) -> None:
        """Stop all that it says, and free what it holds. Safe to repeat."""
        self.is_open = False
        self._something.set()
        self._worker.forget(self.id)

    def take(self, made: Made) -> None:
        """More of an utterance, unless its reader is hopelessly behind: then it ends where it is."""
        if made.utterance not in self._given_up and self._samples + len(made.sound) > self._behind_s * HZ:
            self._given_up.add(made.utterance)
            self._worker.tell(lambda engine: engine.cancel(self.id, made.utterance))
        if made.utterance in self._given_up:
            made = replace(made, sound=np.zeros(0, np.float32), ended=made.ended and TOO_SLOW)
        if made.ended is not None:
            self._given_up.discard(made.utterance)
        elif len(made.sound) == 0:
            return
        self._made.append(made)
        self._samples += len(made.sound)
        self._something.set()

    def fail(self, failure: EngineCrashed) -> None:
        """The engine is over."""
        self._failure = failure
        self._something.set()

    async def _ask(self, work: Callable[[SpeechEngine], None]) -> None:
        if not self.is_open:
            raise LocalProtocolError("the call is closed")
        await self._worker.ask(work)


class _LastWill:
    """As a context, hands whatever ends its block to `end`: an exception, or None."""

    def __init__(self, end: Callable[[BaseException | None], None]) -> None:
        self._end = end

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: object, wrong: BaseException | None, trace: object) -> bool:
        self._end(wrong)
        return True


def _cause_of(wrong: BaseException) -> str:
    """What broke. Only the words of the system and of torch are repeated: others' may hold those of a call."""
    told = str(wrong).partition("\n")[0] if isinstance(wrong, RuntimeError | MemoryError | OSError) else ""
    return f"{type(wrong).__name__}: {told}" if told else type(wrong).__name__


def _place_of(wrong: BaseException) -> str:
    frames = traceback.extract_tb(wrong.__traceback__)[-3:]
    return ", ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
