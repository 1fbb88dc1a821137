"""The real voice, cut off in mid-sentence: a transcriber tells the last word that the caller heard.

In:   a server whose agent has fifty seconds to say.     Out: one `Ending` for each interruption.
Rule: a transcriber mishears, above all a word that is cut; so its words are laid beside the text, and only the place at
      which they end is compared.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from client_caller.agent import load_agent
from client_caller.app import running_engines
from client_caller.audio.frame import LINE_HZ
from client_caller.audio.mulaw import decode
from client_caller.audio.resample import resample
from client_caller.settings import load_settings
from corpus import HZ
from flow_agents import LONG, answering
from flow_caller import Cue, FlowCall, FlowCaller, hold, keep_example
from flow_caller import Ending as CallEnding
from flow_judging import stopped_at
from flow_sounds import at_speech_level, breaks
from wer import errors, normalised

_TAIL_S: Final = 4.0
_CALLER_DBFS: Final = -23.0
_FIRST_S, _STEP_S = 2.0, 0.53
_NOBODY: Final = "http://127.0.0.1:9/v1"  # the language model is not to be used


@dataclass(frozen=True, slots=True)
class Ending:
    """One interruption. remembered, heard: words of the text, by history and by transcriber; tail: those it found."""

    at: float
    remembered: int
    heard: int
    tail: str

    @property
    def difference(self) -> int:
        """Below zero for words that were heard and are not in the history."""
        return self.remembered - self.heard


async def heard_endings(folder: Path, examples: Path, count: int) -> list[Ending]:
    """Interrupt the long greeting `count` times, later each time; then listen to what was heard of it."""
    clips = [at_speech_level(clip, _CALLER_DBFS) for clip in await breaks()]
    calls: list[FlowCall] = []
    async with answering(folder, LONG) as stage:
        for number in range(count):
            cue = Cue(clips[number % len(clips)], audible_s=_FIRST_S + _STEP_S * number)
            calls.append(await hold(stage, FlowCaller([cue], ending=CallEnding(within_s=5.0))))
            keep_example(calls[-1], "truth, real voice", examples)
    return await _transcribed(calls)


async def _transcribed(calls: list[FlowCall]) -> list[Ending]:
    settings = load_settings()
    thinking = settings.thinking.model_copy(update={"base_url": _NOBODY})
    found: list[Ending] = []
    agent = load_agent(settings.agent)
    async with running_engines(settings.model_copy(update={"thinking": thinking}), agent) as engines:
        for call in calls:
            at = call.made[0].starts_at if call.made else None
            stop = None if at is None else stopped_at(call.agent, at, call.made[0].ends_at + 0.5)
            turns = [a.turn for t, a in call.did("Remember") if a.turn.speaker == "agent"]
            if at is None or stop is None or not turns:
                continue
            sound = decode(call.played)[round(max(0.0, stop - _TAIL_S) * LINE_HZ) : round(stop * LINE_HZ)]
            framed = np.pad(sound, round(0.2 * LINE_HZ))
            tail = await engines.transcriber.transcribe(resample(framed, LINE_HZ, HZ))
            found.append(Ending(at, len(turns[0].text.split()), ends_at_word(tail, LONG), tail))
    return found


def ends_at_word(tail: str, text: str) -> int:
    """How many words of `text` have been said when the last of these words, perhaps misheard, has been said."""
    words, count = text.split(), max(1, len(normalised(tail)))
    places = range(1, len(words) + 1)
    return min(places, key=lambda end: errors(" ".join(words[max(0, end - count) : end]), tail).count)
