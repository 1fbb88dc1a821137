"""The C library's heap, told to stay small in a process that lives for months.

glibc gives each thread an arena of its own, up to eight a core, and what lies free in one is of no use to the others;
and once a large piece was freed it takes pieces of that size from these arenas, too. With engines' threads and calls
that come and go, a serving process that held the same 142 MB after every call grew by 0.1 MB a call on free pieces.

Sources: mallopt(3); malloc/malloc.h of glibc for the numbers of the options.
"""

import ctypes
from typing import Final

_ARENA_MAX: Final = -8
_MMAP_THRESHOLD: Final = -3

_ARENAS: Final = 2
"""Python's own objects are not in them, and of the engines' threads few ask for much at the same time."""

_OWN_PAGES_BYTES: Final = 1 << 20
"""Pieces from here on have pages of their own, which go back as soon as they are freed. glibc begins with 128 kB, and
raises it to 32 MB as it goes; set, it stays."""


def keep_heap_small() -> bool:
    """To be called before there are threads. False where the C library is not glibc, and nothing was done."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_ARENA_MAX, _ARENAS) and mallopt(_MMAP_THRESHOLD, _OWN_PAGES_BYTES))
