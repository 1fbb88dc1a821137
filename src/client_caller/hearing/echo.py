"""Echo: whether a window of the caller's channel holds but our own voice, come back from the caller's loudspeaker.

In:   what the agent was sent and when, in call time; every window of the caller's channel.
Out:  whether the agent is audible; whether a voice in the newest window is the agent's.
Rule: an echo is believed only on evidence, and forgotten when it is gone. On a line without one nothing changes.

**Before an echo is known** the last 128 ms heard are compared with the last 0.7 s sent, wave by wave: an echo is a
filtered copy, and shows at its very first syllable; another voice is none, whatever its level.

**Once it is known** how late and how loud it comes, each window has an expected level of echo, and what is louder is
the caller, who would not be found by the first way when little louder than the echo. The delay may jump a little from
utterance to utterance, and rooms add a tail: both are in the expectation.
"""

from collections import deque
from dataclasses import dataclass
from math import log10
from statistics import median
from typing import Final

import numpy as np

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.levels import SILENT_DBFS, level_dbfs
from client_caller.hearing.endpointing import WINDOW_S, WINDOW_SAMPLES
from client_caller.hearing.sent import Sent

_HEARD_WINDOWS: Final = 4
_HEARD: Final = _HEARD_WINDOWS * WINDOW_SAMPLES  # 128 ms
"""What is compared: longer, and a caller little louder than the echo is found later; shorter, and voices look alike."""

_LATEST: Final = round(0.6 * LINE_HZ)
"""The latest echo, in samples: satellites aside, a mobile caller's loudspeaker comes back after 0.1 to 0.4 s."""

_FFT: Final = 6_144  # at least _HEARD + _LATEST
_PREEMPHASIS: Final = np.float32(0.7)
"""Voices are alike in their low tones. With this, 97 % of the onsets of two readers match three voices by less than
0.27; without, by less than 0.40, while echoes match the same."""

_ALIKE: Final = 0.3
"""A match from which a window is an echo on a line that may have one: 99 to 100 % of the windows of an echo at
-40 dBFS over noise at -55 are above, also with 0.4 s of reverberation as loud as the direct sound."""

_SAME: Final = 0.55
"""The same on a line that has been clear: hardly ever met by a caller, by half of the windows of an echo."""

_KNOWN_ALIKE: Final = 0.4
"""The same at the delay of a known echo, whatever the level: of 19,707 windows of echoes 3 were louder than expected
and less alike, and a caller 10 dB above an echo is."""

_CLEAR_WINDOWS: Final = round(1.0 / WINDOW_S)
_CLEAR_DB: Final = 10.0
"""So long must the agent sound, and the line stay quiet, for a line without an echo; counted are windows in which an
echo would be this far above the noise."""

_SOUNDS_DBFS: Final = -45.0
"""An agent's window below this has no echo that anyone would hear; ours speaks at about -20 dBFS."""

_LOUDEST_DB: Final = -6.0
"""No echo is louder than this beside what was sent: telephones are built for 40 dB less, and bad ones reach 20."""

_STRAYS: Final = 3
"""So many matches count before any two agree: those of an echo agree, those of a caller wander."""

_GAIN_DB: Final = -20.0  # of an echo before it is measured

_AUDIBLE_WINDOWS: Final = 16  # 0.5 s: longer than the agent's pauses between sentences
_ECHOING_WINDOWS: Final = (_LATEST + _HEARD) // WINDOW_SAMPLES  # 22

_VOTES: Final = 12
_AGREEING: Final = 4
_AGREE_S: Final = 0.002
_APART_WINDOWS: Final = 4
_EARLIEST_S: Final = 0.012
"""An echo is believed when four matches, in sounds that do not overlap, agree in their delay: chance would have to
find the same 4 ms of 600 three times again. No sound is back from a telephone within 12 ms; two voices that set in
together match there. Of 1,000 synthetic callers who talk over the agent for 2.5 s one is believed to be its echo."""

_JUMP_WINDOWS: Final = 2
"""How far the echo may be from its delay, either way: 64 ms; jumps of 20 to 40 ms are known."""

_TAIL_DB: Final = 4.0
"""How much a room's tail loses per window: reverberation of 0.5 s."""

_MARGIN_DB: Final = 6.0
"""How far above its expected level an echo may be: 90 % of its windows are less than 5.6 dB above. With 4 dB four times
as many onsets are left, and a caller 5 dB above the echo is found no sooner: in 0.2 s in the median."""

