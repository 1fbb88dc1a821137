"""The slice of time in which telephone sound travels.

Source: Twilio Media Streams carry audio/x-mulaw at 8,000 Hz, one byte a sample; in practice 20 ms to a message.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

LINE_HZ: Final = 8_000
FRAME_S: Final = 0.020
FRAME_SAMPLES: Final = round(FRAME_S * LINE_HZ)  # 160, and as many mu-law bytes

Samples = NDArray[np.float32]
"""Mono sound: shape (n,), float32 in [-1, 1]. Its rate is in the name of whatever holds it."""
