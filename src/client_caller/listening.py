"""The socket that callers reach us by.

Rule: it listens before anything else is done, so that whoever knocks while models are loaded, or while one process
      makes way for the next, waits in the socket's queue and is not refused.
"""

import socket
from typing import Final

from client_caller.errors import ConfigError

_WAITING: Final = 1_024
"""Connections that may wait for a process to take them."""


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises ConfigError."""
    return _opened(host, port, _WAITING)


def bound(host: str, port: int) -> socket.socket:
    """One that will listen there, and refuses whoever comes before. Raises ConfigError."""
    return _opened(host, port, None)


def _opened(host: str, port: int, waiting: int | None) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        if waiting is not None:
            listener.listen(waiting)
    except OSError as refused:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host} port {port} ({refused.strerror}): choose another with --host and --port"
        ) from refused
    return listener


def inherited(descriptor: int) -> socket.socket:
    """The socket that whoever started this process listens on; what this one starts has no part in it.

    Raises ConfigError.
    """
    try:
        listener = socket.socket(fileno=descriptor)
    except OSError as wrong:
        raise ConfigError(f"--listen-fd {descriptor} is no socket ({wrong.strerror}): leave it out") from wrong
    listener.set_inheritable(False)
    return listener
