"""Silero VAD on the 8 kHz of the telephone line.

In:   windows of 256 samples at 8 kHz, from all calls.     Out: the probability that they hold speech.
Rule: the model is shared by all calls of the process, and so is each run of it; its memory by none.

**Batching.** A window waits until the event loop has come round once. Whoever is then first runs the model for all that
wait, and the others find their answers there. So an idle machine loses nothing. When many call at once, windows wait
for each other, for 4 ms at most: 128 us of a processor for a window alone, 56 for one of eight and 47 for one of
sixteen, to the bit the same (onnxruntime 1.32, one thread of an AMD EPYC).

Source of shapes and of the context: Silero VAD (MIT), `silero_vad.onnx` of v6.2.1: input [batch, context + window],
state [2, batch, 128], sr a 64-bit integer. Without the context it answers too, but wrongly and without any error.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.errors import EngineCrashed
from client_caller.hearing.endpointing import WINDOW_S, WINDOW_SAMPLES
from client_caller.hearing.sessions import Session

_CONTEXT: Final = 32
"""Samples of the window before that go in front of each window, at 8 kHz."""

_RATE: Final = np.array(LINE_HZ, np.int64)

_MANY: Final = 16
"""Windows within 32 ms, which is as many calls, from which on windows wait for each other; so many are not waited for
any longer."""

_WAIT_S: Final = 0.004


@dataclass(slots=True, eq=False)
class _Question:
    """A window of one call. context: shape (32,), what came before;  state: shape (2, 128), replaced by the answer.

    at: when it came;  in_step: whether it came when a window was due, and not in a burst after a stall, which is to be
    caught up with.
    """

    window: Samples
    context: Samples
    state: NDArray[np.float32]
    at: float
    in_step: bool
    answer: float | EngineCrashed | None = None
    woken: asyncio.Future[None] | None = None  # while it waits for others


class SileroModel:
    """The loaded model. Raises ModelUnavailable when the file does not hold one."""

    def __init__(self, path: Path) -> None:
        self._session = Session(path, "voice activity model")
        self._waiting: list[_Question] = []  # at most one of each call, and those of calls that ended in this round
        self._came: deque[float] = deque()  # when the windows of the last 32 ms came
        self._timer: asyncio.TimerHandle | None = None  # wakes those that wait for each other

    def for_call(self) -> "SileroCall":
        """Voice activity with a memory of its own, for one call."""
        return SileroCall(self)

    async def answer(self, question: _Question) -> float:
        """P(speech). Raises EngineCrashed when the model cannot be run, to everyone who waited for that run."""
        self._waiting.append(question)
        if question.in_step and self._are_many(question.at):
            await self._company(question)
        else:
            await asyncio.sleep(0)
        if question.answer is None:
            self._answer_all()
        if isinstance(question.answer, EngineCrashed):
            raise question.answer
        assert question.answer is not None
        return question.answer

    def _are_many(self, now: float) -> bool:
        self._came.append(now)
        while self._came[0] < now - WINDOW_S:
            self._came.popleft()
        return len(self._came) >= _MANY

    async def _company(self, question: _Question) -> None:
        """Wait for the windows of other calls, unless enough are there."""
        if len(self._waiting) >= _MANY:
            return
        loop = asyncio.get_running_loop()
        question.woken = loop.create_future()
        self._timer = self._timer or loop.call_later(_WAIT_S, self._wake, self._waiting)
        await question.woken

    def _wake(self, questions: list[_Question]) -> None:
        for question in questions:
            if question.woken and not question.woken.done():
                question.woken.set_result(None)

    def _answer_all(self) -> None:
        """Run the model once. Whoever no longer waits is answered too, and does not look."""
        questions, self._waiting = self._waiting, []
        if self._timer:
            self._timer.cancel()
            self._timer = None
        heard = np.empty((len(questions), _CONTEXT + WINDOW_SAMPLES), np.float32)
        states = np.empty((2, len(questions), 128), np.float32)
        for row, question in enumerate(questions):
            heard[row, :_CONTEXT], heard[row, _CONTEXT:] = question.context, question.window
            states[:, row] = question.state
        try:
            p, states = self._session.run({"input": heard, "state": states, "sr": _RATE})
        except EngineCrashed as crash:
            for question in questions:
                question.answer = crash
            self._wake(questions)
            return
        for row, (question, answer) in enumerate(zip(questions, p[:, 0].tolist(), strict=True)):
            question.answer, question.state = answer, states[:, row]
        self._wake(questions)


class SileroCall:
    """Voice activity of one call."""

    def __init__(self, model: SileroModel) -> None:
        self._model = model
        self._state: NDArray[np.float32]
        self._context: Samples
        self._clock: Callable[[], float] | None = None  # the loop's; to ask for the loop each time is dear
        self._asked_at = -WINDOW_S  # loop time of the last window
        self.reset()

    async def probability(self, window: Samples) -> float:
        """P(speech) of the next window, shape (256,). Raises EngineCrashed when the model cannot be run."""
        self._clock = self._clock or asyncio.get_running_loop().time
        now = self._clock()
        question = _Question(window, self._context, self._state, now, in_step=now - self._asked_at >= WINDOW_S / 2)
        self._asked_at = now
        p = await self._model.answer(question)
        self._state, self._context = question.state, window[-_CONTEXT:]
        return p

    def reset(self) -> None:
        """Forget everything heard so far."""
        self._state = _NO_STATE
        self._context = _NO_CONTEXT


_NO_STATE: Final = np.zeros((2, 128), np.float32)
_NO_CONTEXT: Final = np.zeros(_CONTEXT, np.float32)
