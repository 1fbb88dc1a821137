"""How the sound of a model becomes speech for the line."""

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.levels import level_dbfs
from client_caller.errors import EngineCrashed
from client_caller.speaking.finished import Finish, FinishedPiece
from client_caller.speaking.protocol import Speech

HZ = 24_000
TEXT = "one two three four."


def hum(seconds: float, amplitude: float = 0.05) -> Samples:
    at_s = np.arange(round(seconds * HZ)) / HZ
    return (amplitude * np.sin(2 * np.pi * 400 * at_s)).astype(np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * HZ), np.float32)


def spoken(finish: Finish, text: str, sound: Samples, size: int = 1_920) -> list[Speech]:
    async def made() -> AsyncGenerator[Samples, None]:
        for begin in range(0, len(sound), size):
            yield sound[begin : begin + size]

    async def main() -> list[Speech]:
        return [speech async for speech in finish.speech(text, made(), HZ)]

    return asyncio.run(main())


def whole(speeches: list[Speech]) -> Samples:
    return np.concatenate([speech.samples for speech in speeches])


def test_a_piece_ends_with_the_pause_of_its_last_character() -> None:
    assert len(whole(spoken(Finish(), "one two", hum(1.0)))) == pytest.approx(LINE_HZ, abs=2)
    assert len(whole(spoken(Finish(), "one two.", hum(1.0)))) == pytest.approx(1.25 * LINE_HZ, abs=2)
    assert len(whole(spoken(Finish(), "one two.", np.append(hum(1.0), silence(2.0))))) < 1.3 * LINE_HZ


def test_every_word_has_a_time_within_the_sound() -> None:
    speeches = spoken(Finish(), TEXT, hum(1.2))
    words = [word for speech in speeches for word in speech.words]
    edges = [edge for word in words for edge in (word.start_s, word.end_s)]
    assert [word.index for word in words] == [0, 1, 2, 3]
    assert edges == sorted(edges)
    assert edges[-1] <= len(whole(speeches)) / LINE_HZ


def test_a_piece_begins_as_loud_as_the_one_before_has_ended() -> None:
    finish = Finish()
    first = whole(spoken(finish, TEXT, hum(4.0, 0.03)))
    second = whole(spoken(finish, TEXT, hum(1.0, 0.03)))
    assert level_dbfs(first[: LINE_HZ // 2]) < -27
    assert level_dbfs(second[: LINE_HZ // 2]) == pytest.approx(-20, abs=2.5)


@settings(max_examples=25)
@given(st.floats(0.0, 1.0), st.floats(0.0, 0.6), st.integers(200, 5_000))
def test_what_was_skipped_is_known_however_the_sound_comes(lead_s: float, lull_s: float, size: int) -> None:
    piece = FinishedPiece(Finish(), TEXT, HZ)
    sound = np.concatenate((silence(lead_s), hum(0.6), silence(lull_s), hum(0.6), silence(0.3)))
    for begin in range(0, len(sound), size):
        piece.feed(sound[begin : begin + size])
    assert piece.skipped_s == pytest.approx(max(0.0, lead_s - 0.06), abs=0.012)
    piece.end()
    assert piece.skipped_s == pytest.approx(max(0.0, lead_s - 0.06), abs=0.012)


def test_nothing_is_no_speech_and_a_failure_goes_through() -> None:
    async def failing() -> AsyncGenerator[Samples, None]:
        yield hum(0.1)
        raise EngineCrashed("voice", "gone")

    async def main() -> None:
        async for _ in Finish().speech(TEXT, failing(), HZ):
            pass

    assert sum(len(speech.samples) for speech in spoken(Finish(), "one", silence(0.0))) == 0
    with pytest.raises(EngineCrashed):
        asyncio.run(main())
