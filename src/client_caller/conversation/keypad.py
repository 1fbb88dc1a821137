"""Keys that the caller presses: several in a row are one message.

In:   keys, with their call time.     Out: what was pressed, once it is surely all of it.
"""

from math import inf
from typing import Final

_ALL_OF_IT_S: Final = 2.0
"""After so long without a further key the caller has pressed all they wanted to; who looks up the digits of a number
takes about a second for each. An assumption."""

_LAST: Final = "#"
"""Ends what was pressed, as callers know it from telephone menus."""

_AT_MOST: Final = 32
"""Longer than any number that one types on a telephone; what is beyond is not kept."""


class Keypad:
    """What was pressed and nobody has answered yet."""

    def __init__(self) -> None:
        self._keys = ""
        self.due_at = inf  # call time at which `take` has all of it

    def press(self, key: str, now: float) -> None:
        """One more key."""
        self._keys = (self._keys + key)[:_AT_MOST]
        self.due_at = now if key == _LAST else now + _ALL_OF_IT_S

    def take(self) -> str:
        """What was pressed since this was asked last, as it stands in the conversation; empty if nothing was."""
        keys, self._keys, self.due_at = self._keys.removesuffix(_LAST) or self._keys, "", inf
        return f"[pressed {keys}]" if keys else ""
