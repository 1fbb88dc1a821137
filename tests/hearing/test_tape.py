"""The tape finds sound by its time, and gives it as a resampler of the whole stream would have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.audio.mulaw import decode
from client_caller.audio.resample import Resampler
from client_caller.hearing.tape import Tape

KEPT_S = 0.5


def recorded(lengths: list[int]) -> tuple[Tape, np.ndarray]:
    """A tape of so many bytes at a time, and all that a stream resampler has made of them."""
    tape, stream, made = Tape(KEPT_S), Resampler(8_000, 16_000), [np.zeros(0, np.float32)]
    noise = np.random.default_rng(7).integers(0, 256, sum(lengths), np.uint8).tobytes()
    for length in lengths:
        chunk, noise = noise[:length], noise[length:]
        tape.append(chunk)
        made.append(stream.feed(decode(chunk)))
    return tape, np.concatenate(made)


def test_the_oldest_sound_is_forgotten():
    tape, made = recorded([8_000, 8_000])
    assert np.array_equal(tape.between(0.0, 2.0), made[-8_000:])
    assert len(tape.between(0.0, 1.0)) == 0


def test_what_has_been_handed_out_does_not_change():
    tape, made = recorded([2_000])
    heard = tape.between(0.0, 0.2)
    tape.append(b"\x00" * 16_000)
    assert np.array_equal(heard, made[:3_200])


def test_a_call_takes_no_more_memory_than_its_tape_and_a_second():
    tape, _ = recorded([160] * 2_000)
    assert len(tape._mulaw) <= 0.5 * 8_000 + 8_000 + 200


@pytest.mark.parametrize("frame", [1, 7, 160, 1_000])
def test_the_sound_is_that_of_one_stream_to_the_bit_wherever_it_is_cut(frame):
    tape, made = recorded([frame] * (3_600 // frame))
    pieces = [tape.between(n / 100, (n + 1) / 100) for n in range(50)]
    assert np.array_equal(np.concatenate(pieces), made)


@given(st.lists(st.integers(0, 5_000), max_size=12), st.integers(-800, 70_000), st.integers(-800, 70_000))
def test_sound_is_found_by_its_time_as_long_as_it_is_kept(lengths, first, last):
    tape, made = recorded(lengths)
    assert tape.ends_s == len(made) / 16_000
    oldest = max(0, len(made) - round(KEPT_S * 16_000))
    wanted = made[max(oldest, first) : max(oldest, first, last)]
    assert np.array_equal(tape.between(first / 16_000, last / 16_000), wanted)
