"""The test voice keeps its word to the sample."""

import asyncio

import numpy as np

from client_caller.speaking.protocol import WordTime
from client_caller.speaking.tone import ToneVoice, tone
from virtual import VirtualLoop


def test_each_word_is_a_tone_of_its_own_with_exact_times() -> None:
    async def speak() -> list[tuple[float, int, WordTime]]:
        loop = asyncio.get_running_loop()
        voice = ToneVoice(word_s=0.5, first_audio_s=0.2, stall_after_words=1, stall_s=3.0)
        return [(loop.time(), len(speech.samples), *speech.words) async for speech in voice.speak("one two")]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        first, second = runner.run(speak())
    assert first[1:] == (4000, WordTime(0, 0.0, 0.5))
    assert second[1:] == (4000, WordTime(1, 0.5, 1.0))
    assert abs(first[0] - 0.2) < 1e-6
    assert abs(second[0] - 3.2) < 1e-6


def test_neighbouring_words_differ_in_pitch() -> None:
    assert not np.allclose(tone(0, 0.25), tone(1, 0.25))
