"""Mu-law, held against the standard library where Python still has it."""

import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.audio import mulaw

EVERY_PCM = np.arange(-32_768, 32_768, dtype=np.int16)
EVERY_BYTE = bytes(range(256))


@pytest.fixture(scope="module")
def audioop():
    if sys.version_info >= (3, 13):
        pytest.skip("Python 3.13 has no audioop")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    return audioop


def test_every_byte_decodes_as_in_the_standard_library(audioop):
    theirs = np.frombuffer(audioop.ulaw2lin(EVERY_BYTE, 2), np.int16)
    assert np.array_equal(mulaw.decode(EVERY_BYTE) * 32_768, theirs)


def test_encoding_differs_from_the_standard_library_only_by_a_neighbouring_step_and_is_no_worse(audioop):
    ours = mulaw.encode(EVERY_PCM / np.float32(32_768))
    theirs = audioop.lin2ulaw(EVERY_PCM.tobytes(), 2)
    differing = np.frombuffer(ours, np.uint8) != np.frombuffer(theirs, np.uint8)
    assert differing.sum() < 400

    def error(code: bytes) -> np.ndarray:
        return np.abs(mulaw.decode(code) * 32_768 - EVERY_PCM)

    assert error(ours).max() <= error(theirs).max()
    assert np.abs(error(ours) - error(theirs)).max() <= 4  # the fourteenth bit: a tie, rounded the other way


def test_silence_is_one_byte_and_decodes_to_silence():
    assert mulaw.encode(np.zeros(3, np.float32)) == bytes([mulaw.SILENCE]) * 3
    assert not mulaw.decode(bytes([mulaw.SILENCE])).any()


def test_every_byte_but_negative_zero_survives_decoding_and_encoding():
    assert mulaw.encode(mulaw.decode(EVERY_BYTE)) == EVERY_BYTE.replace(b"\x7f", b"\xff")


def test_what_is_too_loud_is_clipped_and_does_not_wrap():
    loudest = mulaw.decode(mulaw.encode(np.array([5.0, -5.0], np.float32)))
    assert loudest[0] > 0.97
    assert loudest[1] < -0.97


@given(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=100))
def test_louder_never_becomes_quieter(amplitudes):
    heard = mulaw.decode(mulaw.encode(np.array(sorted(amplitudes), np.float32)))
    assert (np.diff(heard) >= 0).all()
