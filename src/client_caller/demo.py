"""The demo: a real call on this machine, from the webhook to the hang-up, shown as it goes and kept for looking at.

In:   nothing but the embedded models.
Out:  `runs/<time>/` with report.html, report.json, call.wav, record.jsonl and server.log.
Rule: nothing is staged but the caller. The server is a process of its own that was started like any other, the line is
      the path that Twilio uses, and what is measured is measured at the caller's ear.
"""

import platform
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from client_caller.app import embedded_voice, pull_models, speech_samples
from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.cli.progress import watching
from client_caller.records.flight import read_record
from client_caller.rehearsal.cast import (
    GOODBYE,
    HALTING,
    HUMAN_SENTENCES,
    INTERRUPTIONS,
    QUESTIONS,
    SHORT_ANSWERS,
    Render,
    recorded,
    spoken,
)
from client_caller.rehearsal.live import turn_table
from client_caller.rehearsal.measure import HeardCall
from client_caller.rehearsal.report import CallReport, write_report
from client_caller.rehearsal.script import HangUp, Interrupt, Say, SayWithPause, Step
from client_caller.rehearsal.stage import serving
from client_caller.rehearsal.timeline import join
from client_caller.rehearsal.watched import watched
from client_caller.settings import Settings

CALLER_VOICE: Final = "en-us"
_VOICES: Final = {"espeak": "eSpeak NG", "csm": "CSM", "server": "the speech server's"}


async def run_demo(settings: Settings, console: Console, runs: Path = Path("runs")) -> Path:
    """Hold the call; returns the folder with what it left. Raises ModelUnavailable, ConfigError, LineError."""
    with watching(console) as progress:
        pull_models(settings, progress)
    folder = runs / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    steps = await _script(render_with_espeak, speech_samples(settings))
    voice = _VOICES[settings.speaking.engine]
    console.print(f"Starting the server with its models: Silero, Smart Turn, Moonshine, SmolLM2, {voice}.")
    async with serving(folder) as stage:
        console.print(f"Calling it at {stage.url}, over the path that Twilio uses.\n")
        heard = await watched(stage, steps, console)
        record = stage.newest_record()
        assert record is not None
    return tell(heard, record.parent, folder, console)


async def render_with_espeak(text: str, words_per_minute: int) -> tuple[Samples, int]:
    """The synthetic caller's voice."""
    voice = embedded_voice(CALLER_VOICE, words_per_minute, pitch=50)
    return np.concatenate([speech.samples async for speech in voice.speak(text)]), LINE_HZ


async def _script(render: Render, recordings: Path) -> Sequence[Step]:
    """A question, a pause for thought, a short answer, a barge-in, a human voice, and a goodbye."""
    return [
        Say(await spoken(QUESTIONS[0], render)),
        Say(await spoken(SHORT_ANSWERS[0], render)),
        SayWithPause(await spoken(HALTING[1][0], render), 2.0, await spoken(HALTING[1][1], render)),
        Say(await spoken(QUESTIONS[3], render)),
        Interrupt(await spoken(INTERRUPTIONS[0], render)),
        Say(await spoken(QUESTIONS[1], render)),
        Say(recorded(HUMAN_SENTENCES[0], recordings)),
        Say(await spoken(GOODBYE, render)),
        HangUp(),
    ]


def tell(heard: HeardCall, call: Path, folder: Path, console: Console) -> Path:
    """Put what the call left into `folder`, beside a report, and show the figures. call: the folder of its record."""
    for name in ("record.jsonl", "call.wav"):
        shutil.copyfile(call / name, folder / name)
    header, entries = read_record(folder / "record.jsonl")
    timeline = join(heard.turns, entries)
    notes = (
        "Caller and server ran on the same machine; no telephone network is in these figures.",
        f"The caller's own pacing was never later than {1000 * heard.lateness_s:.0f} ms.",
    )
    machine = f"{platform.machine()}, {cpu_count()} processors, Python {platform.python_version()}"
    report = CallReport(f"A call to {header.agent}", header.started, machine, notes, timeline, heard.sent, heard.played)
    page = write_report(report, folder)
    console.print(turn_table(timeline.turns))
    console.print(f"\nLook at {page}; listen to {folder / 'call.wav'}.", soft_wrap=True)
    console.print(
        f"Run the conversation again: .venv/bin/client-caller replay {folder / 'record.jsonl'}", soft_wrap=True
    )
    return folder
