"""A house whose engines are the shipped fakes, now and then unwell, on a clock that jumps.

In:   a folder, a seed.     Out: the house, its ledger and its meter, as `client-caller serve` would wire them.
Rule: chance comes from the seed alone, so a run repeats itself. The records, the ledger on disk, the watchdogs and
      chains around the engines, and what Prometheus is told are the real ones.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from client_caller.agent import Agent, AgentLimits
from client_caller.engines import Engines
from client_caller.faults import Fault, Kind, Plan, faulty
from client_caller.hearing.scripted import LoudnessActivity, ScriptedTranscriber, ScriptedTurnModel
from client_caller.house import House
from client_caller.ledger.ledger import Ledger, open_ledger
from client_caller.metering import Meter
from client_caller.settings import HearingSettings, LedgerSettings, RecordSettings, ServerSettings, Settings
from client_caller.speaking.fillers import rendered
from client_caller.speaking.tone import ToneVoice
from client_caller.sturdy import SturdyModel, SturdyTranscriber, SturdyTurnModel, SturdyVoice, sturdy_activity
from client_caller.thinking.scripted import ScriptedModel

AGENT: Final = Agent(
    name="Anna",
    company="Brightline",
    greeting="How can I help you?",
    persona="You are Anna.",
    limits=AgentLimits(silence_s=3),
)
SAID: Final = ("What are your opening hours?", "My internet is very slow today.", "How much does it cost?")
GOODBYE: Final = "Okay, thank you. Goodbye."
REPLIES: Final = (
    "We are open Monday to Friday, from eight to six.",
    "Please unplug the router. Plug it in again after one minute.",
    "The price is thirty euros a month.",
)
WORD_S: Final = 0.1
"""How long the agent's voice sounds each word: faster than anybody speaks, for each 20 ms of a call cost as much."""

KINDS: Final = (Kind.CRASH, Kind.HANG, Kind.NOTHING, Kind.BUSY, Kind.BROKEN, Kind.LATE, Kind.LOST)
ILL: Final = {"transcriber": 0.03, "turn model": 0.03, "language model": 0.03, "voice": 0.02, "voice activity": 5e-4}
"""The share of jobs that a fault befalls; one of the voice activity is a window of 32 ms."""

_GOODBYES: Final = 0.15
_SCORES: Final = (0.95, 0.9, 0.7, 0.4)
_BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)


def unwell(engine: str, chance: Random) -> Plan:
    """A plan by which a share of this engine's jobs suffer, each from any fault, for 0.3 to 4 s where it lasts."""

    def plan(job: int) -> Fault | None:
        if chance.random() >= ILL[engine]:
            return None
        return Fault(chance.choice(KINDS), chance.uniform(0.3, 4.0), chance.randrange(3))

    return plan


class AtOnce(Executor):
    """Works where it is asked to, for under virtual time no thread can wake the loop."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*args, **more))
        return done


@dataclass(slots=True)
class World:
    """model: the fake that thinks. It keeps what it was asked, for tests: to be emptied by who asks much.

    over: the folders of calls that the house told to be over, by call.
    """

    house: House
    ledger: Ledger
    meter: Meter
    model: ScriptedModel
    over: dict[str, Path] = field(default_factory=dict)

    def forget(self) -> None:
        """Empty what is kept for tests, and who is over."""
        for kept in (self.model.asked, self.model.warmed, self.model.to_write):
            kept.clear()
        self.over.clear()

    def warned(self, message: str) -> int:
        """How often the log has warned so."""
        labels = {"message": message}
        return int(self.meter.registry.get_sample_value("client_caller_warnings_total", labels) or 0)


@asynccontextmanager
async def world(folder: Path, calls_at_once: int, seed: int) -> AsyncIterator[World]:
    """Open while the block lasts. Nothing that the log says is shown; the meter counts it."""
    log = logging.getLogger("client_caller")
    log.propagate = False
    settings = Settings(
        _env_file=None,
        hearing=HearingSettings(),
        server=ServerSettings(calls_at_once=calls_at_once),
        records=RecordSettings(folder=folder / "calls"),
        ledger=LedgerSettings(url=f"sqlite:///{folder / 'ledger.db'}"),
    )
    ledger = open_ledger(settings.ledger.url.get_secret_value(), None, AtOnce())
    meter, model = Meter(), ScriptedModel(lambda messages: REPLIES[len(messages) % len(REPLIES)], 0.1, 0.02)
    engines = await _engines(settings, model, seed)
    house = House(settings, AGENT, engines, meter.keeping(ledger.note), now=_clock())
    made = World(house, ledger, meter, model)
    house.on_over = lambda call_id, agent, folder: made.over.update({call_id: folder})
    try:
        with meter.watching(house, ledger):
            yield made
    finally:
        await ledger.close()
        log.propagate = True


def _clock() -> Callable[[], datetime]:
    loop = asyncio.get_running_loop()
    return lambda: _BEGAN + timedelta(seconds=loop.time())


async def _engines(settings: Settings, model: ScriptedModel, seed: int) -> Engines:
    """Each behind its watchdog, and the two that are most needed before another of their kind that is well."""
    thinking, speaking = settings.thinking, settings.speaking
    voice = ToneVoice(WORD_S, 0.02)

    def ill(engine: str) -> Plan:
        return unwell(engine, Random(f"{seed} {engine}"))

    windows = ill("voice activity")
    phrases = AGENT.phrases
    return Engines(
        activity=sturdy_activity(lambda: faulty(LoudnessActivity(), windows)),
        turn_model=SturdyTurnModel(
            faulty(ScriptedTurnModel(_drawn(_SCORES, Random(f"{seed} scores")), 0.05), ill("turn model"))
        ),
        transcriber=SturdyTranscriber(
            [faulty(ScriptedTranscriber(_words(Random(f"{seed} words")), 0.1), ill("transcriber"))],
            settings.hearing.words_within_s,
        ),
        language_model=SturdyModel(
            [faulty(model, ill("language model")), model], thinking.first_token_s, thinking.next_token_s
        ),
        voice=SturdyVoice([faulty(voice, ill("voice")), voice], speaking.first_sound_s, speaking.next_sound_s),
        fillers=await rendered(voice, (*phrases.fillers, phrases.trouble, phrases.offer)),
    )


def _drawn(values: tuple[float, ...], chance: Random) -> Iterator[float]:
    while True:
        yield chance.choice(values)


def _words(chance: Random) -> Iterator[str]:
    """What is understood: a question, or a goodbye, after which the agent hangs up."""
    while True:
        yield GOODBYE if chance.random() < _GOODBYES else chance.choice(SAID)
