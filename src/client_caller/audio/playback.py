"""The far end of a line: audio waiting to be played, with bookmarks in it.

In:   mu-law bytes and mark names, in the order sent.     Out: what is played, and the marks that playing passes.
Rule: no clock; whoever plays decides when.

Source: twilio.com/docs/voice/media-streams/websocket-messages: a mark comes back when the audio queued before it has
been played, at once when none is waiting, and all of them when a clear drops the audio.
"""

from collections import deque


class Playback:
    """One direction of one call."""

    def __init__(self) -> None:
        self._audio = bytearray()
        self._finished = 0  # bytes, of all ever queued
        self._playing = 0  # bytes taken last, which sound until more is taken
        self._marks: deque[tuple[int, str]] = deque()  # bytes to finish before it is passed, name

    def queue(self, mulaw: bytes) -> None:
        """Add audio behind what waits."""
        self._audio += mulaw

    def mark(self, name: str) -> None:
        """Add a bookmark behind what waits."""
        self._marks.append((self._finished + self._playing + len(self._audio), name))

    def clear(self) -> None:
        """Drop what waits; all marks are thereby passed."""
        self._finished += self._playing + len(self._audio)
        self._playing = 0
        self._audio.clear()

    def play(self, count: int) -> bytes:
        """The next `count` bytes, fewer when no more wait. What was taken before has now been played."""
        self._finished += self._playing
        played = bytes(self._audio[:count])
        del self._audio[:count]
        self._playing = len(played)
        return played

    def passed(self) -> list[str]:
        """The marks passed since the last time asked, in order."""
        names = []
        while self._marks and self._marks[0][0] <= self._finished:
            names.append(self._marks.popleft()[1])
        return names
