from hypothesis import given
from hypothesis import strategies as st

from client_caller.audio.playback import Playback


def test_a_mark_is_passed_when_the_audio_before_it_has_been_played_to_its_end() -> None:
    line = Playback()
    line.queue(b"a" * 160)
    line.mark("end")
    line.queue(b"b" * 160)
    assert line.play(160) == b"a" * 160
    assert line.passed() == []  # its last frame is sounding
    line.play(160)
    assert line.passed() == ["end"]


def test_a_mark_behind_nothing_is_passed_at_once() -> None:
    line = Playback()
    line.mark("now")
    assert line.passed() == ["now"]


def test_a_clear_drops_the_audio_and_passes_all_marks_in_order() -> None:
    line = Playback()
    for name in "abc":
        line.queue(b"x" * 400)
        line.mark(name)
    line.play(160)
    line.clear()
    assert line.passed() == ["a", "b", "c"]
    assert line.play(160) == b""
    line.queue(b"y")
    line.mark("after")
    assert line.passed() == []
    assert line.play(160) == b"y"


@given(st.lists(st.binary(max_size=500), max_size=20))
def test_everything_queued_is_played_once_in_order_and_every_mark_passed_at_its_place(chunks: list[bytes]) -> None:
    line = Playback()
    ends = []
    for chunk in chunks:
        line.queue(chunk)
        ends.append((ends[-1] if ends else 0) + len(chunk))
        line.mark(str(len(ends) - 1))
    played, passed = b"", line.passed()
    while frame := line.play(160):
        for name in passed:
            assert ends[int(name)] <= len(played)
        played += frame
        passed += line.passed()
    passed += line.passed()
    assert played == b"".join(chunks)
    assert passed == [str(number) for number in range(len(chunks))]
