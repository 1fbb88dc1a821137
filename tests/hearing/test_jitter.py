"""The jitter buffer: one continuous run of sound, whatever the carrier does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.audio.mulaw import decode
from client_caller.hearing.jitter import JitterBuffer, Run, Windows

HOUR_S = 3600.0


def sound(count: int, first: int = 0) -> bytes:
    """Bytes that tell where they come from and are not silence."""
    return bytes((first + n) % 100 + 1 for n in range(count))


def test_a_lost_chunk_is_filled_with_as_much_silence():
    jitter = JitterBuffer()
    jitter.feed(sound(160), 0.0)
    run = jitter.feed(sound(160), 0.06)
    assert run.lost_s == pytest.approx(0.04)
    assert not run.samples[:320].any()
    assert np.array_equal(run.samples[320:], decode(sound(160)))


def test_a_chunk_that_comes_twice_is_heard_once():
    jitter = JitterBuffer()
    jitter.feed(sound(160), 0.0)
    jitter.feed(sound(160), 0.02)
    assert len(jitter.feed(sound(160), 0.0).samples) == 0
    assert len(jitter.feed(sound(160), 0.02).samples) == 0
    assert jitter.late == 2
    assert len(jitter.feed(sound(160), 0.04).samples) == 160


def test_of_an_overlapping_chunk_only_the_new_part_is_heard():
    jitter = JitterBuffer()
    jitter.feed(sound(320), 0.0)
    assert np.array_equal(jitter.feed(sound(320), 0.02).samples, decode(sound(320)[160:]))
    assert jitter.late == 0


def test_timestamps_rounded_to_milliseconds_lose_nothing():
    jitter = JitterBuffer()
    total = sum(len(jitter.feed(sound(100), round(n * 0.0125, 3)).samples) for n in range(200))
    assert total == 200 * 100


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S, 5.1])
def test_a_jump_too_far_for_a_loss_starts_anew_and_fills_nothing(jump_s):
    jitter = JitterBuffer()
    jitter.feed(sound(160), 2 * HOUR_S)
    run = jitter.feed(sound(160), 2 * HOUR_S + jump_s + 0.02)
    assert run.restarted
    assert len(run.samples) == 160
    following = jitter.feed(sound(160), 2 * HOUR_S + jump_s + 0.04)
    assert not following.restarted
    assert len(following.samples) == 160


def test_media_time_need_not_start_at_zero():
    assert JitterBuffer().feed(sound(160), 42.0).lost_s == 0


@given(st.lists(st.integers(0, 900), max_size=30))
def test_sound_in_order_passes_byte_for_byte_whatever_its_sizes(sizes):
    jitter = JitterBuffer()
    sent = b"".join(sound(size, first) for first, size in enumerate(sizes))
    heard, at = [np.zeros(0, np.float32)], 0
    for first, size in enumerate(sizes):
        heard.append(jitter.feed(sound(size, first), at / 8_000).samples)
        at += size
    assert np.array_equal(np.concatenate(heard), decode(sent))


@given(st.lists(st.integers(0, 60), min_size=1, max_size=40))
def test_whatever_order_frames_come_in_they_are_heard_in_the_order_of_the_media_clock(numbers):
    jitter = JitterBuffer()
    heard = [jitter.feed(bytes([number + 1]) * 160, number * 0.02).samples for number in numbers]
    frames = np.concatenate(heard).reshape(-1, 160)
    first = numbers[0]
    assert len(frames) == max(max(numbers) - first, 0) + 1  # as long as the media clock ran
    for place, frame in enumerate(frames):
        assert np.array_equal(frame, decode(bytes([first + place + 1]) * 160)) or not frame.any()


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=20))
def test_windows_hold_all_sound_in_order_and_know_what_was_lost(runs):
    """Runs of so many lost and so many heard samples."""
    windows, taken, sent = Windows(256), [], b""
    for n, (lost, heard) in enumerate(runs):
        mulaw = b"\xff" * lost + sound(heard, n)
        sent += mulaw
        windows.add(Run(mulaw, lost_s=lost / 8_000))
        while (window := windows.take()) is not None:
            taken.append(window)
    assert len(taken) == len(sent) // 256
    for n, (window, known) in enumerate(taken):
        assert window == sent[n * 256 : (n + 1) * 256]
        assert known == (window.count(b"\xff") <= 128)
