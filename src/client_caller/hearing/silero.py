"""Silero VAD on the 8 kHz of the telephone line.

In:   windows of 256 samples at 8 kHz, from all calls.     Out: the probability that they hold speech.
Rule: the model is shared by all calls of the process, and so is each run of it; its memory by none.

**Batching.** A window waits until the event loop has come round once. Whoever is then first runs the model for all that
wait, and the others find their answers there. So an idle machine loses nothing, and a busy one batches by itself:
125 us a window alone, 38 us each of sixteen, to the bit the same (onnxruntime 1.32, one thread of an AMD EPYC).

Source of shapes and of the context: Silero VAD (MIT), `silero_vad.onnx` of v6.2.1: input [batch, context + window],
state [2, batch, 128], sr a 64-bit integer. Without the context it answers too, but wrongly and without any error.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.errors import EngineCrashed
from client_caller.hearing.sessions import Session

_CONTEXT: Final = 32
"""Samples of the window before that go in front of each window, at 8 kHz."""

_RATE: Final = np.array(LINE_HZ, np.int64)


@dataclass(slots=True, eq=False)
class _Question:
    """A window of one call. heard: shape (288,), context and window;  state: shape (2, 128), replaced by the answer."""

    heard: Samples
    state: NDArray[np.float32]
    answer: float | EngineCrashed | None = None


class SileroModel:
    """The loaded model. Raises ModelUnavailable when the file does not hold one."""

    def __init__(self, path: Path) -> None:
        self._session = Session(path, "voice activity model")
        self._waiting: list[_Question] = []  # at most one of each call, and those of calls that ended in this round

    def for_call(self) -> "SileroCall":
        """Voice activity with a memory of its own, for one call."""
        return SileroCall(self)

    async def answer(self, question: _Question) -> float:
        """P(speech). Raises EngineCrashed when the model cannot be run, to everyone who waited for that run."""
        self._waiting.append(question)
        await asyncio.sleep(0)
        if question.answer is None:
            self._answer_all()
        if isinstance(question.answer, EngineCrashed):
            raise question.answer
        assert question.answer is not None
        return question.answer

    def _answer_all(self) -> None:
        """Run the model once. Whoever no longer waits is answered too, and does not look."""
        questions, self._waiting = self._waiting, []
        heard = np.stack([question.heard for question in questions])
        states = np.stack([question.state for question in questions], axis=1)
        try:
            p, states = self._session.run({"input": heard, "state": states, "sr": _RATE})
        except EngineCrashed as crash:
            for question in questions:
                question.answer = crash
            return
        for row, question in enumerate(questions):
            question.answer, question.state = float(p[row, 0]), states[:, row]


class SileroCall:
    """Voice activity of one call."""

    def __init__(self, model: SileroModel) -> None:
        self._model = model
        self._state: NDArray[np.float32]
        self._context: Samples
        self.reset()

    async def probability(self, window: Samples) -> float:
        """P(speech) of the next window, shape (256,). Raises EngineCrashed when the model cannot be run."""
        question = _Question(np.concatenate((self._context, window)), self._state)
        p = await self._model.answer(question)
        self._state, self._context = question.state, question.heard[-_CONTEXT:]
        return p

    def reset(self) -> None:
        """Forget everything heard so far."""
        self._state = np.zeros((2, 128), np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)
