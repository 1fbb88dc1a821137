"""What a conversation needs of a voice."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class WordTime:
    """When one word of a piece sounds, in seconds from the start of the piece's audio.

    index: which of `text.split()` it is.
    """

    index: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Speech:
    """The next stretch of a spoken piece.

    samples: shape (n,), float32 mono in [-1, 1] at 8 kHz;  words: the times that became known with it.
    """

    samples: NDArray[np.float32]
    words: tuple[WordTime, ...] = ()


class Voice(Protocol):
    """Turns a piece of text into sound."""

    def speak(self, text: str) -> AsyncGenerator[Speech, None]:
        """The piece as audio, streamed. Closing the generator stops the work. Raises EngineError."""
