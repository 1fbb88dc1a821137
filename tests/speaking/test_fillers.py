"""The filler bank: what was made beforehand is there at once, what failed is missing."""

import numpy as np

from client_caller.faults import crash, faulty, first, scheduled
from client_caller.speaking.fillers import Fillers, rendered
from client_caller.speaking.tone import ToneVoice
from virtual import run

PHRASES = ("One moment, please.", "I am still looking.", "One moment, please.")


def test_a_phrase_is_held_with_its_sound_and_its_words() -> None:
    bank = run(rendered(ToneVoice(0.2), PHRASES))
    for phrase in PHRASES:
        sound = bank.sound(phrase)
        assert sound is not None
        assert sum(len(speech.samples) for speech in sound) == 1_600 * len(phrase.split())
        assert [word.index for speech in sound for word in speech.words] == list(range(len(phrase.split())))
        assert all(np.abs(speech.samples).max() > 0 for speech in sound)


def test_a_phrase_is_made_once() -> None:
    assert len(run(rendered(ToneVoice(), PHRASES)).sounds) == 2


def test_a_phrase_that_failed_is_missing_and_the_others_are_there() -> None:
    bank = run(rendered(faulty(ToneVoice(0.2), scheduled([crash(after=1)])), PHRASES))
    assert bank.sound(PHRASES[0]) is None
    assert bank.sound(PHRASES[1]) is not None


def test_with_no_voice_at_all_the_bank_is_empty() -> None:
    assert run(rendered(faulty(ToneVoice(), first(9, crash())), PHRASES)) == Fillers()


def test_an_empty_bank_holds_nothing() -> None:
    assert Fillers().sound(PHRASES[0]) is None
