"""How soon after the end of speech the pause is noticed, and how soon the words are there: in real time.

In:   utterances; the engines.     Out: one `Timing` for each.
Rule: the product's own call is held, over a line in memory, and its own flight record is read. Only the language model
      and the voice are stand-ins, for they would take the processor from what is measured; and the agent never takes
      the turn, for a turn cut in two would be the policy's fault.

Instants are compared on the call's clock, which begins at the first frame; a frame of 20 ms bounds what that is worth.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from client_caller.agent import Agent
from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.resample import resample
from client_caller.call import Call
from client_caller.conversation.events import SpeechPaused, SpeechStarted, Transcript
from client_caller.conversation.machine import Conversation
from client_caller.demo import render_with_espeak
from client_caller.engines import Engines
from client_caller.line.simulated import SimulatedLine
from client_caller.manner import manner_of
from client_caller.mind import Brief
from client_caller.records.flight import Entry, EventEntry, FactEntry, FlightRecord, Header, read_record
from client_caller.records.recording import Recording
from client_caller.rehearsal.cast import QUESTIONS, SHORT_ANSWERS, spoken
from client_caller.settings import Settings
from client_caller.speaking.tone import ToneVoice
from client_caller.thinking.scripted import ScriptedModel
from corpus import HZ, framed, human_clips, telephone

LONGEST_S: Final = 6.0
LEVEL_DBFS: Final = -23.0
NOISE_DBFS: Final = -55.0

_PATIENT_S: Final = 60.0
"""Longer than any utterance: however a pause is judged, the agent waits."""

_LEAD_S: Final = 0.8  # the greeting is over by then
_TAIL_S: Final = 1.5  # a transcript that comes later counts as none

AGENT: Final = Agent(name="Anna", company="Brightline", greeting="Hello.", persona="You are Anna.")


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one caller says. Instants are seconds from the first byte; text: "" where nobody wrote it down."""

    kind: Literal["human", "synthetic"]
    name: str
    text: str
    mulaw: bytes
    speech_start_s: float
    speech_end_s: float


@dataclass(frozen=True, slots=True)
class Timing:
    """One utterance, as it was heard.

    noticed_s: from the true end of the speech to the event that says so; negative when the last sound was too soft to
    count as voice;  words_s: from the true end to the words as of that pause;  pauses: how many were noticed in all;
    resumed: whether something after the end was taken for voice;  understood: those words. None: it never came.
    """

    kind: str
    name: str
    speech_s: float
    noticed_s: float | None
    words_s: float | None
    pauses: int
    resumed: bool
    said: str
    understood: str


def human_utterances() -> list[Utterance]:
    """Every clip of at most six seconds whose edges are known, on a usual line."""
    fit = [clip for clip in human_clips() if clip.timing_use and clip.turn_complete and clip.speech_s <= LONGEST_S]
    return [
        Utterance(
            "human",
            clip.name,
            clip.transcript if clip.wer_use != "no" else "",
            _on_a_usual_line(clip.samples),
            clip.speech_start_s,
            clip.speech_end_s,
        )
        for clip in (framed(clip, _LEAD_S, _TAIL_S) for clip in fit)
    ]


async def synthetic_utterances() -> list[Utterance]:
    """The sentences of the rehearsal's synthetic caller, on the same line."""
    utterances = []
    for line in (*QUESTIONS, *SHORT_ANSWERS):
        clip = await spoken(line, render_with_espeak)
        lead, tail = (np.zeros(round(seconds * LINE_HZ), np.float32) for seconds in (_LEAD_S, _TAIL_S))
        sound = resample(np.concatenate((lead, clip.samples, tail)), LINE_HZ, HZ)
        starts_s, ends_s = clip.speech_start_s + _LEAD_S, clip.speech_end_s + _LEAD_S
        utterances.append(Utterance("synthetic", line.text, line.text, _on_a_usual_line(sound), starts_s, ends_s))
    return utterances


async def measure(utterances: Sequence[Utterance], engines: Engines, settings: Settings, folder: Path) -> list[Timing]:
    """One call for each utterance, one after the other. folder: for the flight records."""
    stand_ins = replace(engines, language_model=ScriptedModel(lambda messages: "Okay."), voice=ToneVoice(0.05))
    timings = []
    for number, utterance in enumerate(utterances):
        entries = await _held(utterance, stand_ins, settings, folder / f"{number}.jsonl")
        timings.append(timing_of(utterance, entries))
    return timings


def timing_of(utterance: Utterance, entries: Sequence[Entry]) -> Timing:
    """When the pause that begins at the end of the speech was noticed, and when its words were there."""
    began_at = next(entry.t for entry in entries if isinstance(entry, FactEntry) and entry.name == "media started")
    end_at = began_at + utterance.speech_end_s
    pauses = 0
    noticed_s: float | None = None
    words_s: float | None = None
    understood = ""
    resumed = False
    for entry in entries:
        match entry:
            case EventEntry(event=SpeechStarted(at=at)) if at < end_at:
                noticed_s = words_s = None
            case EventEntry(event=SpeechStarted()):
                resumed = True
            case EventEntry(t=t, event=SpeechPaused()):
                pauses += 1
                if not resumed:
                    noticed_s = t - end_at
            case EventEntry(t=t, event=Transcript(pause=pause, text=text)) if pause == pauses and not resumed:
                if noticed_s is not None:
                    words_s, understood = t - end_at, text
    return Timing(
        utterance.kind,
        utterance.name,
        utterance.speech_end_s - utterance.speech_start_s,
        noticed_s,
        words_s,
        pauses,
        resumed,
        utterance.text,
        understood,
    )


def _on_a_usual_line(samples: Samples) -> bytes:
    return telephone(samples, level_dbfs=LEVEL_DBFS, noise_floor_dbfs=NOISE_DBFS)


async def _held(utterance: Utterance, engines: Engines, settings: Settings, path: Path) -> list[Entry]:
    manner = replace(manner_of(AGENT, settings), quick_s=_PATIENT_S, patient_s=_PATIENT_S)
    record = FlightRecord(path, Header("bench", "", AGENT.name, asdict(manner)))
    line = SimulatedLine()
    line.say(utterance.mulaw)
    call = Call(line, engines, Conversation(manner), Brief(AGENT), settings, record, Recording(None))
    running = asyncio.create_task(call.run())
    await asyncio.sleep(len(utterance.mulaw) / LINE_HZ)
    line.hang_up_by_caller()
    await running
    return read_record(path)[1]
