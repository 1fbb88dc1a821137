"""Whole calls on a clock that jumps: a simulated line, shipped fakes for models, and a script that plays the caller.

The caller acts halfway between two ticks of the line, so nothing depends on which of two things at one instant comes
first. All instants are seconds of call time.
"""

import asyncio
import wave
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from client_caller.agent import Agent, AgentLimits
from client_caller.audio.frame import FRAME_S, LINE_HZ
from client_caller.audio.mulaw import encode
from client_caller.call import Call
from client_caller.conversation.actions import Action, Remember, Turn
from client_caller.conversation.events import Event, HungUp, LineLost
from client_caller.conversation.machine import Conversation
from client_caller.conversation.policy import Manner
from client_caller.engines import Engines
from client_caller.hearing.scripted import LoudnessActivity, ScriptedTranscriber, ScriptedTurnModel
from client_caller.line.simulated import SimulatedLine
from client_caller.manner import manner_of
from client_caller.mind import Brief
from client_caller.records.flight import ActionEntry, EventEntry, FlightRecord, Header, read_record
from client_caller.records.recording import Recording
from client_caller.records.replay import replay
from client_caller.settings import HearingSettings, Settings
from client_caller.speaking.tone import ToneVoice, tone
from client_caller.thinking.scripted import ScriptedModel
from client_caller.tools.toolbox import Toolbox

WORD_S = 0.2
"""How long the agent's voice sounds each word."""

GREETING = "Hello, this is Anna."
QUESTION = "What are your opening hours?"
REPLY = "We are open Monday to Friday, from eight to six."
LONG = " ".join(f"{one}{other}" for one in "bdfgklmnprst" for other in ("an", "en", "in", "on", "un")) + "."
"""An answer of sixty words, which last twelve seconds."""

AGENT = Agent(
    name="Anna",
    company="Brightline",
    greeting=GREETING,
    persona="You are Anna.",
    limits=AgentLimits(silence_s=60),  # many a script lets the caller say nothing for long
)
SETTINGS = Settings(_env_file=None, hearing=HearingSettings(interim_s=0))  # a script has one text for each pause

_QUIET_S = 0.3
"""Silence after which the agent has finished."""

_GAP_S = 0.1
"""Silence that parts two stretches of the agent's voice; within one the line plays without a gap."""


def engines(
    texts: Iterable[str] = (QUESTION,), reply: str = REPLY, scores: Iterable[float] = (0.9,), **others: Any
) -> Engines:
    """The shipped fakes at the pace of good engines: `texts` are found at one pause each, every answer is `reply`."""
    usual = Engines(
        activity=LoudnessActivity,
        turn_model=ScriptedTurnModel(scores, 0.05),
        transcriber=ScriptedTranscriber(texts, 0.1),
        language_model=ScriptedModel(lambda messages: reply, 0.1, 0.02),
        voice=ToneVoice(WORD_S, 0.02),
    )
    return replace(usual, **others)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the line played without a gap, from its first sample to its last."""

    begins: float
    ends: float
    words: float


class Caller:
    """The caller of one call: what a script may have them do."""

    def __init__(self, line: SimulatedLine) -> None:
        self.line = line
        self.spoken: list[tuple[float, float]] = []  # first and last sample of each utterance
        self.began_at = asyncio.get_running_loop().time()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() - self.began_at

    async def wait(self, seconds: float) -> None:
        """Let whole ticks pass."""
        for _ in range(round(seconds / FRAME_S)):
            await asyncio.sleep(FRAME_S)

    async def say(self, seconds: float = 1.0) -> None:
        """Speak, and be done when the last sample has left."""
        self.line.say(encode(tone(4, seconds)))
        begins = round(self.now / FRAME_S + 0.5) * FRAME_S - FRAME_S
        self.spoken.append((begins, begins + seconds))
        await self.wait(seconds)

    async def say_with_pause(self, first_s: float, pause_s: float, second_s: float) -> None:
        """Speak, stop to think, and go on: one utterance, as far as the caller is concerned."""
        await self.say(first_s)
        await self.wait(pause_s)
        await self.say(second_s)
        (begins, _), (_, ends) = self.spoken[-2:]
        self.spoken[-2:] = [(begins, ends)]

    async def hear(self, seconds: float) -> None:
        """Wait until the agent has sounded for so long, counted from its next word."""
        before = self._heard_s()
        await self._until(lambda: self._heard_s() - before >= seconds)

    async def hear_out(self) -> None:
        """Wait until the agent, who speaks or is about to, has been quiet for a while."""
        await self.hear(FRAME_S)
        await self._until(lambda: self.now + self.began_at - self.line.heard[-1][0] > _QUIET_S)

    def _heard_s(self) -> float:
        return sum(len(mulaw) for _, mulaw in self.line.heard) / LINE_HZ

    async def _until(self, condition: Callable[[], bool], within_s: float = 60.0) -> None:
        give_up_at = self.now + within_s
        while not condition():
            assert self.now < give_up_at, f"nothing came within {within_s} s"
            await self.wait(FRAME_S)


Script = Callable[[Caller], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class HeldCall:
    """A call that is over: what was played, what was kept."""

    caller: Caller
    left_at: float  # when the script was over, and the caller hung up if nobody had before
    ended_at: float
    record: Path

    @property
    def ended_by_caller(self) -> bool:
        """Whether the call lasted until the script was over."""
        return self.ended_at >= self.left_at

    @property
    def stretches(self) -> list[Stretch]:
        """What the caller heard, in stretches."""
        found: list[Stretch] = []
        for at, mulaw in self.caller.line.heard:
            begins = at - self.caller.began_at
            ends, words = begins + len(mulaw) / LINE_HZ, len(mulaw) / LINE_HZ / WORD_S
            if found and begins - found[-1].ends < _GAP_S:
                found[-1] = Stretch(found[-1].begins, ends, found[-1].words + words)
            else:
                found.append(Stretch(begins, ends, words))
        return found

    def did(self, kind: type[Action]) -> list[tuple[float, Any]]:
        """The heart's actions of one kind, each with its time."""
        return [(e.t, e.action) for e in self._entries() if isinstance(e, ActionEntry) and isinstance(e.action, kind)]

    def happened(self, kind: type[Event]) -> list[tuple[float, Any]]:
        """The heart's events of one kind, each with its time."""
        return [(e.t, e.event) for e in self._entries() if isinstance(e, EventEntry) and isinstance(e.event, kind)]

    @property
    def remembered(self) -> list[Turn]:
        """What became history, in order."""
        return [action.turn for _, action in self.did(Remember)]

    def said_by(self, speaker: str) -> list[str]:
        return [turn.text for turn in self.remembered if turn.speaker == speaker]

    def voice_to_voice_s(self, utterance: int) -> float:
        """From the last sample of the caller's utterance to the first of the agent's voice that the line played."""
        ended = self.caller.spoken[utterance][1]
        return min(stretch.begins for stretch in self.stretches if stretch.begins >= ended) - ended

    def _entries(self) -> list[Any]:
        return read_record(self.record)[1]


