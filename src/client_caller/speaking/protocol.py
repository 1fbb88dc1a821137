"""What a conversation needs of a voice, and what it tells the voice of itself."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.frame import Samples


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


@dataclass(frozen=True, slots=True)
class CallerSaid:
    """A turn of the caller. id: another one when it was decoded anew;  samples: the turn as it was heard, 16 kHz."""

    id: str
    text: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """A piece of the agent's. heard_s: seconds of its sound that the caller heard; None for all of it."""

    reply: int
    piece: int
    heard_s: float | None


@dataclass(frozen=True, slots=True)
class Talk:
    """The conversation as sound, for a voice that speaks as one does who has heard it.

    reply, piece: what is to be said now;  turns: what was said before it, the oldest first. Pieces of the same reply
    count as heard: they will have been, or this one will not be.
    """

    call_id: str
    reply: int
    piece: int
    turns: tuple[CallerSaid | AgentSaid, ...]


class Voice(Protocol):
    """Turns pieces of text into sound."""

    def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
        """The piece as audio, streamed; without `talk` on its own. Closing the generator stops the work.

        Raises EngineError.
        """

    def leave(self, call_id: str) -> None:
        """The call is over: what was kept of it may go."""
