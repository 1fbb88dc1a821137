"""The caller's turn while it lasts: which stretches of sound are still to be decoded, and which words are settled.

In:   onsets and offsets; the words found at a pause.     Out: stretches of sound to decode; all words of the turn.
Rule: nothing here touches sound or models; instants are seconds of the caller's sound.

**Freezing.** Decoding takes time in proportion to its length, and it is awaited at every pause. So what was decoded at
a pause is frozen when the caller goes on after it, and from then on only what follows, the *tail*, is decoded. Words
are frozen only where the cut does no harm: at a pause of half a second, and not when they are so few (0.8 s of voice)
that they are better decoded along with what follows. A tail that has become long (6 s) is frozen however little voice
it holds, and a very long one (10 s) at any pause. News may come late: the words of a pause may arrive when the caller
has long gone on, so every tail names its utterances, and what no longer fits is not frozen.
"""

from dataclasses import dataclass
from typing import Final

_FREEZE_PAUSE_S: Final = 0.5
_FREEZE_VOICED_S: Final = 0.8
_LONG_S: Final = 6.0
_TOO_LONG_S: Final = 10.0

_LEAD_S: Final = 0.2
_TRAIL_S: Final = 0.15
"""Sound kept before and after an utterance: the onset of a soft word is noticed that late, its offset that early."""

_LONGEST_SILENCE_S: Final = 0.6
"""A longer silence within a turn is cut down to trail and lead: it costs time, and a transcriber finds words in it."""

_END_S: Final = 0.3
"""Silence after the last utterance that is decoded with it; more of it changes nothing but the time."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech; `ends_s` is infinite while it lasts."""

    starts_s: float
    ends_s: float = float("inf")
    voiced_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Tail:
    """What of a turn is still to be decoded.

    cuts: stretches of sound, each (from, to);  frozen: the words before them;  first: number in the call of its first
    utterance;  utterances: how many ended ones it holds, 0 when the caller is still speaking.
    """

    cuts: tuple[tuple[float, float], ...]
    frozen: str
    first: int
    utterances: int


class CallerTurn:
    """The turn of one caller; after `close`, the next one."""

    def __init__(self, preroll_s: float) -> None:
        self._preroll_s = preroll_s
        self._frozen = ""
        self._first = 0  # number in the call of the first utterance of the tail
        self._tail: list[Utterance] = []
        self._read: tuple[int, str] = (0, "")  # so many utterances of the tail, read as these words
        self._settled_s = 0.0  # sound before this belongs to words that are settled

    def started(self, at_s: float) -> None:
        """The caller began to speak, or went on."""
        self._tail.append(Utterance(at_s))
        self._freeze()

    def paused(self, at_s: float, voiced_s: float) -> None:
        """The caller stopped, for now, after `voiced_s` seconds of voice."""
        self._tail[-1] = Utterance(self._tail[-1].starts_s, at_s, voiced_s)

    def close(self) -> None:
        """The turn is over. An utterance that has already begun is the first of the next one."""
        ended = [utterance for utterance in self._tail if utterance.ends_s < float("inf")]
        self._settle(len(ended))
        self._frozen = ""

    def tail(self, now_s: float) -> Tail:
        """What is to be decoded for the words up to now."""
        speaking = bool(self._tail) and self._tail[-1].ends_s > now_s
        count = 0 if speaking else len(self._tail)
        return Tail(self._cuts(now_s), self._frozen, self._first, count)

    def decoded(self, tail: Tail, text: str) -> str:
        """All words of the turn as of `tail`, now that the sound in it has been read as `text`."""
        if tail.first == self._first and tail.utterances > self._read[0]:
            self._read = (tail.utterances, text)
            self._freeze()
        return _joined(tail.frozen, text)

    def _cuts(self, now_s: float) -> tuple[tuple[float, float], ...]:
        cuts: list[tuple[float, float]] = []
        for utterance in self._tail:
            lead_s = _LEAD_S if cuts else self._preroll_s
            starts_s = min(utterance.starts_s, max(self._settled_s, utterance.starts_s - lead_s))
            if cuts and utterance.starts_s - cuts[-1][1] <= _LONGEST_SILENCE_S - _TRAIL_S:
                starts_s = cuts.pop()[0]
            cuts.append((starts_s, min(now_s, utterance.ends_s + _TRAIL_S)))
        if cuts:
            cuts[-1] = (cuts[-1][0], min(now_s, self._tail[-1].ends_s + _END_S))
        return tuple(cuts)

    def _freeze(self) -> None:
        count, text = self._read
        if not 0 < count < len(self._tail):
            return
        head, resumed_s = self._tail[:count], self._tail[count].starts_s
        length_s = resumed_s - head[0].starts_s
        pause_s = resumed_s - head[-1].ends_s
        enough = length_s > _LONG_S or sum(utterance.voiced_s for utterance in head) >= _FREEZE_VOICED_S
        if enough and (pause_s >= _FREEZE_PAUSE_S or length_s > _TOO_LONG_S):
            self._frozen = _joined(self._frozen, text)
            self._settle(count)

    def _settle(self, count: int) -> None:
        if count:
            self._settled_s = self._tail[count - 1].ends_s + _TRAIL_S
        self._first += count
        del self._tail[:count]
        self._read = (0, "")


def _joined(*texts: str) -> str:
    return " ".join(text for text in texts if text)
