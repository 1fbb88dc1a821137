"""Progress: what a pull tells whoever waits for it.

In:   calls from the store and its sources.
Out:  a bar, plain lines, or nothing; the command line decides.
"""

from typing import Protocol


class Progress(Protocol):
    """Someone who watches a pull."""

    def begin(self, name: str, total_bytes: int) -> None:
        """A new file is on its way; `total_bytes` is the size it should have."""

    def reached(self, so_far_bytes: int) -> None:
        """So much of that file has arrived; may fall when an attempt starts afresh."""

    def note(self, sentence: str) -> None:
        """Something worth a line: why a file is replaced, why a source was passed over."""
