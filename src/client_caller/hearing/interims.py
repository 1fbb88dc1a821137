"""Interims: when the caller's words are to be decoded although the caller is still speaking.

In:   for every window, whether it was voiced.     Out: whether a decode is due.
Rule: nothing here knows whether anybody has time for it.

A lull is the best moment: words are whole there, and if it grows into a pause, its words are known already. So a decode
is due at the first quiet window after a quarter of the new voice that is asked for, and without one after a little more
than all of it.
"""

from typing import Final

from client_caller.hearing.endpointing import WINDOW_S

_AT_A_LULL: Final = 0.25
_WITHOUT_ONE: Final = 1.25
"""Shares of the asked-for amount: 0.1 and 0.5 s of new voice where it is 0.4 s. On 15 passages with 120 pauses, decoded
at 60 ms a second, the words of 66 pauses were found by a decode that had begun before the pause was noticed; of 25 with
0.3 s in place of the 0.1 s, for which 294 stretches were decoded instead of 334."""

_SLACK_S: Final = WINDOW_S / 8
"""Sums of window lengths are not exact."""


class Interims:
    """Counts one caller's new voice; a decode is asked for about every `every_s` seconds of it, or never when 0."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._new_s = 0.0

    def feed(self, voiced: bool) -> bool:
        """Whether a decode is due after this window."""
        self._new_s += voiced * WINDOW_S
        enough_s = self._every_s * (_WITHOUT_ONE if voiced else _AT_A_LULL)
        if not self._every_s or self._new_s < enough_s - _SLACK_S:
            return False
        self.forget()
        return True

    def hurry(self, within_s: float) -> None:
        """Ask for the next decode when there is so much new voice, if not sooner."""
        self._new_s = max(self._new_s, self._every_s * _WITHOUT_ONE - within_s)

    def forget(self) -> None:
        """All voice so far is being decoded anyway."""
        self._new_s = 0.0
