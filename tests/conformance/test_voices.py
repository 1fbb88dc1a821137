"""What is asked of every voice, fake or real."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import numpy as np
import pytest

from client_caller.audio.frame import LINE_HZ
from client_caller.audio.levels import level_dbfs
from client_caller.faults import always, crash, faulty
from client_caller.speaking.espeak import EspeakVoice
from client_caller.speaking.pronounce import Pronouncer
from client_caller.speaking.pronounced import PronouncedVoice
from client_caller.speaking.protocol import Speech, Voice, WordTime
from client_caller.speaking.tone import ToneVoice
from client_caller.sturdy import SturdyVoice

TEXTS = [
    "Hello.",
    "I am sorry to hear",
    "We are open Monday to Friday, from 9:00 to 5 p.m. That is 60 euros.",
    "Sure — it’s café “Zoë”,   on the 3rd.",
]

VOICES = {
    "tone": ToneVoice,
    "espeak": lambda: EspeakVoice("en-us", 165, 50),
    "tone, pronounced": lambda: PronouncedVoice(ToneVoice(), Pronouncer("en", {"Zoë": "Zoh-ee"})),
    "espeak, pronounced": lambda: PronouncedVoice(EspeakVoice("en-us", 165, 50), Pronouncer("en", {"Zoë": "Zoh-ee"})),
    "sturdy": lambda: SturdyVoice([EspeakVoice("en-us", 165, 50)], 1.5, 1.5),
    "sturdy, after a failure": lambda: SturdyVoice([faulty(ToneVoice(), always(crash())), ToneVoice()], 1.5, 1.5),
}


@pytest.fixture(params=sorted(VOICES))
def make_voice(request: pytest.FixtureRequest) -> Callable[[], Voice]:
    return VOICES[request.param]


async def speeches_of(voice: Voice, text: str) -> list[Speech]:
    return [speech async for speech in voice.speak(text)]


def said(voice: Voice, text: str) -> tuple[np.ndarray, list[WordTime]]:
    speeches = asyncio.run(speeches_of(voice, text))
    return np.concatenate([s.samples for s in speeches]), [word for s in speeches for word in s.words]


@pytest.mark.parametrize("text", TEXTS)
def test_every_word_has_its_time_in_order_and_within_the_audio(make_voice: Callable[[], Voice], text: str) -> None:
    samples, words = said(make_voice(), text)
    assert [word.index for word in words] == list(range(len(text.split())))
    edges = [edge for word in words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= len(samples) / LINE_HZ


@pytest.mark.parametrize("text", TEXTS)
def test_the_audio_is_for_the_line_and_as_loud_as_speech(make_voice: Callable[[], Voice], text: str) -> None:
    samples, words = said(make_voice(), text)
    assert samples.dtype == np.float32
    assert np.abs(samples).max() < 1.0
    assert -26 < level_dbfs(samples[: round(words[-1].end_s * LINE_HZ)]) < -16


def alike(speeches: list[Speech], voice: Voice, text: str) -> bool:
    """Whether these are the words of `text` as this voice says them alone. eSpeak varies by some milliseconds."""
    alone = said(voice, text)[1]
    words = [word for speech in speeches for word in speech.words]
    return [word.index for word in words] == [word.index for word in alone] and all(
        abs(word.end_s - other.end_s) < 0.03 for word, other in zip(words, alone, strict=True)
    )


def test_nothing_to_say_is_no_sound(make_voice: Callable[[], Voice]) -> None:
    assert asyncio.run(speeches_of(make_voice(), "")) == []


def test_closing_the_generator_stops_the_work_and_the_next_piece_is_whole(make_voice: Callable[[], Voice]) -> None:
    voice = make_voice()

    async def close_early_and_speak_again() -> list[Speech]:
        async with aclosing(voice.speak("one two three four five six seven eight nine ten " * 20)) as speeches:
            await anext(speeches)
        assert len(asyncio.all_tasks()) == 1
        return await speeches_of(voice, TEXTS[2])

    assert alike(asyncio.run(close_early_and_speak_again()), voice, TEXTS[2])


def test_two_at_once_do_not_mix(make_voice: Callable[[], Voice]) -> None:
    voice, other = make_voice(), make_voice()

    async def both() -> list[list[Speech]]:
        return await asyncio.gather(speeches_of(voice, TEXTS[2]), speeches_of(other, TEXTS[3]))

    first, second = asyncio.run(both())
    assert alike(first, voice, TEXTS[2])
    assert alike(second, other, TEXTS[3])
