"""The demo: a real call on this machine, from the webhook to the hang-up, shown as it goes and kept for looking at.

In:   nothing but the embedded models.     Out: `runs/<time>/`: report.html, report.json, call.wav, record.jsonl, server.log.
Rule: nothing is staged but the caller. The server is a process of its own that was started like any other, the line is
      the path that Twilio uses, and what is measured is measured at the caller's ear.
"""

import asyncio
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
from client_caller.records.flight import RecordTail, read_record
from client_caller.rehearsal.caller import rehearse
from client_caller.rehearsal.cast import (
    CALLER_VOICE,
    CALLER_WORDS_PER_MINUTE,
    HUMAN_SENTENCES,
    Render,
    recorded,
    spoken,
)
from client_caller.rehearsal.live import LiveView, turn_table
from client_caller.rehearsal.measure import HeardCall
from client_caller.rehearsal.report import CallReport, write_report
from client_caller.rehearsal.script import HangUp, Interrupt, Say, SayWithPause, Step
from client_caller.rehearsal.stage import ACCOUNT_SID, Stage, serving
from client_caller.rehearsal.timeline import join
from client_caller.settings import Settings

_LOOK_EVERY_S: Final = 0.1


async def run_demo(settings: Settings, console: Console, runs: Path = Path("runs")) -> Path:
    """Hold the call; returns the folder with what it left. Raises ModelUnavailable, ConfigError, LineError."""
    with watching(console) as progress:
        pull_models(settings, progress)
    folder = runs / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    steps = await _script(render_with_espeak(), speech_samples(settings))
    console.print("Starting the server with its models: Silero, Smart Turn, Moonshine, SmolLM2, eSpeak NG.")
    async with serving(folder) as stage:
        console.print(f"Calling it at {stage.url}, over the path that Twilio uses.\n")
        heard = await _call(stage, steps, console)
        record = stage.newest_record()
        assert record is not None
    _keep(record.parent, folder)
    return _report(heard, folder, console)


def render_with_espeak(voice: str = CALLER_VOICE, words_per_minute: int = CALLER_WORDS_PER_MINUTE) -> Render:
    """A synthetic caller's voice."""
    espeak = embedded_voice(voice, words_per_minute, pitch=50)

    async def render(text: str) -> tuple[Samples, int]:
        return np.concatenate([speech.samples async for speech in espeak.speak(text)]), LINE_HZ

    return render


async def _script(render: Render, recordings: Path) -> Sequence[Step]:
    """A question, a pause for thought, a short answer, a barge-in, a human voice, and a goodbye."""
    return [
        Say(await spoken("Hello, I am calling because my internet has stopped working.", render)),
        SayWithPause(
            await spoken("I would like", render), 2.0, await spoken("to cancel my order and get a refund.", render)
        ),
        Say(await spoken("Yes.", render)),
        Say(await spoken("What are your opening hours?", render)),
        Interrupt(await spoken("Wait, stop. I have a different question.", render)),
        Say(await spoken("What is the weather going to be like this weekend?", render)),
        Say(recorded(HUMAN_SENTENCES[0], recordings)),
        Say(await spoken("Thank you, goodbye.", render)),
        HangUp(),
    ]


async def _call(stage: Stage, steps: Sequence[Step], console: Console) -> HeardCall:
    """Hold the call while its flight record is shown as it grows."""
    async with asyncio.TaskGroup() as tasks:
        showing = tasks.create_task(_show(stage, console))
        heard = await rehearse(stage.voice_url, steps, account_sid=ACCOUNT_SID, auth_token=stage.auth_token)
        await asyncio.sleep(2 * _LOOK_EVERY_S)  # the last lines of the record
        showing.cancel()
    return heard


async def _show(stage: Stage, console: Console) -> None:
    while (path := stage.newest_record()) is None:
        await asyncio.sleep(_LOOK_EVERY_S)
    tail = RecordTail(path)
    with LiveView(console) as view:
        while True:
            view.show(tail.more())
            await asyncio.sleep(_LOOK_EVERY_S)


def _keep(call: Path, folder: Path) -> None:
    for name in ("record.jsonl", "call.wav"):
        shutil.copyfile(call / name, folder / name)


def _report(heard: HeardCall, folder: Path, console: Console) -> Path:
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
    console.print(f"\nLook at {page}; listen to {folder / 'call.wav'}.")
    console.print(f"Run the conversation again with: client-caller replay {folder / 'record.jsonl'}")
    return folder
