"""The meter: what it counts of calls, the log, engines and the loop; and that no label tells anything of a call."""

import ast
import asyncio
import logging
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import httpx2
import numpy as np
import pytest

import client_caller
from calls import AGENT, QUESTION, REPLY, Caller, engines
from client_caller import app, book
from client_caller.agent import Agent
from client_caller.audio.frame import FRAME_S, Samples
from client_caller.book import wall_clock
from client_caller.chain import Chain, all_chains
from client_caller.conversation.actions import Noted
from client_caller.conversation.events import Engine
from client_caller.engines import Engines
from client_caller.errors import EngineCrashed, EngineOverloaded, EngineTimeout
from client_caller.gauging import KINDS, chain_families
from client_caller.hearing.scripted import ScriptedTranscriber
from client_caller.house import House
from client_caller.ledger.entries import CallBegan, CallEnded, CallNoted, CallSummed, Entry
from client_caller.line.simulated import SimulatedLine
from client_caller.loop_lag import EVERY_S
from client_caller.metering import _MESSAGES, FOREBODING, OTHER, OUTCOMES, REFUSALS, STAGES, TOO_LATE, Meter
from client_caller.server import run_server
from client_caller.settings import HearingSettings, RecordSettings, ServerSettings, Settings
from client_caller.sturdy import SturdyTranscriber
from metrics_text import LABELS, Told, read, replayed, told_by
from virtual import run

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*/record.jsonl"))
NOW = datetime(2026, 11, 23, tzinfo=UTC)
log = logging.getLogger("client_caller.somewhere")


def settings(folder: Path) -> Settings:
    return Settings(_env_file=None, hearing=HearingSettings(interim_s=0), records=RecordSettings(folder=folder))


@pytest.fixture
def meter() -> Meter:
    return Meter()


def test_recorded_calls_fill_the_buckets_of_their_stages(meter: Meter) -> None:
    for path in GOLDEN:
        replayed(meter, path)
    told = told_by(meter)
    for name, _, _ in STAGES.values():
        assert told.value(f"client_caller_{name}_seconds_count") == 7
    assert told.value("client_caller_answer_seconds_bucket", le="0.4") == 7
    assert told.value("client_caller_answer_seconds_bucket", le="0.35") == 0
    assert told.value("client_caller_barge_ins_total") == 1
    assert told.value("client_caller_drafts_dropped_total") == 1


@pytest.mark.parametrize("buckets", [buckets for _, _, buckets in STAGES.values()])
def test_buckets_are_in_order_and_few(buckets: tuple[float, ...]) -> None:
    assert list(buckets) == sorted(set(buckets))
    assert len(buckets) <= 16


def test_a_call_in_the_house_is_counted_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    kept: list[Entry] = []

    async def main() -> tuple[Told, Told]:
        meter = Meter()
        house = House(settings(tmp_path), AGENT, engines(), keep=meter.keeping(kept.append), now=wall_clock)
        with meter.watching(house):
            caller = Caller(SimulatedLine("CA1"))
            running = asyncio.create_task(house.answer(caller.line))
            await asyncio.sleep(FRAME_S / 2)
            await caller.hear_out()
            await caller.say()
            await caller.hear(1.0)
            during = told_by(meter)
            caller.line.hang_up_by_caller()
            await running
            return during, told_by(meter)

    during, after = run(main())
    assert [type(entry) for entry in kept] == [CallBegan, CallEnded]
    assert (during.value("client_caller_calls_running"), after.value("client_caller_calls_running")) == (1, 0)
    assert during.value("client_caller_calls_at_once") == 8
    assert during.value("client_caller_ready") == 1
    assert during.value("client_caller_tasks") > 6
    assert after.value("client_caller_calls_begun_total", direction="inbound") == 1
    assert after.value("client_caller_calls_ended_total", outcome="talked") == 1
    assert after.value("client_caller_answer_seconds_count") == 1


def test_a_call_whose_line_is_lost_is_counted_as_lost_and_as_resumed(tmp_path: Path) -> None:
    async def main() -> Told:
        meter = Meter()
        house = House(settings(tmp_path), AGENT, engines(), keep=meter.keeping(lambda entry: None))
        with meter.watching(house):
            for is_lost in (True, False):
                caller = Caller(SimulatedLine("CA1"))
                running = asyncio.create_task(house.answer(caller.line))
                await asyncio.sleep(FRAME_S / 2)
                await caller.wait(0.5)
                (caller.line.break_off if is_lost else caller.line.hang_up_by_caller)()
                await running
            return told_by(meter)

    told = run(main())
    assert told.value("client_caller_lines_lost_total") == told.value("client_caller_calls_resumed_total") == 1
    assert told.value("client_caller_calls_begun_total") == told.value("client_caller_calls_ended_total") == 1


