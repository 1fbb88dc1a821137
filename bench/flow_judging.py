"""Whether an agent stopped, for how long, and with which word it went on: judged from its sound.

In:   what the caller heard; the same text as the voice alone speaks it, with the time of every word.
Out:  the instant of a stop; every silence that is not the voice's own; words left out and words said again.
Rule: pure, and the agent is believed in nothing. Where a stretch of the call stands in the text is found by comparing
      spectra, 10 ms by 10 ms, so a voice that speaks a word again and not quite alike is still found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.rehearsal.ear import BLOCK_S, BLOCK_SAMPLES, audible
from client_caller.rehearsal.measure import SILENCED_S
from client_caller.speaking.protocol import WordTime

STOP_S: Final = 0.4
"""A silence that is longer than the voice's own by this much is a stop."""

HESITATION_S: Final = 0.1
REPEATED_AT_MOST: Final = 2
"""Words that may sound twice: the one that was cut, and one before it that was not surely heard."""

_FOUND: Final = 0.85
"""Likeness of two stretches of speech from which they are the same words. The same words said anew have 0.96 and more,
others 0.6 over a second and 0.8 over 0.4 s."""

_SNIPPET_S: Final = 1.0
_SHORTEST_S: Final = 0.35
_SURE_S: Final = 0.5
"""A stretch of this length that is nowhere in the text is something else."""

_BANDS: Final = 16
_FFT: Final = 256
_FADE_S: Final = 0.06  # the end of a stretch may be faded out

Blocks = NDArray[np.bool_]
"""Whether somebody was audible, for every 10 ms."""


@dataclass(frozen=True, slots=True)
class Halt:
    """A silence of the agent. extra_s: by how much it is longer than the voice's own at that place."""

    starts_at: float
    ends_at: float
    extra_s: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of the agent's speech after a sound.

    halts: silences of 0.1 s and more beyond its own;  lost, repeated: words left out, words heard twice;
    goes_on: False when it never spoke on;  followed: False when it went on with other words than its own.
    """

    halts: tuple[Halt, ...] = ()
    lost: int = 0
    repeated: int = 0
    goes_on: bool = True
    followed: bool = True
    likeness: float = field(default=1.0, compare=False)

    @property
    def longest_s(self) -> float:
        """The longest silence beyond its own."""
        return max((halt.extra_s for halt in self.halts), default=0.0)

    @property
    def is_stop(self) -> bool:
        """Whether a caller would say that the agent let itself be stopped."""
        wrong_words = self.lost > 0 or self.repeated > REPEATED_AT_MOST
        return not self.goes_on or not self.followed or wrong_words or self.longest_s > STOP_S

    @property
    def is_hesitation(self) -> bool:
        """Whether it only hesitated."""
        return not self.is_stop and self.longest_s > HESITATION_S


def stopped_at(agent: Blocks, onset: float, until: float) -> float | None:
    """From when the agent is quiet for 200 ms, not before `onset`; None when it is not before `until`."""
    wanted = round(SILENCED_S / BLOCK_S)
    quiet = 0
    for block in range(round(onset / BLOCK_S), min(round(until / BLOCK_S) + wanted, len(agent))):
        quiet = 0 if agent[block] else quiet + 1
        if quiet == wanted:
            return (block + 1 - wanted) * BLOCK_S
    return None


def first_audible(agent: Blocks, since: float, until: float) -> float | None:
    """The first audible instant in [since, until)."""
    first = round(since / BLOCK_S)
    found = np.flatnonzero(agent[first : round(until / BLOCK_S)])
    return (first + int(found[0])) * BLOCK_S if len(found) else None


def silences(agent: Blocks, since: float, until: float, shortest_s: float = HESITATION_S) -> list[tuple[float, float]]:
    """Every silence of this length that begins in [since, until), as far as it is within `until`."""
    first, last = max(0, round(since / BLOCK_S)), min(len(agent), round(until / BLOCK_S))
    edges = np.flatnonzero(np.diff(np.concatenate(([0], (~agent[first:last]).astype(np.int8), [0]))))
    spans = [((first + int(a)) * BLOCK_S, (first + int(b)) * BLOCK_S) for a, b in edges.reshape(-1, 2)]
    return [span for span in spans if span[1] - span[0] >= shortest_s - 1e-9]


class Text:
    """What the agent has to say, as its voice alone says it.

    samples: shape (n,), 8 kHz;  words: their times in it.
    """

    def __init__(self, samples: Samples, words: Sequence[WordTime]) -> None:
        self.seconds = len(samples) / LINE_HZ
        self._audible = audible(samples)
        self.words = tuple(map(self._sounding, words))
        self._spectra = spectra(samples)

    def _sounding(self, word: WordTime) -> WordTime:
        """The part of the word's time that sounds: a voice counts a pause to the word before it."""
        first = round(word.start_s / BLOCK_S)
        found = np.flatnonzero(self._audible[first : round(word.end_s / BLOCK_S)])
        if len(found) == 0:
            return word
        return WordTime(word.index, (first + int(found[0])) * BLOCK_S, (first + int(found[-1]) + 1) * BLOCK_S)

    def find(self, sound: Samples, near_s: float | None = None) -> tuple[float, float]:
        """Where `sound` begins in the text, in seconds, and the likeness there, 1 at best.

        near_s: where it is expected; between two places as alike the nearer one is taken.
        """
        wanted = spectra(sound)
        count = len(self._spectra) - len(wanted) + 1
        if count <= 0 or len(wanted) == 0:
            return 0.0, 0.0
        windows = np.lib.stride_tricks.sliding_window_view(self._spectra, len(wanted), axis=0)
        products = np.einsum("nbl,lb->n", windows, wanted)
        energies = np.einsum("nbl,nbl->n", windows, windows)
        alike = products / (np.sqrt(energies * np.sum(wanted**2)) + 1e-9)
        if near_s is not None:
            alike = alike - 0.005 * np.abs(np.arange(count) * BLOCK_S - near_s)
        best = int(np.argmax(alike))
        return best * BLOCK_S, float(products[best] / (np.sqrt(energies[best] * np.sum(wanted**2)) + 1e-9))

    def own_silence_s(self, at_s: float, slack_s: float = 0.08) -> float:
        """How long the voice is silent of itself around this place."""
        spans = silences(self._audible, 0.0, self.seconds, BLOCK_S)
        return max((end - begin for begin, end in spans if begin - slack_s <= at_s <= end + slack_s), default=0.0)

    def words_between(self, from_s: float, to_s: float) -> int:
        """Words of which more than half lies in the stretch."""
        return sum(
            min(to_s, word.end_s) - max(from_s, word.start_s) > (word.end_s - word.start_s) / 2 for word in self.words
        )


