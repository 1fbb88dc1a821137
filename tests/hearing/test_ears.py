"""The ears, with a scripted activity model: what it is shown, and when it must forget."""

import asyncio

import numpy as np
import pytest

from client_caller.audio.levels import level_dbfs
from client_caller.errors import EngineCrashed
from client_caller.hearing.ears import Ears
from client_caller.hearing.endpointing import WINDOW_S, Onset
from client_caller.settings import HearingSettings

SECOND = round(1 / WINDOW_S)


class Scripted:
    """Gives the probabilities in turn, then the last again; keeps what it was shown. Negative: it crashes."""

    def __init__(self, *probabilities: float) -> None:
        self._left = list(probabilities)
        self.shown: list[np.ndarray] = []
        self.resets = 0

    async def probability(self, window: np.ndarray) -> float:
        self.shown.append(window)
        p = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        if p < 0:
            raise EngineCrashed("voice activity model", "it is unwell")
        return p

    def reset(self) -> None:
        self.resets += 1


def tone(dbfs: float) -> np.ndarray:
    return np.full(256, 10 ** (dbfs / 20), np.float32)


def listen(ears: Ears, windows: int, dbfs: float = -80.0, heard: bool = True) -> None:
    async def feed() -> None:
        for _ in range(windows):
            await ears.feed(tone(dbfs), heard)

    asyncio.run(feed())


@pytest.mark.parametrize("p", [0.05, 0.3])
def test_while_nobody_speaks_the_model_forgets_every_two_seconds_in_silence_and_in_music(p):
    activity = Scripted(p)
    listen(Ears(activity, HearingSettings()), 4 * SECOND)
    assert activity.resets == 2


def test_the_model_forgets_nothing_while_the_caller_speaks():
    activity = Scripted(0.9)
    listen(Ears(activity, HearingSettings()), 10 * SECOND)
    assert activity.resets == 0


def test_what_was_lost_is_counted_and_not_shown():
    activity = Scripted(0.05, 0.95)
    ears = Ears(activity, HearingSettings())
    listen(ears, 1)
    listen(ears, 9, heard=False)
    assert asyncio.run(ears.feed(tone(-20), True)) == Onset(pytest.approx(10 * WINDOW_S))
    assert len(activity.shown) == 2


def test_a_faint_caller_is_shown_louder_and_a_loud_one_as_is():
    activity = Scripted(0.05)
    ears = Ears(activity, HearingSettings())
    listen(ears, 2 * SECOND, -75)
    listen(ears, 1, -60)
    assert level_dbfs(activity.shown[-1]) == pytest.approx(-40, abs=0.1)
    listen(ears, 1, -15)
    assert level_dbfs(activity.shown[-1]) == pytest.approx(-15, abs=0.1)


def test_a_window_at_which_the_model_failed_still_takes_its_time():
    ears = Ears(Scripted(0.05, -1, 0.95), HearingSettings())
    listen(ears, 1)
    with pytest.raises(EngineCrashed):
        listen(ears, 1)
    assert asyncio.run(ears.feed(tone(-20), True)) == Onset(pytest.approx(2 * WINDOW_S))
