"""Thousands of calls with fakes for engines, on a clock that jumps, in one process.

In:   how many calls, how many at once; a seed.     Out: what the process held after them, and what went wrong.
Rule: callers ask, break in, press keys, say nothing, leave in mid-sentence; streams break and come back or do not;
      engines fail. It is looked at while no call runs. What calls leave on the disk is judged, then removed.
"""

import asyncio
import gc
import os
import shutil
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Any, Final

from client_caller.audio.mulaw import encode
from client_caller.conversation.actions import PlayFiller, Say, Transcribe
from client_caller.conversation.events import EngineFailed, HungUp, LineLost, Transcript
from client_caller.line.protocol import Parties, StateReached
from client_caller.line.simulated import SimulatedLine
from client_caller.records.flight import ActionEntry, Entry, EventEntry, FactEntry, read_record
from client_caller.settings import HearingSettings
from client_caller.speaking.tone import tone
from soak_held import Limits, Row, here
from soak_slope import WARM_UP
from soak_world import World, world

LIMITS: Final = Limits(memory_mb=0.01, count=0.02)
"""A tenth of the aim, for fakes have nothing to hold; and one task, thread, open file or object in fifty calls."""

_LOOKS: Final = 200
_TOP: Final = 15
_SPEECH: Final = encode(tone(4, 2.0))
_BYTES_A_S: Final = 8_000
_COMES_BACK_S: Final = 0.5
_GIVES_UP_S: Final = 60.0
_WORDS_WITHIN_S: Final = HearingSettings().words_within_s + 1.0
"""Of the watchdog: half a second more for each second of sound, and nobody here speaks for longer than two."""

_OVER: Final = "the simulated call is over"
"""Why the line counts as lost when the agent speaks in the very instant in which the caller hangs up, or the stream
breaks."""

_PARTIES: Final = Parties("+15550100001", "+15550100002")


class Caller:
    """Who is on one line, in the virtual seconds of the loop."""

    def __init__(self, line: SimulatedLine, running: "asyncio.Task[None]", chance: Random) -> None:
        self.line = line
        self.spoke = False
        self._running = running
        self.chance = chance

    async def wait(self, least_s: float, most_s: float) -> None:
        """For so long, or until the call is over."""
        await asyncio.wait([self._running], timeout=self.chance.uniform(least_s, most_s))

    async def say(self, least_s: float = 0.5, most_s: float = 1.2) -> None:
        """Speak, to the end of it."""
        seconds = round(self.chance.uniform(least_s, most_s), 2)
        self.spoke = True
        self.line.say(_SPEECH[: round(seconds * _BYTES_A_S)])
        await self.wait(seconds, seconds)


async def _asks(caller: Caller) -> None:
    await caller.wait(1.2, 2.0)
    for _ in range(caller.chance.randint(1, 2)):
        await caller.say()
        await caller.wait(1.2, 2.0)


async def _breaks_in(caller: Caller) -> None:
    await caller.wait(0.3, 1.5)
    await caller.say()
    await caller.wait(0.3, 1.2)
    await caller.say()
    await caller.wait(1.2, 2.0)


async def _leaves_in_mid_sentence(caller: Caller) -> None:
    await caller.wait(1.0, 2.5)
    await caller.say(0.3, 1.0)
    await caller.wait(0.0, 1.5)


async def _presses_keys(caller: Caller) -> None:
    await caller.wait(1.2, 2.0)
    for key in "12#":
        caller.line.press(key)
        await caller.wait(0.1, 0.4)
    await caller.wait(2.5, 5.0)


async def _says_nothing(caller: Caller) -> None:
    await caller.wait(_GIVES_UP_S, _GIVES_UP_S)


Script = Callable[[Caller], Awaitable[None]]

KINDS: Final[dict[str, tuple[Script, int]]] = {
    "asks": (_asks, 6),
    "breaks in": (_breaks_in, 5),
    "leaves in mid-sentence": (_leaves_in_mid_sentence, 3),
    "presses keys": (_presses_keys, 1),
    "says nothing": (_says_nothing, 1),
    "the stream breaks": (_leaves_in_mid_sentence, 3),
    "the stream breaks for good": (_breaks_in, 1),
}
"""What callers do, and how often, of twenty."""


@dataclass(slots=True)
class Soaked:
    """rows: what was held;  failures: calls that went wrong, in words;  top: what holds memory that was taken since the
    warm-up, if that was asked for."""

    rows: list[Row] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    top: list[str] = field(default_factory=list)
    took_s: float = 0.0
    cpu_s: float = 0.0
    virtual_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """All of it but the rows."""
        times = {name: round(getattr(self, name), 1) for name in ("took_s", "cpu_s", "virtual_s")}
        counts = {"kinds": dict(self.kinds), "happened": dict(self.events.most_common())}
        return {**times, **counts, "failures": self.failures, "top": self.top}


