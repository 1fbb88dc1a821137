"""Sounds that callers and their rooms make: words to break in with, and what must not stop an agent.

In:   a seed; eSpeak; the corpus, where there is one.     Out: `Clip`s at 8 kHz in the telephone band.
Rule: deterministic. What is made of noise and pulses here is called synthetic in every table: it has the course of the
      real thing in time and spectrum, and nobody has mistaken it for a recording.

Levels are those of the loudest 20 ms, for a click and a sentence have no mean in common; speech alone goes by its mean.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from client_caller.app import embedded_voice
from client_caller.audio.frame import FRAME_SAMPLES, LINE_HZ, Samples
from client_caller.demo import render_with_espeak
from client_caller.rehearsal.cast import INTERRUPTIONS, Line, spoken
from client_caller.rehearsal.clips import SPEECH_DBFS, Clip, prepare, read_wav
from corpus import CORPUS, HZ, corpus_present, human_clips
from corpus import Clip as HumanClip

_HUMAN_BREAKS: Final = ("ibm_autoloan_t2", "goog_brooklyn", "ms_weather", "ls116_whatmean", "two_cities_13.3")
"""Short turns of human beings with sure edges: "No I just want a new car", "how old is the Brooklyn Bridge", …"""

_BREAKS: Final = (
    *INTERRUPTIONS,
    Line("Wait, are you open on Saturday?", 150),
    Line("Sorry, how much does it cost?", 150),
)
_BACKCHANNELS: Final = ("yeah", "right", "okay", "sure", "uh huh")
_VOICES: Final = (("en-us", 150, 50), ("en-us+f3", 150, 55), ("en+m3", 160, 40))
_MISREAD: Final = (("en+m3", "uh huh"),)
"""What Moonshine takes for other words (here "but her") is no fair test: such words rightly stop an agent."""

_BACKCHANNEL_DBFS: Final = -26.0
_EDGE_S: Final = 0.02


async def breaks() -> list[Clip]:
    """What a caller breaks in with, synthetic and human voices in turn; each from its first sample to its last."""
    synthetic = [await spoken(line, render_with_espeak) for line in _BREAKS]
    by_name = {clip.name: clip for clip in human_clips()}
    human = [of_human(by_name[name]) for name in _HUMAN_BREAKS if name in by_name]
    while len(human) < len(synthetic):  # without the corpus there is but one
        human += human
    return [trimmed(clip) for pair in zip(synthetic, human, strict=False) for clip in pair]


async def backchannels() -> list[Clip]:
    """Short words that leave the floor to the agent: eSpeak's in three voices, and a synthetic hum for "mhm"."""
    clips = [hum(seed) for seed in range(len(_VOICES))]
    for name, words_per_minute, pitch in _VOICES:
        voice = embedded_voice(name, words_per_minute, pitch)
        for word in (word for word in _BACKCHANNELS if (name, word) not in _MISREAD):
            said = np.concatenate([speech.samples async for speech in voice.speak(f"{word}.")])
            clips.append(at_loudness(prepare(said, LINE_HZ, word, name), _BACKCHANNEL_DBFS))
    return [trimmed(clip) for clip in clips]


def of_human(clip: HumanClip, at_most_s: float = 10.0) -> Clip:
    """The speech of a clip of the corpus, as the line would carry it, -23 dBFS."""
    begin, end = clip.speech_start_s - _EDGE_S, min(clip.speech_end_s, clip.speech_start_s + at_most_s) + _EDGE_S
    sound = clip.samples[max(0, round(begin * HZ)) : round(end * HZ)]
    return prepare(_faded(sound, HZ), HZ, clip.transcript.lower(), clip.name)


def trimmed(clip: Clip) -> Clip:
    """The audible part alone, so that its first sample is the onset."""
    first, last = round(clip.speech_start_s * LINE_HZ), round(clip.speech_end_s * LINE_HZ)
    return replace(clip, samples=clip.samples[first:last], speech_start_s=0.0, speech_end_s=(last - first) / LINE_HZ)


def louder(clip: Clip, by_db: float) -> Clip:
    """The same at another level."""
    return replace(clip, samples=clip.samples * np.float32(10 ** (by_db / 20)))