def heart_of(manner: dict[str, Any]) -> Conversation:
    """The heart that a record's header describes."""
    return Conversation(msgspec.convert(manner, Manner))


class Opened:
    """A call that is ready to run, and what it writes."""

    def __init__(
        self,
        folder: Path,
        line: SimulatedLine,
        engines: Engines,
        agent: Agent = AGENT,
        heart: Any = None,
        settings: Settings = SETTINGS,
        toolbox: Toolbox | None = None,
    ) -> None:
        brief = Brief(agent, toolbox) if toolbox else Brief(agent)
        manner = manner_of(agent, settings, toolbox)
        self.path, self.wav = folder / "record.jsonl", folder / "call.wav"
        self.record = FlightRecord(self.path, Header("simulated", "2026-11-23T12:00:00Z", agent.name, asdict(manner)))
        self.recording = Recording(self.wav)
        heart = heart or Conversation(manner)
        self.call = Call(line, engines, heart, brief, settings, self.record, self.recording)

    def check_closed(self) -> None:
        """The files are whole, and nothing more gets into them."""
        sizes = self.path.stat().st_size, self.wav.stat().st_size
        self.record.fact(0.0, "after the end")
        self.recording.advance(1_000.0)
        assert (self.path.stat().st_size, self.wav.stat().st_size) == sizes
        with wave.open(str(self.wav)) as kept:
            assert (kept.getnchannels(), kept.getframerate()) == (2, LINE_HZ)
            assert 44 + 4 * kept.getnframes() == sizes[1]


async def hold(
    script: Script,
    folder: Path,
    engines: Engines,
    *,
    line: SimulatedLine | None = None,
    agent: Agent = AGENT,
    settings: Settings = SETTINGS,
    toolbox: Toolbox | None = None,
) -> HeldCall:
    """Hold a call to its end; the caller hangs up after the script, if nobody did before. toolbox: None for no tools.

    Every call is then looked at for what it left: no task, no stream, no open file, and a record that replays.
    """
    before = asyncio.all_tasks()
    caller = Caller(line or SimulatedLine())
    opened = Opened(folder, caller.line, engines, agent, settings=settings, toolbox=toolbox)
    running = asyncio.create_task(opened.call.run())
    ended: list[float] = []
    running.add_done_callback(lambda _: ended.append(caller.now))
    try:
        await asyncio.sleep(FRAME_S / 2)
        await script(caller)
    finally:
        left_at = caller.now
        caller.line.hang_up_by_caller()
        await running
    assert asyncio.all_tasks() == before
    if isinstance(engines.language_model, ScriptedModel):
        assert engines.language_model.open_streams == 0
    opened.check_closed()
    outcome = replay(opened.path, heart_of)
    assert outcome.difference is None
    assert outcome.steps > 0
    held = HeldCall(caller, left_at, ended[0], opened.path)
    assert len(held.happened(HungUp)) + len(held.happened(LineLost)) == 1
    return held
