"""How many words a transcriber gets wrong: clean, over the telephone, in noise, loud and soft.

In:   clips with their words; the engines.     Out: one `Reading` for each clip, condition and way.
Rule: every clip is read in two ways: by the engine alone, in one piece, and through the listener, which finds its edges
      and settles words at pauses as in a call. What the second way loses against the first is our own fault.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from client_caller.audio import mulaw
from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ, Samples
from client_caller.audio.resample import resample
from client_caller.conversation.events import SpeechPaused
from client_caller.engines import Engines
from client_caller.hearing.listener import Listener
from client_caller.settings import HearingSettings
from corpus import HZ, Clip, human_clips, noise_names, telephone
from wer import Errors, errors

ALONE: Final = "alone"
LISTENED: Final = "listened"

_LONGEST_S: Final = 12.0
"""The longest clip that is given to an engine in one piece; a call never gives it as much."""

_EDGE_S: Final = 0.3  # around the speech, as the listener gives it
_LEVEL_DBFS: Final = -23.0


@dataclass(frozen=True, slots=True)
class Condition:
    """How a clip comes to the transcriber. line: False: at 16 kHz, as recorded; else see `corpus.telephone`."""

    name: str
    line: bool = True
    level_dbfs: float = _LEVEL_DBFS
    snr_db: float | None = None
    noise: str = "white"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was understood of one clip. use: "strict" or "soft"; understood: "" when every word was right."""

    condition: str
    way: str
    clip: str
    use: str
    errors: Errors
    understood: str


def conditions() -> list[Condition]:
    """All of them; noises of the corpus only where it is present."""
    noises = ["white", *(name for name in noise_names() if not name.startswith("music"))]
    return [
        Condition("clean, 16 kHz", line=False),
        Condition("telephone"),
        *(
            Condition(f"{snr_db} dB above {noise}", snr_db=snr_db, noise=noise)
            for noise in noises
            for snr_db in (20, 10)
        ),
        *(Condition(f"telephone, {level} dBFS", level_dbfs=level) for level in (-20, -40, -60)),
    ]


def clips_with_words() -> list[Clip]:
    """One speaker, words that somebody wrote down, not longer than a turn."""
    return [
        clip
        for clip in human_clips()
        if clip.wer_use != "no" and clip.transcript and "dialogue" not in clip.tags and clip.speech_s <= _LONGEST_S
    ]


async def read(
    clips: Sequence[Clip], condition: Condition, engines: Engines, settings: HearingSettings
) -> list[Reading]:
    """Every clip in both ways; through the listener only what comes over the line."""
    free = asyncio.Semaphore(settings.workers)

    async def one(clip: Clip) -> list[Reading]:
        async with free:
            if not condition.line:
                return [_reading(clip, condition, ALONE, await _alone(clip, clip.samples, engines))]
            sent = telephone(
                clip.samples, level_dbfs=condition.level_dbfs, snr_db=condition.snr_db, noise=condition.noise
            )
            sound = resample(mulaw.decode(sent), LINE_HZ, HZ)
            return [
                _reading(clip, condition, ALONE, await _alone(clip, sound, engines)),
                _reading(clip, condition, LISTENED, await _listened(sent, engines, settings)),
            ]

    return [reading for readings in await asyncio.gather(*map(one, clips)) for reading in readings]


def rate(readings: Sequence[Reading], condition: str, way: str, use: str) -> Errors:
    """The errors of all clips together."""
    chosen = [r.errors for r in readings if (r.condition, r.way, r.use) == (condition, way, use)]
    return sum(chosen, start=Errors())


def _reading(clip: Clip, condition: Condition, way: str, understood: str) -> Reading:
    found = errors(clip.transcript, understood)
    return Reading(condition.name, way, clip.name, clip.wer_use, found, understood if found.count else "")


async def _alone(clip: Clip, sound: Samples, engines: Engines) -> str:
    first, last = max(0.0, clip.speech_start_s - _EDGE_S), clip.speech_end_s + _EDGE_S
    return await engines.transcriber.transcribe(sound[round(first * HZ) : round(last * HZ)])


async def _listened(sent: bytes, engines: Engines, settings: HearingSettings) -> str:
    """All words as of the last pause, decoded at every pause as in a call, but not in real time."""
    listener = Listener(engines.activity(), settings)
    words = ""
    for start in range(0, len(sent), FRAME_SAMPLES):
        media_s = start / LINE_HZ
        for event in await listener.feed(sent[start : start + FRAME_SAMPLES], media_s, media_s + FRAME_S):
            if isinstance(event, SpeechPaused):
                audio = listener.turn_audio()
                words = listener.decoded(audio, await engines.transcriber.transcribe(audio.samples))
    return words
