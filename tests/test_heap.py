import platform
import subprocess
import sys

import pytest

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