_LOOK_WINDOWS: Final = 2
"""How often a known echo of the expected level is compared all the same: a comparison costs ten times all the rest. On
those 108 lines (13 s each) 3 onsets are left after the first second; with 4 here, 17; without this file, 2,000."""

_DOUBTS: Final = 8
"""So many comparisons in a row, of sounds as loud as the echo but unlike it, and it is forgotten, too."""


@dataclass(frozen=True, slots=True)
class Match:
    """How like a sound is to an earlier one: 0 to 1, at a delay of `delay_s`."""

    likeness: float
    delay_s: float


def match(heard: Samples, sent: Samples) -> Match:
    """The best match of `heard`, shape (n,), in `sent`, shape (m,) with m >= n, both ending at the same instant.

    Likeness is the largest normalised cross-correlation over all delays from 0 to m - n samples.
    """
    heard = heard[1:] - _PREEMPHASIS * heard[:-1]
    sent = sent[1:] - _PREEMPHASIS * sent[:-1]
    latest = len(sent) - len(heard)
    spectrum = np.fft.rfft(sent, _FFT) * np.conj(np.fft.rfft(heard, _FFT))
    products = np.abs(np.fft.irfft(spectrum, _FFT)[: latest + 1])
    energy = np.concatenate(([0.0], np.cumsum(np.square(sent, dtype=np.float64))))
    energies = energy[len(heard) :] - energy[: latest + 1]
    floor = 0.01 * energies.max() + 1e-9  # a pause in what was sent matches nothing
    likeness = products / np.sqrt(np.maximum(energies, floor) * (np.square(heard).sum() + 1e-9))
    best = int(np.argmax(likeness))
    return Match(float(likeness[best]), (latest - best) / LINE_HZ)


def _sum_dbfs(one: float, other: float) -> float:
    return 10 * log10(10 ** (one / 10) + 10 ** (other / 10))


@dataclass(frozen=True, slots=True)
class _Vote:
    """A match that looked like an echo, at a window; gain_db: the window's level above what was expected at 0 dB."""

    window: int
    delay_s: float
    gain_db: float


