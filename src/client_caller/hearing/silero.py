"""Silero VAD on the 8 kHz of the telephone line.

In:   windows of 256 samples at 8 kHz.     Out: the probability that they hold speech.
Rule: the model's weights are shared by all calls of the process, its memory by none.

Source of shapes and of the context: Silero VAD (MIT), `silero_vad.onnx` of v6.2.1: input [batch, context + window],
state [2, batch, 128], sr a 64-bit integer. Without the context it answers too, but wrongly and without any error.
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.hearing.sessions import Session

_CONTEXT: Final = 32
"""Samples of the window before that go in front of each window, at 8 kHz."""

_RATE: Final = np.array(LINE_HZ, np.int64)


class SileroModel:
    """The loaded model. Raises ModelUnavailable when the file does not hold one."""

    def __init__(self, path: Path) -> None:
        self._session = Session(path, "voice activity model")

    def for_call(self) -> "SileroCall":
        """Voice activity with a memory of its own, for one call."""
        return SileroCall(self._session)


class SileroCall:
    """Voice activity of one call."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._state: NDArray[np.float32]
        self._context: Samples
        self.reset()

    def probability(self, window: Samples) -> float:
        """P(speech) of the next window, shape (256,). Raises EngineCrashed when the model cannot be run."""
        heard = np.concatenate((self._context, window))
        p, self._state = self._session.run({"input": heard[None, :], "state": self._state, "sr": _RATE})
        self._context = heard[-_CONTEXT:]
        return float(p[0, 0])

    def reset(self) -> None:
        """Forget everything heard so far."""
        self._state = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)
