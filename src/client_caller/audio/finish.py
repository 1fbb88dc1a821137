"""The last step of a voice: from its own rate and level to what the line carries.

In:   chunks of one piece at any rate.     Out: 8 kHz at -20 dBFS, soft at both ends, with the pauses a telephone wants.
Rule: the same however the stream is cut. Sound leaves 8 ms behind the resampler (2 ms), for it might be the last that
      has to fade; silence longer than the pause at the end is held until sound follows it.

eSpeak does not come this way (speaking/espeak.py): its level is known exactly before it speaks, its silence is digital,
and its first sample is to be heard at once. Both use the one resampler, and mean the same level.
"""

from typing import Final

import numpy as np

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.resample import Resampler

LEVEL_DBFS: Final = -20.0
"""Of the line: eSpeak's and the test tone's, too, so that a change of voice is no change of loudness."""

LEAD_S: Final = 0.060
"""Silence that may stand before the first sound."""

LIMIT: Final = 0.9
_KNEE: Final = 0.6
"""Samples are left alone up to here, and bent beyond, so that none exceeds the limit. Speech at -20 dBFS peaks about
12 dB higher, at 0.4."""

_BEND: Final = np.float32(0.999 * (LIMIT - _KNEE))

_FADE_IN: Final = round(0.004 * LINE_HZ)
_FADE_OUT: Final = round(0.008 * LINE_HZ)

_SILENT: Final = 0.003  # -50 dBFS, as for eSpeak
_BLOCK: Final = 80  # samples in which loudness is measured: 10 ms
_GATE_DBFS: Final = (-50.0, -40.0)
"""Between these, before the gain, a block begins to count as speech. A slope: a step would make chance decide."""

_DB_PER_BLOCK: Final = 4.0 * _BLOCK / LINE_HZ
"""The gain moves by 4 dB a second of speech at most, which nobody takes for a change in the speaker."""

_WIDEST_DB: Final = 20.0
_MEMORY: Final = 1 - _BLOCK / LINE_HZ / 3.0
"""Of loudness: three seconds of speech, longer than a sentence's ups and downs."""

_TRUST_S: Final = {True: 1.0, False: 0.1}
"""The gain that was given counts like so much speech of that loudness; a mere guess of 0 dB for less."""


