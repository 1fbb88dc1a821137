"""Calls that we place, and the process that places them, which may die: on a clock that jumps, a carrier simulated.

    async with outbound(tmp_path, {ADA: human(YES)}) as world:
        ended = await world.call_and_wait(ADA)
        assert ended.outcome == "talked"

People speak as in `world.py`. What outlives a process is the carrier with its people, and our files. When the block is
left, nothing that was begun is left, and nothing went wrong unseen.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr

from client_caller.agent import Agent, load_agent
from client_caller.app import staffed, web_app
from client_caller.audio.frame import LINE_HZ
from client_caller.dialler import Dialler
from client_caller.engines import Engines
from client_caller.house import House
from client_caller.ledger.entries import KeptCall
from client_caller.ledger.ledger import Ledger, open_ledger
from client_caller.line.twilio_control import TwilioControl
from client_caller.office import Office
from client_caller.settings import LedgerSettings, Settings
from client_caller.twin.account import Twin
from client_caller.twin.asgi_network import Apps
from client_caller.twin.carried import CarriedCall
from client_caller.twin.faults import Faults
from client_caller.twin.numbers import Number
from client_caller.twin.people import BEEP, Fax, Human, Machine, Nobody, Person, steady_tone
from outbound_calls import AGENTS, NOON, VARS, AtOnce
from telephone.world import (
    ACCOUNT,
    OURS,
    PUBLIC,
    TOKEN,
    engines,
    hear_out,
    person,
    say,
    settings_for,
    sounding,
    speech,
    wait,
    write_agent,
)

CLINIC = load_agent(AGENTS / "appointment_reminder.toml")
IDENTITY = "who is calling was heard"
HUMAN, MACHINE = "a human answered", "a machine answered"

YES = "Yes, I will be there."
STOP = "Please do not call me again."
MAILBOX = "You have reached the voicemail of Ada. Please leave a message after the tone."
MENU = "For sales, press one. For support, press two."
SCREENING = "Please say your name and why you are calling."

# People who are called.


def human(*answers: str, hello: str = "Hello?", **how: Any) -> Person:
    """Says hello, hears who is calling, answers, hears what comes of it each time, and hangs up."""
    talk = [step for answer in answers for step in (say(answer), hear_out())]
    return person(say(hello), hear_out(), *talk, **{"answerer": Human(lasts_s(hello)), **how})


def voicemail(greeting: str = MAILBOX, *, beeps: bool = True, records_s: float = 60.0, **how: Any) -> Person:
    """Greets, beeps or not, records and hangs up."""
    steps = [say(greeting), wait(_REST_S), sounding(BEEP, _BEEP_S if beeps else 0.0), wait(records_s)]
    greeting_s = lasts_s(greeting) + (_REST_S if beeps else 0.0)
    return person(*steps, **{"answerer": Machine(greeting_s, beeps), **how})


_REST_S, _BEEP_S = 0.3, 0.5


def beep_over_s(greeting: str = MAILBOX) -> float:
    """When the beep of a machine is over, from the first sound of the call."""
    return lasts_s(greeting) + _REST_S + _BEEP_S


def fax() -> Person:
    """A machine that answers with 2,100 Hz."""
    return person(wait(1.0), sounding(steady_tone(2_100), 3.0), wait(60.0), answerer=Fax())


def nobody() -> Person:
    """Lifts, and says nothing."""
    return person(wait(120.0), answerer=Nobody())


def lasts_s(text: str) -> float:
    """How long it takes to say."""
    return len(speech(text)) / LINE_HZ


# The process, and what outlives it.


@dataclass
class Process:
    """One process of ours: what `server.py` makes, with light engines and the carrier's clock."""

    house: House
    office: Office
    dialler: Dialler
    ledger: Ledger
    carrier: TwilioControl
    leave: AsyncExitStack


