"""A recording can be played at any moment, and holds what either side heard when they heard it."""

import logging
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from client_caller.audio import mulaw
from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ
from client_caller.records.recording import Recording, wav_header

LOUD = 0x80  # mu-law of the largest sample
LOUD_PCM = round(float(mulaw.decode(bytes([LOUD]))[0]) * 32_768)
FRAME = bytes([LOUD]) * FRAME_SAMPLES


def played(path: Path) -> NDArray[np.int16]:
    """Shape (samples, 2)."""
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (2, 2, LINE_HZ)
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2)


def loud_stretch(channel: NDArray[np.int16]) -> tuple[float, float]:
    """Where a single stretch of sound lies, in seconds; it must have no hole."""
    where = np.flatnonzero(channel)
    assert len(where) == where[-1] - where[0] + 1
    return where[0] / LINE_HZ, (where[-1] + 1) / LINE_HZ


def started(path: Path | None) -> Recording:
    recording = Recording(path)
    recording.start(0.0)
    return recording


def resumed(path: Path | None, now: float) -> Recording:
    recording = Recording(path)
    recording.go_on(now)
    return recording


def test_nothing_is_kept_before_it_is_started_not_even_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    recording = Recording(path)
    recording.caller(1.9, FRAME * 10)
    recording.agent(1.9, FRAME * 10)
    recording.advance(2.0)
    assert not path.exists()
    recording.start(2.0)
    recording.start(2.5)
    recording.caller(3.0, FRAME)
    recording.close(4.0)
    sound = played(path)
    assert len(sound) == 4 * LINE_HZ
    assert loud_stretch(sound[:, 0]) == (3.0, 3.02)
    assert not sound[:, 1].any()


def test_a_recording_that_was_never_started_leaves_no_file(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "call.wav")
    recording.caller(1.0, FRAME)
    recording.close(2.0)
    assert not (tmp_path / "call.wav").exists()


def test_the_caller_is_left_the_agent_right_and_gaps_are_silence(tmp_path: Path) -> None:
    recording = started(tmp_path / "call.wav")
    recording.caller(0.5, FRAME)
    recording.agent(1.25, FRAME)
    recording.close(3.0)
    sound = played(tmp_path / "call.wav")
    assert len(sound) == 3 * LINE_HZ
    assert loud_stretch(sound[:, 0]) == (0.5, 0.52)
    assert loud_stretch(sound[:, 1]) == (1.25, 1.27)
    assert sound.max() == LOUD_PCM


def test_a_barge_in_drops_what_the_carrier_had_not_yet_played(tmp_path: Path) -> None:
    recording = started(tmp_path / "call.wav")
    for number in range(100):
        at = number * FRAME_S
        recording.agent(at + 0.28, FRAME)
        recording.caller(at, FRAME)
        recording.advance(at)
    recording.cut(2.05)
    recording.close(4.0)
    sound = played(tmp_path / "call.wav")
    assert loud_stretch(sound[:, 1]) == (0.28, 2.05)
    assert loud_stretch(sound[:, 0]) == (0.0, 2.0)


def test_what_was_not_played_when_the_call_ended_is_not_kept(tmp_path: Path) -> None:
    recording = started(tmp_path / "call.wav")
    recording.agent(0.9, bytes([LOUD]) * LINE_HZ)
    recording.close(1.0)
    assert loud_stretch(played(tmp_path / "call.wav")[:, 1]) == (0.9, 1.0)


def test_a_crash_leaves_a_file_that_plays_up_to_a_second_before_at_least(tmp_path: Path) -> None:
    recording = started(tmp_path / "call.wav")
    assert len(played(tmp_path / "call.wav")) == 0
    for number in range(500):
        recording.caller(number * FRAME_S, FRAME)
        recording.advance(number * FRAME_S)
    sound = played(tmp_path / "call.wav")  # what a crash would leave
    recording.close(10.0)
    assert 10.0 - 1.0 <= len(sound) / LINE_HZ <= 10.0 - 0.75
    assert loud_stretch(sound[:, 0]) == (0.0, len(sound) / LINE_HZ)


def test_six_minutes_of_silence_are_six_minutes_long(tmp_path: Path) -> None:
    recording = started(tmp_path / "call.wav")
    recording.caller(0.0, FRAME)
    recording.advance(360.0)
    recording.caller(360.0, FRAME)
    recording.close(361.0)
    sound = played(tmp_path / "call.wav")
    assert len(sound) == 361 * LINE_HZ
    assert np.flatnonzero(sound[:, 0])[[0, FRAME_SAMPLES]].tolist() == [0, 360 * LINE_HZ]


