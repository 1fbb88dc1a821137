"""Whether a voice still makes sense, as far as that can be told from its sound alone.

In:   the stretches of one piece, in order.     Out: what is wrong with it, as soon as something is.
Rule: only what no caller could make anything of: no numbers, noise at full scale, silence, a piece without an end.
"""

from typing import Final

import numpy as np

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.speaking.protocol import WordTime

_LONGEST: Final = 60 * LINE_HZ
"""Samples of a piece. The longest sentence anybody would listen to has half of that."""

_SILENCE: Final = 3 * LINE_HZ
"""Samples of digital silence in a row. No pause between two words of a sentence is as long."""

_CLIPPED: Final = 0.1
"""Share of a stretch at or beyond full scale. Speech reaches it at its peaks only."""


class SoundCheck:
    """The sound of one piece so far."""

    def __init__(self) -> None:
        self._length = self._silent = 0
        self.has_sound = False

    def feed(self, samples: Samples) -> str | None:
        """What is wrong now that this stretch has come; None when nothing is."""
        if not np.isfinite(samples).all():
            return "nonsense: samples that are no numbers"
        if len(samples) and np.mean(np.abs(samples) >= 1.0) > _CLIPPED:
            return "nonsense: noise at full scale"
        self._length += len(samples)
        if self._length > _LONGEST:
            return "nonsense: it does not end"
        sounding = np.flatnonzero(samples)
        if len(sounding):
            self.has_sound = True
            gaps = np.diff(sounding, prepend=-1 - self._silent)
            self._silent = len(samples) - 1 - int(sounding[-1])
            longest = max(int(gaps.max()) - 1, self._silent)
        else:
            self._silent += len(samples)
            longest = self._silent
        return "nonsense: silence" if longest > _SILENCE else None


def in_order(words: tuple[WordTime, ...], last: WordTime | None, count: int) -> bool:
    """Whether these times go on where `last` ended, forwards, for words of a piece of `count`."""
    for word in words:
        index, ends_s = (last.index, last.end_s) if last else (-1, 0.0)
        if not (index < word.index < count and ends_s <= word.start_s <= word.end_s < float("inf")):
            return False
        last = word
    return True
