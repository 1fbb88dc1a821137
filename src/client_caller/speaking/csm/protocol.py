"""What the engine asks of the model: numbers in, numbers out, whatever computes them.

A *row* is one position of the backbone's context: shape (1 + codebooks,) of int32, a text token's id and then zeros, or
TEXTLESS and then the codes of one 80 ms frame. A *slot* is one sequence of the cache. A *frame* is one step: the last
row of a slot goes in, the codes and the sound of the next 80 ms come out.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.frame import Samples

HZ: Final = 24_000
FRAME_SAMPLES: Final = 1_920
FRAME_S: Final = FRAME_SAMPLES / HZ  # 80 ms: Mimi's 12.5 frames a second

TEXTLESS: Final = -1
"""In a row's first column: this row is sound."""

RANKS: Final = 64
"""How many of the most likely codes can be drawn at all: the largest top_k."""

Rows = NDArray[np.int32]
"""Shape (n, 1 + codebooks)."""

Codes = NDArray[np.int32]
"""Shape (n, codebooks): n frames of sound, each code in [0, 2048)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One frame for each of B slots.

    slots, positions: (B,) int64, where each row goes;  rows: (B, 1 + codebooks) int32, each slot's last row;
    temperature: (B,) float32, more than 0;  top_k: (B,) int64, 1 to RANKS;
    end_bias: (B,) float32, added to the logit of code 0 of codebook 0, with which a segment ends;
    noise: (B, codebooks, RANKS) float32, Gumbel noise for the most likely code, the second most likely, and so on;
    zeros make the draw greedy. It comes from outside, so what a slot says does not depend on who shares its batch;
    fresh: (B,) bool, whether the decoder begins a new stream of sound with this frame.
    """

    slots: NDArray[np.int64]
    positions: NDArray[np.int64]
    rows: Rows
    temperature: NDArray[np.float32]
    top_k: NDArray[np.int64]
    end_bias: NDArray[np.float32]
    noise: NDArray[np.float32]
    fresh: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Frames:
    """What came of a batch. codes: (B, codebooks) int32;  sound: (B, FRAME_SAMPLES) float32 at HZ."""

    codes: Codes
    sound: NDArray[np.float32]


class FrameModel(Protocol):
    """CSM with its caches.

    codebooks: 32 in the published model;  slots: sequences it can hold;  positions: rows of each, 2048;
    batch: frames it makes at once.
    """

    codebooks: int
    slots: int
    positions: int
    batch: int

    def prefill(self, slot: int, position: int, rows: Rows) -> None:
        """Put rows into a slot from `position` on; what lies behind them is forgotten. It is done when this returns."""

    def step(self, batch: Batch) -> Frames:
        """Put each row in, and make the frame that follows it. No slot twice."""

    def copy(self, source: int, target: int, count: int) -> None:
        """Give slot `target` the first `count` rows of slot `source`."""

    def encode(self, sound: Samples) -> Codes:
        """The codes of sound, (n,) float32 at HZ; ceil(n / FRAME_SAMPLES) frames."""
