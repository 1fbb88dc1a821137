"""The caller's turn while it lasts: which stretches of sound are still to be decoded, and which words are settled.

In:   where the voice sets in and stops; the words found so far.     Out: stretches of sound to decode; all words.
Rule: nothing here touches sound or models; instants are seconds of the caller's sound.

**Stretches.** The voice is parted by pauses, and within an utterance by lulls of a window or more. What was decoded up
to the end of a stretch holds whole words: while no voice has been heard since, those are the words of the turn, and
need no other decode.

**Freezing.** Decoding takes time in proportion to its length, and it is awaited at every pause. So what was decoded up
to the end of a stretch is frozen when the caller goes on after it, and from then on only what follows, the *tail*, is
decoded. The shorter the silence, the more a cut there harms; so the longer the tail, the shorter a silence will do. Few
words (0.8 s of voice) are better decoded along with what follows, unless they lie long ago. News may come late: words
may arrive when the caller has long gone on, so every tail names its stretches, and what no longer fits is not frozen.
"""

from dataclasses import dataclass
from typing import Final

from client_caller.hearing.agreement import Agreed, Agreement

_FREEZE_AFTER: Final = ((6.0, 0.0), (4.0, 0.1), (3.0, 0.2), (0.0, 0.5))
"""A tail longer than the first is frozen at a silence of the second, both in seconds. The shortest lulls are the stops
within words, and are let alone as long as possible. On 15 read and acted passages of 5 to 28 s through mu-law, each as
one turn: 73 wrong words of 418, and 2.8 s (at most 5.5 s) to decode at the end. With (4, 0) in place of the first two,
79 wrong words and no shorter tails; with (10, 0) and (0, 0.5) only, 73 and 4.5 s (at most 9.7 s) to decode."""

_FREEZE_VOICED_S: Final = 0.8
_LONG_S: Final = 6.0

_LEAD_S: Final = 0.2
_TRAIL_S: Final = 0.15
"""Sound kept before and after a stretch: the onset of a soft word is noticed that late, its offset that early."""

_LONGEST_SILENCE_S: Final = 0.6
"""A longer silence within a turn is cut down to trail and lead: it costs time, and a transcriber finds words in it."""

_END_S: Final = 0.3
"""Silence after the last stretch that is decoded with it; more of it changes nothing but the time. It is not waited
for: what is missing of it is made up. Without that, 78 of those words were wrong; with noise at -45 dBFS on the line,
59 of 236 instead of 49."""

