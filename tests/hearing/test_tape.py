"""The tape finds sound by its time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from client_caller.hearing.tape import Tape

HZ, KEPT_S = 10, 5.0


def counting(lengths: list[int]) -> tuple[Tape, int]:
    tape, total = Tape(HZ, KEPT_S), 0
    for length in lengths:
        tape.append(np.arange(total, total + length, dtype=np.float32))
        total += length
    return tape, total


def test_the_oldest_sound_is_forgotten():
    tape, _ = counting([40, 40])
    assert list(tape.between(0.0, 3.2)) == [30, 31]


def test_what_has_been_handed_out_does_not_change():
    tape, _ = counting([50])
    heard = tape.between(0.0, 1.0)
    tape.append(np.full(100, -1, np.float32))
    assert list(heard) == list(range(10))


@given(st.lists(st.integers(0, 130), max_size=20), st.integers(-20, 400), st.integers(-20, 400))
def test_sound_is_found_by_its_time_as_long_as_it_is_kept(lengths, first, last):
    tape, total = counting(lengths)
    assert tape.ends_s == total / HZ
    kept = range(max(0, total - round(KEPT_S * HZ)), total)
    assert list(tape.between(first / HZ, last / HZ)) == [n for n in kept if first <= n < last]
