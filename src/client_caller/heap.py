"""The heaps of the C library and of Python, told to stay small in a process that lives for months.

glibc gives each thread an arena of its own, up to eight a core, and what lies free in one is of no use to the others;
and once a large piece was freed it takes pieces of that size from these arenas, too. Nor does it give back pages that
lie free between others which are in use, unless it is asked to: in a server with the embedded engines and two calls at
a time that is 10 to 17 MB, asked for every 20 s, in 2 to 6 ms.

Python frees at once what nothing refers to, but a call whose parts refer to each other only when its collector looks at
all objects. Left alone it does so every several hundred calls, and then looks at all that was imported, too: 175,000
objects and 0.12 s on the event loop, against 3 ms for what has come since the start, and 15 ms while fifty calls run.

Sources: mallopt(3), malloc_trim(3); malloc/malloc.h of glibc for the numbers of the options; `gc` of Python's
documentation.
"""

import asyncio
import ctypes
import gc
from collections.abc import Callable
from typing import Final

_ARENA_MAX: Final = -8
_MMAP_THRESHOLD: Final = -3

_ARENAS: Final = 2
"""Python's own objects are not in them, and of the engines' threads few ask for much at the same time."""

_OWN_PAGES_BYTES: Final = 1 << 20
"""Pieces from here on have pages of their own, which go back as soon as they are freed. glibc begins with 128 kB, and
raises it to 32 MB as it goes; set, it stays."""

_ASKED_EVERY_S: Final = 60.0


def keep_heap_small() -> bool:
    """To be called before there are threads. False where the C library is not glibc, and nothing was done."""
    mallopt = _of_glibc("mallopt")
    return mallopt is not None and bool(mallopt(_ARENA_MAX, _ARENAS) and mallopt(_MMAP_THRESHOLD, _OWN_PAGES_BYTES))


def settle() -> None:
    """To be called once all is there that stays: Python's collector looks only at what comes from now on."""
    gc.collect()
    gc.freeze()


def give_back() -> bool:
    """Give the system all pages that lie free. False when there were none, or the C library is not glibc."""
    malloc_trim = _of_glibc("malloc_trim")
    return malloc_trim is not None and bool(malloc_trim(0))


async def keep_giving_back() -> None:
    """Free what refers to itself and give back what lies free, once a minute, until cancelled."""
    while True:
        await asyncio.sleep(_ASKED_EVERY_S)
        gc.collect()  # here, for what it frees may be the loop's
        await asyncio.to_thread(give_back)


def _of_glibc(name: str) -> Callable[..., int] | None:
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    return function