@dataclass
class World:
    """The carrier, the people, our files, and the process that there is now."""

    twin: Twin
    network: Apps
    settings: Settings
    made_of: Engines
    _process: Process | None = None

    def now(self) -> datetime:
        """The wall clock of all of them."""
        return self.twin.exchange.clock(asyncio.get_running_loop().time())

    @property
    def ours(self) -> Process:
        """The process."""
        assert self._process, "there is no process"
        return self._process

    @property
    def office(self) -> Office:
        """What an operator may ask."""
        return self.ours.office

    @property
    def ledger(self) -> Ledger:
        """What is kept."""
        return self.ours.ledger

    async def start(self) -> None:
        """Start a process; the carrier reaches it from now on."""
        stack, settings = AsyncExitStack(), self.settings
        ledger = open_ledger(settings.ledger.url.get_secret_value(), None, AtOnce())
        stack.push_async_callback(ledger.close)
        house = House(settings, load_agent(settings.agent), self.made_of, ledger.note, now=self.now)
        carrier = TwilioControl.of(settings, transport=self.twin.transport())
        stack.push_async_callback(carrier.close)
        office = await stack.enter_async_context(staffed(house, ledger, carrier))
        assert office
        self.network.apps[PUBLIC] = web_app(house, office, carrier)
        self._process = Process(house, office, office._dialler, ledger, carrier, stack)

    async def die(self) -> None:
        """Have the process die: nothing answers at its address, its sockets break, what it was about to do is not done.

        Its ledger stores what was noted; what a killed process loses of it is tested with the ledger.
        """
        del self.network.apps[PUBLIC]
        self.network.kill()
        process, self._process = self.ours, None
        await process.leave.aclose()

    async def close(self) -> None:
        """End the process in peace, if there is one."""
        if self._process:
            await self._process.leave.aclose()

    # Calls.

    async def call(self, to: str, consent: str = "yes") -> str:
        """Order a call; gives its order."""
        return await self.office.call(to, "appointment_reminder", VARS, consent)

    async def call_and_wait(self, to: str) -> "Ended":
        """Have a call placed, and wait until its order is closed."""
        return await self.ended(await self.call(to))

    async def ended(self, order: str, within_s: float = 600.0) -> "Ended":
        """Wait until an order is closed, and all is kept of it."""
        await self.until(lambda: order not in self.ours.dialler.open, within_s)
        await asyncio.sleep(1.0)
        await self.ledger.flush()
        stands = await self.office.order(order)
        assert stands
        kept = await self.ledger.call(stands["call"]) if stands["call"] else None
        carried = next((each for each in self.twin.calls if each.call_sid == stands["call"]), None)
        return Ended(order, stands["outcome"], kept, carried)

    async def until(self, is_so: Callable[[], bool], within_s: float = 600.0) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(within_s):
            while not is_so():  # noqa: ASYNC110 - what it waits for has no event, and this clock jumps
                await asyncio.sleep(0.05)

    async def until_told(self, state: str, call: int = -1) -> None:
        """Wait until a call of the carrier's is in this state, and that was told."""
        await self.until(lambda: bool(self.twin.calls) and self.twin.calls[call].state == state)
        await asyncio.sleep(0.5)

    def calls_to(self, number: str) -> list[CarriedCall]:
        """All calls to that number, in order."""
        return [call for call in self.twin.calls if call.to == number]

    # Campaigns.

    async def campaign(self, text: str, name: str = "june", **more: Any) -> str:
        """Start a campaign; gives its id."""
        return str((await self.office.start_campaign(name, text, "appointment_reminder", **more))["campaign"])

    async def progress(self, campaign: str) -> dict[str, Any]:
        """How far it is."""
        return await self.office.campaign(campaign) or {}

    async def done(self, campaign: str, within_s: float = 86_400.0) -> dict[str, int]:
        """Wait for the end of a campaign; how many contacts ended how."""
        async with asyncio.timeout(within_s):
            while (told := await self.progress(campaign))["state"] != "done":  # noqa: ASYNC110
                await asyncio.sleep(60.0)
        assert (told["waiting"], told["calling"]) == (0, 0)
        return dict(told["outcomes"])


@dataclass(frozen=True)
class Ended:
    """An order that is closed. kept: its call in the ledger;  carried: the same at the carrier."""

    order: str
    outcome: str
    kept: KeptCall | None
    carried: CarriedCall | None

    @property
    def call(self) -> CarriedCall:
        """The call there was."""
        assert self.carried
        return self.carried

    @property
    def notes(self) -> list[str]:
        """What was kept of the call, in order; of what the carrier believes, only that it was told."""
        assert self.kept
        return [note.what for note in self.kept.notes]


