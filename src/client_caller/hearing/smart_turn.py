"""Smart Turn v3.2: has the speaker finished? Judged from the sound of the last eight seconds.

In:   samples at 16 kHz that end in the pause.     Out: P(the turn is over).
Rule: one judgement at a time, in a thread of its own; it takes about 45 ms and gains nothing from batching.

Source: Smart Turn v3.2 (BSD 2-Clause), `smart-turn-v3.2-cpu.onnx`: input_features [batch, 80, 800]. Its output is named
"logits" but is a probability already.
"""

from pathlib import Path
from typing import Final

import numpy as np

from client_caller.audio.frame import Samples
from client_caller.hearing.log_mel import HZ, log_mel
from client_caller.hearing.sessions import Session
from client_caller.hearing.workers import Workers

_HEARD: Final = 8 * HZ
"""What the model sees: exactly eight seconds, the newest at the right, nothing at the left of what is shorter."""


class SmartTurn:
    """The turn model. Raises ModelUnavailable when the file does not hold one."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._session = Session(path, "turn model", threads)
        self._workers = Workers("turn model", 1, patient=True)

    async def p_done(self, samples: Samples) -> float:
        """P(the turn is over) in [0, 1]. samples: shape (n,), 16 kHz; only the last 8 s count. Raises EngineError."""
        return await self._workers.run(self._judge, samples)

    def close(self) -> None:
        """End the worker."""
        self._workers.close()

    def _judge(self, samples: Samples) -> float:
        heard = np.zeros(_HEARD, np.float32)
        newest = samples[-_HEARD:]
        heard[_HEARD - len(newest) :] = newest
        evened = (heard - heard.mean()) / np.sqrt(heard.var() + 1e-7)
        (p,) = self._session.run({"input_features": log_mel(evened)[None]})
        return float(p[0, 0])
