"""One whole installation on a clock that jumps: the house, the office, a ledger, and a carrier that is simulated.

    async with telephone(tmp_path, agent=AGENT, people=lambda number: person(hear_out(), say("hello"), stay())) as at:
        call = await at.call(person(hear_out(), say("what are your opening hours"), hear_out()))
        assert at.remembered(call) == [...]

People speak in tones, one for each letter, and the ears of this house understand them, whatever the order of calls; so
nothing depends on a script of texts. What a caller has heard as words is told by the flight record. When the block is
left, every call is over and looked at: none broke the carrier's rules, nothing crashed, and no task is left.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from calls import engines as light_engines
from client_caller.agent import Agent, load_agent
from client_caller.app import staffed, web_app
from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES
from client_caller.audio.mulaw import encode
from client_caller.conversation.actions import Action, Remember, Turn
from client_caller.conversation.events import Event
from client_caller.engines import Engines
from client_caller.house import House
from client_caller.ledger.ledger import Ledger, open_ledger
from client_caller.line.twilio_control import TwilioControl
from client_caller.office import Office
from client_caller.records.flight import ActionEntry, Entry, EventEntry, FactEntry, read_record
from client_caller.settings import (
    HearingSettings,
    OutboundSettings,
    RecordSettings,
    ServerSettings,
    Settings,
)
from client_caller.speaking.tone import tone
from client_caller.thinking.scripted import ScriptedModel
from client_caller.twin.account import Twin
from client_caller.twin.asgi_network import Apps
from client_caller.twin.carried import CarriedCall
from client_caller.twin.faults import Faults
from client_caller.twin.numbers import Number
from client_caller.twin.people import QUIET, Person, steady_tone
from outbound_calls import NOON, AtOnce

ACCOUNT, TOKEN = "AC" + "0" * 32, "an auth token"
PUBLIC = "https://voice.example.com"
OURS, CALLER, ADA, BEN, COLLEAGUE = "+12125550100", "+12125550101", "+12125550102", "+12125550103", "+12125550104"
"""Our number, and those of others; possible ones, for calls that we place."""

REPLY = "We are open Monday to Friday, from eight to six."
AGENT = Agent(
    name="Ruth",
    company="Harbour Clinic",
    identity="Hello, this is {agent}, the automated assistant of {company}.",
    greeting="How can I help you?",
    persona="You are {name}.",
)
"""An agent that answers calls."""

# How people speak: each letter is a tone of 60 ms, of two by turns, so that a letter twice is heard twice.

_LETTERS = "abcdefghijklmnopqrstuvwxyz' "
_LETTER_S = 0.06
_LOWEST_HZ, _STEP_HZ = 300, 50  # those of `tone`
_HEARD_HZ, _HOP = 16_000, 160  # what a transcriber is given; looked at in windows of 20 ms, every 10 ms
_ALIKE = 3  # windows in a row that make a tone
_LOUD = 0.02


def words_of(text: str) -> str:
    """A text as it is heard: letters and spaces."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())


def speech(text: str) -> bytes:
    """The sound of a text: mu-law at 8 kHz, whole frames."""
    letters = [_LETTERS.index(letter) for letter in words_of(text)]
    return b"".join(encode(tone(2 * letter + place % 2, _LETTER_S)) for place, letter in enumerate(letters))


