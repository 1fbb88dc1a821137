"""The rim towards code that is not ours: an operator's functions may raise whatever they like.

In:   whatever was raised.     Out: one error of ours, which knows where it came from.
Rule: the exception's own text goes no further than `CodeFailed.why`: during a call it may hold a caller's words.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from client_caller.errors import ClientCallerError


class CodeFailed(ClientCallerError):
    """Code that is not ours broke. place: file and line;  kind: the exception's type;  why: its own text."""

    def __init__(self, place: str, kind: str, why: str) -> None:
        super().__init__(f"{place}: {kind}")
        self.place = place
        self.kind = kind
        self.why = why


@contextmanager
def rim(meant: type[ClientCallerError]) -> Iterator[None]:
    """Translate everything raised within to CodeFailed but what is `meant` for the caller. A cancellation passes."""
    try:
        yield
    except (meant, CodeFailed):
        raise
    except SystemExit as left:
        raise _translated(left) from left
    except Exception as broke:
        raise _translated(broke) from broke


def _translated(broke: BaseException) -> CodeFailed:
    if isinstance(broke, SyntaxError) and broke.filename:
        return CodeFailed(f"{broke.filename}, line {broke.lineno}", type(broke).__name__, broke.msg)
    frames = [frame for frame in traceback.extract_tb(broke.__traceback__) if not frame.filename.startswith("<frozen ")]
    place = f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else "unknown place"
    return CodeFailed(place, type(broke).__name__, str(broke))
