"""One utterance on its way: its segments one after another, what of their sound may go out, and when they end.

In:   the frames that the model makes.     Out: sound without clicks at the edges of segments, and the segments said.
Rule: a frame that may turn out to be the silence at the end is held back until sound follows it.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.frame import Samples
from client_caller.speaking.csm.clauses import clauses
from client_caller.speaking.csm.context import AGENT, Segment
from client_caller.speaking.csm.ending import Ending
from client_caller.speaking.csm.protocol import HZ, RANKS
from client_caller.speaking.csm.story import Turn
from client_caller.speaking.csm.turns import Manner, Utterance

_FADE: Final = round(0.004 * HZ)
"""Samples over which a segment comes and goes."""


class Voicing:
    """An utterance being said.

    before: the turns that it follows on;  letters_per_s: how fast the voice speaks;  codebooks: of the model.
    """

    def __init__(
        self, utterance: Utterance, before: Sequence[Turn], manner: Manner, letters_per_s: float, codebooks: int
    ) -> None:
        self.utterance = utterance
        self.before = before
        self.said: list[Segment] = []
        self.ended: str | None = None
        self.has_sounded = False
        self._manner = manner
        self._letters_per_s = letters_per_s
        self._codebooks = codebooks
        self._left = deque(clauses(utterance.text))
        self._random = np.random.Generator(np.random.Philox(key=[manner.seed, crc32(utterance.id.encode())]))
        if self._left:
            self._begin()
        else:
            self.ended = "spoken"

    def _begin(self) -> None:
        self.text = self._left.popleft()
        self._ending = Ending(self.text, self._letters_per_s)
        self._codes: list[NDArray[np.int32]] = []
        self._held: list[Samples] = []
        self._edges = Edges()

    @property
    def turns(self) -> list[Turn]:
        """Those before it, and what was said of it."""
        return [*self.before, *(Turn(f"{self.utterance.id}/{number}", [one]) for number, one in enumerate(self.said))]

    @property
    def fresh(self) -> bool:
        """Whether the next frame is the first of a segment."""
        return not self._codes

    @property
    def end_bias(self) -> float:
        """What is to be added to the logit of the end, for the next frame."""
        return self._ending.bias

    @property
    def longest(self) -> int:
        """Frames that this segment may have at most."""
        return self._ending.longest

    def noise(self) -> NDArray[np.float32]:
        """The noise for the next frame. The same for the same seed and utterance, whoever else speaks."""
        shape = (self._codebooks, RANKS)
        if not self._manner.temperature:
            return np.zeros(shape, np.float32)
        drawn = self._random.standard_exponential(shape, dtype=np.float32)
        return -np.log(np.maximum(drawn, np.finfo(np.float32).tiny))

    def take(self, codes: NDArray[np.int32], sound: Samples) -> Samples:
        """The next frame; what of the sound may go out now. After the last of a segment, the next one has begun."""
        sound = self._shaped(codes, sound)
        self.has_sounded = self.has_sounded or len(sound) > 0
        return sound

    def _shaped(self, codes: NDArray[np.int32], sound: Samples) -> Samples:
        verdict = self._ending.feed(codes, sound)
        self._codes.append(codes)
        self._held.append(sound)
        match verdict.do:
            case "hold":
                return np.zeros(0, np.float32)
            case "give":
                return self._edges.feed(self._release(0))
            case "end":
                last = np.concatenate((self._edges.feed(self._release(verdict.drop)), self._edges.finish()))
                self._keep(verdict.drop)
                if self._left:
                    self._begin()
                else:
                    self.ended = verdict.reason
                return last

    def cancel(self) -> None:
        """Nothing more of it is wanted. What was made may have been heard."""
        self._keep(0)
        self._left.clear()
        self.ended = "cancelled"

    def _keep(self, drop: int) -> None:
        """The segment is over; its last `drop` frames are forgotten."""
        if kept := self._codes[: len(self._codes) - drop]:
            self.said.append(Segment(AGENT, self.text, np.stack(kept)))
        self._codes = []

    def _release(self, drop: int) -> Samples:
        """What was held back, but for the last `drop` frames."""
        released, self._held = self._held[: len(self._held) - drop], []
        return np.concatenate(released) if released else np.zeros(0, np.float32)


class Edges:
    """A stream of sound that comes and goes within milliseconds instead of at once, so that no edge clicks."""

    def __init__(self) -> None:
        self._held: Samples = np.zeros(0, np.float32)
        self._begun = False

    def feed(self, sound: Samples) -> Samples:
        """What may go out: all but the last milliseconds."""
        if len(sound) and not self._begun:
            self._begun = True
            sound = sound.copy()
            sound[:_FADE] *= _RISE[: len(sound)]
        sound = np.concatenate((self._held, sound))
        ready = max(0, len(sound) - _FADE)
        self._held = sound[ready:]
        return sound[:ready]

    def finish(self) -> Samples:
        """The last milliseconds, fading."""
        return self._held * _RISE[: len(self._held)][::-1]


_RISE: Final = (np.arange(1, _FADE + 1, dtype=np.float32) / (_FADE + 1)).astype(np.float32)
