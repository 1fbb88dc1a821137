"""How loud sound is."""

from math import log10
from typing import Final

import numpy as np

from client_caller.audio.frame import Samples

SILENT_DBFS: Final = -100.0
"""What digital silence reads as, so that a level is always a number."""


def level_dbfs(samples: Samples) -> float:
    """Root-mean-square level in dB relative to full scale (a full-scale square wave reads 0)."""
    if len(samples) == 0:
        return SILENT_DBFS
    wide = samples.astype(np.float64)  # in which the squares of 16-bit samples and their sum are exact
    power = float(wide.dot(wide)) / len(wide)
    return max(SILENT_DBFS, 10 * log10(power)) if power > 0 else SILENT_DBFS


def at_level(samples: Samples, dbfs: float) -> Samples:
    """The same sound at another level; digital silence stays silent."""
    now = level_dbfs(samples)
    if now <= SILENT_DBFS:
        return samples
    return (samples * np.float32(10 ** ((dbfs - now) / 20))).astype(np.float32)
