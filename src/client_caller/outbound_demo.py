"""The demo of a call that we place: to a client who answers, and to one whose machine does.

In:   nothing but the embedded models.
Out:  `runs/<time>/` with what `demo` leaves for the client's call, and ledger.db with both.
Rule: nothing is staged but the carrier and the people. The calls are ordered as anybody orders them, over the API, and
      the law is kept: the clients live where it is daytime now.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from client_caller.app import pull_models
from client_caller.cli.progress import watching
from client_caller.demo import render_with_espeak, tell
from client_caller.errors import ConfigError
from client_caller.outbound.judge import Allowed, Consent, Request, Standing, judge
from client_caller.outbound.law import Law
from client_caller.rehearsal.callee import Callee, Machine
from client_caller.rehearsal.cast import GOODBYE, GREETING_OF_A_MACHINE, HELLO, QUESTIONS, SHORT_ANSWERS, spoken
from client_caller.rehearsal.measure import measure
from client_caller.rehearsal.operator import Operator
from client_caller.rehearsal.script import Say
from client_caller.rehearsal.stage import ACCOUNT_SID, Stage, serving
from client_caller.rehearsal.watched import shown
from client_caller.settings import Settings
from client_caller.twin.account import Twin
from client_caller.twin.network import Internet
from client_caller.twin.numbers import Number
from client_caller.twin.people import Human, Person
from client_caller.twin.people import Machine as AnsweringMachine
from client_caller.twin.served import served

_AGENT: Final = Path("agents/appointment_reminder.toml")
_OURS: Final = "+12125550100"
_PLACES: Final = (
    ("+12125550101", "+12125550104"),
    ("+442079460101", "+442079460104"),
    ("+61255501101", "+61255501104"),
)
"""Numbers that are nobody's, kept for stories, in New York, London and Sydney. Sources: NANPA's 555 line numbers 0100
to 0199; Ofcom's and ACMA's numbers for drama."""

_LOOK_EVERY_S: Final = 0.3
_OVER: Final = frozenset({"over", "dropped"})


async def run_outbound_demo(settings: Settings, console: Console, runs: Path = Path("runs")) -> Path:
    """Hold both calls; returns the folder with what they left. Raises ModelUnavailable, ConfigError, LineError."""
    with watching(console) as progress:
        pull_models(settings, progress)
    folder = runs / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    client, machine = _where_it_is_day(datetime.now(UTC))
    callee = Callee(
        await spoken(HELLO, render_with_espeak),
        [
            Say(await spoken(SHORT_ANSWERS[0], render_with_espeak)),
            Say(await spoken(QUESTIONS[6], render_with_espeak)),
            Say(await spoken(GOODBYE, render_with_espeak)),
        ],
    )
    voicemail = Machine(await spoken(GREETING_OF_A_MACHINE, render_with_espeak))
    people = {
        client: Person(next_frame=callee.next_frame, answerer=Human(0.5), ring_s=2.0),
        machine: Person(next_frame=voicemail.next_frame, answerer=AnsweringMachine(voicemail.greeting_s), ring_s=2.0),
    }
    console.print("Starting the server with its models, and a carrier that behaves as Twilio does.")
    async with _carried(folder, people.__getitem__) as (twin, stage, operator):
        console.print(f"Phoning a client at {client}, as `client-caller call` does.\n")
        await _phone(operator, stage, console, client)
        call = twin.calls[-1]
        record = stage.newest_record()
        assert record is not None
        console.print(f"\nPhoning another at {machine}, where a machine answers.\n")
        await _phone(operator, stage, console, machine)
        await _tell_ledger(operator, console)
    heard = measure(bytes(call.sent), bytes(call.played), callee.spoken, call.lateness_s)
    return tell(heard, record.parent, folder, console)


def _where_it_is_day(now: datetime) -> tuple[str, str]:
    """Two numbers that may be called at this hour."""
    agreed = Standing(consents=(Consent("informational", now, "demo", "demo"),))
    for numbers in _PLACES:
        if isinstance(judge(Request(numbers[0], "informational"), agreed, Law(), now), Allowed):
            return numbers
    raise ConfigError("there is no place in this demo where it is daytime now")


@asynccontextmanager
async def _carried(folder: Path, people: Callable[[str], Person]) -> AsyncIterator[tuple[Twin, Stage, Operator]]:
    """A server that runs, the carrier it asks, and who orders calls."""
    token, key = secrets.token_hex(16), secrets.token_urlsafe(16)
    numbers = [Number(_OURS, "", "")]
    async with Twin(ACCOUNT_SID, token, Internet(), numbers=numbers, people=people) as twin, served(twin.rest) as api:
        changes = {
            "TWILIO_AUTH_TOKEN": token,
            "TWILIO_API_URL": api,
            "CLIENT_CALLER_API_KEY": key,
            "CLIENT_CALLER_AGENT": str(_AGENT),
            "CLIENT_CALLER_OUTBOUND__FROM_NUMBER": _OURS,
            "CLIENT_CALLER_LEDGER__URL": f"sqlite:///{folder / 'ledger.db'}",
        }
        async with serving(folder, changes) as stage:
            yield twin, stage, Operator(stage.url, key)


async def _phone(operator: Operator, stage: Stage, console: Console, number: str) -> None:
    """Order a call, show it, and wait until it is over."""
    variables = {"name": "Ada", "day": "Tuesday"}
    wanted: dict[str, Any] = {"to": number, "agent": _AGENT.stem, "vars": variables, "consent": "it is a demo"}
    async with shown(stage, console):
        order = (await operator.ask("/api/calls", wanted))["order"]
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if (await operator.ask(f"/api/orders/{order}"))["state"] in _OVER:
                return


async def _tell_ledger(operator: Operator, console: Console) -> None:
    """What is kept of both calls, and can be proved."""
    table = Table("call to", "how it went", "what is kept of it", box=box.SIMPLE_HEAD)
    for call in reversed(await operator.ask("/api/calls")):
        table.add_row(call["theirs"], call["outcome"], ", ".join(note["what"] for note in call["notes"]))
    console.print(table)
