import asyncio
import gc
import platform
import subprocess
import sys
import weakref

import pytest

from client_caller import heap

SCRIPT = """
import ctypes, threading
from client_caller.heap import keep_heap_small

class Sums(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Sums
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
if {small}:
    assert keep_heap_small()

def work():
    for size in (2 << 20, 4 << 20):  # glibc's own threshold would rise with the first one that is freed
        libc.free(libc.malloc(size))
    kept.append(libc.malloc(3 << 20))
    both.wait()

kept, both = [], threading.Barrier(9)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
both.wait()
print(libc.mallinfo2().hblks)
"""


def own_pages(*, small: bool) -> int:
    """Of eight pieces of 3 MB, how many have pages of their own, by glibc itself, in a process of its own."""
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(small=small)], capture_output=True, text=True, check=True
    )
    return int(found.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other ways")
def test_large_pieces_go_back_when_they_are_freed() -> None:
    assert own_pages(small=True) >= 8 > own_pages(small=False)


HOLES = """
import ctypes
from pathlib import Path
from client_caller.heap import give_back, keep_heap_small

def held_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

keep_heap_small()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes, libc.memset.argtypes = (
    ctypes.c_void_p, [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t])
pieces = []
for _ in range(400):
    pieces.append(libc.malloc(256 << 10))
    libc.memset(pieces[-1], 1, 256 << 10)
    libc.malloc(64)  # stays, and has the hole before it stay, too
for piece in pieces:
    libc.free(piece)
before = held_mb()
gave = give_back()
print(gave, before - held_mb())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other ways")
def test_holes_between_what_is_in_use_go_back_when_it_is_asked_for() -> None:
    found = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    gave, mb = found.stdout.split()
    assert gave == "True"
    assert float(mb) > 80  # of 105


class Party:
    """Refers to the other, as the parts of a call do."""

    other: "Party"


def two_parties() -> "weakref.ref[Party]":
    one, other = Party(), Party()
    one.other, other.other = other, one
    return weakref.ref(one)


def test_what_was_there_at_the_start_is_not_looked_at_again_and_what_came_since_is() -> None:
    try:
        before = len(gc.get_objects())
        heap.settle()
        assert len(gc.get_objects()) < before / 10
        party = two_parties()
        gc.collect()
        assert party() is None
    finally:
        gc.unfreeze()


def test_it_is_asked_for_again_and_again_until_the_server_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        loop, asked, thrice = asyncio.get_running_loop(), [], asyncio.Event()

        def give_back() -> None:
            asked.append(None)
            if len(asked) == 3:
                loop.call_soon_threadsafe(thrice.set)

        monkeypatch.setattr(heap, "give_back", give_back)
        monkeypatch.setattr(heap, "_ASKED_EVERY_S", 0.0)
        party = two_parties()
        giving = asyncio.create_task(heap.keep_giving_back())
        await thrice.wait()
        assert party() is None, "and what refers to itself is freed"
        giving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await giving

    asyncio.run(main())
