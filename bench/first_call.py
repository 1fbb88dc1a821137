"""One call at a time with the embedded models, measured at the caller's ear.

    .venv/bin/python bench/first_call.py [--calls 10] [--out bench/results/first_call.json]

Ten calls in a row to one server process, over the path that Twilio uses: questions by a synthetic and a human voice,
sentences that stop in the middle for 1 to 2.5 s, and interruptions. Prints one table; writes one JSON with every turn.
Caller and server share the machine; no telephone network is in the figures. Times are distances between samples on the
caller's own timeline, in steps of 10 ms; a frame of 20 ms bounds them.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Protocol

import httpx2

from client_caller.app import speech_samples
from client_caller.demo import render_with_espeak
from client_caller.records.flight import read_record
from client_caller.rehearsal.caller import rehearse
from client_caller.rehearsal.cast import (
    HALTING,
    HUMAN_HALTING,
    HUMAN_SENTENCES,
    INTERRUPTIONS,
    QUESTIONS,
    SHORT_ANSWERS,
    TWO_SENTENCES,
    recorded,
    spoken,
)
from client_caller.rehearsal.clips import Clip
from client_caller.rehearsal.script import HangUp, Interrupt, Say, SayWithPause, Step
from client_caller.rehearsal.stage import ACCOUNT_SID, Stage, serving
from client_caller.rehearsal.timeline import TurnFigures, join
from client_caller.settings import load_settings
from common import Row, keep, origin, show_times, summary

PAUSES_S = (1.0, 1.5, 2.0, 2.5)
INTERRUPT_AFTER_S = (0.5, 0.8, 1.1, 1.4)


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds: to be the same after ten calls as after the first."""

    tasks: int
    threads: int
    open_files: int
    memory_mb: float


class Heard(Protocol):
    """What the caller's ear tells of a turn: `TurnHeard`, and `TurnFigures`, which has more."""

    @property
    def kind(self) -> str: ...
    @property
    def voice_to_voice_s(self) -> float | None: ...
    @property
    def cut_off(self) -> bool: ...
    @property
    def barge_in_silence_s(self) -> float | None: ...


