"""What was said in one call, as sound: for a voice that goes on as one does who has heard it.

In:   the caller's sound as it is decoded; pieces as they are begun; how much of each was heard.
Out:  a `Talk` for each piece.
Rule: what nobody heard was not said. Text and sound of a turn belong together, so what is forgotten goes with both.

The caller's turn is decoded in stretches: what is frozen (see hearing/caller_turn.py) is not decoded again, so the turn
is put together from what was frozen and what was decoded last.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from client_caller.audio.frame import Samples
from client_caller.hearing.listener import TurnAudio
from client_caller.speaking.protocol import AgentSaid, CallerSaid, Talk

_HZ: Final = 16_000
_TURNS: Final = 32
_SOUND_S: Final = 120.0
"""Turns, and seconds of the caller's sound, that are kept. Beyond that half of them go at once: a voice that keeps what
it knows of a call has to read all of it anew whenever the oldest part changes."""

_READINGS: Final = 4
"""Decodings of the same stretches of which any may turn out to be the one that was frozen."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Sound of the caller, 16 kHz, and the words in it."""

    text: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece that was given to the voice."""

    reply: int
    piece: int


class Talking:
    """The conversation of one call. heard_s: how much of a piece was heard, by reply and piece; see `Playout.heard_s`.

    turn: number of the caller's turn.
    """

    def __init__(self, call_id: str, heard_s: Callable[[int, int], float | None]) -> None:
        self.turn = 0
        self._call_id = call_id
        self._heard_s = heard_s
        self._said: list[CallerSaid | _Piece] = []
        self._open: CallerSaid | None = None  # the caller's turn, as of its last pause
        self._versions = 0  # of it
        self._first = 0  # number of the first stretch of voice that is not frozen
        self._frozen: deque[_Stretch] = deque()
        self._readings: dict[int, _Stretch] = {}  # of what is not, by how many stretches of voice were read
        self._latest: _Stretch | None = None

    def decoded(self, turn: int, audio: TurnAudio, text: str) -> None:
        """`audio`, which was taken when the caller's turn was number `turn`, has been read as `text`."""
        if turn != self.turn:
            return
        if audio.tail.first != self._first:
            frozen = self._readings.get(audio.tail.first - self._first)
            if frozen is not None:
                self._frozen.append(frozen)
            while _sound_s([stretch.samples for stretch in self._frozen]) > _SOUND_S / 2:
                self._frozen.popleft()
            self._first = audio.tail.first
            self._readings.clear()
        self._latest = self._readings[audio.tail.ended] = _Stretch(text, audio.samples)
        if len(self._readings) > _READINGS:
            del self._readings[next(iter(self._readings))]

    def pause(self) -> None:
        """The caller has paused, and what was decoded last is all that was said in this turn so far."""
        stretches = [each for each in (*self._frozen, self._latest) if each and each.text]
        text = " ".join(each.text for each in stretches)
        place = next((at for at, said in enumerate(self._said) if said is self._open), len(self._said))
        if not text:
            del self._said[place : place + 1]
            self._open = None
        elif self._open is None or self._open.text != text:
            self._versions += 1
            samples = np.concatenate([each.samples for each in stretches])
            self._open = CallerSaid(f"c{self.turn}.{self._versions}", text, samples)
            self._said[place : place + 1] = [self._open]
            self._forget()

    def close_turn(self) -> None:
        """The caller's turn is over, as it was at its last pause."""
        self.turn += 1
        self._open, self._versions, self._latest = None, 0, None
        self._frozen.clear()
        self._readings.clear()

    def says(self, reply: int, piece: int) -> Talk:
        """The agent is about to say this piece."""
        heard: list[CallerSaid | _Piece] = []
        turns: list[CallerSaid | AgentSaid] = []
        for said in self._said:
            turn: CallerSaid | AgentSaid | None = said if isinstance(said, CallerSaid) else self._heard(said, reply)
            if turn is not None:
                heard.append(said)
                turns.append(turn)
        self._said = [*heard, _Piece(reply, piece)]
        self._forget()
        return Talk(self._call_id, reply, piece, tuple(turns))

    def _heard(self, said: _Piece, reply: int) -> AgentSaid | None:
        """What was heard of a piece, for one who says `reply` now; None if nothing was."""
        heard_s = None if said.reply == reply else self._heard_s(said.reply, said.piece)
        return None if heard_s == 0.0 else AgentSaid(said.reply, said.piece, heard_s)

    def _forget(self) -> None:
        """Let the older half go when it is too much."""
        if len(self._said) > _TURNS:
            del self._said[: -_TURNS // 2]
        if self._kept_s() > _SOUND_S:
            while self._kept_s() > _SOUND_S / 2:
                del self._said[0]

    def _kept_s(self) -> float:
        return _sound_s([said.samples for said in self._said if isinstance(said, CallerSaid)])


def _sound_s(sounds: list[Samples]) -> float:
    return sum(map(len, sounds)) / _HZ
