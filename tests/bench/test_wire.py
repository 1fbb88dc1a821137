"""How the benchmark of the line numbers frames, and what it makes of lost, doubled, late and displaced ones."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wire
import wire_long
import wire_parallel
import wire_webhooks
from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ
from client_caller.audio.levels import level_dbfs
from client_caller.audio.mulaw import SILENCE, decode, encode
from virtual import run
from wire_caller import Arrival, NumberedCaller, Schedule
from wire_frames import WORD_FRAMES, NumberedVoice, Place, number_in, numbered
from wire_judging import (
    Gap,
    Losses,
    Offset,
    cut_short,
    drift,
    follow,
    gaps,
    heard_places,
    lateness,
    speech_losses,
    spread,
    voice_to_voice,
)

QUIET = bytes([SILENCE]) * FRAME_SAMPLES
NUMBERS = st.integers(0, 2**32 - 1)
LEAD_S = 0.3
SHORT = Schedule(first_s=1.2, burst_s=0.5, every_s=4.0)


def said(*texts: str) -> list[bytes]:
    """The frames of these pieces of the numbered voice, as mu-law."""

    async def speak() -> bytes:
        voice = NumberedVoice()
        return b"".join([encode(speech.samples) for text in texts async for speech in voice.speak(text)])

    return frames_of(run(speak()))


def frames_of(track: bytes) -> list[bytes]:
    return [track[at : at + FRAME_SAMPLES] for at in range(0, len(track), FRAME_SAMPLES)]


def sent(count: int) -> list[tuple[int, bytes]]:
    """Frames of a caller, with their places."""
    return [(number * FRAME_SAMPLES, numbered(number, loud=number % 3 == 0)) for number in range(count)]


def joined(frames: list[tuple[int, bytes]]) -> bytes:
    return b"".join(frame for _, frame in frames)


@given(NUMBERS, st.booleans())
def test_a_frame_says_its_number_also_after_it_was_linear(number, loud):
    frame = numbered(number, loud=loud)
    assert len(frame) == FRAME_SAMPLES
    assert number_in(frame) == number
    assert encode(decode(frame)) == frame


@given(NUMBERS, st.booleans(), st.integers(0, FRAME_SAMPLES - 1), st.integers(1, 255))
def test_a_frame_of_which_one_byte_is_another_has_no_number(number, loud, at, bits):
    frame = bytearray(numbered(number, loud=loud))
    frame[at] ^= bits
    assert number_in(bytes(frame)) is None


@given(NUMBERS)
def test_loud_is_a_voice_and_quiet_is_none(number):
    assert level_dbfs(decode(numbered(number, loud=True))) > -20
    assert level_dbfs(decode(numbered(number, loud=False))) < -50


def test_what_is_no_frame_of_ours_has_no_number():
    assert number_in(QUIET) is None
    assert number_in(b"") is None


@given(st.integers(0, 2**14 - 1), st.integers(0, 2**9 - 1), st.integers(0, 2**9 - 1))
def test_a_place_fits_into_a_number(piece, index, total):
    place = Place(piece, index, total)
    assert Place.of(place.number) == place


def test_a_voice_that_was_heard_whole_lacks_nothing():
    heard = heard_places(b"".join([QUIET, *said("one two", "three"), QUIET]))
    assert [place.piece for place in heard if place] == [0] * 2 * WORD_FRAMES + [1] * WORD_FRAMES
    assert speech_losses(heard) == Losses(3 * WORD_FRAMES, 0, 0)


def test_frames_that_are_missing_or_come_twice_are_counted():
    heard = heard_places(b"".join(said("one two", "three")))
    assert speech_losses([*heard[:3], *heard[5:]]) == Losses(28, 2, 0)
    assert speech_losses([*heard[:3], heard[2], *heard[3:]]) == Losses(31, 0, 1)


def test_a_piece_that_breaks_off_lacks_nothing_but_its_end():
    heard = heard_places(b"".join(said("one two", "three")))
    broken = [*heard[:17], *heard[20:]]
    assert (speech_losses(broken), cut_short(broken)) == (Losses(27, 0, 0), 1)
    assert cut_short(heard) == 0
    assert cut_short(heard[:25]) == 0  # the end of the call
    assert cut_short([]) == 0
    assert speech_losses([*heard[:22], None, *heard[23:25]]) == Losses(24, 1, 0)


def test_half_a_frame_is_a_hole():
    frames = said("one")
    frames[4] = frames[4][:80] + QUIET[80:]
    heard = heard_places(b"".join(frames))
    assert speech_losses(heard) == Losses(9, 1, 0)
    assert gaps(heard, []) == [Gap(0.08, 0.02)]


def test_a_silence_within_an_answer_is_a_gap_and_one_between_answers_is_none():
    one, two, three = (heard_places(b"".join(said("word"))) for _ in range(3))
    heard = [*one, *[None] * 40, *two[:5], *[None] * 3, *two[5:], *[None] * 50, *three]
    bursts = [(20, 45), (70, 100)]
    assert gaps(heard, bursts) == [Gap(1.1, 0.06)]
    assert gaps(heard, [(20, 45)]) == [Gap(1.1, 0.06), Gap(1.26, 1.0)]


def test_voice_to_voice_counts_from_the_end_of_a_burst_and_never_past_the_next():
    heard = [None] * 300
    heard[70] = heard[71] = Place(0, 0, 2)
    heard[280] = Place(1, 0, 1)
    assert voice_to_voice(heard, [(20, 50), (150, 180), (220, 250)]) == [pytest.approx(0.4), None, pytest.approx(0.6)]


def punctual(count: int) -> list[Arrival]:
    """Chunks of 40 ms as they are paced: what fits into the lead at once, then one every 40 ms."""
    return [Arrival(5.0 + max(0.0, (n + 1) * 0.04 - LEAD_S), 0.04) for n in range(count)]


def test_what_comes_when_it_is_due_is_not_late():
    assert max(lateness(punctual(50), LEAD_S)) == pytest.approx(0, abs=1e-9)


def test_a_late_chunk_is_late_by_itself():
    chunks = punctual(50)
    chunks[20] = replace(chunks[20], at=chunks[20].at + 0.03)
    late = lateness(chunks, LEAD_S)
    assert late[20] == pytest.approx(0.03)
    assert sum(late) == pytest.approx(0.03)


def test_a_chunk_too_late_to_be_played_in_time_is_late_and_pushes_back_those_behind_it():
    chunks = punctual(50)
    chunks[20:] = [replace(each, at=each.at + 0.5) for each in chunks[20:]]
    late = lateness(chunks, LEAD_S)
    assert late[20] == pytest.approx(0.5)
    assert late[49] == pytest.approx(0.26)  # what was lost of the reserve is not made up for


def test_another_answer_begins_anew():
    chunks = punctual(20)
    later = [replace(each, at=each.at + 4.0) for each in chunks]
    assert max(lateness(chunks + later, LEAD_S)) == pytest.approx(0, abs=1e-9)


def test_frames_are_found_where_they_stand():
    frames = sent(100)
    found = follow(frames, bytes(24) + joined(frames))
    assert found.losses == Losses(100, 0, 0)
    assert (found.before, found.after) == (0, 0)
    assert {round(offset.by_s * LINE_HZ) for offset in found.offsets} == {24}


def test_frames_that_are_not_there_or_twice_are_counted_and_those_at_the_ends_apart():
    frames = sent(100)
    track = bytearray(joined(frames))
    track[50 * FRAME_SAMPLES + 7] ^= 1
    track[60 * FRAME_SAMPLES : 61 * FRAME_SAMPLES] = frames[59][1]
    found = follow(frames, bytes(track[FRAME_SAMPLES + 5 : -3 * FRAME_SAMPLES]))
    assert found.losses == Losses(95, 2, 1)
    assert (found.before, found.after) == (2, 3)


def test_a_recording_that_falls_behind_in_the_middle_has_drifted():
    frames = sent(9_000)
    half = 4_500 * FRAME_SAMPLES
    found = follow(frames, bytes(8) + joined(frames)[:half] + bytes(40) + joined(frames)[half:])
    assert found.losses == Losses(9_000, 0, 0)
    figures = drift(found.offsets, 180.0)
    assert (figures.first, figures.last, figures.drift) == (1.0, 6.0, 5.0)
    assert (figures.least, figures.most) == (1.0, 6.0)


def test_drift_is_of_the_first_minute_and_the_last_or_of_the_halves():
    offsets = [Offset(float(second), 0.001 * second) for second in range(600)]
    figures = drift(offsets, 600.0)
    assert (figures.first, figures.last) == (29.5, 569.5)
    figures = drift(offsets[:10], 10.0)
    assert (figures.first, figures.last) == (2.0, 7.0)
    assert drift(offsets[:10], 600.0) is None
    assert drift([], 600.0) is None


def test_a_caller_speaks_by_the_schedule():
    caller = NumberedCaller(4.0, Schedule(first_s=1.0, burst_s=0.5, every_s=2.0))
    frames = []
    while (frame := caller.next_frame(QUIET)) is not None:
        frames.append(frame)
    assert [number_in(frame) for frame in frames] == list(range(200))
    loud = [n for n, frame in enumerate(frames) if frame == numbered(n, loud=True)]
    assert loud == [*range(50, 75), *range(150, 175)]
    assert caller.schedule.bursts(200) == [(50, 75), (150, 175)]
    assert caller.schedule.bursts(170) == [(50, 75)]
    caller = NumberedCaller(4.0, SHORT)
    caller.to_hang_up = True
    assert caller.next_frame(QUIET) is None


def test_a_spread_keeps_tenths_and_passes_over_what_was_not_measured():
    assert spread([0.0012, None, 0.0034]) == {"n": 2, "p50_ms": 1.2, "p95_ms": 3.4, "max_ms": 3.4}
    assert spread([]) == {"n": 0, "p50_ms": None, "p95_ms": None, "max_ms": None}


def is_sound(call: dict) -> None:
    """Whatever the machine is busy with, these hold."""
    assert call["in_order"]
    assert call["violations"] == []
    assert (call["kept"]["caller"]["lost"], call["kept"]["caller"]["doubled"]) == (0, 0)
    assert (call["heard"]["lost"], call["heard"]["doubled"]) == (0, 0)
    assert call["heard"]["frames"] > 0
    assert call["cut_short"] == 0
    assert call["late"]["n"] > 0


@pytest.mark.realtime
@pytest.mark.long
def test_a_short_long_call(tmp_path: Path, capsys):
    result = asyncio.run(wire_long.run(tmp_path, 4.0 / 60, SHORT))
    call = result["call"]
    is_sound(call)
    assert call["length_s"] == 4.0
    assert (call["bursts"], call["answers"], call["clears"]) == (1, 1, 0)
    assert call["kept"]["caller"]["frames"] + sum(call["kept"]["unrecorded"]) >= 4.0 / FRAME_S
    assert call["kept"]["agent"] == call["heard"]
    assert call["kept"]["caller_drift"]["drift"] == 0.0
    assert result["server"]["rss_mb_after"] > 0
    wire_long.show(result)
    assert "agent's frames lost, doubled" in capsys.readouterr().out


@pytest.mark.realtime
def test_two_calls_at_once(tmp_path: Path, capsys):
    result = asyncio.run(wire_parallel.run(tmp_path, 4.0, (2,), SHORT))
    (held,) = result["runs"]
    for call in held["each"]:
        is_sound(call)
    assert (held["ended_in_order"], held["without_answer"], held["voice_to_voice"]["n"]) == (2, 0, 2)
    wire_parallel.show(result)
    assert "2 calls at once" in capsys.readouterr().out


@pytest.mark.realtime
@pytest.mark.long
def test_a_few_webhooks_beside_a_call(tmp_path: Path, capsys):
    result = asyncio.run(wire_webhooks.run(tmp_path, 12, 1, (3,), SHORT))
    assert [row["kind"] for row in result["webhooks"]] == ["voice", "resume", "machine", "status"]
    assert all((row["latency"]["n"], row["bad"]) == (12, 0) for row in result["webhooks"])
    assert result["calls"]["ended_in_order"] == 1
    assert result["calls"]["lost"] == 0
    wire_webhooks.show(result)
    assert "wrong answers" in capsys.readouterr().out
    assert any("webhooks" in row for row in wire.summarised({"webhooks": result}))