def test_sound_from_before_the_call_or_far_ahead_does_no_harm(tmp_path: Path) -> None:
    recording = started(tmp_path / "call.wav")
    recording.caller(-0.01, FRAME)
    recording.caller(-5.0, FRAME)
    recording.caller(1e6, FRAME)
    recording.close(1.0)
    assert loud_stretch(played(tmp_path / "call.wav")[:, 0]) == (0.0, 0.01)


def test_a_full_disk_ends_the_recording_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    recording = started(Path("/dev/full"))
    for number in range(200):
        recording.caller(number * FRAME_S, FRAME)
        recording.advance(number * FRAME_S)
    recording.close(4.0)
    assert recording.failed
    assert [each.levelno for each in caplog.records] == [logging.WARNING]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 20), st.integers(0, 127)), max_size=30))
def test_writing_in_passing_changes_nothing_of_what_is_kept(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[tuple[int, int, int]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    expected = np.zeros(6 * LINE_HZ, np.int16)
    recording = started(folder / "any.wav")
    for frame, length, code in sorted(chunks, key=lambda chunk: chunk[0]):
        sound = bytes([code]) * (length * FRAME_SAMPLES)
        start = frame * 10 * FRAME_SAMPLES // 2
        expected[start : start + len(sound)] = mulaw.decode(sound) * 32_768
        recording.caller(start / LINE_HZ, sound)
        recording.advance(start / LINE_HZ)
    recording.close(6.0)
    assert np.array_equal(played(folder / "any.wav")[:, 0], expected)


@pytest.mark.parametrize("torn", [0, 1, 3])
def test_a_recording_goes_on_where_a_kill_left_it_and_the_gap_is_silence(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "call.wav"
    killed = started(tmp_path / "killed.wav")
    for number in range(200):
        killed.caller(number * FRAME_S, FRAME)
        killed.advance(number * FRAME_S)
    path.write_bytes((tmp_path / "killed.wav").read_bytes())
    killed.close(4.0)
    kept = len(played(path))
    with path.open("ab") as file:  # written, and not yet promised by the header
        file.write(b"\x10\x20\x30\x40" * 80 + b"\x50" * torn)

    recording = resumed(path, 10.0)
    assert len(played(path)) == 10 * LINE_HZ
    recording.agent(10.5, FRAME)
    recording.close(11.0)

    sound = played(path)
    assert len(sound) == 11 * LINE_HZ
    assert path.stat().st_size == 44 + 4 * len(sound)
    assert sound[:kept, 0].all()
    assert (sound[kept : kept + 80] == (0x2010, 0x4030)).all()
    assert not sound[kept + 80 : 10 * LINE_HZ].any()
    assert loud_stretch(sound[:, 1][10 * LINE_HZ :]) == (0.5, 0.52)


@pytest.mark.parametrize("left", [None, b"", wav_header(0)[:20]])
def test_a_recording_of_which_nothing_is_left_begins_with_silence(tmp_path: Path, left: bytes | None) -> None:
    path = tmp_path / "call.wav"
    if left is not None:
        path.write_bytes(left)
    recording = resumed(path, 2.0)
    recording.caller(2.0, FRAME)
    recording.close(3.0)
    sound = played(path)
    assert len(sound) == 3 * LINE_HZ
    assert loud_stretch(sound[:, 0]) == (2.0, 2.02)


def test_an_hour_of_silence_takes_no_room_on_the_disk(tmp_path: Path) -> None:
    started(tmp_path / "call.wav").close(1.0)
    resumed(tmp_path / "call.wav", 3_600.0).close(3_600.5)
    assert len(played(tmp_path / "call.wav")) == 3_600.5 * LINE_HZ
    assert (tmp_path / "call.wav").stat().st_blocks * 512 < 1e6


def test_a_recording_that_cannot_be_gone_on_with_ends_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = resumed(tmp_path, 1.0)  # a folder
    recording.caller(1.0, FRAME)
    recording.close(2.0)
    assert recording.failed
    assert len(caplog.records) == 1


def test_the_header_is_that_of_the_standard_library(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "std.wav"), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(LINE_HZ)
        wav.writeframes(bytes(4 * 1234))
    assert (tmp_path / "std.wav").read_bytes()[:44] == wav_header(1234)


def test_whoever_else_records_is_told_once_when_it_begins(tmp_path: Path) -> None:
    told: list[str] = []
    recording = Recording(tmp_path / "call.wav", lambda: told.append("begun"))
    assert told == []
    recording.start(1.0)
    recording.start(2.0)
    recording.close(3.0)
    assert told == ["begun"]
