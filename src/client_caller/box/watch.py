"""The watch over an engine that may hang without dying.

In:   its signs of life, and its end.     Out: that it has ended, or why it counts as hung.
Rule: no process is known here, and no network. One miss is bad luck, three in a row are a fault: an engine that is slow
      once (a kernel is compiled, the machine swaps) is not to be killed, for vLLM is back after minutes.
"""

from collections.abc import Awaitable, Callable
from typing import Final

EVERY_S: Final = 5.0
"""Between two looks. With what three misses take (box/vitals.py), an engine that hangs is killed within 63 s at most;
callers are answered by the small model, or by eSpeak NG, from the first second."""

MISSES: Final = 3


async def until_over(alive: Callable[[], Awaitable[str]], ends_within: Callable[[float], Awaitable[bool]]) -> str:
    """Watch, until the engine has ended (empty) or counts as hung (why).

    alive: empty when it lives, else why that is doubted;  ends_within: waits so many seconds, whether it has ended.
    """
    misses = 0
    while not await ends_within(EVERY_S):
        why_not = await alive()
        misses = misses + 1 if why_not else 0
        if misses >= MISSES and not await ends_within(0.0):
            return why_not
    return ""
