"""A voice that is given words, and tells of what was written."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import numpy as np
import pytest

from client_caller.speaking.espeak import EspeakVoice
from client_caller.speaking.pronounce import Pronouncer
from client_caller.speaking.pronounced import PronouncedVoice
from client_caller.speaking.protocol import Speech, Talk, Voice, WordTime
from client_caller.speaking.tone import ToneVoice
from virtual import run

ENGLISH = Pronouncer("en", {})


class Mute:
    """A voice without word times, a second for each letter; it keeps what it was given, and whether it was closed."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.closed = False

    async def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
        self.texts.append(text)
        try:
            for character in text:
                if character.isalpha():
                    yield Speech(np.zeros(8000, np.float32))
        finally:
            self.closed = True


def speeches(voice: Voice, text: str) -> list[Speech]:
    async def listen() -> list[Speech]:
        return [speech async for speech in voice.speak(text)]

    return run(listen())


def words(made: Sequence[Speech]) -> list[WordTime]:
    return [word for speech in made for word in speech.words]


def test_a_written_word_lasts_from_the_first_to_the_last_that_is_said_for_it() -> None:
    made = speeches(PronouncedVoice(ToneVoice(1.0), ENGLISH), "It is €1.50 now.")
    assert words(made) == [WordTime(0, 0, 1), WordTime(1, 1, 2), WordTime(2, 2, 7), WordTime(3, 7, 8)]


def test_it_is_told_when_it_is_complete_and_not_before() -> None:
    made = speeches(PronouncedVoice(ToneVoice(1.0), ENGLISH), "€1.50 now")
    assert [[word.index for word in speech.words] for speech in made] == [[], [], [], [], [0], [1]]


def test_a_dash_takes_no_time_wherever_it_stands() -> None:
    made = speeches(PronouncedVoice(ToneVoice(1.0), ENGLISH), "— Sure — go —")
    assert words(made) == [
        *(WordTime(0, 0, 0), WordTime(1, 0, 1), WordTime(2, 1, 1)),
        *(WordTime(3, 1, 2), WordTime(4, 2, 2)),
    ]


def test_without_word_times_they_are_spread_by_what_is_said() -> None:
    voice = Mute()
    made = speeches(PronouncedVoice(voice, ENGLISH), "€3 ok")  # three euros ok: 5 + 5 + 2 letters
    assert voice.texts == ["three euros ok"]
    assert words(made) == [WordTime(0, 0, pytest.approx(10)), WordTime(1, pytest.approx(10), pytest.approx(12))]


def test_what_is_not_said_makes_no_sound_and_does_not_trouble_the_voice() -> None:
    voice = Mute()
    assert speeches(PronouncedVoice(voice, ENGLISH), "— 👍") == []
    assert voice.texts == []


def test_closing_it_closes_the_voice_inside() -> None:
    voice = Mute()

    async def close_early() -> None:
        async with aclosing(PronouncedVoice(voice, ENGLISH).speak("Hello there")) as made:
            await anext(made)

    run(close_early())
    assert voice.closed


@pytest.mark.parametrize(
    "text",
    [
        "Your appointment is on Nov. 27, 2026 at 2:30 p.m. with Dr. Smith.",
        "That is €1,234.56 — or $1.5 million.",
        "Write to info@bright-line.co.uk or call +1 (212) 555-0100, ext. 42.",
        "The FBI's VPNs, 24/7, from 9:00-17:00 (closed on Sat. and Sun.).",
        "Your reference is AB-1234-X and your PIN 0042.",
        "5'11\" and 20 °C at 12 Main St., Apt. 4B, Springfield, CA 90210!",
    ],
)
def test_espeak_tells_of_every_written_word_in_order(text: str) -> None:
    async def listen() -> list[Speech]:
        return [speech async for speech in PronouncedVoice(EspeakVoice("en-us", 165, 50), ENGLISH).speak(text)]

    made = words(asyncio.run(listen()))
    assert [word.index for word in made] == list(range(len(text.split())))
    assert all(word.start_s <= word.end_s for word in made)
    edges = [edge for word in made for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