class Echo:
    """Our own voice on one caller's channel. Tell it what is sent, feed it every window, then ask about that one."""

    def __init__(self) -> None:
        self._sent = Sent()
        self._zero_at = 0.0  # call time of the first sample heard
        self._window = 0
        self._heard = deque([np.zeros(WINDOW_SAMPLES, np.float32)] * _HEARD_WINDOWS, _HEARD_WINDOWS)
        self._levels = deque([SILENT_DBFS] * _ECHOING_WINDOWS, _ECHOING_WINDOWS)  # of what was sent, newest last
        self._votes: deque[_Vote] = deque(maxlen=_VOTES)
        self._delay_s: float | None = None
        self._gain_db = _GAIN_DB
        self._floor_dbfs = SILENT_DBFS
        self._clear = self._doubts = self._next_look = 0
        self._known_clear = False

    @property
    def delay_s(self) -> float | None:
        """How late our voice comes back; None while no echo is believed in."""
        return self._delay_s

    @property
    def audible(self) -> bool:
        """Whether the agent sounds now, or did up to 0.5 s ago."""
        return any(level > _SOUNDS_DBFS for level in list(self._levels)[-_AUDIBLE_WINDOWS:])

    @property
    def may_echo(self) -> bool:
        """Whether the agent sounded lately enough to be still on its way back."""
        return max(self._levels) > _SOUNDS_DBFS

    @property
    def expected_dbfs(self) -> float:
        """The level that echo and noise may give the newest window; that of silence while no echo is believed in."""
        if self._delay_s is None:
            return SILENT_DBFS
        return _sum_dbfs(self._unit_dbfs(self._delay_s) + self._gain_db, self._floor_dbfs)

    def covers(self, level_dbfs: float) -> bool:
        """Whether the echo that is believed in may alone be as loud as this."""
        return self.may_echo and level_dbfs <= self.expected_dbfs + _MARGIN_DB

    def agent_plays(self, mulaw: bytes, plays_at: float) -> None:
        """The agent's sound whose first sample should sound at call time `plays_at`."""
        self._sent.plays(mulaw, plays_at)

    def agent_silenced(self, at: float) -> None:
        """What should have sounded at call time `at` or later never will."""
        self._sent.silenced(at)

    def tie(self, zero_at: float) -> None:
        """The first sample that was heard is that of call time `zero_at`."""
        self._zero_at = zero_at

    def feed(self, window: Samples, floor_dbfs: float, quiet: bool) -> None:
        """The next window, shape (256,), heard or lost, on a line with noise of this level.

        quiet: the window holds no voice, but noise at most.
        """
        self._window += 1
        self._floor_dbfs = floor_dbfs
        self._heard.append(window)
        ends_at = self._zero_at + self._window * WINDOW_S
        for ago in range(_ECHOING_WINDOWS if self._window == 1 else 1)[::-1]:  # the agent may have begun before
            self._levels.append(self._sent_dbfs(ends_at - ago * WINDOW_S))
        if not self.may_echo:
            return
        self._clear += quiet and median(self._levels) + self._gain_db > floor_dbfs + _CLEAR_DB
        if self._clear >= _CLEAR_WINDOWS:
            self._forget()
            self._known_clear = True

    def is_echo(self, level_dbfs: float) -> bool:
        """Whether the voice in the newest window, which has this level, is our own; asked of voiced windows only."""
        if not self.may_echo:
            return False
        if level_dbfs <= self.expected_dbfs + _MARGIN_DB and self._window < self._next_look:
            self._clear = 0
            return True
        self._next_look = self._window + _LOOK_WINDOWS
        found = self._look(level_dbfs)
        if self._delay_s is None:
            alike = found.likeness >= (_SAME if self._known_clear else _ALIKE)
            return alike and self._is_plausible(found, level_dbfs)
        near = abs(found.delay_s - self._delay_s) <= _JUMP_WINDOWS * WINDOW_S
        return (near and found.likeness >= _KNOWN_ALIKE) or self.covers(level_dbfs)

    def _look(self, level_dbfs: float) -> Match:
        """Compare what is heard with what was sent, and learn from it."""
        ends_at = self._zero_at + self._window * WINDOW_S
        found = match(np.concatenate(self._heard), self._sent.before(ends_at, _HEARD + _LATEST))
        if found.likeness < _ALIKE:
            self._doubts += level_dbfs <= self.expected_dbfs + _MARGIN_DB
            if self._doubts >= _DOUBTS:
                self._forget()
            return found
        self._doubts = self._clear = 0
        unit_dbfs = self._unit_dbfs(found.delay_s)
        if found.delay_s >= _EARLIEST_S and level_dbfs <= unit_dbfs + _LOUDEST_DB:
            self._votes.append(_Vote(self._window, found.delay_s, level_dbfs - unit_dbfs))
            self._count()
        return found

    def _is_plausible(self, found: Match, level_dbfs: float) -> bool:
        """Whether a match is not too loud for an echo, and agrees with an earlier one, unless there are few."""
        agreeing = sum(abs(vote.delay_s - found.delay_s) <= _AGREE_S for vote in self._votes)
        soft = level_dbfs <= self._unit_dbfs(found.delay_s) + _LOUDEST_DB
        return soft and (agreeing > 1 or len(self._votes) <= _STRAYS)

    def _count(self) -> None:
        newest = self._votes[-1]
        agreeing = [vote for vote in self._votes if abs(vote.delay_s - newest.delay_s) <= _AGREE_S]
        if len(agreeing) >= _AGREEING and newest.window - agreeing[0].window >= _APART_WINDOWS:
            self._delay_s = median(vote.delay_s for vote in agreeing)
            self._gain_db = median(vote.gain_db for vote in agreeing)
            self._known_clear = False

    def _forget(self) -> None:
        self._delay_s, self._gain_db = None, _GAIN_DB
        self._votes.clear()
        self._doubts = self._clear = 0

    def _sent_dbfs(self, ends_at: float) -> float:
        over = self._sent.ended_before(ends_at - WINDOW_S)
        return SILENT_DBFS if over else level_dbfs(self._sent.before(ends_at, WINDOW_SAMPLES))

    def _unit_dbfs(self, delay_s: float) -> float:
        """The level of an echo with this delay and a gain of 0 dB in the newest window: the loudest it may be."""
        levels = list(self._levels)
        newest = len(levels) - 1 - int(delay_s / WINDOW_S) + _JUMP_WINDOWS
        loudest = SILENT_DBFS
        for n, level in enumerate(levels[max(0, newest - 4 * _JUMP_WINDOWS) : newest + 1]):
            loudest = max(level, loudest - (_TAIL_DB if n else 0.0))
        return loudest
