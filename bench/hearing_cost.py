"""What hearing costs the processor.

In:   the engines.     Out: rows of processor and wall time.
Rule: processor time is that of all threads of this process, so nothing else may run in it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Final

import numpy as np

from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, LINE_HZ, Samples
from client_caller.engines import Engines
from client_caller.hearing.listener import Listener
from client_caller.hearing.protocols import VoiceActivity
from client_caller.hearing.scripted import LoudnessActivity
from client_caller.settings import HearingSettings
from corpus import HZ, Clip, human_clips, telephone

CALLS: Final = (1, 4, 16)
LENGTHS_S: Final = (1.0, 2.0, 3.0, 4.0, 6.0)
_LISTENED_S: Final = 10.0
_JUDGED_S: Final = 8.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds for one unit of what is named."""

    name: str
    unit: str
    cpu_ms: float
    wall_ms: float


async def measure(engines: Engines, settings: HearingSettings, repeats: int) -> list[Cost]:
    """The ears at 1, 4 and 16 calls at once, a judgement of the turn, and decodes of 1 to 6 s of speech."""
    voices = [clip for clip in human_clips() if clip.source == "package"]
    speech = np.concatenate([_speech(clip) for clip in voices])
    sent = telephone(speech[: round(_LISTENED_S * HZ)])
    costs = [await _ears(f"ears, {calls} at once", engines.activity, calls, sent, settings) for calls in CALLS]
    costs.append(await _ears("of it without the model, 1 call", LoudnessActivity, 1, sent, settings))
    judge = partial(engines.turn_model.p_done, speech[: round(_JUDGED_S * HZ)])
    costs.append(await _cost("turn model", "judgement", 1, repeats, judge))
    for length_s in LENGTHS_S:
        pieces = cycle(_pieces(speech, length_s))
        job = partial(_decode, engines, pieces)
        costs.append(await _cost(f"decoding {length_s:g} s", "second of speech", length_s, repeats, job))
    return costs


async def _ears(
    name: str, activity: Callable[[], VoiceActivity], calls: int, sent: bytes, settings: HearingSettings
) -> Cost:
    listeners = [Listener(activity(), settings) for _ in range(calls)]

    async def listen() -> None:
        for start in range(0, len(sent), FRAME_SAMPLES):
            frame, at = sent[start : start + FRAME_SAMPLES], start / LINE_HZ
            await asyncio.gather(*(listener.feed(frame, at, at + FRAME_S) for listener in listeners))

    return await _cost(name, "second of a call", calls * len(sent) / LINE_HZ, 1, listen)


async def _decode(engines: Engines, pieces: Iterator[Samples]) -> None:
    await engines.transcriber.transcribe(next(pieces))


async def _cost(name: str, unit: str, units: float, repeats: int, job: Callable[[], Awaitable[object]]) -> Cost:
    """units: how many of them one run of `job` is."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        await job()
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    return Cost(name, unit, 1000 * cpu_s / units / repeats, 1000 * wall_s / units / repeats)


def _speech(clip: Clip) -> Samples:
    return clip.samples[round(clip.speech_start_s * HZ) : round(clip.speech_end_s * HZ)]


def _pieces(speech: Samples, length_s: float) -> list[Samples]:
    length = round(length_s * HZ)
    return [speech[start : start + length] for start in range(0, len(speech) - length + 1, length)]