class ToneEars:
    """A transcriber that understands people who speak in tones."""

    def __init__(self, delay_s: float = 0.1) -> None:
        self._delay_s = delay_s

    async def transcribe(self, samples: Any) -> str:
        """The words in it."""
        await asyncio.sleep(self._delay_s)
        windows = [samples[at : at + 2 * _HOP] for at in range(0, len(samples) - 2 * _HOP, _HOP)]
        pitches = [_pitch(window) for window in windows]
        found = [pitch for pitch, alike in groupby(pitches) if len(list(alike)) >= _ALIKE]
        return " ".join("".join(_LETTERS[pitch // 2] if pitch >= 0 else " " for pitch in found).split())


def _pitch(window: Any) -> int:
    """Which tone it is; -1 when it is none."""
    if np.sqrt(np.mean(window**2)) < _LOUD:
        return -1
    hz = int(np.argmax(np.abs(np.fft.rfft(window)))) * _HEARD_HZ // len(window)
    pitch = round((hz - _LOWEST_HZ) / _STEP_HZ)
    return pitch if 0 <= pitch < 2 * len(_LETTERS) else -1


# People, and what they do one after the other.

Step = Callable[[], Generator[bytes, bytes, None]]
"""Says frames, and gets for each what was heard in the slot before."""

CARRIER = steady_tone(3_350)
"""What the carrier's own voice and music sound like: higher than all others, so that nobody takes it for the agent."""

_NOBODY = (QUIET, CARRIER)


def person(*steps: Step, **how: Any) -> Person:
    """Somebody who does this, step after step, and then hangs up. how: fields of `Person`."""

    def doing() -> Generator[bytes, bytes, None]:
        yield QUIET
        for step in steps:
            yield from step()

    running = doing()
    next(running)

    def next_frame(heard: bytes) -> bytes | None:
        try:
            return running.send(heard)
        except StopIteration:
            return None

    return Person(next_frame=next_frame, **how)


def leaving(after_s: float, *steps: Step) -> Person:
    """Does this, but hangs up after so long."""
    whole, left = person(*steps), [round(after_s / FRAME_S)]

    def next_frame(heard: bytes) -> bytes | None:
        left[0] -= 1
        return whole.next_frame(heard) if left[0] >= 0 else None

    return Person(next_frame=next_frame)


def say(text: str) -> Step:
    """Say something."""
    sound = speech(text)

    def saying() -> Generator[bytes, bytes, None]:
        for at in range(0, len(sound), FRAME_SAMPLES):
            yield sound[at : at + FRAME_SAMPLES]

    return saying


def wait(seconds: float) -> Step:
    """Say nothing for a while."""

    def waiting() -> Generator[bytes, bytes, None]:
        for _ in range(round(seconds / FRAME_S)):
            yield QUIET

    return waiting


def hear(seconds: float = FRAME_S) -> Step:
    """Say nothing until somebody was heard for so long, counted from their next sound."""

    def hearing() -> Generator[bytes, bytes, None]:
        left = round(seconds / FRAME_S)
        while left > 0:
            left -= (yield QUIET) not in _NOBODY

    return hearing


def hear_out(quiet_s: float = 0.6) -> Step:
    """Say nothing until somebody was heard, and then nobody any more for a while."""

    def hearing() -> Generator[bytes, bytes, None]:
        yield from hear()()
        quiet = 0
        while quiet < round(quiet_s / FRAME_S):
            quiet = quiet + 1 if (yield QUIET) in _NOBODY else 0

    return hearing


def stay() -> Step:
    """Say nothing until the other side hangs up."""
    return wait(7_200)


def sounding(frame: bytes, seconds: float) -> Step:
    """Make the same sound for a while."""

    def making() -> Generator[bytes, bytes, None]:
        for _ in range(round(seconds / FRAME_S)):
            yield frame

    return making


# The installation.


def engines(reply: str | Callable[[Any], str] = REPLY, **others: Any) -> Engines:
    """The shipped fakes at the pace of good engines, with ears for people who speak in tones."""
    script = reply if callable(reply) else lambda messages: reply
    usual = {"transcriber": ToneEars(), "language_model": ScriptedModel(script, 0.1, 0.02)}
    return light_engines(**{**usual, **others})


def settings_for(folder: Path, agent: str, **groups: Mapping[str, Any]) -> Settings:
    """Settings of an installation in this folder. groups: fields of `server`, `outbound`, `records`, `hearing`."""
    given = {name: dict(groups.get(name, {})) for name in ("server", "outbound", "records", "hearing")}
    return Settings(
        _env_file=None,
        public_url=PUBLIC,
        agent=folder / "agents" / f"{agent}.toml",
        server=ServerSettings(**given["server"]),
        outbound=OutboundSettings(**{"from_number": OURS, **given["outbound"]}),
        records=RecordSettings(**{"folder": folder / "calls", **given["records"]}),
        hearing=HearingSettings(**{"interim_s": 0, **given["hearing"]}),  # ears hear whole turns only
        TWILIO_ACCOUNT_SID=ACCOUNT,
        TWILIO_AUTH_TOKEN=TOKEN,
        api_key="a-key-of-the-api-that-is-long-enough",
    )


@dataclass
class Telephone:
    """A running installation and the world around it."""

    twin: Twin
    network: Apps
    house: House
    office: Office
    ledger: Ledger
    settings: Settings
    engines: Engines
    now: Callable[[], datetime]

    async def call(self, caller: Person, from_: str = CALLER) -> CarriedCall:
        """Have somebody call us, and hold the call to its end."""
        return await self.twin.call_in(caller, OURS, from_)

    def records(self, call: CarriedCall | str) -> list[Path]:
        """The folders in which this call was kept: one, unless it was begun anew."""
        sid = call if isinstance(call, str) else call.call_sid
        return sorted(self.settings.records.folder.glob(f"*-{sid}"))

    def entries(self, call: CarriedCall | str) -> list[Entry]:
        """Its flight record. Fails unless there is exactly one."""
        (folder,) = self.records(call)
        return read_record(folder / "record.jsonl")[1]

    def did(self, call: CarriedCall | str, kind: type[Action]) -> list[Any]:
        """The heart's actions of one kind, in order."""
        found = [each.action for each in self.entries(call) if isinstance(each, ActionEntry)]
        return [action for action in found if isinstance(action, kind)]

    def happened(self, call: CarriedCall | str, kind: type[Event]) -> list[Any]:
        """The heart's events of one kind, in order."""
        found = [each.event for each in self.entries(call) if isinstance(each, EventEntry)]
        return [event for event in found if isinstance(event, kind)]

    def facts(self, call: CarriedCall | str) -> list[str]:
        """The names of the facts noted in its record."""
        return [each.name for each in self.entries(call) if isinstance(each, FactEntry)]

    def remembered(self, call: CarriedCall | str) -> list[Turn]:
        """What became history: what either side has said, and heard of it."""
        return [action.turn for action in self.did(call, Remember)]

    def said(self, call: CarriedCall | str, speaker: str = "agent") -> list[str]:
        """What one side has said, as far as it was heard."""
        return [turn.text for turn in self.remembered(call) if turn.speaker == speaker]

    async def kept(self, call: CarriedCall | str) -> dict[str, Any]:
        """All that the ledger can prove of this call. Fails when it knows nothing of it."""
        await self.ledger.flush()
        audit = await self.ledger.audit(call if isinstance(call, str) else call.call_sid)
        assert audit is not None
        return audit

    def legs(self, to: str) -> list[CarriedCall]:
        """The calls to a number, in order."""
        return [call for call in self.twin.calls if call.to == to]


@asynccontextmanager
async def telephone(
    folder: Path,
    *,
    agent: Agent = AGENT,
    agents: Mapping[str, Agent] | None = None,
    people: Callable[[str], Person] | None = None,
    faults: Faults | None = None,
    made_of: Engines | None = None,
    opened_at: datetime = NOON,
    twin_options: Mapping[str, Any] | None = None,
    **groups: Any,
) -> AsyncIterator[Telephone]:
    """An installation at work, until the block is left; then its calls must be over, or end within a minute.

    agent: who answers, and calls back;  agents: further ones, by the name of their file;  people: who answers at a
    number;  made_of: the engines, by default `engines()`;  opened_at: what time it is now;  groups: see `settings_for`.
    """
    before, loop = asyncio.all_tasks(), asyncio.get_running_loop()
    began_at = loop.time()

    def now() -> datetime:
        return opened_at + timedelta(seconds=loop.time() - began_at)

    settings = settings_for(folder, "answering", **groups)
    for name, each in {"answering": agent, **(agents or {})}.items():
        write_agent(each, settings.agent.with_stem(name))
    network = Apps({})
    given = {"voice": CARRIER, **({"people": people} if people else {}), **(twin_options or {})}
    number = Number(OURS, f"{PUBLIC}/twilio/voice", f"{PUBLIC}/twilio/status")
    number.voice_fallback_url = f"{PUBLIC}/twilio/fallback"
    twin = Twin(ACCOUNT, TOKEN, network, numbers=[number], faults=faults, opened_at=opened_at, **given)
    made_of = made_of or engines()
    async with AsyncExitStack() as stack:
        ledger = open_ledger(f"sqlite:///{folder}/ledger.db", None, AtOnce())
        stack.push_async_callback(ledger.close)
        house = House(settings, load_agent(settings.agent), made_of, ledger.note, now=now)
        carrier = TwilioControl.of(settings, transport=twin.transport())
        stack.push_async_callback(carrier.close)
        await stack.enter_async_context(twin)
        office = await stack.enter_async_context(staffed(house, ledger, carrier))
        assert office is not None
        network.apps[PUBLIC] = web_app(house, office, carrier)
        yield Telephone(twin, network, house, office, ledger, settings, made_of, now)
        async with asyncio.timeout(60):
            await twin.quiet()
        await asyncio.sleep(6)  # callbacks, and what is still to be looked after once a call is over
    assert network.crashes == []
    assert [call.violations for call in twin.calls if call.violations] == []
    assert house.has_room(settings.server.calls_at_once - 1), "a line is held that nobody is on"
    if isinstance(made_of.language_model, ScriptedModel):
        assert made_of.language_model.open_streams == 0
    assert asyncio.all_tasks() == before, "a task is left"


def write_agent(agent: Agent, path: Path) -> None:
    """The file of an agent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = agent.model_dump(mode="json", exclude_defaults=True)
    path.write_text("".join(f"{name} = {_toml(value)}\n" for name, value in fields.items()), encoding="utf-8")


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + "}"
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, list) else json.dumps(value)
