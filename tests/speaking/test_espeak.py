"""What is particular to eSpeak NG."""

import asyncio
import ctypes
import gc

import numpy as np
import pytest

from client_caller.errors import ConfigError
from client_caller.speaking.espeak import EspeakVoice
from client_caller.speaking.protocol import Speech


def speak(voice: EspeakVoice, *texts: str) -> list[list[Speech]]:
    async def together() -> list[list[Speech]]:
        async def one(text: str) -> list[Speech]:
            return [speech async for speech in voice.speak(text)]

        return await asyncio.gather(*(one(text) for text in texts))

    return asyncio.run(together())


def samples_of(speeches: list[Speech]) -> np.ndarray:
    return np.concatenate([speech.samples for speech in speeches])


def test_an_unknown_voice_is_the_operators_mistake_and_names_some_that_exist() -> None:
    with pytest.raises(ConfigError, match="no voice 'nobody'; try en-us"):
        EspeakVoice("nobody", 165, 50)


@pytest.mark.parametrize("name", ["en-us", "en", "de", "fr", "es", "en-us+f3"])
def test_the_voices_named_in_that_message_exist(name: str) -> None:
    assert EspeakVoice(name, 165, 50)


def test_instances_with_other_voices_do_not_disturb_each_other() -> None:
    agent, caller = EspeakVoice("en-us", 165, 50), EspeakVoice("en+f3", 120, 80)
    text = "Good morning to you."
    alone_s = [len(samples_of(speak(voice, text)[0])) / 8000 for voice in (agent, caller)]

    async def in_turns() -> list[float]:
        async def length_s(voice: EspeakVoice) -> float:
            return len(samples_of([speech async for speech in voice.speak(text)])) / 8000

        return await asyncio.gather(*(length_s(voice) for voice in (agent, caller, agent, caller)))

    assert asyncio.run(in_turns()) == pytest.approx([*alone_s, *alone_s], abs=0.03)
    assert alone_s[1] > alone_s[0] + 0.1  # at fewer words a minute


def test_sound_begins_at_once_and_ends_with_the_pause_that_the_last_character_deserves() -> None:
    voice = EspeakVoice("en-us", 165, 50)
    for text, pause_s in (("Good morning.", 0.25), ("Good morning,", 0.12), ("Good morning", 0.0)):
        samples = samples_of(speak(voice, text)[0])
        loud = np.flatnonzero(np.abs(samples) > 0.003)
        assert loud[0] == 0
        assert (len(samples) - 1 - loud[-1]) / 8000 == pytest.approx(pause_s, abs=0.003)


def test_a_long_piece_comes_in_several_stretches_the_first_of_them_short() -> None:
    speeches = speak(EspeakVoice("en-us", 165, 50), "This is a rather long sentence that takes a while to say.")[0]
    assert len(speeches) > 5
    assert len(speeches[0].samples) <= 0.25 * 8000


def test_words_that_espeak_announces_as_one_share_its_time_by_their_letters() -> None:
    first, second = [word for speech in speak(EspeakVoice("en-us", 165, 50), "I am here.")[0] for word in speech.words][
        :2
    ]
    assert second.end_s - second.start_s == pytest.approx(2 * (first.end_s - first.start_s))


def test_a_letter_a_is_no_article() -> None:
    voice = EspeakVoice("en-us", 165, 50)
    letter, spelled = map(samples_of, speak(voice, "Take option A, please.", "Take option eh, please."))
    assert abs(len(letter) - len(spelled)) < 100  # samples; the same text twice differs by one or two
    article, letter = map(samples_of, speak(voice, "A dog barks.", "Eh dog barks."))
    assert abs(len(article) - len(letter)) > 300


def test_nothing_is_kept_of_what_was_said_whatever_its_length() -> None:
    def array_types() -> int:
        of_arrays = type(ctypes.c_short * 1)
        return sum(type(each) is of_arrays for each in gc.get_objects())  # no isinstance: lazy objects would wake up

    voice = EspeakVoice("en-us", 165, 50)
    before = array_types()
    speak(voice, "One.", "Twenty-two.", "Three hundred and thirty-three.", "We are open from nine to five.")
    gc.collect()
    assert array_types() == before
