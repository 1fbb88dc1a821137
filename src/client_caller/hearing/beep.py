"""Beeps: the tone after which an answering machine records, told from voices, from keys and from the network's tones.

In:   the line's mu-law chunks with their media time.     Out: each tone once it is over, with its kind.
Rule: a tone is what no voice can do: nearly all the energy in one narrow line, at the same frequency to a few hertz and
      at the same level, for an eighth of a second and more, and then quiet.

Every 16 ms the last 32 ms are looked at. A voice has moments in which one harmonic holds nearly everything. But it
drifts by 2 Hz and more where tones 10 dB above noise seem to move by 1, and what is beside it is gone with it, while
what is beside a tone is noise, and stays.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.levels import level_dbfs
from client_caller.hearing.jitter import JitterBuffer

Kind = Literal["beep", "fax", "tone"]

_WINDOW: Final = 256  # samples, 32 ms
_HOP: Final = 128
_HOP_S: Final = _HOP / LINE_HZ
_BIN_HZ: Final = LINE_HZ / _WINDOW  # 31.25

_LOWEST_HZ: Final = 350.0
_HIGHEST_HZ: Final = 2_200.0
_FROM_HZ: Final = 250.0  # energy below it is hum and does not count

_LOBE: Final = 2  # bins to either side that hold a tone's energy, with the Hann window
_SHARE: Final = 0.8
"""Of the energy that is in the tone. 10 dB above white noise it is 0.9 in the mean, and hardly ever less than this."""

_SECOND_DB: Final = 12.0  # a second tone softer than that is a harmonic or noise

_STEADY_HZ: Final = 4.0  # by which one window may be off
_STEADIEST_HZ: Final = 1.4  # standard deviation of all
_STEADY_DB: Final = 1.5
"""Of 75 beeps, synthetic and down to 10 dB above noise, none moved by more than 1.0 Hz and 0.3 dB (standard
deviations); of the longer moments of human speech that passed all else, none by less than 2.0 Hz."""

_SOFTEST_DBFS: Final = -45.0
_QUIETER_DB: Final = 6.0  # the drop after which it is over; a tone 10 dB above noise can drop by 10

_CLEAN: Final = 0.05
_NOISE_DB: Final = 4.0
"""What is beside a tone is no more than this share of it, or no louder than what follows it, within 4 dB."""

_SHORTEST_S: Final = 0.1  # as measured here, which is up to 20 ms too short
_SHORTEST_PAIR_S: Final = 0.25  # two harmonics of a voice may be steady for longer than one is alone
_LONGEST_S: Final = 3.2
_SEEN: Final = 0.7  # share of its windows in which a tone is seen; the others are lost frames
_QUIET_HOPS: Final = 6  # about 0.1 s
_SURE_HOPS: Final = 3
_BRIDGED_HOPS: Final = 5  # of disturbance that a lost frame makes within a tone

_DTMF_HZ: Final = ((697, 770, 852, 941), (1209, 1336, 1477, 1633))
"""Source: ITU-T Q.23."""

_NETWORK_PAIRS_HZ: Final = ((350, 440), (480, 620))
"""Dial tone and busy of North America. Source: ITU-T E.180, supplement 2."""

_NETWORK_HZ: Final = (392.0, 436.0)
"""Between these lie the network's single tones, of 400 and 425 Hz, in most of the world. Source: as above. A voicemail
that beeps there is not found."""

_RINGING_HZ: Final = (452.0, 468.0)
_RINGING_S: Final = 1.5
"""North America's ringing, 440 and 480 Hz for 2 s, is one line here, too."""

_NEAR: Final = 0.02  # of a frequency: keys must be made to 1.5 %

_CALLING_FAX_HZ: Final = 1_100.0
_CALLING_FAX_S: Final = (0.42, 0.58)
_ANSWERING_FAX_HZ: Final = 2_100.0
_ANSWERING_FAX_S: Final = 1.0
"""A fax that calls: 1100 Hz for 0.5 s; one that answers: 2100 Hz for 2.6 to 4 s, told after one. Source: ITU-T T.30.
A voicemail that beeps for half a second at 1100 Hz is taken for the first; whoever has heard words knows better."""

_OFF_HZ: Final = 38.0
_NOTES: Final = 3
"""So many tones in a row are a melody, or the network's "special information" before an announcement."""


