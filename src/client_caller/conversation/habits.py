"""How this caller pauses: some think in silences of a second, and are waited for a little longer.

In:   the silences within their turns, and the answers that came too soon.     Out: one factor on the wait.
"""

from typing import Final

_USUAL_S: Final = 0.6
"""A silence within a turn that asks for no more than the usual wait; the mean of those over 0.2 s in human speech."""

_MEMORY: Final = 0.3
"""Weight of the newest silence in the running mean: three or four of them change it."""

_MOST: Final = 1.8
"""The factor is never below one: a caller who has not paused yet may still stop to think. And nobody is waited for
twice as long."""

_SHORTEST_S: Final = 0.2
"""Shorter silences lie between and within words and tell nothing of the caller."""

_WARY: Final = 1.5
_WARY_TURNS: Final = 2
"""After an answer that came too soon, the next two turns are given half as much time again."""


class Habits:
    """One caller's."""

    def __init__(self) -> None:
        self._mean_s = _USUAL_S
        self._wary_turns = 0

    @property
    def slower(self) -> float:
        """The factor on what a wait exceeds the shortest one by."""
        factor = max(1.0, min(_MOST, self._mean_s / _USUAL_S))
        return factor * _WARY if self._wary_turns else factor

    def paused(self, seconds: float) -> None:
        """The caller was silent for so long and went on with the turn."""
        if seconds >= _SHORTEST_S:
            self._mean_s += _MEMORY * (seconds - self._mean_s)

    def answered_too_soon(self) -> None:
        """The caller went on although the agent had taken the turn for over."""
        self._wary_turns = _WARY_TURNS + 1  # the turn that goes on, and the two after it

    def turn_ended(self) -> None:
        """The caller was answered."""
        self._wary_turns = max(0, self._wary_turns - 1)
