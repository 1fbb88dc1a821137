"""The jitter buffer: inbound mu-law made into one continuous run of sound.

In:   chunks of mu-law bytes of any size, each with the media time of its first byte.
Out:  mu-law without holes: what was lost is filled with silence, what comes twice or too late is dropped. Then the
      same in windows of equal length, which know whether they were heard or lost.
Rule: the clock is the carrier's media time. When a chunk arrives is of no interest here. Bytes stay bytes: this is done
      with every frame, and arithmetic only with every window.

Media comes over TCP, so chunks keep their order; what is missing was lost before the carrier or discarded by it, and
shows as a jump of the media time. Source: Twilio, Media Streams, message "media": its `timestamp` is in milliseconds of
the stream.
"""

from dataclasses import dataclass
from typing import Final

from client_caller.audio.frame import FRAME_S, LINE_HZ, Samples
from client_caller.audio.mulaw import SILENCE, decode

_ROUNDING_S: Final = FRAME_S / 2
"""Less than this is the rounding of timestamps; a true loss is at least a frame."""

_RESTART_S: Final = 5.0
"""A jump beyond this, either way, is another stream and not a loss."""


_QUIET: Final = bytes([SILENCE])
_HEARD: Final = b"\0"
_LOST: Final = b"\1"


@dataclass(frozen=True, slots=True)
class Run:
    """The sound that follows on what came before.

    mulaw: one byte a sample, 8 kHz;  lost_s: seconds of silence at its front that stand for lost sound;
    restarted: media time jumped too far for a loss, and counting began anew with these bytes.
    """

    mulaw: bytes
    lost_s: float = 0.0
    restarted: bool = False

    @property
    def samples(self) -> Samples:
        """The same as samples, shape (n,)."""
        return decode(self.mulaw)


class JitterBuffer:
    """Puts one call's inbound sound right. It holds nothing back, so it adds no delay."""

    def __init__(self) -> None:
        self.late = 0
        """Chunks dropped whole, because all of them had been heard or filled in already."""
        self._expected: int | None = None  # media time of the next sample, in samples

    def feed(self, mulaw: bytes, media_s: float) -> Run:
        """What this chunk adds to the sound; nothing when it is a double."""
        start = round(media_s * LINE_HZ)
        ahead = 0 if self._expected is None else start - self._expected
        restarted = abs(ahead) > _RESTART_S * LINE_HZ
        if self._expected is None or restarted:
            self._expected = start + len(mulaw)
            return Run(mulaw, restarted=restarted)
        if abs(ahead) < _ROUNDING_S * LINE_HZ:
            self._expected += len(mulaw)
            return Run(mulaw)
        if ahead < 0:
            self.late += -ahead >= len(mulaw)
            fresh = mulaw[-ahead:]
            self._expected += len(fresh)
            return Run(fresh)
        self._expected = start + len(mulaw)
        return Run(_QUIET * ahead + mulaw, lost_s=ahead / LINE_HZ)


class Windows:
    """Cuts one call's sound into windows of `size` samples."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._mulaw = bytearray()
        self._lost = bytearray()  # a mark for each of these

    def add(self, run: Run) -> None:
        """More sound, to be taken."""
        lost = min(round(run.lost_s * LINE_HZ), len(run.mulaw))
        self._mulaw += run.mulaw
        self._lost += _LOST * lost + _HEARD * (len(run.mulaw) - lost)

    def take(self) -> tuple[bytes, bool] | None:
        """The next window, `size` bytes, and whether it was heard: at least half of it; None until it is complete."""
        size = self._size
        if len(self._mulaw) < size:
            return None
        window, lost = bytes(self._mulaw[:size]), self._lost.count(_LOST, 0, size)
        del self._mulaw[:size], self._lost[:size]
        return window, 2 * lost <= size