def at_speech_level(clip: Clip, dbfs: float) -> Clip:
    """A clip of `prepare`'s at another mean level."""
    return louder(clip, dbfs - SPEECH_DBFS)


def at_loudness(clip: Clip, dbfs: float) -> Clip:
    """The same, its loudest 20 ms at this level."""
    whole = np.pad(clip.samples, (0, -len(clip.samples) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
    loudest = 10 * np.log10(np.mean(np.square(whole, dtype=np.float64), axis=1).max() + 1e-12)
    return louder(clip, dbfs - float(loudest))


def room_noise(dbfs: float, seconds: float = 10.0, seed: int = 0) -> Samples:
    """White noise in the telephone band; its mean is at `dbfs`. Shape (n,)."""
    white = np.random.default_rng(seed).standard_normal(round(seconds * LINE_HZ)).astype(np.float32)
    return at_speech_level(prepare(white, LINE_HZ, "", "noise"), dbfs).samples


# Made of noise and pulses.


def cough(seed: int) -> Clip:
    """One or two bursts of shaped noise, each with a voiced tail."""
    random = np.random.default_rng(seed)
    parts: list[Samples] = []
    for _ in range(1 + seed % 2):
        burst = _coloured(random, 0.09, 500, 3_200) * _decay(0.09, 0.05)
        breath = 0.35 * _coloured(random, 0.16, 400, 2_400) * _decay(0.16, 0.07)
        tail = 0.5 * _voiced(random, 0.12, random.uniform(110, 220), -60, (650, 1_300)) * _decay(0.12, 0.06)
        parts += [burst, breath[: len(breath) // 2], tail + _fit(breath[len(breath) // 2 :], len(tail)), _quiet(0.15)]
    return _made("cough (synthetic)", np.concatenate(parts), -18.0 - 4 * (seed % 3))


def click(seed: int) -> Clip:
    """A button pressed and let go."""
    random = np.random.default_rng(seed)
    one, other = (_ringing(random.uniform(1_200, 2_600), 0.012, 0.002) for _ in range(2))
    return _made("click (synthetic)", np.concatenate((one, _quiet(random.uniform(0.05, 0.12)), 0.6 * other)), -24.0)


def typing(seed: int) -> Clip:
    """Two seconds of a keyboard."""
    random = np.random.default_rng(seed)
    strokes: list[Samples] = []
    while sum(map(len, strokes)) < 2 * LINE_HZ:
        key = _coloured(random, 0.006, 1_500, 3_400) * _decay(0.006, 0.002)
        thud = 0.4 * _coloured(random, 0.04, 300, 900) * _decay(0.04, 0.012)
        strokes += [random.uniform(0.5, 1.0) * key, thud, _quiet(random.uniform(0.05, 0.22))]
    return _made("typing (synthetic)", np.concatenate(strokes), -30.0)


def door(seed: int) -> Clip:
    """A door that slams, with its room."""
    random = np.random.default_rng(seed)
    bang = _coloured(random, 0.4, 200, 2_500) * _decay(0.4, 0.06) + 0.8 * _ringing(random.uniform(300, 420), 0.4, 0.09)
    return _made("door slam (synthetic)", bang, -15.0)


def hum(seed: int) -> Clip:
    """ "Mhm": two nasal syllables with a breath between, the second higher. Moonshine reads "Thank you" or the like."""
    random = np.random.default_rng(seed)
    hz = (110.0, 190.0, 140.0)[seed % 3]
    first = _voiced(random, 0.15, hz, 5, (280, 1_050)) * _swell(0.15)
    breath = 0.03 * _coloured(random, 0.06, 400, 2_000)
    second = _voiced(random, 0.24, 1.25 * hz, -10, (280, 1_050)) * _swell(0.24)
    return replace(_made("mhm (synthetic)", np.concatenate((first, breath, second)), _BACKCHANNEL_DBFS), text="mhm")


def music(seed: int) -> Clip:
    """Two seconds of chords; a recording where the corpus is."""
    if corpus_present():
        return recorded_noise("music_vibeace", seed, -24.0)
    random = np.random.default_rng(seed)
    at_s = np.arange(LINE_HZ) / LINE_HZ
    partials = [(ratio * k, k) for ratio in (1, 1.25, 1.5) for k in (1, 2, 3)]
    chords = [
        sum(np.sin(2 * np.pi * root * of * at_s) / k for of, k in partials) * _decay(1, 1)
        for root in random.choice((262, 294, 330, 392), 2)
    ]
    return _made("music (synthetic)", np.concatenate(chords).astype(np.float32), -24.0)


def recorded_noise(name: str, seed: int, dbfs: float, seconds: float = 2.0) -> Clip:
    """A stretch of one of the corpus' noises, faded in and out."""
    samples, hz = read_wav(CORPUS / "noise" / f"{name}.wav")
    first = int(np.random.default_rng(seed).integers(len(samples) - round(seconds * hz)))
    stretch = _faded(samples[first : first + round(seconds * hz)], hz, 0.1)
    return at_loudness(prepare(stretch, hz, "", name.removeprefix("noise_").removesuffix("_vibeace")), dbfs)


def second_voices() -> list[HumanClip]:
    """Who may be talking in the background: human speech of two seconds and more."""
    fit = [clip for clip in human_clips() if clip.timing_use and clip.speech_s >= 2.0 and "pause" not in clip.tags]
    return sorted(fit, key=lambda clip: (clip.speaker, clip.name))


def _made(name: str, samples: Samples, dbfs: float) -> Clip:
    return at_loudness(prepare(samples.astype(np.float32), LINE_HZ, "", name), dbfs)


def _quiet(seconds: float) -> Samples:
    return np.zeros(round(seconds * LINE_HZ), np.float32)


def _fit(samples: Samples, count: int) -> Samples:
    return np.pad(samples[:count], (0, max(0, count - len(samples))))


def _decay(seconds: float, tau_s: float) -> Samples:
    at_s = np.arange(round(seconds * LINE_HZ)) / LINE_HZ
    return (np.minimum(1.0, at_s / 0.002) * np.exp(-at_s / tau_s)).astype(np.float32)


def _swell(seconds: float) -> Samples:
    return np.hanning(round(seconds * LINE_HZ)).astype(np.float32) ** np.float32(0.5)


def _ringing(hz: float, seconds: float, tau_s: float) -> Samples:
    at_s = np.arange(round(seconds * LINE_HZ)) / LINE_HZ
    return (np.sin(2 * np.pi * hz * at_s)).astype(np.float32) * _decay(seconds, tau_s)


def _coloured(random: np.random.Generator, seconds: float, low_hz: float, high_hz: float) -> Samples:
    """Noise between two frequencies; its mean level is 0 dBFS."""
    count = round(seconds * LINE_HZ)
    spectrum = np.fft.rfft(random.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / LINE_HZ)
    spectrum[(hz < low_hz) | (hz > high_hz)] = 0
    noise = np.fft.irfft(spectrum, count)
    return (noise / (np.sqrt(np.mean(noise**2)) + 1e-9)).astype(np.float32)


def _voiced(
    random: np.random.Generator, seconds: float, hz: float, glide_hz: float, formants: tuple[float, float]
) -> Samples:
    """A voice: pulses at a pitch that glides, through two resonances; its mean level is 0 dBFS."""
    count = round(seconds * LINE_HZ)
    pitch = hz + glide_hz * np.linspace(0, 1, count) + random.normal(0, 1.5, count)
    phase = np.cumsum(pitch) / LINE_HZ
    pulses = np.diff(np.floor(phase), prepend=0.0)
    at_s = np.arange(round(0.03 * LINE_HZ)) / LINE_HZ
    tract = sum(np.sin(2 * np.pi * f * at_s) * np.exp(-at_s * 250) / (1 + n) for n, f in enumerate(formants))
    sound = np.convolve(pulses, np.asarray(tract))[:count]
    return (sound / (np.sqrt(np.mean(sound**2)) + 1e-9)).astype(np.float32)


def _faded(samples: Samples, hz: int, seconds: float = 0.01) -> Samples:
    ramp = np.minimum(1.0, np.arange(len(samples)) / (seconds * hz)).astype(np.float32)
    return samples * ramp * ramp[::-1]
