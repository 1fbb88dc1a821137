"""A caller who says nothing: when to ask whether anybody is there, and when to let go.

In:   when either side was last heard.     Out: the instant at which something is due.
"""

from math import inf
from typing import Final

from client_caller.conversation.events import Event, Sounding, SpeechPaused, SpeechStarted

_AFTER_GOODBYE_S: Final = 2.5
"""Silence after the caller's goodbye and the agent's, in which most callers hang up themselves. An assumption."""


class Quiet:
    """Silence of both sides while the caller has the floor.

    speaking: whether the caller makes a sound;  asked: whether the caller was asked, and has said nothing since;
    parted: the reason for which the call may end now, such as the caller's goodbye; empty: none.
    """

    def __init__(self, silence_s: float) -> None:
        self.asked = False
        self.parted = ""
        self.speaking = False
        self._silence_s = silence_s
        self._since = 0.0

    @property
    def due_at(self) -> float:
        """When the silence has lasted long enough; infinite while the caller makes a sound."""
        return inf if self.speaking else self._since + (_AFTER_GOODBYE_S if self.parted else self._silence_s)

    def note(self, event: Event, now: float) -> None:
        """Something happened that may be a sound, or the end of one."""
        if isinstance(event, SpeechStarted | SpeechPaused):
            self.speaking, self._since = isinstance(event, SpeechStarted), now
        elif isinstance(event, Sounding):
            self._since = now

    def begin(self, now: float) -> None:
        """Count from now: a line has opened, or the caller was asked."""
        self.speaking, self._since = False, now

    def part(self, reason: str) -> None:
        """The call may end, unless the caller says something."""
        self.parted = reason

    def turn(self, now: float, *, parted: str) -> None:
        """The caller has said something."""
        self.asked, self.parted, self._since = False, parted, now