People = Mapping[str, Person | Sequence[Person]] | Callable[[str], Person]


@asynccontextmanager
async def outbound(
    folder: Path,
    people: People,
    *,
    faults: Faults | None = None,
    agent: Agent = CLINIC,
    law: str = "",
    carriers_calls_per_s: float = 100.0,
    keeps_sound: bool = True,
    **settings: Any,
) -> AsyncIterator[World]:
    """A world with one process, until the block is left; then its calls must be over, or end within two minutes.

    people: who answers at a number, one after the other if there are several; other numbers do not exist;
    agent: who calls, and answers;  law: the text of its file;  settings: of the calls that we place.
    """
    before, network = asyncio.all_tasks(), Apps({})
    if law:
        (folder / "law.toml").write_text(law, encoding="utf-8")
        settings["law"] = folder / "law.toml"
    ours = settings_for(
        folder,
        "appointment_reminder",
        outbound=settings,
        server={"calls_at_once": 200},
        records={"audio": keeps_sound},
    ).model_copy(update={"api_key": SecretStr("a-key"), "ledger": LedgerSettings(url=f"sqlite:///{folder}/ledger.db")})
    write_agent(agent, ours.agent)
    entrance = Number(OURS, f"{PUBLIC}/twilio/voice", f"{PUBLIC}/twilio/status")
    twin = Twin(
        ACCOUNT,
        TOKEN,
        network,
        numbers=[entrance],
        people=people if callable(people) else Answering(people),
        faults=faults,
        calls_per_second=carriers_calls_per_s,
        keeps_sound=keeps_sound,
        opened_at=NOON,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(twin)
        world = World(twin, network, ours, engines())
        stack.push_async_callback(world.close)
        await world.start()
        yield world
        async with asyncio.timeout(120):
            await twin.quiet()
        await asyncio.sleep(20.0)  # callbacks, and what is still looked after once a call is over
        assert world.ours.house.has_room(ours.server.calls_at_once - 1), "a line is held that nobody is on"
        assert world.ours.dialler.open == {}, "an order is open that has no call"
    assert network.crashes == []
    assert [call.violations for call in twin.calls if call.violations] == []
    assert asyncio.all_tasks() == before, "a task is left"


class Answering:
    """Who answers: at each number one after the other, the last again and again. Others do not exist."""

    def __init__(self, people: Mapping[str, Person | Sequence[Person]]) -> None:
        self._people = {number: [who] if isinstance(who, Person) else list(who) for number, who in people.items()}

    def __call__(self, number: str) -> Person:
        waiting = self._people.get(number, [Person(outcome="failed", ring_s=0.0)])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


# What is measured at the carrier.


def first_sound_s(call: CarriedCall) -> float:
    """When the one who was called first heard anything, in seconds from the first sound of the call."""
    return float(np.flatnonzero(np.frombuffer(bytes(call.played), np.uint8) != 0xFF)[0]) / LINE_HZ


def placed_at(calls: Iterable[CarriedCall]) -> list[float]:
    """Loop times at which calls were ordered, in order."""
    return sorted(call.states[0].at for call in calls)


def most_at_once(calls: Iterable[CarriedCall]) -> int:
    """How many of them were open at the same time, at most."""
    steps = sorted(step for call in calls for step in ((call.states[0].at, 1), (call.states[-1].at, -1)))
    return int(max(np.cumsum([step for _, step in steps]), default=0))


def states(call: CarriedCall) -> list[str]:
    """What it went through."""
    return [reached.state for reached in call.states]


def csv(numbers: Iterable[str]) -> str:
    """A campaign's file; all have agreed to be called."""
    head = "number,name,day,consent_kind,consent_given_at,consent_source\n"
    return head + "".join(f"{number},Ada,Tuesday,informational,2026-05-01,form\n" for number in numbers)


def number(index: int) -> str:
    """One of ten thousand numbers that may exist."""
    return f"+1212555{index:04d}"
