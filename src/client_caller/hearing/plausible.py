"""What of a transcriber's work to believe.

In:   sound before it is decoded, text and the decoder's own doubts after.
Out:  whether to decode it; the text without what was made up.
Rule: a generative transcriber always finds words, in noise too; so it is not shown noise. How loud a caller is says
      nothing: what tells a voice from a line's hiss is that it swells and fades.
"""

import re
from typing import Final

import numpy as np

from client_caller.audio.frame import Samples

LEVEL_DBFS: Final = -20.0
"""Every engine is shown speech at this level. Moonshine's word error rate varies by a factor of two with the level, and
is lowest here; Whisper and the rest were trained on speech about as loud."""

_SHORTEST_S: Final = 0.1
"""No word is shorter."""

_STRETCH_S: Final = 0.03
"""Length of the stretches whose levels are compared: shorter than a vowel, longer than a period of the voice."""

_STEP_DBFS: Final = -72.0
"""The smallest step of mu-law, 8 of 32768. Sound below it is the line's rounding."""

_VOICED_STRETCHES: Final = 2
"""A click fills one stretch, the shortest vowel two."""

_STEADY_STRETCHES: Final = 10
"""0.3 s. What is shorter may be a word whole, and cannot be called steady."""

_ABOVE_STEP_DB: Final = 2.0
"""What is too short to be called steady must stand out so much: of a hiss as soft as the smallest step only the loudest
stretches rise above it, by 1.6 dB at most."""

_STEADY_DB: Final = 3.0
"""From the softest tenth to the second loudest stretch: hiss has 2.0 dB at most, between -20 and -85 dBFS and through
mu-law; the flattest of 78 utterances of human speech has 6.4, also at -60 dBFS."""

_DOUBTED_NO_SPEECH: Final = 0.6
_DOUBTED_LOG_PROBABILITY: Final = -1.0
"""Source of both: OpenAI Whisper, `transcribe`: no_speech_threshold and logprob_threshold."""

_LONGEST_PHRASE: Final = 8
_REPEATS: Final = 3
_LOOP_WORDS: Final = 8
"""A loop has at least so many words in all: "no, no, no" and "four five, four five, four five" may be meant."""

_FOUND_IN_NOISE: Final = "you"
"""What Moonshine answers to loud hiss and to snatches too short for a word, as measured. Nobody says it alone."""

_STOCK: Final = frozenset(
    {
        "thanks for watching",
        "thank you for watching",
        "thank you so much for watching",
        "please subscribe",
        "please like and subscribe",
        "like and subscribe",
        "please subscribe to my channel",
        "don't forget to subscribe",
        "see you in the next video",
        "i'll see you in the next video",
        "subtitles by the amara.org community",
        "transcription by castingwords",
    }
)
"""What the subtitles that Whisper learned from say where nobody speaks, and what nobody says on the telephone."""

_SENTENCE_ENDS: Final = re.compile(r"(?<=[.!?])\s+")


def holds_voice(samples: Samples, hz: int) -> bool:
    """Whether there is anything in the sound that may be words: not silence, not steady noise, however loud."""
    if len(samples) < _SHORTEST_S * hz:
        return False
    stretch = round(_STRETCH_S * hz)
    stretches = samples[: len(samples) // stretch * stretch].reshape(-1, stretch)
    powers = np.sort(np.mean(np.square(stretches, dtype=np.float64), axis=1))
    heard = powers[powers > 10 ** (_STEP_DBFS / 10)]
    if len(heard) < _VOICED_STRETCHES:
        return False
    loud_db = 10 * np.log10(heard[-_VOICED_STRETCHES])
    if len(heard) < _STEADY_STRETCHES:
        return bool(loud_db > _STEP_DBFS + _ABOVE_STEP_DB)
    return bool(loud_db - 10 * np.log10(heard[len(heard) // 10]) > _STEADY_DB)


def doubted(no_speech: float, log_probability: float) -> bool:
    """Whether the decoder itself holds that there was no speech, or guessed.

    no_speech: its P(no speech);  log_probability: mean natural logarithm of P over its tokens.
    """
    return no_speech > _DOUBTED_NO_SPEECH or log_probability < _DOUBTED_LOG_PROBABILITY


def believed(text: str) -> str:
    """The text without stock sentences; a phrase said over and over (three times, eight words in all) is said once.

    Empty when all of it is what is found in breath and noise.
    """
    sentences = _SENTENCE_ENDS.split(text.strip())
    words = " ".join(sentence for sentence in sentences if _plain(sentence) not in _STOCK).split()
    plain = [_plain(word) for word in words]
    if plain == [_FOUND_IN_NOISE]:
        return ""
    kept: list[str] = []
    at = 0
    while at < len(words):
        length, repeats = _loop(plain[at:])
        kept += words[at : at + length]
        at += length * repeats
    return " ".join(kept)


def _plain(text: str) -> str:
    return text.strip(".,!? ").lower().replace("’", "'")


def _loop(words: list[str]) -> tuple[int, int]:
    """Length and repeats of the loop that `words` begin with; (1, 1) when they begin with none."""
    for length in range(1, _LONGEST_PHRASE + 1):
        repeats = 1
        while words[repeats * length : (repeats + 1) * length] == words[:length]:
            repeats += 1
        if repeats >= _REPEATS and repeats * length >= _LOOP_WORDS:
            return length, repeats
    return 1, 1
