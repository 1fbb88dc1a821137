"""What hearing needs of its models. Every engine of a kind passes the same suite in tests/conformance/."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


class VoiceActivity(Protocol):
    """Speech probability, window by window, with the state of ONE call.

    Ask for one window at a time. A cancelled question leaves the state as it was.
    """

    async def probability(self, window: Samples) -> float:
        """P(speech) in [0, 1] of the next window. window: shape (256,), 8 kHz, [-1, 1]. Raises EngineError."""

    def reset(self) -> None:
        """Forget everything heard so far."""


class TurnModel(Protocol):
    """Judges from the sound whether a speaker has finished."""

    async def p_done(self, samples: Samples) -> float:
        """P(the turn is over) in [0, 1]. samples: shape (n,), 16 kHz, ending in the pause; only the last 8 s count.

        Raises EngineError.
        """


class Transcriber(Protocol):
    """Speech to text."""

    async def transcribe(self, samples: Samples) -> str:
        """The words in `samples` (shape (n,), 16 kHz, [-1, 1]), or "" when there are none. Raises EngineError."""
