"""Moonshine's pool: one that hangs takes its model with it, and the others still work; and the library is humoured."""

import asyncio
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from client_caller.audio.frame import Samples
from client_caller.audio.resample import resample
from client_caller.hearing.moonshine import MoonshinePool

pytestmark = pytest.mark.models


class Library:
    """The real library, of which the first decode hangs until `go`."""

    def __init__(self, library: object) -> None:
        self._library = library
        self.begun, self.go = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._library, name)

    def moonshine_transcribe_without_streaming(self, *arguments: object) -> int:
        if not self.begun.is_set():
            self.begun.set()
            self.go.wait(60)
        return self._library.moonshine_transcribe_without_streaming(*arguments)  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def pool(models: Callable[[str], Path]) -> Iterator[MoonshinePool]:
    pool = MoonshinePool(models("moonshine-tiny-en/encoder_model.ort").parent, 1)
    pool._workers._hung_s = 0.05
    yield pool
    pool.close()


def read_aloud(models: Callable[[str], Path]) -> Samples:
    """Two seconds of a human voice, at 16 kHz."""
    with wave.open(str(models("beckett.wav"))) as file:
        pcm = np.frombuffer(file.readframes(2 * file.getframerate()), np.int16)
        return resample((pcm / 32_768).astype(np.float32), file.getframerate(), 16_000)


def test_a_decode_that_hangs_leaves_a_pool_of_one_usable(pool: MoonshinePool, models: Callable[[str], Path]) -> None:
    spoken = read_aloud(models)
    library = Library(pool._library)
    pool._library = library  # type: ignore[assignment]

    async def main() -> list[str]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await pool.transcribe(spoken)
        async with asyncio.timeout(30):
            first = await pool.transcribe(spoken)
            library.go.set()
            return [first, await pool.transcribe(spoken)]

    assert ["tried" in words.lower() for words in asyncio.run(main())] == [True, True]


def test_the_library_meets_few_lengths_of_sound_and_finds_the_same_words(
    pool: MoonshinePool, models: Callable[[str], Path]
) -> None:
    spoken, lengths, library = read_aloud(models), [], pool._library

    class Measured:
        def __getattr__(self, name: str) -> object:
            return getattr(library, name)

        def moonshine_transcribe_without_streaming(self, *arguments: object) -> int:
            lengths.append(arguments[2])
            return library.moonshine_transcribe_without_streaming(*arguments)  # type: ignore[no-any-return]

    pool._library = Measured()  # type: ignore[assignment]
    words = [asyncio.run(pool.transcribe(spoken[:length])) for length in (28_801, 29_500, 30_399, 30_400)]
    assert lengths == [30_400] * 4
    assert len(set(words)) == 1
    assert "tried" in words[0].lower()