def test_what_the_log_warns_of_is_counted_while_the_house_is_watched(meter: Meter, tmp_path: Path) -> None:
    before = logging.getLogger("client_caller").handlers[:]
    with meter.watching(House(settings(tmp_path), AGENT)):
        log.warning("a call found no room", extra={"call": "CA1"})
        log.warning("a webhook was refused", extra={"unlogged": 41})
        log.error("a call failed")
        log.info("a call began")
        logging.getLogger("elsewhere").warning("a call found no room")
    log.warning("a call found no room")
    assert logging.getLogger("client_caller").handlers == before
    told = told_by(meter)
    assert told.value("client_caller_calls_refused_total", reason="no room") == 1
    assert told.value("client_caller_calls_refused_total", reason="webhook not signed") == 42
    assert told.value("client_caller_warnings_total", message="a call failed") == 1
    assert "a call began" not in told.labels()["message"]


def wild_entries() -> Iterator[Entry]:
    """What no entry of ours should hold."""
    secret = "my number is +15550100001"
    yield CallBegan("CA1", NOW, "inbound", secret, secret, secret)
    yield CallEnded("CA1", NOW, secret)
    yield CallNoted("CA1", NOW, secret, secret)
    yield CallNoted("CA1", NOW, "opted out", secret)
    yield CallSummed("CA1", NOW, secret, secret, secret)


def test_no_label_tells_anything_of_a_call(meter: Meter, tmp_path: Path) -> None:
    with meter.watching(House(settings(tmp_path), AGENT)):
        for path in GOLDEN:
            replayed(meter, path)
        for entry in wild_entries():
            meter.keeping(lambda entry: None)(entry)
        log.warning("an engine failed", extra={"call": "CA1", "why": "+15550100001"})
        log.warning("%s has failed", "+15550100001")
    lines = meter.exposition("")[0].decode().splitlines()
    text = "\n".join(line if line.startswith("#") else line.rpartition(" ")[0] for line in lines)  # values are numbers
    for secret in ("555", "CA1", "opening", "hours", REPLY, QUESTION, "Friday", "Anna"):
        assert secret not in text, secret
    assert told_by(meter).labels().keys() <= LABELS


def test_every_label_has_few_values_and_words_of_ours(meter: Meter, tmp_path: Path) -> None:
    with meter.watching(House(settings(tmp_path), AGENT)):
        for number in range(5 * _MESSAGES):
            log.warning(f"a message that is none of ours, {number}")  # noqa: G004  # which is the point
        log.warning({"no": "text"})
        for entry in wild_entries():
            meter.keeping(lambda entry: None)(entry)
    found = told_by(meter).labels()
    assert len(found.pop("message")) <= _MESSAGES + 1
    assert found.pop("le")
    assert found == {
        "direction": {"inbound", "outbound"},
        "outcome": {*OUTCOMES, OTHER},
        "reason": {*REFUSALS.values(), TOO_LATE},
        "what": set(get_args(Noted)),
        "engine": set(get_args(Engine)),
    }


def calls_of_the_log() -> Iterator[ast.Call]:
    """Every line that the program may log from WARNING on."""
    levels = {"warning", "error", "critical", "exception"}
    for path in Path(client_caller.__file__).parent.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source if "log." in source else "")):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if is_call and node.func.attr in levels and ast.unparse(node.func.value) == "log":
                yield node


def test_messages_of_the_log_are_constant_and_not_too_many() -> None:
    messages = set()
    for call in calls_of_the_log():
        literals = [each for each in ast.walk(call.args[0]) if isinstance(each, ast.Constant)]
        assert literals or isinstance(call.args[0], ast.Name), ast.unparse(call)
        messages |= {each.value for each in literals}
    assert 50 < len(messages) < _MESSAGES


def test_what_is_listened_for_in_the_log_is_said_somewhere() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(client_caller.__file__).parent.rglob("*.py"))
    for message in (*REFUSALS, *FOREBODING):
        said = source.count(f'"{message}"')
        assert said >= 2, message  # once here, and once where it happens


def test_every_outcome_of_a_call_has_its_name() -> None:
    assert {*book._OUTCOMES.values(), "talked"} == OUTCOMES


