"""Loudness: how loud the line is without its caller, and how loud its caller is.

In:   the level of each window; of those that surely hold the caller's voice, once more.
Out:  the floor of the line's noise; whether a window is too near it for a voice; the gain that voice activity needs;
      whether a voice is too far below the caller's to be the caller.
Rule: nothing is ever too quiet to be heard. Near the floor, a voice that is known to be louder has stopped; the gain
      lifts a quiet caller, but no noise to where a voice would be. A caller whose voice is unknown has any level.

The floor is the least of all levels of the last 1.5 to 3 s (minimum statistics, after Martin 2001): speech has a gap in
any 1.5 s, and a lorry that stops is forgotten after 3 s.
"""

from typing import Final

_BLOCK_WINDOWS: Final = 47  # 1.5 s
_LEAST_DBFS: Final = -72.0
"""Below this mu-law has no steps left: its least amplitude is 8 of 32,768. Source: G.711."""

_FIRST_FLOOR_DBFS: Final = -60.0
"""The floor assumed of a line that has not been heard for a block yet."""

_FADE_DB: Final = 0.03
"""What the loudest level loses per window, 1 dB a second: a caller who has been heard is not forgotten at once, and the
voices behind the caller stay behind."""

_MARGIN_DB: Final = 6.0
_MARGIN_SHARE: Final = 0.2
"""A window within this share of the way from floor to voice, and within 6 dB, is too quiet for the voice. On 356 pauses
in human speech at -23 dBFS, with noise at -65, -55 and -45 dBFS, the notice then comes 100, 80 and 100 ms after the
voice in the median, and a gap within words is taken for a pause 13, 18 and 29 times in a minute of speech. By
Silero's probability alone, with half the hangover, it is 120, 120 and 140 ms and 13 to 15 times."""

_FLOOR_TO_DBFS: Final = -50.0
_VOICE_TO_DBFS: Final = -30.0
_GAIN_AT_MOST_DB: Final = 20.0
"""Silero finds 85 % of the voiced windows of a caller at -60 dBFS, 96 % with 10 dB more, and 97 % with 20 dB more; of
a caller at -30 dBFS it loses a few with 20 dB more. Line noise it takes for a voice at none of these."""

_UP_DB: Final = 1.0
_DOWN_DB: Final = 0.1
"""Steps per voiced window by which the caller's level follows: it settles where ten windows are softer for one that is
louder, and neither a cough nor a soft answer moves it far; a caller who goes on softer is known so by 3 dB a second."""

_KNOWN_WINDOWS: Final = 16  # of voice, 0.5 s: the steps up need so long from a soft start

_BEHIND_DB: Final = 13.0
"""People talking behind the caller are 20 dB softer, and a caller who has become 10 dB softer still is one."""


class Loudness:
    """The levels of one call. Feed it every window, then ask about that one."""

    def __init__(self) -> None:
        self._past_dbfs = _FIRST_FLOOR_DBFS  # least level of the block before
        self._present_dbfs = 0.0  # least level of this block
        self._windows = 0  # of this block
        self._level_dbfs = self._loudest_dbfs = _LEAST_DBFS

    def feed(self, level_dbfs: float) -> None:
        """The next window has this level."""
        self._level_dbfs = max(_LEAST_DBFS, level_dbfs)
        self._loudest_dbfs = max(self._level_dbfs, self._loudest_dbfs - _FADE_DB)
        self._present_dbfs = min(self._present_dbfs, self._level_dbfs)
        self._windows += 1
        if self._windows == _BLOCK_WINDOWS:
            self._past_dbfs, self._present_dbfs, self._windows = self._present_dbfs, 0.0, 0

    @property
    def floor_dbfs(self) -> float:
        """The level of the line's own noise."""
        return min(self._past_dbfs, self._present_dbfs)

    @property
    def is_quiet(self) -> bool:
        """Whether this window is too near the floor to hold the voice that was heard lately."""
        above_db = _MARGIN_SHARE * (self._loudest_dbfs - self.floor_dbfs)
        return self._level_dbfs < self.floor_dbfs + min(_MARGIN_DB, above_db)

    @property
    def gain_db(self) -> float:
        """What to add to the level of this window before it is searched for a voice; at least 0."""
        room_db = min(_FLOOR_TO_DBFS - self.floor_dbfs, _VOICE_TO_DBFS - self._loudest_dbfs)
        return min(_GAIN_AT_MOST_DB, max(0.0, room_db))


class CallerVoice:
    """How loud this call's caller usually speaks, by the louder ones of the windows that surely held that voice."""

    def __init__(self) -> None:
        self._level_dbfs = _LEAST_DBFS
        self._windows = 0

    def feed(self, level_dbfs: float) -> None:
        """The caller's voice was in a window of this level."""
        above = level_dbfs > self._level_dbfs
        self._level_dbfs += _UP_DB if above else -_DOWN_DB
        if self._windows == 0:
            self._level_dbfs = level_dbfs
        self._windows += 1

    def is_above(self, level_dbfs: float) -> bool:
        """Whether a voice of this level is too soft to be the caller's; False while that is unknown."""
        return self._windows >= _KNOWN_WINDOWS and level_dbfs < self._level_dbfs - _BEHIND_DB
