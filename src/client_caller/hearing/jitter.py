"""The jitter buffer: inbound mu-law made into one continuous run of sound.

In:   chunks of mu-law bytes of any size, each with the media time of its first byte.
Out:  samples without holes: what was lost is filled with silence, what comes twice or too late is dropped. Then the
      same in windows of equal length, which know whether they were heard or lost.
Rule: the clock is the carrier's media time. When a chunk arrives is of no interest here.

Media comes over TCP, so chunks keep their order; what is missing was lost before the carrier or discarded by it, and
shows as a jump of the media time. Source: Twilio, Media Streams, message "media": its `timestamp` is in milliseconds of
the stream.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.frame import FRAME_S, LINE_HZ, Samples
from client_caller.audio.mulaw import decode

_ROUNDING_S: Final = FRAME_S / 2
"""Less than this is the rounding of timestamps; a true loss is at least a frame."""

_RESTART_S: Final = 5.0
"""A jump beyond this, either way, is another stream and not a loss."""


@dataclass(frozen=True, slots=True)
class Run:
    """The sound that follows on what came before.

    samples: shape (n,), 8 kHz;  lost_s: seconds of silence at its front that stand for lost sound;
    restarted: media time jumped too far for a loss, and counting began anew with these samples.
    """

    samples: Samples
    lost_s: float = 0.0
    restarted: bool = False


class JitterBuffer:
    """Puts one call's inbound sound right. It holds nothing back, so it adds no delay."""

    def __init__(self) -> None:
        self.late = 0
        """Chunks dropped whole, because all of them had been heard or filled in already."""
        self._expected: int | None = None  # media time of the next sample, in samples

    def feed(self, mulaw: bytes, media_s: float) -> Run:
        """What this chunk adds to the sound; nothing when it is a double."""
        samples = decode(mulaw)
        start = round(media_s * LINE_HZ)
        ahead = 0 if self._expected is None else start - self._expected
        restarted = abs(ahead) > _RESTART_S * LINE_HZ
        if self._expected is None or restarted:
            self._expected = start + len(samples)
            return Run(samples, restarted=restarted)
        if abs(ahead) < _ROUNDING_S * LINE_HZ:
            self._expected += len(samples)
            return Run(samples)
        if ahead < 0:
            self.late += -ahead >= len(samples)
            fresh = samples[-ahead:]
            self._expected += len(fresh)
            return Run(fresh)
        self._expected = start + len(samples)
        return Run(np.concatenate((np.zeros(ahead, np.float32), samples)), lost_s=ahead / LINE_HZ)


class Windows:
    """Cuts one call's sound into windows of `size` samples."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._samples: Samples = np.zeros(0, np.float32)
        self._lost: NDArray[np.bool_] = np.zeros(0, np.bool_)

    def add(self, run: Run) -> None:
        """More sound, to be taken."""
        self._samples = np.concatenate((self._samples, run.samples))
        self._lost = np.concatenate((self._lost, np.arange(len(run.samples)) < round(run.lost_s * LINE_HZ)))

    def take(self) -> tuple[Samples, bool] | None:
        """The next window, shape (size,), and whether it was heard: at least half of it; None until it is complete."""
        if len(self._samples) < self._size:
            return None
        window, self._samples = np.split(self._samples, [self._size])
        lost, self._lost = np.split(self._lost, [self._size])
        return window, 2 * int(lost.sum()) <= self._size
