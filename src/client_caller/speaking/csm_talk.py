"""What the CSM engine knows of a call, as far as one connection goes: what it was told, and what it has said.

In:   pieces with the talk before them; their speech as it is made.     Out: what is to be sent.
Rule: the engine is told of nothing twice, and of nothing that it has not made itself: phrases from the bank, and what
      another voice said, have no codes in it. What the caller heard of a piece is told in whole words.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from client_caller.audio import mulaw
from client_caller.audio.frame import LINE_HZ
from client_caller.speaking.csm.turns import OwnTurn
from client_caller.speaking.csm.wire import TEXT_CHARS, TURN_S, TURNS, Heard, Speak
from client_caller.speaking.protocol import AgentSaid, CallerSaid, Speech, Talk, WordTime

_HEARD_HZ: Final = 16_000
_NOTHING: Final = np.zeros(0, np.float32)
_SLACK_S: Final = 1e-6  # a millionth of a second: float rounding, far below one sample


@dataclass(slots=True)
class _Utterance:
    """One that was asked for.

    is_rest: the piece began with another one;  skipped_s: silence at its beginning that nobody was given;
    whole: it was made to its end.
    """

    words: list[str]
    is_rest: bool
    times: list[WordTime] = field(default_factory=list)
    samples: int = 0
    skipped_s: float = 0.0
    whole: bool = False


class Told:
    """The engine's side of one connection. hears_caller: whether it is told what the caller says."""

    def __init__(self, hears_caller: bool = True) -> None:
        self._hears_caller = hears_caller
        self._heard: set[str] = set()
        self._said: dict[str, _Utterance] = {}
        self._asked: dict[tuple[int, int], str] = {}  # the utterance of each piece
        self._count = 0

    def what_to_send(self, text: str, talk: Talk) -> tuple[list[Heard], Speak]:
        """The caller's turns that are news, and the order to speak."""
        turns = talk.turns[-TURNS:]
        caller = [turn for turn in turns if isinstance(turn, CallerSaid) and self._takes(turn)]
        news = [turn for turn in caller if turn.id not in self._heard]
        self._heard &= {turn.id for turn in caller}
        told = [told for turn in turns if (told := self._told(turn)) is not None]
        self._count += 1
        name = f"r{talk.reply}.{talk.piece}.{self._count}"
        self._keep(name, (talk.reply, talk.piece), text)
        return [_heard(turn) for turn in news], Speak(name, text, tuple(told))

    def said(self, name: str, speech: Speech, skipped_s: float) -> None:
        """More of an utterance has come; so much silence at its beginning was left out."""
        if utterance := self._said.get(name):
            utterance.times += speech.words
            utterance.samples += len(speech.samples)
            utterance.skipped_s = skipped_s

    def ended(self, name: str, last: Speech | None) -> None:
        """An utterance was made to its end."""
        if utterance := self._said.get(name):
            self.said(name, last or Speech(_NOTHING), utterance.skipped_s)
            utterance.whole = True

    def hears(self, name: str) -> None:
        """The engine is being told of this turn of the caller's."""
        self._heard.add(name)

    def hears_not(self, name: str) -> None:
        """It has not taken this turn, which is news again."""
        self._heard.discard(name)

    def _keep(self, name: str, piece: tuple[int, int], text: str) -> None:
        before = self._said.pop(self._asked.pop(piece, ""), None)
        self._asked[piece] = name
        self._said[name] = _Utterance(text.split(), before is not None and (before.is_rest or before.samples > 0))
        while len(self._asked) > TURNS:
            del self._said[self._asked.pop(next(iter(self._asked)))]

    def _told(self, turn: CallerSaid | AgentSaid) -> OwnTurn | str | None:
        """How the engine is told of a turn; None when it is not."""
        if isinstance(turn, CallerSaid):
            return turn.id if self._takes(turn) else None
        name = self._asked.get((turn.reply, turn.piece), "")
        utterance = self._said.get(name)
        if utterance is None or utterance.is_rest:
            return None
        if turn.heard_s is None and utterance.whole:
            return OwnTurn(name)
        made_s = utterance.samples / LINE_HZ
        heard_s = made_s if turn.heard_s is None else min(turn.heard_s, made_s)
        heard = sum(word.end_s <= heard_s + _SLACK_S for word in utterance.times)
        return OwnTurn(name, utterance.skipped_s + heard_s, " ".join(utterance.words[:heard])) if heard else None

    def _takes(self, turn: CallerSaid) -> bool:
        """Whether the engine is to have this turn, and takes one of such a length."""
        fits = bool(turn.text) and len(turn.text) <= TEXT_CHARS and 0 < len(turn.samples) <= TURN_S * _HEARD_HZ
        return self._hears_caller and fits


def _heard(turn: CallerSaid) -> Heard:
    """As a message. Every second sample is all there is: the sound has come over a line of 8 kHz."""
    return Heard(turn.id, turn.text, mulaw.encode(turn.samples[:: _HEARD_HZ // LINE_HZ]))
