"""Frames that say their number: who gets one knows which it is, and that every bit of it came through.

In:   a number.     Out: 160 mu-law bytes, loud or quiet; and back.
Rule: no two frames are alike. To an ear they are noise: loud about -15 dBFS, quiet about -54.
"""

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from itertools import count
from typing import Final

from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES
from client_caller.audio.mulaw import decode
from client_caller.speaking.protocol import Speech, Talk, WordTime

WORD_FRAMES: Final = 10
"""A word of the numbered voice lasts 0.2 s."""

_BYTES: Final = 4
_DIGITS: Final = "0123456789abcdef"
_INDEX_BITS: Final = 9
_TOTAL_BITS: Final = 9
_MOST_FRAMES: Final = (1 << _TOTAL_BITS) - 1
_PIECE_BITS: Final = 8 * _BYTES - _TOTAL_BITS - _INDEX_BITS


def _codes(segment: int) -> bytes:
    """The mu-law byte for each hexadecimal digit: a sign, and eight of the sixteen steps of a segment, never zero."""
    return bytes((0x80 if digit < 8 else 0) | segment | (digit & 7) << 1 for digit in range(16))


_LOUD_CODES, _QUIET_CODES = _codes(0x20), _codes(0x70)
_LOUD: Final = bytes.maketrans(_DIGITS.encode(), _LOUD_CODES)
_QUIET: Final = bytes.maketrans(_DIGITS.encode(), _QUIET_CODES)
_DIGIT_OF: Final = dict(zip(_LOUD_CODES + _QUIET_CODES, 2 * _DIGITS, strict=True))


def numbered(number: int, *, loud: bool) -> bytes:
    """The frame with this number, of 32 bits: its digits, and then noise that belongs to it."""
    head = number.to_bytes(_BYTES, "big")
    noise = hashlib.shake_128(head).hexdigest((FRAME_SAMPLES - 2 * _BYTES) // 2)
    return (head.hex() + noise).encode("ascii").translate(_LOUD if loud else _QUIET)


def number_in(frame: bytes) -> int | None:
    """The number of a frame; None if it has none, or a single bit of it is not as it was."""
    digits = "".join(_DIGIT_OF.get(code, "") for code in frame[: 2 * _BYTES])
    if len(digits) < 2 * _BYTES:
        return None
    number = int(digits, 16)
    return number if frame in (numbered(number, loud=True), numbered(number, loud=False)) else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame of the agent's voice belongs: frame `index` of the `total` of one piece."""

    piece: int
    index: int
    total: int

    @property
    def number(self) -> int:
        """The same in one number."""
        return (self.piece << _INDEX_BITS | self.index) << _TOTAL_BITS | self.total

    @staticmethod
    def of(number: int) -> "Place":
        """The place that has this number."""
        return Place(
            number >> _INDEX_BITS + _TOTAL_BITS, number >> _TOTAL_BITS & (1 << _INDEX_BITS) - 1, number & _MOST_FRAMES
        )


class NumberedVoice:
    """A voice whose frames are numbered, over all calls of a process. A word lasts 0.2 s, and there is no pause."""

    def __init__(self) -> None:
        self._pieces = count()

    async def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
        """One `Speech` for each word; at most 51 words."""
        piece = next(self._pieces) % (1 << _PIECE_BITS)
        words = text.split()
        total = len(words) * WORD_FRAMES
        assert total <= _MOST_FRAMES
        for word in range(len(words)):
            indices = range(word * WORD_FRAMES, (word + 1) * WORD_FRAMES)
            sound = b"".join(numbered(Place(piece, index, total).number, loud=True) for index in indices)
            yield Speech(decode(sound), (WordTime(word, indices[0] * FRAME_S, (indices[-1] + 1) * FRAME_S),))

    def leave(self, call_id: str) -> None:
        """Nothing is kept of a call."""