class Finisher:
    """One piece, or one voice for as long as it speaks.

    from_hz: the voice's rate;  gain_db: what is known to bring it to the level (of its prompt, of the piece before);
    lead_s: silence left before the first sound, None to leave all;  pause_s: silence at the end, cut or added to, None
    to leave it as it is.   What comes out is never louder than `LIMIT`.
    """

    def __init__(
        self,
        from_hz: int,
        gain_db: float | None = None,
        lead_s: float | None = LEAD_S,
        pause_s: float | None = None,
    ) -> None:
        self._resampler = Resampler(from_hz, LINE_HZ) if from_hz != LINE_HZ else None
        self._loudness = _Loudness(gain_db)
        self._lead = None if lead_s is None else round(lead_s * LINE_HZ)
        self._pause = None if pause_s is None else round(pause_s * LINE_HZ)
        self._sounds = False
        self._quiet = 0  # silent samples since the last sound that were let through
        self._held: Samples = np.zeros(0, np.float32)  # silence that may not be wanted
        self._last: Samples = np.zeros(0, np.float32)  # what must fade if nothing follows
        self._given = 0

    @property
    def gain_db(self) -> float:
        """The gain that has been reached: where the voice's next piece may begin."""
        return self._loudness.gain_db

    def feed(self, samples: Samples) -> Samples:
        """What these samples complete, at 8 kHz."""
        made = self._resampler.feed(samples) if self._resampler else samples
        return self._through(self._wanted(self._louder(made)), _FADE_OUT)

    def finish(self) -> Samples:
        """The rest, fading out, and the pause. The instance is then used up."""
        tail = self._resampler.finish() if self._resampler else np.zeros(0, np.float32)
        wanted = self._wanted(self._louder(tail))
        if self._pause is None:
            wanted = np.concatenate((wanted, self._held if self._sounds or self._lead is None else self._held[:0]))
        rest = self._through(wanted, 0)
        if (fading := min(_FADE_OUT, len(rest))) > 0:
            rest[-fading:] *= np.arange(fading - 1, -1, -1, dtype=np.float32) / np.float32(_FADE_OUT)
        missing = max(0, self._pause - self._quiet) if self._pause is not None and self._sounds else 0
        return np.pad(rest, (0, missing))

    def _louder(self, samples: Samples) -> Samples:
        louder = samples * self._loudness.gains(samples)
        beyond = np.abs(louder) - np.float32(_KNEE)
        bent = np.float32(_KNEE) + _BEND * np.tanh(beyond / _BEND)
        limited: Samples = np.where(beyond > 0, np.copysign(bent, louder), louder)
        return limited

    def _wanted(self, samples: Samples) -> Samples:
        """The part that is surely not silence too long for its place; the rest of it is held."""
        made = np.concatenate((self._held, samples))
        loud = np.flatnonzero(np.abs(made) > _SILENT)
        begin = end = 0
        if len(loud):
            if not self._sounds and self._lead is not None:
                begin = max(0, int(loud[0]) - self._lead)
            self._sounds, self._quiet, end = True, 0, int(loud[-1]) + 1
        if self._sounds or self._lead is None:
            allowed = len(made) if self._pause is None else self._pause - self._quiet
            silence = min(len(made) - end, allowed)
            self._quiet += silence
            end += silence
        elif len(made) > self._lead:
            begin = end = len(made) - self._lead
        self._held = made[end:].copy()
        return made[begin:end]

    def _through(self, samples: Samples, keep: int) -> Samples:
        """What has left when the last `keep` samples stay behind; the very first fade in."""
        if self._given < _FADE_IN:
            places = np.arange(self._given, min(_FADE_IN, self._given + len(samples)), dtype=np.float32)
            rising = np.ones(len(samples), np.float32)
            rising[: len(places)] = places / np.float32(_FADE_IN)
            samples = samples * rising
        self._given += len(samples)
        waiting = np.concatenate((self._last, samples))
        leaves = max(0, len(waiting) - keep)
        self._last = waiting[leaves:]
        return waiting[:leaves].copy()


class _Loudness:
    """How loud a voice is, from what has sounded, and the gain it therefore needs."""

    def __init__(self, gain_db: float | None) -> None:
        self.gain_db = gain_db or 0.0
        self._speech = _TRUST_S[gain_db is not None] * LINE_HZ / _BLOCK  # in blocks
        self._power = self._speech * 10 ** ((LEVEL_DBFS - self.gain_db) / 10)
        self._step_db = 0.0  # what is added to the gain within the block that is under way
        self._block: Samples = np.zeros(0, np.float32)

    def gains(self, samples: Samples) -> Samples:
        """A factor for each of these samples. It follows from the blocks before, so none of them has to wait."""
        at = len(self._block)
        waiting = np.concatenate((self._block, samples))
        blocks = [waiting[start : start + _BLOCK] for start in range(0, len(waiting) + 1, _BLOCK)]
        db = []
        for block in blocks:
            db.append(self.gain_db + self._step_db * np.arange(len(block), dtype=np.float64) / _BLOCK)
            if len(block) == _BLOCK:
                self._measure(block)
        self._block = blocks[-1].copy()
        factors: Samples = np.power(10.0, np.concatenate(db)[at:] / 20).astype(np.float32)
        return factors

    def _measure(self, block: Samples) -> None:
        self.gain_db += self._step_db
        power = float(np.mean(np.square(block, dtype=np.float64)))
        low, high = _GATE_DBFS
        speech = min(1.0, max(0.0, (10 * np.log10(max(power, 1e-12)) - low) / (high - low)))
        memory = 1 - speech * (1 - _MEMORY)
        self._speech = self._speech * memory + speech
        self._power = self._power * memory + speech * power
        wanted = LEVEL_DBFS - 10 * np.log10(max(self._power / self._speech, 1e-12))
        wanted = min(_WIDEST_DB, max(-_WIDEST_DB, wanted))
        fastest = _DB_PER_BLOCK * speech
        self._step_db = float(min(fastest, max(-fastest, wanted - self.gain_db)))
