"""SIGHUP: the configuration is to be read anew; unless it says that the terminal is gone.

In:   the signal.     Out: what a process does about it.
Rule: it gets lost in no process that is still starting. Whoever starts one holds the signal back in it, and the process
      lets it in when it can do what it asks for.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Final

_STANDARD_INPUT: Final = 0


def hold_sighup() -> None:
    """In a new process, before its program begins: let the signal wait there until `on_sighup`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))


def on_sighup(reread: Callable[[], None], stop: Callable[[], None]) -> None:
    """Have the running loop's process do this at the signal. stop: when it was started at a terminal that is gone."""
    has_terminal = os.isatty(_STANDARD_INPUT)

    def heard() -> None:
        if has_terminal and not os.isatty(_STANDARD_INPUT):
            stop()
        else:
            reread()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, heard)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))
