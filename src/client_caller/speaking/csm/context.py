"""What a slot's cache is to hold: the voice prompt, then what was said by either side, as rows.

In:   segments of text and sound.     Out: the rows that stand for them, and which of them there is room for.
Rule: it is said anew each time what a slot should hold. Whoever fills it compares, keeps the rows that begin both, and
      reads the rest. A barge-in, words that were never heard, a context that grew too long: all are but other rows.

Source of the layout of a segment: Sesame's generator.py and the chat template of transformers' CSM: text, its audio,
one frame of zeros.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np

from client_caller.speaking.csm.protocol import FRAME_S, TEXTLESS, Codes, Rows

AGENT: Final = 0
CALLER: Final = 1

_ROUNDING_S: Final = 1e-6


class Tokenizer(Protocol):
    """Text as the model reads it."""

    def segment(self, speaker: int, text: str) -> list[int]:
        """The ids of a segment's text, from its first to its last special token."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of talk. codes: (n, codebooks), its sound."""

    speaker: int
    text: str
    codes: Codes

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return len(self.codes) * FRAME_S


class Layout:
    """Rows of segments. codebooks: of the model."""

    def __init__(self, tokenizer: Tokenizer, codebooks: int) -> None:
        self._tokenizer = tokenizer
        self._codebooks = codebooks

    @property
    def nothing(self) -> Rows:
        """No rows."""
        return np.zeros((0, 1 + self._codebooks), np.int32)

    def text(self, speaker: int, text: str) -> Rows:
        """The rows of a segment's words, behind which its sound is to follow."""
        ids = self._tokenizer.segment(speaker, text)
        rows = np.zeros((len(ids), 1 + self._codebooks), np.int32)
        rows[:, 0] = ids
        return rows

    def sound(self, codes: Codes) -> Rows:
        """The rows of frames."""
        return np.pad(codes.astype(np.int32), ((0, 0), (1, 0)), constant_values=TEXTLESS)

    def whole(self, segment: Segment) -> Rows:
        """All rows of a segment that is over."""
        end = np.zeros((1, self._codebooks), np.int32)
        return np.concatenate((self.text(segment.speaker, segment.text), self.sound(segment.codes), self.sound(end)))


def begins_alike(one: Rows, other: Rows) -> int:
    """With how many equal rows both begin."""
    shared = min(len(one), len(other))
    differ = np.flatnonzero((one[:shared] != other[:shared]).any(axis=1))
    return int(differ[0]) if len(differ) else shared


def heard(segments: Sequence[Segment], seconds: float | None, text: str) -> list[Segment]:
    """Of the segments of an utterance, what sounded in its first `seconds`; `text`: the words that did.

    A frame of which a part was heard counts. What was cut off before its first word was heard is left out.
    """
    if seconds is None:
        return list(segments)
    kept: list[Segment] = []
    words = text.split()
    for segment in segments:
        if segment.seconds <= seconds + _ROUNDING_S:
            kept.append(segment)
            seconds -= segment.seconds
            words = words[len(segment.text.split()) :]
            continue
        frames = int(np.ceil((seconds - _ROUNDING_S) / FRAME_S))
        if words and frames > 0:
            kept.append(replace(segment, text=" ".join(words), codes=segment.codes[:frames]))
        break
    return kept
