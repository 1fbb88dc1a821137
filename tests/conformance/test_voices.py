"""What is asked of every voice, fake or real."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing

import numpy as np
import pytest

from client_caller.audio.frame import LINE_HZ
from client_caller.audio.levels import level_dbfs
from client_caller.faults import always, crash, faulty
from client_caller.settings import SpeakingSettings
from client_caller.speaking.csm_voice import CsmVoice
from client_caller.speaking.espeak import EspeakVoice
from client_caller.speaking.pronounce import Pronouncer
from client_caller.speaking.pronounced import PronouncedVoice
from client_caller.speaking.protocol import AgentSaid, CallerSaid, Speech, Talk, Voice, WordTime
from client_caller.speaking.speech_server import SpeechServer
from client_caller.speaking.tone import ToneVoice
from client_caller.sturdy import SturdyVoice
from csm_stand_in import standing_in_for_csm
from speech_stand_in import standing_in_for_speech

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


class InCalls:
    """A voice each piece of which is said in a call of its own."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._calls = 0

    async def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
        self._calls += 1
        talk = talk or Talk(f"CA{self._calls}", 1, 0, ())
        try:
            async with aclosing(self._voice.speak(text, talk)) as speeches:
                async for speech in speeches:
                    yield speech
        finally:
            self._voice.leave(talk.call_id)
            for _ in range(3):  # turns of the loop in which the socket is closed
                await asyncio.sleep(0)

    def leave(self, call_id: str) -> None:
        self._voice.leave(call_id)


@pytest.fixture(scope="module")
def csm() -> Iterator[Callable[[], Voice]]:
    with standing_in_for_csm() as engine:
        yield lambda: InCalls(CsmVoice(engine.url, "", "anna"))


@pytest.fixture(scope="module")
def server() -> Iterator[Callable[[], Voice]]:
    with standing_in_for_speech() as speech:
        yield lambda: SpeechServer(SpeakingSettings(server_url=speech.url), "alloy")


@pytest.fixture(params=[*sorted(VOICES), "csm", "server"])
def make_voice(request: pytest.FixtureRequest) -> Callable[[], Voice]:
    make = VOICES.get(request.param)
    return make or request.getfixturevalue(request.param)


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
    """Whether these are the words of `text` as this voice says them alone.

    eSpeak varies by some milliseconds. Times that are estimates depend on what the voice has said before.
    """
    samples, alone = said(voice, text)
    words = [word for speech in speeches for word in speech.words]
    off_s = np.inf if isinstance(voice, InCalls | SpeechServer) else 0.03
    assert abs(sum(len(speech.samples) for speech in speeches) - len(samples)) < 0.03 * LINE_HZ
    return [word.index for word in words] == [word.index for word in alone] and all(
        abs(word.end_s - other.end_s) < off_s for word, other in zip(words, alone, strict=True)
    )


def test_a_talk_changes_neither_the_words_nor_their_order(make_voice: Callable[[], Voice]) -> None:
    talk = Talk("CA1", 2, 0, (CallerSaid("c1", "Hello?", np.zeros(16_000, np.float32)), AgentSaid(1, 0, 0.5)))

    async def in_a_call() -> list[Speech]:
        voice = make_voice()
        try:
            return [speech async for speech in voice.speak(TEXTS[2], talk)]
        finally:
            voice.leave("CA1")
            voice.leave("nobody")

    assert alike(asyncio.run(in_a_call()), make_voice(), TEXTS[2])


def test_nothing_to_say_is_no_sound(make_voice: Callable[[], Voice]) -> None:
    assert asyncio.run(speeches_of(make_voice(), "")) == []


def test_closing_the_generator_stops_the_work_and_the_next_piece_is_whole(make_voice: Callable[[], Voice]) -> None:
    voice = make_voice()

    async def close_early_and_speak_again() -> list[Speech]:
        async with aclosing(voice.speak("one two three four five six seven eight nine ten " * 20)) as speeches:
            await anext(speeches)
        async with asyncio.timeout(5):  # the loop ends generators that a library has let go of, one after the other
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(others)
        return await speeches_of(voice, TEXTS[2])

    assert alike(asyncio.run(close_early_and_speak_again()), voice, TEXTS[2])


def test_two_at_once_do_not_mix(make_voice: Callable[[], Voice]) -> None:
    voice, other = make_voice(), make_voice()

    async def both() -> list[list[Speech]]:
        return await asyncio.gather(speeches_of(voice, TEXTS[2]), speeches_of(other, TEXTS[3]))

    first, second = asyncio.run(both())
    assert alike(first, voice, TEXTS[2])
    assert alike(second, other, TEXTS[3])
