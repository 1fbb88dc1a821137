"""What a person on the line would notice: whether there is sound.

In:   samples at 8 kHz.     Out: for every 10 ms, whether they are audible.
Rule: the same ear judges caller and agent, so that a distance between the two means the same at both ends.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.frame import LINE_HZ, Samples

BLOCK_S: Final = 0.010
BLOCK_SAMPLES: Final = round(BLOCK_S * LINE_HZ)  # 80

AUDIBLE_DBFS: Final = -45.0
"""22 dB below speech at -23 dBFS, and 10 dB above the room noise of the rehearsed caller."""


def audible(samples: Samples) -> NDArray[np.bool_]:
    """Whether each whole 10 ms block is louder than -45 dBFS. Shape (len(samples) // 80,)."""
    blocks = samples[: len(samples) // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)
    power = np.mean(np.square(blocks, dtype=np.float64), axis=1)
    return np.asarray(power > 10 ** (AUDIBLE_DBFS / 10))