async def soak(
    folder: Path, calls: int, at_once: int, seed: int, show: Callable[[Row], None], *, trace: bool = False
) -> Soaked:
    """Hold all of them. show: given every row as it is measured;  trace: tell what holds memory, which takes longer."""
    soaked, began, cpu_began = Soaked(), perf_counter(), process_time()
    chance, look_every = Random(seed), max(at_once, calls // _LOOKS // at_once * at_once)
    async with world(folder, at_once, seed) as here_and_now, _only_what_is_new():
        for first in range(0, calls, at_once):
            if trace and not tracemalloc.is_tracing() and first >= WARM_UP * calls:
                tracemalloc.start()
            await _round(here_and_now, folder / "calls", first, min(at_once, calls - first), chance, soaked)
            done = min(first + at_once, calls)
            if done % look_every == 0 or done == calls:
                await here_and_now.ledger.flush()  # whose thread is on no virtual time, and may hold some entries yet
                soaked.rows.append(here(done))
                show(soaked.rows[-1])
        failed = here_and_now.warned("a call failed")
        soaked.virtual_s = asyncio.get_running_loop().time()
        if trace:
            soaked.top = [str(each) for each in tracemalloc.take_snapshot().statistics("lineno")[:_TOP]]
            tracemalloc.stop()
    if failed:
        soaked.failures.append(f"the log tells of {failed} failed calls")
    soaked.took_s, soaked.cpu_s = perf_counter() - began, process_time() - cpu_began
    return soaked


@asynccontextmanager
async def _only_what_is_new() -> AsyncIterator[None]:
    """What was there before is left out when Python looks for what is not needed any more, which then costs little."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def _round(made: World, records: Path, first: int, count: int, chance: Random, soaked: Soaked) -> None:
    """So many calls at once. Afterwards nothing of them is left."""
    before = asyncio.all_tasks()

    async def one(number: int, kind: str) -> None:
        wrong = await _call(made, f"CA{number:06}", kind, Random(chance.random()), soaked.events)
        soaked.failures += [f"call {number} ({kind}): {what}" for what in wrong]

    async with asyncio.TaskGroup() as tasks:
        for number in range(first, first + count):
            (kind,) = chance.choices(list(KINDS), [share for _, share in KINDS.values()])
            soaked.kinds[kind] += 1
            tasks.create_task(one(number, kind))
    left = {"calls": made.house.running, "replies": made.model.open_streams, "tasks": len(asyncio.all_tasks() - before)}
    left["folders"] = _folders(records)
    soaked.failures += [f"after call {first + count}, {much} {what} were left" for what, much in left.items() if much]
    made.forget()


def _folders(records: Path) -> int:
    return len(os.listdir(records)) if records.exists() else 0


async def _call(made: World, call_id: str, kind: str, chance: Random, events: Counter[str]) -> list[str]:
    """Hold one call, on one stream or two; what was wrong with it."""
    script, _ = KINDS[kind]
    spoke = await _stream(made, call_id, script, chance, breaks=kind.startswith("the stream breaks"))
    if kind == "the stream breaks":
        await asyncio.sleep(_COMES_BACK_S)
        spoke |= await _stream(made, call_id, _asks, chance)
    made.house.hear_of(StateReached(call_id, _PARTIES, "completed"))
    if (folder := made.over.get(call_id)) is None:
        return ["the house has not told that it is over"]
    found = _wrongs(kind, folder, spoke, events)
    shutil.rmtree(folder)
    return found


def _wrongs(kind: str, folder: Path, spoke: bool, events: Counter[str]) -> list[str]:
    """What was wrong with a call, by what it left on the disk."""
    header, entries = read_record(folder / "record.jsonl")
    happened = [entry.event for entry in entries if isinstance(entry, EventEntry)]
    events.update(type(event).__name__ for event in happened)
    crossed = any(isinstance(entry, FactEntry) and entry.fields.get("why") == _OVER for entry in entries)
    events["hung up while sound was on its way"] += crossed
    ends = (LineLost,) if kind == "the stream breaks for good" else (HungUp, *([LineLost] if crossed else []))
    understood = any(isinstance(event, Transcript) and event.text for event in happened)
    deaf = any(isinstance(event, EngineFailed) and event.engine == "transcriber" for event in happened)
    left_too_soon = _words_were_due(entries)
    asked_again = _has_said(header.conversation["repeat"], entries)  # the transcriber had found nothing
    events["was asked to say it again"] += asked_again
    events["hung up before the words were due"] += left_too_soon
    found = {
        f"it ended with {type(happened[-1]).__name__}": not isinstance(happened[-1], ends),
        "no word of the caller was understood": _is_asking(kind)
        and spoke
        and not (understood or deaf or left_too_soon or asked_again),
        "its recording is missing": not (folder / "call.wav").exists(),
    }
    return [what for what, is_so in found.items() if is_so]


def _has_said(phrase: str, entries: Sequence[Entry]) -> bool:
    """Whether the agent was to say this."""
    said = (entry.action for entry in entries if isinstance(entry, ActionEntry))
    return any(isinstance(action, Say | PlayFiller) and action.text == phrase for action in said)


def _words_were_due(entries: Sequence[Entry]) -> bool:
    """Whether words were being made at the end, and the watchdog had no reason yet to give them up."""
    due_at: dict[int, float] = {}
    over_at = 0.0
    for entry in entries:
        match entry:
            case ActionEntry(t, Transcribe(pause=pause)):
                due_at[pause] = t + _WORDS_WITHIN_S
            case EventEntry(t, event):
                over_at = t
                if isinstance(event, Transcript):
                    due_at.pop(event.pause, None)
    return any(due > over_at for due in due_at.values())


def _is_asking(kind: str) -> bool:
    """Whether such a caller says something to the end, and waits."""
    return kind in ("asks", "breaks in")


async def _stream(made: World, call_id: str, script: Script, chance: Random, *, breaks: bool = False) -> bool:
    """One stream of a call, to its end. Whether the caller spoke on it."""
    line = SimulatedLine(call_id, parties=_PARTIES)
    running = asyncio.create_task(made.house.answer(line))
    caller = Caller(line, running, chance)
    await script(caller)
    (line.break_off if breaks else line.hang_up_by_caller)()
    await running
    assert line.heard, f"{call_id} heard nothing"
    return caller.spoke
