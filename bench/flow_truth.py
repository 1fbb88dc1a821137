"""Truth: does the history end with the word that the caller heard last?

In:   random interruptions of calls whose every word is a tone; a sample with the real voice.
Out:  words in the history less words that were played, for each.
Rule: what was played is counted from the sound at the caller's end. In the first half nothing is a model and time
      jumps, so there are many cases on a line that jitters, with a voice that stalls; in the second somebody listens.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

import virtual
from client_caller.agent import Agent
from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES, Samples
from client_caller.audio.mulaw import decode, encode
from client_caller.call import Call
from client_caller.conversation.actions import Remember
from client_caller.conversation.machine import Conversation
from client_caller.engines import Engines
from client_caller.hearing.scripted import LoudnessActivity, ScriptedTranscriber, ScriptedTurnModel
from client_caller.line.protocol import Inbound, MarkReturned, Outbound
from client_caller.line.simulated import SimulatedLine
from client_caller.manner import manner_of
from client_caller.mind import Brief
from client_caller.records.flight import ActionEntry, FlightRecord, Header, read_record
from client_caller.records.recording import Recording
from client_caller.settings import HearingSettings, Settings
from client_caller.speaking.tone import ToneVoice, tone
from client_caller.thinking.protocol import Message
from client_caller.thinking.scripted import ScriptedModel
from flow_truth_voice import Ending, heard_endings

WORD_S: Final = 0.32
"""How long a word is, on average, at the receptionist's 165 words a minute."""

JITTER: Final = "jitter"
LINES: Final[dict[str, tuple[int, float, dict[str, bool]]]] = {
    JITTER: (200, WORD_S, {}),
    "jitter, words of 0.2 s": (100, 0.2, {}),
    "jitter, marks lost": (50, WORD_S, {"lose_marks": True}),
    "jitter, a carrier without marks": (50, WORD_S, {"has_marks": False}),
}
"""Calls, seconds a word, and what the simulated line is told."""

MARK_DELAYS_S: Final = (0.02, 0.25)
STALLS_S: Final = (0.5, 4.0)
SEED: Final = 2026

_QUESTION: Final = "What are your opening hours?"
_STOP: Final = "Hold on, how long does it take?"
_GREETING: Final = " ".join(f"{one}{other}" for one in "bdfgkl" for other in ("an", "en", "in", "on", "un")) + "."
_LONG: Final = " ".join(f"{one}{other}" for one in "bdfgklmnprst" for other in ("an", "en", "in", "on", "un")) + "."
_SHORT: Final = "All right."
_SETTINGS: Final = Settings(_env_file=None, hearing=HearingSettings(interim_s=0))  # a script has one text a pause
_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Played:
    """One call with one interruption. remembered, played: words of the agent in all of the call.

    after_s: of the agent's sound when the caller set in;  stall_s: of its voice, 0: none.
    """

    line: str
    of: str
    after_s: float
    stall_s: float
    remembered: int
    played: int

    @property
    def difference(self) -> int:
        """Below zero for words that were played and are not in the history."""
        return self.remembered - self.played


class JitteryLine:
    """A simulated line whose marks come back late, each by another time, and in order."""

    def __init__(self, chance: random.Random, **kept: Any) -> None:
        self.inner = SimulatedLine(lateness_s=lambda number: self._late_s(), **kept)
        self._chance = chance
        self._marks: list[tuple[float, MarkReturned]] = []

    @property
    def call_id(self) -> str:
        """That of the line within."""
        return self.inner.call_id

    async def receive(self) -> AsyncIterator[Inbound]:
        """What the line within has, marks held back for a while."""
        loop = asyncio.get_running_loop()
        async for message in self.inner.receive():
            if isinstance(message, MarkReturned):
                due = loop.time() + self._chance.uniform(*MARK_DELAYS_S)
                self._marks.append((max([due] + [at for at, _ in self._marks[-1:]]), message))
            else:
                yield message
            while self._marks and self._marks[0][0] <= loop.time():
                yield self._marks.pop(0)[1]

    async def send(self, command: Outbound) -> None:
        """As the line within does."""
        await self.inner.send(command)

    async def hang_up(self) -> None:
        """As the line within does."""
        await self.inner.hang_up()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)  # what lines learn to tell after this was written

    def _late_s(self) -> float:
        """One frame in ten is late, by up to 120 ms."""
        return self._chance.uniform(0.0, 0.12) if self._chance.random() < 0.1 else 0.0