@asynccontextmanager
async def engines_then_a_look(settings: Settings, agent: Agent) -> AsyncIterator[Engines]:
    """Engines; and as soon as there are some, somebody looks at the figures of the server and stops it."""

    async def look() -> None:
        async with httpx2.AsyncClient(base_url=settings.public_url, trust_env=False) as client:
            for headers in ({}, {"X-Forwarded-For": "203.0.113.9"}):
                answer = await client.get("/metrics", headers=headers)
                LOOKED.append((answer.status_code, answer.text))
        os.kill(os.getpid(), signal.SIGTERM)

    looking = asyncio.create_task(look())
    yield engines()
    await looking


LOOKED: list[tuple[int, str]] = []


@pytest.mark.realtime
def test_a_server_tells_its_figures_to_its_own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "running_engines", engines_then_a_look)
    monkeypatch.chdir(tmp_path)
    LOOKED.clear()
    server, here = ServerSettings(port=0), Path(client_caller.__file__).parents[2] / "agents" / "receptionist.toml"
    run_server(Settings(_env_file=None, agent=here, server=server, TWILIO_AUTH_TOKEN="a token"))
    (status, text), (from_elsewhere, refusal) = LOOKED
    assert (status, from_elsewhere) == (200, 401)
    assert "client_caller" not in refusal
    told = read(text)
    assert told.value("client_caller_ledger_away") == 0
    assert told.value("client_caller_calls_running") == 0
    assert told.value("process_open_fds") > 0


# Engines.


class Failing:
    """A transcriber that fails like this, as often as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)

    async def transcribe(self, samples: Samples) -> str:
        if self._failures:
            raise self._failures.pop(0)
        return "words"


def families(*chains: Chain[Any]) -> dict[tuple[str, ...], float]:
    """Every series of these chains, by its name and the values of its labels."""
    return {
        (sample.name.removeprefix("client_caller_engine_"), *sample.labels.values()): sample.value
        for family in chain_families(chains)
        for sample in family.samples
    }


def test_who_does_the_work_of_a_chain_and_who_failed_at_it_is_told() -> None:
    async def main() -> dict[tuple[str, ...], float]:
        failures = (EngineCrashed("x", "y"), EngineTimeout("x", "y"), EngineOverloaded("x", "y"))
        before = set(all_chains())
        sturdy = SturdyTranscriber([Failing(*failures), ScriptedTranscriber(["one"] * 4, 0.0)], 2.0)
        for _ in range(4):
            await sturdy.transcribe(np.zeros(16_000, np.float32))
        return families(*(set(all_chains()) - before))

    told = run(main())
    first, second = ("transcriber", "1", "Failing"), ("transcriber", "2", "ScriptedTranscriber")
    assert told["jobs_total", *first] == 0
    assert told["jobs_total", *second] == 4
    assert [told["failures_total", *first, kind] for kind in KINDS] == [1, 1, 1, 0]
    assert (told["rests", *first], told["rests", *second]) == (1, 0)
    assert (told["in_use", *first], told["in_use", *second]) == (0, 1)


def test_chains_alike_are_told_as_one() -> None:
    one, other = Chain("voice", [Failing()]), Chain("voice", [Failing()])
    for chain in (one, other, other):
        with chain.watching(chain.links[0]):
            pass
    assert families(one, other)["jobs_total", "voice", "1", "Failing"] == 3


def test_an_answer_of_which_nobody_wants_more_is_a_job_that_was_done() -> None:
    chain = Chain("language model", [Failing()])

    async def answer() -> AsyncGenerator[str, None]:
        with chain.watching(chain.links[0]):
            yield "Good"
            yield "morning."

    async def main() -> None:
        async with aclosing(answer()) as parts:
            async for _ in parts:
                break

    run(main())
    assert chain.links[0].done == 1


def test_a_chain_that_is_gone_is_told_of_no_more() -> None:
    chain = Chain("voice", [Failing()])
    assert chain in all_chains()
    name = id(chain)
    del chain
    assert name not in {id(each) for each in all_chains()}


# The loop.


def test_a_loop_that_is_held_up_is_told_as_late() -> None:
    async def main() -> Told:
        meter, loop = Meter(), asyncio.get_running_loop()
        watching = asyncio.create_task(meter.lag.watch())
        await asyncio.sleep(10.5 * EVERY_S)
        loop._jumping.jumped_s += 0.25  # type: ignore[attr-defined]  # something that does not let go of the loop
        await asyncio.sleep(EVERY_S)
        watching.cancel()
        return told_by(meter)

    told = run(main())
    assert told.value("client_caller_loop_lag_worst_seconds") == pytest.approx(0.2, abs=0.01)
    assert told.value("client_caller_loop_lag_seconds_bucket", le="0.001") == 10
    assert told.value("client_caller_loop_lag_seconds_count") == 11
