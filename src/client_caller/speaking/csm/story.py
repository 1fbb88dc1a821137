"""What is known of one call: the sound of its turns by name, and which of them there is room for in its context.

In:   turns as they are heard and said, and the turns that an utterance follows on.     Out: rows for the call's slot.
Rule: the oldest turns go first, and half a context of them at once, so that it is read anew once in a minute of talk
      and not with every turn. The voice prompt stays for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from client_caller.speaking.csm.context import Layout, Segment, heard
from client_caller.speaking.csm.protocol import FRAME_S, Rows
from client_caller.speaking.csm.turns import OwnTurn

_KNOWN: Final = 128
"""Turns whose sound is kept: more than any context has room for."""

_KEPT: Final = 0.5
"""Of the context, what old turns may take when some have to go."""


_SLOWEST: Final = 9.0
_FASTEST: Final = 22.0
"""Characters a second, spaces among them: 100 and 240 words a minute. A prompt with pauses is no measure of a voice."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said before the other did, in segments."""

    name: str
    segments: Sequence[Segment]


class Story:
    """One call so far. positions: rows of a slot;  letters_per_s: how fast the voice of the prompt speaks."""

    def __init__(self, layout: Layout, prompt: Segment, positions: int) -> None:
        self.letters_per_s = min(_FASTEST, max(_SLOWEST, len(prompt.text) / max(FRAME_S, prompt.seconds)))
        self._layout = layout
        self._prompt = layout.whole(prompt)
        self._positions = positions
        self._known: dict[str, Sequence[Segment]] = {}
        self._gone: set[str] = set()  # turns for which there was no room any more

    @property
    def pinned(self) -> int:
        """Rows that never leave the context."""
        return len(self._prompt)

    def know(self, turn: Turn) -> None:
        """Keep a turn, in place of what had its name."""
        self._known.pop(turn.name, None)
        self._known[turn.name] = turn.segments
        while len(self._known) > _KNOWN:
            oldest = next(iter(self._known))
            del self._known[oldest]

    def turns(self, named: Sequence[OwnTurn | str]) -> list[Turn]:
        """Those of the named turns that are known, as far as they were heard."""
        found = []
        for turn in named:
            own = turn if isinstance(turn, OwnTurn) else OwnTurn(turn)
            if segments := heard(self._known.get(own.id, ()), own.seconds, own.text):
                found.append(Turn(own.id, segments))
        return found

    def rows(self, turns: Sequence[Turn], words: Rows, frames: int) -> Rows:
        """The voice prompt, as many of the latest turns as there is room for, and the words to be said now.

        words: none when nothing is to be said yet;  frames: for which there must be room behind them.
        """
        self._gone &= {turn.name for turn in turns}
        room = self._positions - 1 - frames - len(words) - len(self._prompt)
        told = [(turn.name, self._told(turn)) for turn in turns if turn.name not in self._gone]
        if sum(len(rows) for _, rows in told) > room:
            room = min(room, round(_KEPT * self._positions))
            while told and sum(len(rows) for _, rows in told) > room:
                self._gone.add(told.pop(0)[0])
        return np.concatenate((self._prompt, *(rows for _, rows in told), words))

    def _told(self, turn: Turn) -> Rows:
        return np.concatenate([self._layout.whole(segment) for segment in turn.segments])