def played_words(samples: Samples, word_s: float = WORD_S) -> int:
    """Whole words among tones of `ToneVoice`: runs of one pitch, as long as one word or several."""
    count = len(samples) // FRAME_SAMPLES
    frames = samples[: count * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    loud = np.sqrt(np.mean(frames**2, axis=1)) > 0.02
    pitch = np.argmax(np.abs(np.fft.rfft(frames, axis=1)), axis=1) * loud
    words, run = 0, 0
    for before, now in zip([-1, *pitch], [*pitch, -1], strict=True):
        if now != before:
            words += int(run * FRAME_S / word_s + 0.06) if before > 0 else 0
            run = 0
        run += 1
    return words


async def one_call(number: int, folder: Path, name: str, word_s: float = WORD_S, **kept: Any) -> Played:
    """A greeting or an answer, interrupted after a random time."""
    chance = random.Random(SEED + number)
    of = "greeting" if number % 2 else "answer"
    stall_s = chance.uniform(*STALLS_S) if chance.random() < 0.5 else 0.0
    after_s = chance.uniform(0.3, 5.0 if of == "greeting" else 10.0)
    greeting = _GREETING if of == "greeting" else "Hello."
    agent = Agent(name="Anna", company="Brightline", greeting=greeting, persona="You are Anna.")
    said = [_STOP] if of == "greeting" else [_QUESTION, _STOP]
    engines = Engines(
        activity=LoudnessActivity,
        turn_model=ScriptedTurnModel((0.9,), 0.05),
        transcriber=ScriptedTranscriber(said, 0.1),
        language_model=ScriptedModel(_answer, 0.1, 0.02),
        voice=ToneVoice(word_s, 0.02, chance.randint(3, 12) if stall_s else None, stall_s),
    )
    line = JitteryLine(chance, **kept)
    path = folder / f"{name}-{number}.jsonl"
    manner = manner_of(agent, _SETTINGS)
    record = FlightRecord(path, Header("bench", "", agent.name, asdict(manner)))
    call = Call(line, engines, Conversation(manner), Brief(agent), _SETTINGS, record, Recording(None))
    running = asyncio.create_task(call.run())
    await asyncio.sleep(FRAME_S / 2)
    if of == "answer":
        await _quiet(line.inner, 0.4)
        await _say(line.inner)
    await _heard(line.inner, after_s)
    await asyncio.sleep(chance.uniform(0.0, 0.3))
    await _say(line.inner)
    await _quiet(line.inner, stall_s + 0.6)
    line.inner.hang_up_by_caller()
    await running
    actions = [entry.action for entry in read_record(path)[1] if isinstance(entry, ActionEntry)]
    turns = [action.turn for action in actions if isinstance(action, Remember)]
    remembered = sum(len(turn.text.split()) for turn in turns if turn.speaker == "agent")
    played = played_words(decode(b"".join(_with_gaps(line.inner.heard))), word_s)
    return Played(name, of, after_s, stall_s, remembered, played)


def _answer(messages: Sequence[Message]) -> str:
    return _LONG if messages[-1].content == _QUESTION else _SHORT


async def _say(line: SimulatedLine, seconds: float = 1.0) -> None:
    line.say(encode(tone(4, seconds)))
    await asyncio.sleep(seconds)


async def _heard(line: SimulatedLine, seconds: float) -> None:
    """Wait until the agent has sounded for so long, from now on."""
    before = len(line.heard)
    await _until(lambda: (len(line.heard) - before) * FRAME_S >= seconds)


async def _quiet(line: SimulatedLine, seconds: float) -> None:
    """Wait until the agent has spoken, and then been quiet for longer than its voice may stall."""
    before = len(line.heard)
    loop = asyncio.get_running_loop()
    await _until(lambda: len(line.heard) > before and loop.time() - line.heard[-1][0] > seconds)


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(round(_WITHIN_S / FRAME_S)):
        if condition():
            return
        await asyncio.sleep(FRAME_S)


def _with_gaps(heard: Sequence[tuple[float, bytes]]) -> list[bytes]:
    """Frames as they were played, each filled to its 20 ms; a silence parts two stretches."""
    parts: list[bytes] = []
    for index, (at, mulaw) in enumerate(heard):
        if index and at - heard[index - 1][0] > 1.5 * FRAME_S:
            parts.append(b"\xff" * FRAME_SAMPLES)
        parts.append(mulaw.ljust(FRAME_SAMPLES, b"\xff"))
    return parts


async def _calls(count: int, folder: Path, name: str, word_s: float, **kept: Any) -> list[Played]:
    return [await one_call(number, folder, name, word_s, **kept) for number in range(count)]


def shares(cases: Sequence[Played | Ending]) -> dict[str, Any]:
    """How the differences are spread."""
    differences = Counter(case.difference for case in cases)
    within = sum(count for difference, count in differences.items() if abs(difference) <= 1)
    return {
        "n": len(cases),
        "within_1_percent": round(100 * within / max(1, len(cases)), 1),
        "largest": max(map(abs, differences), default=0),
        "differences": {str(difference): differences[difference] for difference in sorted(differences)},
    }


async def run(folder: Path, examples: Path, quick: bool) -> dict[str, Any]:
    """The whole part. Virtual time has a loop, and so a thread, of its own."""
    cases: list[Played] = []
    for name, (count, word_s, kept) in LINES.items():
        some = max(4, count // 20) if quick else count
        calls = _calls(some, folder, name, word_s, **kept)
        held = await asyncio.to_thread(virtual.run, calls)
        cases += held
        print(f"{name}: {len(held)} calls", flush=True)
    endings = await heard_endings(folder / "voice", examples, 1 if quick else 12)
    spread = {name: shares([case for case in cases if case.line == name]) for name in LINES}
    spread["real voice, as Moonshine hears it"] = shares(endings)
    jitter = spread[JITTER]
    return {
        "seed": SEED,
        "spread": spread,
        "headline": [
            ("history ends within 1 word of what was played", f"{jitter['within_1_percent']} %", "at least 99 %"),
            ("largest difference, words", str(jitter["largest"]), "at most 2"),
        ],
        "cases": [asdict(case) | {"difference": case.difference} for case in cases],
        "endings": [asdict(ending) | {"difference": ending.difference} for ending in endings],
    }


def show(result: dict[str, Any]) -> None:
    print(f"\n{'words in the history less words played':<40}{'n':>5}{'within 1, %':>13}{'largest':>9}  differences")
    for name, row in result["spread"].items():
        print(f"{name:<40}{row['n']:>5}{row['within_1_percent']:>13}{row['largest']:>9}  {row['differences']}")
