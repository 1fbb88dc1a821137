"""When a segment is over: what the model says of it, and what is done where it says nothing.

In:   a segment's frames in order, codes and sound.     Out: for each, whether it is given, held back, or the end.
Rule: what has been given is never wanted back. What may turn out to belong to the end is held until sound follows it.

CSM often does not end: of its clips without a voice prompt 17 % ran on, in silence or noise, to the longest length
allowed (sglang-omni, pull request 800; SesameAILabs/csm issue 122; transformers issue 39787).
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.frame import Samples
from client_caller.audio.levels import SILENT_DBFS
from client_caller.speaking.csm.protocol import FRAME_S

Reason = Literal["spoken", "length", "repeated", "silent"]

_SHORTEST_S: Final = 0.5
"""What even "Yes." may take before it is thought late. Ours."""

_CAP: Final = 14 / 12
_CAP_MARGIN_S: Final = 1.5
_LONGEST_S: Final = 30.0
"""No segment is longer than a twelfth of a second a letter and 1.5 s (ours: a voice of 140 words a minute keeps below
it), at the usual 14 letters a second; nor than 30 s, the cap of Awaiskhan404/sesame-csm."""

_BIAS_PER_S: Final = 4.0
_LARGEST_BIAS: Final = 8.0
"""csm-mlx's README adds 4 throughout for a model that does not end. Ours comes a second late, and goes on growing."""

_REPEATS: Final = 3
_REPEATS_EARLY: Final = 6
"""Frames in a row equal to the one before. A reporter of csm issue 122 stopped at the first; two are no proof."""

_SILENT_FRAMES: Final = 10
_SILENT_FRAMES_EARLY: Final = 31
"""0.8 s when the words should be over; 2.5 s anywhere, for no pause within a clause is as long. Ours."""

_BELOW_LOUDEST_DB: Final = 35.0
_QUIET_DBFS: Final = -55.0
_PARTS: Final = 4
_LEAST_POWER: Final = 10 ** (SILENT_DBFS / 10)
"""A frame is silent when each 20 ms of it are 35 dB below the loudest so far, or below -55 dBFS. Ours."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a frame.

    do: "give" it and all that is held;  "hold" it;  "end": it is the last that is looked at.
    reason: of the end;  drop: how many of the last frames, this one among them, are not to be given then. What else is
    held is given.
    """

    do: Literal["give", "hold", "end"]
    reason: Reason | None = None
    drop: int = 0


class Ending:
    """One segment from its first frame on.

    text: as it is said, numbers in words;  letters_per_s: characters that the voice says in a second, spaces among
    them: 14 are 155 words a minute.
    """

    def __init__(self, text: str, letters_per_s: float = 14.0) -> None:
        spoken_s = len(" ".join(text.split())) / letters_per_s
        self._expected_s = max(_SHORTEST_S, spoken_s)
        self.longest = round(min(_LONGEST_S, _CAP * spoken_s + _CAP_MARGIN_S) / FRAME_S)
        """Frames of the segment at most."""
        self._frames = self._held = self._repeats = self._silent = 0
        self._zeros = 0  # frames in a row whose first code is 0
        self._loudest = SILENT_DBFS
        self._last: NDArray[np.int32] | None = None

    @property
    def bias(self) -> float:
        """To add to the logit of the end code in the next frame."""
        late_s = self._frames * FRAME_S - self._expected_s
        return min(_LARGEST_BIAS, max(0.0, late_s * _BIAS_PER_S))

    def feed(self, codes: NDArray[np.int32], sound: Samples) -> Verdict:
        """Judge the next frame. codes: (codebooks,);  sound: (1920,), what they decode to."""
        self._frames += 1
        self._zeros = self._zeros + 1 if codes[0] == 0 else 0
        self._repeats = self._repeats + 1 if self._last is not None and np.array_equal(codes, self._last) else 0
        self._silent = self._silent + 1 if self._is_silent(sound) else 0
        self._last = codes.copy()
        reason = self._reason(codes)
        suspect = self._zeros > 0 or self._repeats > 0 or self._silent > 0
        held = self._held + 1
        if reason:
            return Verdict("end", reason, held if suspect else 0)
        self._held = held if suspect else 0
        return Verdict("hold" if suspect else "give")

    def _reason(self, codes: NDArray[np.int32]) -> Reason | None:
        now_s = self._frames * FRAME_S
        past_half, past_all = now_s >= self._expected_s / 2, now_s >= self._expected_s
        # Code 0 also stands for a sound: alone it is the end only when there should be no more to say.
        mostly_zero = np.count_nonzero(codes) * 2 <= len(codes)
        if not codes.any() or self._zeros > 1 or (self._zeros and (past_all or (past_half and mostly_zero))):
            return "spoken"
        if self._repeats >= (_REPEATS if past_half else _REPEATS_EARLY):
            return "repeated"
        if self._silent > (_SILENT_FRAMES if past_all else _SILENT_FRAMES_EARLY):
            return "silent"
        return "length" if self._frames >= self.longest else None

    def _is_silent(self, sound: Samples) -> bool:
        powers = np.square(sound.reshape(_PARTS, -1)).mean(axis=1)
        loudest = 10 * np.log10(max(float(powers.max()), _LEAST_POWER))
        self._loudest = max(self._loudest, loudest)
        return bool(loudest < max(_QUIET_DBFS, self._loudest - _BELOW_LOUDEST_DB))