async def scripts(calls: int) -> list[list[Step]]:
    """The callers' parts: each call has two interruptions, five plain turns, and one or two halting sentences."""
    recordings = speech_samples(load_settings())
    plain: list[Clip] = []
    for index in range(max(len(QUESTIONS), len(HUMAN_SENTENCES))):
        plain.append(await spoken(QUESTIONS[index % len(QUESTIONS)], render_with_espeak))
        plain.append(recorded(HUMAN_SENTENCES[index % len(HUMAN_SENTENCES)], recordings))
        if index % 3 == 0:
            plain.append(await spoken(SHORT_ANSWERS[index // 3 % len(SHORT_ANSWERS)], render_with_espeak))
    halting = [
        (await spoken(one, render_with_espeak), await spoken(other, render_with_espeak)) for one, other in HALTING
    ] + [(recorded(one, recordings), recorded(other, recordings)) for one, other in HUMAN_HALTING]
    breaks = cycle([await spoken(line, render_with_espeak) for line in INTERRUPTIONS])
    goodbye = await spoken(TWO_SENTENCES, render_with_espeak)
    say, stop = cycle(plain), cycle(halting)
    pause, wait = cycle(PAUSES_S), cycle(INTERRUPT_AFTER_S)
    parts: list[list[Step]] = []
    for call in range(calls):
        halts = [SayWithPause(*_with_pause(next(stop), next(pause))) for _ in range(2 if call % 2 else 1)]
        parts.append(
            [
                Interrupt(next(breaks), next(wait)),  # of the greeting
                *(Say(next(say)) for _ in range(3)),
                *halts,
                Say(next(say)),
                Interrupt(next(breaks), 0.5),  # of an answer, which may be short
                Say(goodbye),
                HangUp(),
            ]
        )
    return parts


def _with_pause(halves: tuple[Clip, Clip], pause_s: float) -> tuple[Clip, float, Clip]:
    return halves[0], pause_s, halves[1]


async def hold(stage: Stage, steps: Sequence[Step]) -> tuple[tuple[TurnFigures, ...], float]:
    """One call: its turns, and by how much the caller's own pacing was late at most."""
    call = await rehearse(stage.voice_url, steps, account_sid=ACCOUNT_SID, auth_token=stage.auth_token)
    record = stage.newest_record()
    assert record is not None
    _, entries = read_record(record)
    return join(call.turns, entries).turns, call.lateness_s


async def held_by(stage: Stage) -> Held:
    """What the server process holds now. Linux only."""
    await asyncio.sleep(1.0)  # the last call's socket is closed by then
    async with httpx2.AsyncClient() as client:
        tasks = (await client.get(f"{stage.url}/healthz")).json()["tasks"]
    process = Path(f"/proc/{stage.process_id}")
    memory_kb = next(line.split()[1] for line in (process / "status").read_text().splitlines() if "VmRSS" in line)
    return Held(
        tasks, len(list((process / "task").iterdir())), len(list((process / "fd").iterdir())), int(memory_kb) / 1024
    )


def heard(turns: Sequence[Heard]) -> dict[str, Row]:
    """The rows that the caller's ear alone can tell, of whomever was called."""
    plain = [turn for turn in turns if turn.kind == "say"]
    halting = [turn for turn in turns if turn.kind == "say with pause"]
    breaking = [turn for turn in turns if turn.kind == "interrupt" and turn.barge_in_silence_s is not None]
    return {
        "voice to voice, plain turns": summary([turn.voice_to_voice_s for turn in plain]),
        "voice to voice, halting turns": summary([turn.voice_to_voice_s for turn in halting]),
        "voice to voice, after a barge-in": summary([turn.voice_to_voice_s for turn in breaking]),
        "barge-in to silence": summary([turn.barge_in_silence_s for turn in breaking]),
    }


def recorded_too(turns: Sequence[TurnFigures]) -> dict[str, Row]:
    """The rows for which the server's record is needed."""
    return {
        "end of speech noticed": summary([turn.noticed_s for turn in turns]),
        "words ready": summary([turn.words_s for turn in turns]),
        "first token": summary([turn.first_token_s for turn in turns]),
        "first audio made": summary([turn.first_audio_s for turn in turns]),
    }


def counts(turns: Sequence[Heard]) -> dict[str, int]:
    """What may not happen, and how often it could have."""
    halting = [turn for turn in turns if turn.kind == "say with pause"]
    breaking = [turn for turn in turns if turn.kind == "interrupt"]
    return {
        "mid-sentence pauses": len(halting),
        "of them cut off": sum(turn.cut_off for turn in halting),
        "other turns": len(turns) - len(halting),
        "of these cut off": sum(turn.cut_off for turn in turns) - sum(turn.cut_off for turn in halting),
        "turns without an answer": sum(turn.voice_to_voice_s is None and not turn.cut_off for turn in turns),
        "interruptions while the agent spoke": sum(turn.barge_in_silence_s is not None for turn in breaking),
    }


async def main(calls: int, out: Path) -> None:
    turns: list[TurnFigures] = []
    lateness: list[float] = []
    parts = await scripts(calls)
    with tempfile.TemporaryDirectory() as folder:
        async with serving(Path(folder)) as stage:
            for number, steps in enumerate(parts, start=1):
                these, late_s = await hold(stage, steps)
                turns += these
                lateness.append(late_s)
                if number == 1:
                    after_first = await held_by(stage)
                print(f"call {number} of {calls}: {len(these)} turns", flush=True)
            after_last = await held_by(stage)
    rows = heard(turns) | recorded_too(turns)
    result = {
        **origin("one call at a time, embedded models, at the caller's ear"),
        "calls": calls,
        "figures": rows,
        "counts": counts(turns),
        "held after the first call": asdict(after_first),
        "held after the last call": asdict(after_last),
        "caller's pacing late at most, ms": round(max(lateness) * 1000),
        "turns": [asdict(turn) for turn in turns],
    }
    keep(result, out)
    show(result, rows)
    print(f"\nwritten to {out}")


def show(result: Mapping[str, object], rows: Mapping[str, Row]) -> None:
    """Print the table, and what was counted."""
    print(f"\n{result['machine']}; commit {result['commit']}; {result['calls']} calls")
    show_times(rows)
    print()
    for name in ("counts", "held after the first call", "held after the last call"):
        if name in result:
            print(f"{name}: {result[name]}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--calls", type=int, default=10)
    arguments.add_argument("--out", type=Path, default=Path("bench/results/first_call.json"))
    given = arguments.parse_args()
    asyncio.run(main(given.calls, given.out))