_LASTING: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Voice without a lull; `ends_s` is infinite while it lasts."""

    starts_s: float
    ends_s: float = _LASTING


@dataclass(frozen=True, slots=True)
class Tail:
    """What of a turn is still to be decoded.

    cuts: stretches of sound, each (from, to);  silence_s: to be put behind them;  frozen: the words before them;
    turn: number in the call of the first stretch of the turn;  first: that of the tail;  ended: how many stretches it
    holds, all of them ended, or 0 when it breaks off in the middle of one.
    """

    cuts: tuple[tuple[float, float], ...]
    silence_s: float
    frozen: str
    turn: int
    first: int
    ended: int


class CallerTurn:
    """The turn of one caller; after `close`, the next one."""

    def __init__(self, preroll_s: float) -> None:
        self._preroll_s = preroll_s
        self._frozen = ""
        self._turn = self._first = 0  # numbers in the call of the first stretch of the turn and of the tail
        self._tail: list[Stretch] = []
        self._read: tuple[int, str] = (0, "")  # so many stretches of the tail, read as these words
        self._settled_s = 0.0  # sound before this belongs to words that are settled
        self._agreement = Agreement()

    @property
    def speaking(self) -> bool:
        """Whether a stretch lasts."""
        return bool(self._tail) and self._tail[-1].ends_s == _LASTING

    def started(self, at_s: float) -> None:
        """The voice set in, or went on."""
        self._tail.append(Stretch(at_s))
        self._freeze()

    def paused(self, at_s: float) -> None:
        """The voice stopped, for a pause or a lull; said again when it turns out to have been at another instant.

        By then the turn may have been closed in the lull, and what has just ended belongs to the past.
        """
        if not self._tail:
            return
        starts_s = self._tail[-1].starts_s
        self._tail[-1] = Stretch(starts_s, max(starts_s, at_s))

    def close(self) -> None:
        """The turn is over. A stretch that has already begun is the first of the next one."""
        self._settle(len(self._tail) - self.speaking)
        self._turn, self._frozen, self._agreement = self._first, "", Agreement()

    def tail(self, now_s: float) -> Tail:
        """What is to be decoded for the words up to now."""
        return self._tail_of(self._tail, now_s)

    def interim_tail(self, now_s: float) -> Tail:
        """The same, but only up to the last lull when the words before it are unread and can be frozen there."""
        before = len(self._tail) - 1
        if self.speaking and self._read[0] < before and self._may_freeze(before):
            return self._tail_of(self._tail[:-1], self._tail[-1].starts_s)
        return self.tail(now_s)

    def holds_all(self, tail: Tail) -> bool:
        """Whether no voice has been heard but what is in `tail`."""
        return tail.first == self._first and tail.ended == len(self._tail) > 0

    def words(self) -> str | None:
        """All words of the turn, if all of its voice has been read."""
        count, text = self._read
        return _joined(self._frozen, text) if count == len(self._tail) > 0 else None

    def decoded(self, tail: Tail, text: str) -> str:
        """All words of the turn as of `tail`, now that the sound in it has been read as `text`."""
        if tail.first == self._first and tail.ended > self._read[0]:
            self._read = (tail.ended, text)
            self._freeze()
        return _joined(tail.frozen, text)

    def agreed(self, tail: Tail, words: str) -> Agreed:
        """The turn's `words` as of `tail`, and how many of them later interims will not change."""
        return self._agreement.after(words) if tail.turn == self._turn else Agreed(words, 0)

    def _tail_of(self, stretches: list[Stretch], now_s: float) -> Tail:
        cuts = self._cuts(stretches, now_s)
        whole = bool(stretches) and stretches[-1].ends_s <= now_s
        silence_s = stretches[-1].ends_s + _END_S - cuts[-1][1] if whole else 0.0
        return Tail(cuts, silence_s, self._frozen, self._turn, self._first, len(stretches) if whole else 0)

    def _cuts(self, stretches: list[Stretch], now_s: float) -> tuple[tuple[float, float], ...]:
        cuts: list[tuple[float, float]] = []
        for stretch in stretches:
            lead_s = _LEAD_S if cuts else self._preroll_s
            starts_s = min(stretch.starts_s, max(self._settled_s, stretch.starts_s - lead_s))
            if cuts and stretch.starts_s - cuts[-1][1] <= _LONGEST_SILENCE_S - _TRAIL_S:
                starts_s = cuts.pop()[0]
            cuts.append((starts_s, min(now_s, stretch.ends_s + _TRAIL_S)))
        if cuts:
            cuts[-1] = (cuts[-1][0], min(now_s, stretches[-1].ends_s + _END_S))
        return tuple(cuts)

    def _freeze(self) -> None:
        count, text = self._read
        if 0 < count < len(self._tail) and self._may_freeze(count):
            self._frozen = _joined(self._frozen, text)
            self._settle(count)

    def _may_freeze(self, count: int) -> bool:
        """Whether the words may be cut after the first `count` stretches of the tail."""
        head, resumed_s = self._tail[:count], self._tail[count].starts_s
        length_s = resumed_s - head[0].starts_s
        enough = length_s > _LONG_S or sum(stretch.ends_s - stretch.starts_s for stretch in head) >= _FREEZE_VOICED_S
        silence_s = next(silence_s for longer_than_s, silence_s in _FREEZE_AFTER if length_s >= longer_than_s)
        return enough and resumed_s - head[-1].ends_s >= silence_s

    def _settle(self, count: int) -> None:
        if count:
            self._settled_s = self._tail[count - 1].ends_s + _TRAIL_S
        self._first += count
        del self._tail[:count]
        self._read = (0, "")


def _joined(*texts: str) -> str:
    return " ".join(text for text in texts if text)
