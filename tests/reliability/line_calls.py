"""Calls whose line is lost at some moment, and found again, on virtual time.

In:   a moment, by name.     Out: what the caller hears on the fresh stream, and what was lost.
Rule: a lost stream and a killed process are the same to the call: both go on from the record.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory

from calls import AGENT, QUESTION, Caller, engines
from client_caller.audio.frame import FRAME_S
from client_caller.conversation.actions import PlayFiller, Say
from client_caller.conversation.events import LineLost, LineResumed, SpeechPaused, SpeechStarted
from client_caller.house import House
from client_caller.line.simulated import SimulatedLine
from client_caller.records.flight import ActionEntry, EventEntry, read_record
from client_caller.settings import HearingSettings, RecordSettings, Settings
from virtual import run

CALL = "CA1"
WORDS_SO_FAR = "I would like to"


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """heard: what was said on the fresh stream;  first_s: until it sounded;  lost: what was."""

    heard: str
    first_s: float
    lost: str


async def in_the_greeting(caller: Caller) -> None:
    await caller.hear(0.4)


async def after_it(caller: Caller) -> None:
    await caller.hear_out()


async def in_mid_sentence(caller: Caller) -> None:
    await caller.hear_out()
    await caller.say(0.8)
    await caller.wait(0.4)
    await caller.say(0.3)


async def at_the_end_of_the_question(caller: Caller) -> None:
    await caller.hear_out()
    await caller.say()
    await caller.wait(0.24)


async def in_the_answer(caller: Caller) -> None:
    await caller.hear_out()
    await caller.say()
    await caller.hear(1.2)


async def in_an_interruption(caller: Caller) -> None:
    await in_the_answer(caller)
    await caller.say(0.3)


Moment = Callable[[Caller], Awaitable[None]]

LINE_FAULTS: dict[str, tuple[Moment, str]] = {
    "in the greeting": (in_the_greeting, QUESTION),
    "while nobody speaks": (after_it, QUESTION),
    "while the caller speaks": (in_mid_sentence, WORDS_SO_FAR),
    "when the caller has just asked": (at_the_end_of_the_question, QUESTION),
    "in the answer": (in_the_answer, QUESTION),
    "while the caller breaks in": (in_an_interruption, QUESTION),
}
"""By name: what is done until the line is lost, and what the transcriber finds at each pause."""


@cache
def lost_and_found(name: str) -> LineOutcome:
    """Lose the line at that moment, open another, and listen to it."""
    moment, words = LINE_FAULTS[name]
    with TemporaryDirectory() as folder:
        settings = Settings(
            _env_file=None, hearing=HearingSettings(interim_s=0), records=RecordSettings(folder=Path(folder))
        )
        house = House(settings, AGENT, engines(repeat(words)))

        async def main() -> float:
            await _stream(house, moment, lost=True)
            return await _stream(house, Caller.hear_out, lost=False)

        first_s = run(main())
        (record,) = Path(folder).glob("*/record.jsonl")
        return LineOutcome(_said_since(record), first_s, _lost(record))


async def _stream(house: House, script: Moment, *, lost: bool) -> float:
    """One stream of the call; when its first sound came."""
    caller = Caller(SimulatedLine(CALL))
    running = asyncio.create_task(house.answer(caller.line))
    await asyncio.sleep(FRAME_S / 2)
    await script(caller)
    (caller.line.break_off if lost else caller.line.hang_up_by_caller)()
    await running
    return caller.line.heard[0][0] - caller.began_at


def _said_since(record: Path) -> str:
    entries = read_record(record)[1]
    resumed = next(n for n, e in enumerate(entries) if isinstance(e, EventEntry) and isinstance(e.event, LineResumed))
    done = [entry.action for entry in entries[resumed:] if isinstance(entry, ActionEntry)]
    return " ".join(action.text for action in done if isinstance(action, Say | PlayFiller))


def _lost(record: Path) -> str:
    """What the caller was in the middle of saying is not in the record; everything else is."""
    happened = [entry.event for entry in read_record(record)[1] if isinstance(entry, EventEntry)]
    before = happened[: next(n for n, event in enumerate(happened) if isinstance(event, LineLost))]
    edges = [event for event in before if isinstance(event, SpeechStarted | SpeechPaused)]
    return "what the caller was just saying" if edges and isinstance(edges[-1], SpeechStarted) else "nothing"
