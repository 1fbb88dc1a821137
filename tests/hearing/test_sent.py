"""What was sent, found again by its instant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.audio import mulaw
from client_caller.hearing.sent import Sent

HZ = 8_000
LOUD = mulaw.encode(np.full(1, 0.5, np.float32))


def told(sent: Sent, at: float, from_s: float, to_s: float) -> np.ndarray:
    """Whether it sounded, for every 10 ms from one instant to another, at `at` or before."""
    assert to_s <= at
    sound = sent.before(at, round((at - from_s) * HZ))[: round((to_s - from_s) * HZ)]
    return np.abs(sound.reshape(-1, 80)).max(axis=1) > 0.1


def test_where_nothing_was_sent_it_is_silent():
    sent = Sent()
    assert not sent.before(3.0, 800).any()
    sent.plays(LOUD * 800, 3.0)
    assert not sent.before(3.0, 800).any()
    assert sent.before(3.1, 800).all()
    assert not sent.before(3.2, 800).any()
    assert sent.ended_before(3.1)
    assert not sent.ended_before(3.05)


def test_what_is_dropped_before_it_sounds_never_did():
    sent = Sent()
    sent.plays(LOUD * 2_400, 1.0)
    sent.silenced(1.1)
    assert told(sent, 1.4, 1.0, 1.4).tolist() == [True] * 10 + [False] * 30
    sent.silenced(2.0)  # nothing is left to drop
    assert sent.ended_before(1.1)


def test_more_than_it_holds_leaves_the_newest():
    sent = Sent()
    sent.plays(mulaw.encode(np.arange(5 * HZ, dtype=np.float32) / (6 * HZ)), 0.0)
    assert sent.before(5.0, 1)[0] == pytest.approx(5 / 6, abs=0.03)


@given(
    start=st.floats(0, 600),
    stretches=st.lists(st.tuples(st.integers(0, 250), st.integers(1, 30)), min_size=1, max_size=12),
    dropped=st.integers(0, 30),
)
def test_any_gaps_and_lengths_are_found_where_they_were_put(start, stretches, dropped):
    """Stretches of (silence, sound) in 10 ms; at the end some of the last one is dropped."""
    sent, track, begin = Sent(), [], round(start * HZ)
    for silent, sounding in stretches:
        sent.plays(LOUD * (80 * sounding), (begin + 80 * (len(track) + silent)) / HZ)
        track += [False] * silent + [True] * sounding
    gone = min(dropped, stretches[-1][1])
    sent.silenced((begin + 80 * (len(track) - gone)) / HZ)
    track[len(track) - gone :] = [False] * gone
    known = track[-200:]
    ends = (begin + 80 * len(track)) / HZ
    assert told(sent, ends, ends - len(known) / 100, ends).tolist() == known
