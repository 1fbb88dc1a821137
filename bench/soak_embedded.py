"""Many short calls on the embedded models, in real time, over real sockets, to one serving process.

In:   how many calls, how many of them at once; a seed.     Out: what the process held after them, and what went wrong.
Rule: it is looked at while no call runs, a second after the last one. The server is the whole of `client-caller serve`.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2

from client_caller.app import speech_samples
from client_caller.conversation.events import HungUp
from client_caller.demo import render_with_espeak
from client_caller.errors import ConfigError, LineError
from client_caller.records.flight import Entry, EventEntry, read_record
from client_caller.rehearsal.carrier import Fault, place_call
from client_caller.rehearsal.cast import HUMAN_SENTENCES, INTERRUPTIONS, QUESTIONS, TWO_SENTENCES, recorded, spoken
from client_caller.rehearsal.measure import measure
from client_caller.rehearsal.script import ScriptedCaller
from client_caller.rehearsal.stage import ACCOUNT_SID, Stage, serving, serving_process
from client_caller.settings import load_settings
from soak_calls import PATIENCE_S, Clips, Plan, plans, wrongs
from soak_held import Limits, Page, Row, llama_of, page, served

LIMITS: Final = Limits(memory_mb=0.1, count=0.02)
"""The aim; and one task, thread or open file in fifty calls."""

LOG: Final = Path("runs/soak.log")
"""Where the server's log stays when something went wrong."""

_APART_S: Final = 0.4
_REST_S: Final = 1.0
"""The last call's sockets are closed by then."""

_QUIET_WITHIN_S: Final = 30.0
_LOOK_S: Final = 0.1


@dataclass(slots=True)
class Soaked:
    """rows: what was held;  kinds: calls of each kind;  ended_by: who ended them;  failures: what went wrong, in words;
    warnings, refused: what the server told of itself at the end."""

    rows: list[Row] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    ended_by: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    warnings: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    took_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """All of it but the rows."""
        return {
            "took_s": round(self.took_s),
            "kinds": dict(self.kinds),
            "ended_by": dict(self.ended_by),
            "failures": self.failures,
            "warnings": self.warnings,
        }


async def clips() -> Clips:
    """The voices of the rehearsal: synthetic ones and a human one."""
    folder = speech_samples(load_settings())
    questions = [await spoken(line, render_with_espeak) for line in QUESTIONS]
    questions += [recorded(passage, folder) for passage in HUMAN_SENTENCES]
    interruptions = [await spoken(line, render_with_espeak) for line in INTERRUPTIONS]
    return Clips(questions, interruptions, await spoken(TWO_SENTENCES, render_with_espeak))


async def soak(folder: Path, calls: int, at_once: int, seed: int, show: Callable[[Row], None]) -> Soaked:
    """Hold all of them. show: given every row as it is measured."""
    soaked, began_at = Soaked(), asyncio.get_running_loop().time()
    todo = plans(calls, await clips(), seed)
    changes = {
        "CLIENT_CALLER_LEDGER__URL": f"sqlite:///{folder / 'ledger.db'}",
        "CLIENT_CALLER_SERVER__METRICS": "loopback",
        "CLIENT_CALLER_SERVER__ANSWER_P95_S": "0",  # a slow minute of this machine is to turn nobody away
    }
    async with serving(folder, changes) as stage:
        llama = llama_of(stage.process_id)
        try:
            for first in range(0, calls, at_once):
                await _round(stage, todo[first : first + at_once], first, soaked)
                told = await _quiet(stage)
                await _is_the_same(stage, llama)
                soaked.rows.append(served(min(first + at_once, calls), stage.process_id, told))
                soaked.warnings, soaked.refused = dict(told.warnings), told.refused
                show(soaked.rows[-1])
        except (ConfigError, httpx2.HTTPError, OSError) as gone:  # whoever looks into /proc for a dead process
            soaked.failures.append(f"the server did not last: {gone}")
    if soaked.refused or soaked.warnings.get("a call failed"):
        soaked.failures.append(f"the server refused {soaked.refused} calls, or tells of failed ones: {soaked.warnings}")
    soaked.took_s = asyncio.get_running_loop().time() - began_at
    if soaked.failures:
        LOG.parent.mkdir(exist_ok=True)
        shutil.copy(folder / "server.log", LOG)  # the folder goes, and who looks for the reason needs what it says
    return soaked


async def _is_the_same(stage: Stage, llama: int | None) -> None:
    """Raises ConfigError when the serving process is another one by now, or the language model's."""
    if (await serving_process(stage.url), llama_of(stage.process_id)) != (stage.process_id, llama):
        raise ConfigError("a process was replaced")


async def _round(stage: Stage, some: Sequence[Plan], first: int, soaked: Soaked) -> None:
    """These calls at once, and not quite at the same instant."""

    async def later(number: int, plan: Plan) -> None:
        await asyncio.sleep(number * _APART_S)
        soaked.kinds[plan.kind] += 1
        wrong = await _call(stage, plan, soaked.ended_by)
        if wrong:
            soaked.failures.append(f"call {first + number + 1} ({plan.kind}): {'; '.join(wrong)}")

    async with asyncio.TaskGroup() as tasks:
        for number, plan in enumerate(some):
            tasks.create_task(later(number, plan))


async def _call(stage: Stage, plan: Plan, ended_by: Counter[str]) -> list[str]:
    """Hold one call; what was wrong with it."""
    caller = ScriptedCaller(plan.steps, PATIENCE_S)
    left = [plan.breaks_at] if plan.breaks_at is not None else []

    def breaks(at: float) -> Fault | None:
        if left and at >= left[0]:
            left.clear()
            return "reset"
        return None

    try:
        call = await place_call(stage.voice_url, ACCOUNT_SID, stage.auth_token, caller.next_frame, breaks)
        ended_by[call.hung_up_by] += 1
        heard = measure(bytes(call.sent), bytes(call.played), caller.spoken, call.lateness_s)
        return wrongs(plan, call, heard, await _record(stage, call.call_sid))
    except (LineError, ConfigError) as wrong:
        return [str(wrong)]


async def _record(stage: Stage, call_sid: str) -> list[Entry]:
    """The flight record of a call that is over. Raises ConfigError when there is none."""
    clock = asyncio.get_running_loop().time
    until = clock() + _QUIET_WITHIN_S
    while True:
        entries = _written(stage.records, call_sid)
        if any(isinstance(entry, EventEntry) and isinstance(entry.event, HungUp) for entry in entries):
            return entries
        if clock() > until:  # what is missing will be told of
            return entries
        await asyncio.sleep(_LOOK_S)


def _written(records: Path, call_sid: str) -> list[Entry]:
    found = list(records.glob(f"*-{call_sid}/record.jsonl"))
    return read_record(found[0])[1] if found else []


async def _quiet(stage: Stage) -> Page:
    """Wait until no call runs, and then a little; not for ever: what still runs will be told of."""
    clock = asyncio.get_running_loop().time
    until = clock() + _QUIET_WITHIN_S
    while (await page(stage.url)).running and clock() < until:  # noqa: ASYNC110 - it is another process
        await asyncio.sleep(_LOOK_S)
    await asyncio.sleep(_REST_S)
    return await page(stage.url)