def spectra(samples: Samples) -> NDArray[np.float64]:
    """Log energy in 16 bands every 10 ms, less its mean over the bands. Shape (blocks, 16); silence is 0."""
    count = len(samples) // BLOCK_SAMPLES
    if count == 0:
        return np.zeros((0, _BANDS))
    padded = np.pad(samples[: count * BLOCK_SAMPLES], (0, _FFT))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::BLOCK_SAMPLES][:count]
    power = np.abs(np.fft.rfft(frames * np.hanning(_FFT), axis=1)[:, 4:-4]) ** 2
    bands = np.stack([part.sum(axis=1) for part in np.array_split(power, _BANDS, axis=1)], axis=1)
    log = np.log10(bands + 1e-3)
    return np.asarray(log - log.mean(axis=1, keepdims=True))


class Follower:
    """Follows the agent through one text in one call. heard: the agent's channel, shape (n,), 8 kHz."""

    def __init__(self, text: Text, heard: Samples) -> None:
        self._text = text
        self._heard = heard
        self._agent = audible(heard)
        self._ahead_s: float | None = None  # call time less place in the text

    def place(self, at: float) -> float | None:
        """Where in the text the agent is at `at`, in seconds; None when it is not saying the text."""
        begin = max(0.0, at - _SNIPPET_S)
        found, likeness = self._text.find(self._cut(begin, at))
        self._ahead_s = begin - found if likeness >= _FOUND else None
        return None if self._ahead_s is None else at - self._ahead_s

    def judge(self, onset: float, until: float) -> Judgement:
        """What became of the speech from `onset` to `until`. `place` must have found it at `onset`."""
        assert self._ahead_s is not None
        halts: list[Halt] = []
        lost = repeated = 0
        worst = 1.0
        reached = onset - self._ahead_s  # place in the text that has been heard
        synced = True
        for begins, ends in silences(self._agent, onset, until):
            place = begins - self._ahead_s
            if place >= self._text.seconds - 0.3:
                break  # it has said all
            own_s = self._text.own_silence_s(place)
            extra_s = ends - begins - own_s
            if extra_s > HESITATION_S:
                halts.append(Halt(begins, ends, extra_s))
            if ends >= min(until, len(self._agent) * BLOCK_S) - 0.05:  # not back before the window closes
                return Judgement(tuple(halts), lost, repeated, goes_on=extra_s <= STOP_S)
            reached = max(reached, place) if synced else reached
            stretch_s = self._sounding_s(ends, until)
            found, likeness = self._find(ends, until, stretch_s, place + own_s)
            synced = likeness >= _FOUND
            if synced:
                worst = min(worst, likeness)
                lost += self._text.words_between(reached, found)
                repeated += self._text.words_between(found, reached)
                self._ahead_s = ends - found
            elif stretch_s >= _SURE_S:
                return Judgement(tuple(halts), lost, repeated, followed=False, likeness=likeness)
        return Judgement(tuple(halts), lost, repeated, likeness=worst)

    def _find(self, since: float, until: float, stretch_s: float, near_s: float) -> tuple[float, float]:
        """Where it goes on at `since`: by a second of it, pauses and all, else by what it says before the next one."""
        found = self._text.find(self._cut(since, min(until, since + _SNIPPET_S)), near_s)
        if found[1] < _FOUND and _SHORTEST_S <= stretch_s < _SNIPPET_S:
            found = max(found, self._text.find(self._cut(since, since + stretch_s), near_s), key=lambda one: one[1])
        return found

    def _sounding_s(self, since: float, until: float) -> float:
        """How long it sounds from `since` on, before the next silence."""
        following = silences(self._agent, since + BLOCK_S, until)
        return (following[0][0] if following else until) - since

    def _cut(self, since: float, until: float) -> Samples:
        return self._heard[round(since * LINE_HZ) : round(until * LINE_HZ)]