@dataclass(frozen=True, slots=True)
class Tone:
    """A tone that is no voice. began_s, ended_s: media time;  hz: its frequency, the lower one of two.

    kind: "beep" of an answering machine; "fax"; "tone" of a key, the network or a melody.
    """

    kind: Kind
    began_s: float
    ended_s: float
    hz: float


@dataclass(frozen=True, slots=True)
class _Look:
    """One window. hz: of its one or two lines, the stronger first; empty when it is no tone.

    beside: the share of energy outside of them.
    """

    at_s: float  # media time of its end
    level_dbfs: float
    hz: tuple[float, ...]
    beside: float


class BeepDetector:
    """Listens to one call for tones. It must be fed everything that is heard."""

    def __init__(self) -> None:
        self._jitter = JitterBuffer()
        self._unseen: Samples = np.zeros(0, np.float32)
        self._seen_s = 0.0  # media time of the first unseen sample
        self._looks: list[_Look] = []  # of the tone that lasts
        self._disturbed = 0  # windows since it was last seen
        self._after: list[float] = []  # levels of these in dBFS, of those in a row up to now that are quiet
        self._notes = 0  # tones that went before without a gap
        self._told = False  # the tone that lasts

    def feed(self, mulaw: bytes, media_s: float) -> Tone | None:
        """The tone that this chunk, which begins at media time `media_s`, shows to be over; None as a rule.

        It is told 0.1 s after its end; that of a fax that answers, while it lasts.
        """
        run = self._jitter.feed(mulaw, media_s)
        if run.restarted or not len(self._unseen):
            self._unseen = run.samples
            self._seen_s = media_s + (len(mulaw) - len(run.mulaw)) / LINE_HZ
            self._forget()
        else:
            self._unseen = np.concatenate((self._unseen, run.samples))
        found = None
        while len(self._unseen) >= _WINDOW:
            found = self._follow(self._look(self._unseen[:_WINDOW])) or found
            self._unseen = self._unseen[_HOP:]
            self._seen_s += _HOP_S
        return found

    def _look(self, window: Samples) -> _Look:
        level, at_s = level_dbfs(window), self._seen_s + _WINDOW / LINE_HZ
        hz, beside = _lines(window) if level >= _SOFTEST_DBFS else ((), 1.0)
        return _Look(at_s, level, hz, beside)

    def _follow(self, look: _Look) -> Tone | None:
        """What this window means for the tone that lasts, or that begins with it."""
        if not self._looks:
            if look.hz:
                self._looks = [look]
            return None
        if _alike(self._looks, look):
            self._looks.append(look)
            self._disturbed, self._after = 0, []
            return self._tell_fax()
        if look.hz and len(self._looks) < _SURE_HOPS:  # it has only set in, or was none
            self._looks = [look]
            return None
        self._disturbed += 1
        drops = look.level_dbfs < self._looks[len(self._looks) // 2].level_dbfs - _QUIETER_DB
        self._after = [*self._after, look.level_dbfs] if drops else []
        if len(self._after) >= _QUIET_HOPS:
            return self._end()
        if self._disturbed > _BRIDGED_HOPS and not self._after:
            self._turn_to(look)
        return None

    def _tell_fax(self) -> Tone | None:
        if self._told or self._length_s < _ANSWERING_FAX_S or abs(self._hz - _ANSWERING_FAX_HZ) > _OFF_HZ:
            return None
        self._told = True
        return self._tone("fax")

    def _end(self) -> Tone | None:
        """The tone is followed by quiet."""
        tone = None
        if not self._told and self._length_s <= _LONGEST_S and self._is_tone:
            tone = self._tone(self._kind())
        self._forget()
        return tone

    def _turn_to(self, look: _Look) -> None:
        """The tone is followed by other sound: maybe by another tone, or it was none."""
        notes = self._notes + 1 if self._length_s >= _SHORTEST_S and look.hz else 0
        self._forget()
        if look.hz:
            self._looks, self._notes = [look], notes

    def _forget(self) -> None:
        self._looks, self._disturbed, self._after, self._notes, self._told = [], 0, [], 0, False

    def _tone(self, kind: Kind) -> Tone:
        ended_s = self._looks[-1].at_s - _HOP_S / 2
        return Tone(kind, ended_s - self._length_s, ended_s, self._hz)

    @property
    def _hz(self) -> float:
        return float(np.median([look.hz[0] for look in self._looks]))

    @property
    def _length_s(self) -> float:
        """Of the tone so far. Windows that are half in it count, so one hop is too much."""
        return self._looks[-1].at_s - self._looks[0].at_s + _WINDOW / LINE_HZ - _HOP_S

    @property
    def _is_pair(self) -> bool:
        return 2 * sum(len(look.hz) > 1 for look in self._looks) > len(self._looks)

    @property
    def _is_tone(self) -> bool:
        """Whether it is long enough, as steady as only a tone is, and leaves no more behind than what was beside it."""
        inner = self._looks[1:-1]
        if self._length_s < (_SHORTEST_PAIR_S if self._is_pair else _SHORTEST_S):
            return False
        if len(self._looks) < _SEEN * self._length_s / _HOP_S:
            return False
        beside = float(np.mean([look.beside for look in inner]))
        beside_dbfs = inner[len(inner) // 2].level_dbfs + 10 * np.log10(beside + 1e-9)
        leaves = float(np.mean(self._after[-_QUIET_HOPS // 2 :])) + _NOISE_DB
        steady = np.std([min(look.hz, key=lambda hz: abs(hz - self._hz)) for look in inner]) <= _STEADIEST_HZ
        return bool(steady) and (beside <= _CLEAN or beside_dbfs <= leaves)

    def _kind(self) -> Kind:
        if self._notes + 1 >= _NOTES:
            return "tone"
        hz = self._hz
        if self._is_pair:
            low_hz, high_hz = np.median([sorted(look.hz) for look in self._looks if len(look.hz) > 1], axis=0)
            return "tone" if _is_known_pair(float(low_hz), float(high_hz)) else "beep"
        if _RINGING_HZ[0] < hz < _RINGING_HZ[1] and self._length_s > _RINGING_S:
            return "tone"
        if _NETWORK_HZ[0] < hz < _NETWORK_HZ[1]:
            return "tone"
        shortest_s, longest_s = _CALLING_FAX_S
        calling = abs(hz - _CALLING_FAX_HZ) <= _OFF_HZ and shortest_s <= self._length_s <= longest_s
        return "fax" if calling else "beep"


_HANN: Final = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
_FIRST_BIN: Final = round(_FROM_HZ / _BIN_HZ)


def _alike(looks: list[_Look], look: _Look) -> bool:
    """Whether a window goes on with the tone of those before."""
    middle = looks[len(looks) // 2]
    same_line = any(abs(hz - other) <= _STEADY_HZ for hz in look.hz[:1] for other in middle.hz)
    return same_line and abs(look.level_dbfs - middle.level_dbfs) <= _STEADY_DB


def _is_known_pair(low_hz: float, high_hz: float) -> bool:
    """Whether two lines are those of a key or of the network."""
    rows, columns = _DTMF_HZ
    keys = [(row, column) for row in rows for column in columns]
    return any(
        abs(low_hz - low) <= _NEAR * low and abs(high_hz - high) <= _NEAR * high
        for low, high in (*keys, *_NETWORK_PAIRS_HZ)
    )


def _lines(window: Samples) -> tuple[tuple[float, ...], float]:
    """The one or two lines with nearly all the energy of a window, in Hz, the stronger first; what is beside them."""
    spectrum = np.fft.rfft(window * _HANN)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    power[:_FIRST_BIN] = 0.0
    whole = float(power.sum())
    hz, held = _take_line(power)
    if held < _SHARE / 2 * whole:
        return (), 1.0
    second_hz, second_held = _take_line(power)
    found: tuple[float, ...] = (hz,)
    if second_held > held * 10 ** (-_SECOND_DB / 10) and held < _SHARE * whole:
        found, held = (hz, second_hz), held + second_held
    in_band = all(_LOWEST_HZ - 2 <= each <= _HIGHEST_HZ + 2 for each in found)
    return (found if in_band and held >= _SHARE * whole else ()), 1 - held / max(whole, 1e-20)


def _take_line(power: Samples) -> tuple[float, float]:
    """Frequency and energy of the strongest line, which is then taken out of the spectrum."""
    peak = int(power.argmax())
    first, last = max(1, peak - _LOBE), min(len(power), peak + _LOBE + 1)
    left, middle, right = (
        np.log(np.maximum(power[peak - 1 : peak + 2], 1e-20)) if 0 < peak < len(power) - 1 else (0, 1, 0)
    )
    offset = 0.5 * (left - right) / (left - 2 * middle + right)
    held = float(power[first:last].sum())
    power[first:last] = 0.0
    return (peak + float(offset)) * _BIN_HZ, held
