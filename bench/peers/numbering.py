"""Numbered frames without our package, for servers that have not got it.

In:   which frame of a piece.     Out: 160 mu-law bytes that say so.
Rule: the standard library alone. They are those of `wire_frames.py`, bit by bit, which a test holds them to.
"""

import hashlib
from typing import Final

FRAME_BYTES: Final = 160
"""20 ms at 8 kHz."""

WORD_FRAMES: Final = 10
PIECES: Final = 1 << 14

_LOUD: Final = bytes.maketrans(
    b"0123456789abcdef", bytes((0x80 if digit < 8 else 0) | 0x20 | (digit & 7) << 1 for digit in range(16))
)


def numbered(piece: int, index: int, total: int) -> bytes:
    """Frame `index` of the `total` of a piece, loud."""
    head = ((piece << 9 | index) << 9 | total).to_bytes(4, "big")
    noise = hashlib.shake_128(head).hexdigest(FRAME_BYTES // 2 - len(head))
    return (head.hex() + noise).encode("ascii").translate(_LOUD)


def words(piece: int, count: int) -> list[bytes]:
    """The sound of a piece of so many words, word by word, 0.2 s each."""
    total = count * WORD_FRAMES
    return [
        b"".join(numbered(piece % PIECES, index, total) for index in range(begin, begin + WORD_FRAMES))
        for begin in range(0, total, WORD_FRAMES)
    ]
