"""Voice activity by loudness: whoever is louder than the line is heard."""

import numpy as np
import pytest

from client_caller.hearing.level_activity import LevelActivity

WINDOW = 256


def noise(dbfs: float, windows: int, seed: int = 3) -> list[np.ndarray]:
    sound = np.random.default_rng(seed).normal(0, 10 ** (dbfs / 20), WINDOW * windows).astype(np.float32)
    return list(sound.reshape(-1, WINDOW))


def voiced(activity: LevelActivity, windows: list[np.ndarray]) -> float:
    """The share of the windows that it takes for a voice."""
    return float(np.mean([activity.judged(window) > 0.5 for window in windows]))


@pytest.mark.parametrize("floor_dbfs", [-80, -60, -45, -35])
def test_a_voice_above_the_line_is_heard_and_the_line_is_not(floor_dbfs: float) -> None:
    activity = LevelActivity()
    voiced(activity, noise(floor_dbfs, 100))  # three seconds to know the line
    assert voiced(activity, noise(floor_dbfs, 60)) == 0
    assert voiced(activity, noise(max(-42, floor_dbfs + 18), 20)) == 1
    assert voiced(activity, noise(floor_dbfs, 60)) == 0


def test_a_line_that_grows_noisy_is_a_voice_for_three_seconds_at_most() -> None:
    activity = LevelActivity()
    voiced(activity, noise(-60, 100))
    voiced(activity, noise(-35, 94))
    assert voiced(activity, noise(-35, 60)) == 0


def test_a_reset_forgets_the_line() -> None:
    activity = LevelActivity()
    voiced(activity, noise(-35, 100))
    activity.reset()
    assert voiced(activity, noise(-35, 10)) == 1
