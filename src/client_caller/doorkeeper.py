"""The doorkeeper: has every call's answers measured, and tells the house whether one more call may come in.

In:   what the records of calls tell; how late the event loop is.     Out: yes or no; the p95 that is to be expected.
Rule: decides nothing itself, for that is `admission.py`; touches no call that runs. Time is that of the loop's measure.

What counts is when the answer's own sound was made. The first sound that is sent tells less of the load: a phrase that
fills the silence after 1.1 s hides how late the answer is, and an answer that was ready lies there while the caller may
yet go on, for up to 3.5 s, which fewer calls would not shorten.
"""

from math import inf
from typing import Final

from client_caller.admission import Admission
from client_caller.house import House
from client_caller.loop_lag import LoopLag
from client_caller.records.stages import Felt, Told, Took
from client_caller.settings import ServerSettings

_LATE_S: Final = 0.08
"""How late the loop may be at p95: an answer passes it half a dozen times, and would be half a second later for it."""


class Doorkeeper:
    """Stands at the door of one house. lag: of the loop that the house runs in."""

    def __init__(self, house: House, lag: LoopLag) -> None:
        self._house = house
        self._lag = lag
        self._admission = Admission()
        self._limits: ServerSettings | None = None
        self.is_why = False  # whether the last who asked would have found room, and was not let in all the same

    def heed(self, told: Told) -> None:
        """Take note of an answer that was made, or of one that was not."""
        match told:
            case Took("first audio", seconds):
                pass
            case Felt("transcriber" | "language model" | "voice"):
                seconds = inf
            case _:
                return
        self._look()
        self._admission.took(self._lag.at, self._house.running, seconds)

    def admits(self, calls: int) -> bool:
        """Whether there may be so many calls."""
        self._look()
        admits = self._admission.admits(self._lag.at, calls)
        has_lines = self._house.state == "open" and calls <= self._house.settings.server.calls_at_once
        self.is_why = has_lines and not admits
        return admits

    @property
    def predicted_p95_s(self) -> float | None:
        """Seconds that the answer would take with one more call, at p95; None while too little was measured."""
        self._look()
        return self._admission.p95_s(self._lag.at, self._house.running + 1)

    @property
    def knee(self) -> int:
        """The largest number of calls with which answers are expected within `answer_p95_s`, as far as is known."""
        self._look()
        return self._admission.knee(self._lag.at)

    def _look(self) -> None:
        limits = self._house.settings.server
        if limits is not self._limits:  # at first, and when the settings were read anew
            self._limits = limits
            self._admission.limit(limits.answer_p95_s, limits.calls_at_least, limits.calls_at_once)
        if limits.answer_p95_s and self._lag.p95_s > _LATE_S:
            self._admission.loop_is_late(self._lag.at, self._house.running)
