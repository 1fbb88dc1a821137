"""The doorkeeper: calls past the knee go the way of calls for which there is no line, and the figures say why."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from calls import engines
from client_caller.agent import AgentLimits
from client_caller.app import metered
from client_caller.conversation.actions import Release, StartReply
from client_caller.conversation.events import EngineFailed, Sounding, SpeechPaused
from client_caller.loop_lag import EVERY_S
from client_caller.metering import Meter
from client_caller.records.flight import FlightRecord
from client_caller.settings import ServerSettings
from metrics_text import told_by
from telephone.test_inbound import agent, asker
from telephone.world import ADA, AGENT, BEN, OURS, Telephone, hear_out, person, stay, telephone, wait
from virtual import VirtualLoop, run

PATIENT = agent(limits=AgentLimits(silence_s=200))
"""An agent that lets a caller be silent for as long as these tests take."""

LATE = {"reason": "answers would come late"}
ROOM = {"reason": "no room"}


@asynccontextmanager
async def watched(folder: Path, **more: Any) -> AsyncIterator[tuple[Telephone, Meter]]:
    """An installation at work, as `serve` has it: with a meter."""
    meter = Meter()
    async with telephone(folder, **{"agent": PATIENT, **more}) as at, metered(meter, at.house, at.ledger):
        await asyncio.sleep(1)
        yield at, meter


async def answers(at: Telephone, seconds: float, times: int = 40, filler_s: float | None = None) -> None:
    """Have a call that runs leave so many answers in a record, one a second, whose sound took so long to be made.

    filler_s: when the caller heard a phrase, to pass the time until then.
    """
    record = FlightRecord(None, None)
    for follow in at.house.followers:
        follow(record)
    for reply in range(1, times + 1):
        begins, made = 20.0 * reply, 20.0 * reply + seconds
        record.event(begins + 0.1, SpeechPaused(begins, 1.0))
        record.action(begins + 0.1, StartReply(reply, ()))
        record.action(begins + 0.2, Release(reply))
        if filler_s is not None:
            record.event(begins + filler_s, Sounding(True))
        record.fact(made, "first audio", reply=reply)
        record.event(made, Sounding(True))
        await asyncio.sleep(1)


def test_who_calls_past_the_knee_hears_that_we_are_busy_and_the_figures_say_why(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watched(tmp_path) as (at, meter):
            first = at.twin.begin_call_in(person(hear_out(), wait(80)), OURS, ADA)
            await asyncio.sleep(1)
            assert at.house.room == 7
            await answers(at, 4.0)
            await asyncio.sleep(31)  # room that there was stays for half a minute
            assert not at.house.has_room()
            assert at.house.room == 0
            told = told_by(meter)
            assert told.value("client_caller_ready") == 0
            assert told.value("client_caller_calls_knee") == 1
            assert told.value("client_caller_answer_p95_predicted_seconds") == pytest.approx(4.0, rel=0.08)
            assert meter.predicted_p95_s == pytest.approx(4.0, rel=0.08)
            second = await at.call(person(stay()), BEN)
            assert second.announcements == [AGENT.phrases.busy]
            assert (second.streams, second.hung_up_by, at.records(second)) == (0, "document", [])
            told = told_by(meter)
            assert told.value("client_caller_calls_refused_total", **LATE) == 1
            assert told.value("client_caller_calls_refused_total", **ROOM) == 0
            await first.over.wait()
            assert at.house.room == 1  # a first call is always let in

    run(scene())


def test_who_calls_past_the_knee_waits_in_the_queue_if_that_is_wished(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watched(tmp_path, agent=PATIENT.model_copy(update={"when_full": "queue"})) as (at, _):
            first = at.twin.begin_call_in(person(hear_out(), wait(90)), OURS, ADA)
            await asyncio.sleep(1)
            await answers(at, 4.0)
            await asyncio.sleep(31)
            second = at.twin.begin_call_in(asker(), OURS, BEN)
            await first.over.wait()
            assert second.record.streams == 0
            await second.over.wait()
            assert second.record.announcements[0] == AGENT.phrases.busy
            assert [each.form["QueueResult"] for each in second.record.asked("action")] == ["leave"]
            assert second.record.streams == 1

    run(scene())


def test_when_all_lines_are_taken_the_figures_say_that(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watched(tmp_path, server={"calls_at_once": 1}) as (at, meter):
            first = at.twin.begin_call_in(person(hear_out(), wait(90)), OURS, ADA)
            await asyncio.sleep(1)
            await answers(at, 4.0)
            await asyncio.sleep(31)
            await at.call(person(stay()), BEN)
            told = told_by(meter)
            assert told.value("client_caller_calls_refused_total", **LATE) == 0
            assert told.value("client_caller_calls_refused_total", **ROOM) == 1
            await first.over.wait()

    run(scene())


@pytest.mark.parametrize(("filler_s", "made_s"), [(1.1, 4.0), (None, 0.6)])
def test_a_phrase_that_fills_the_silence_does_not_hide_how_late_an_answer_is(
    tmp_path: Path, filler_s: float | None, made_s: float
) -> None:
    async def scene() -> None:
        async with watched(tmp_path) as (at, meter):
            await answers(at, made_s, filler_s=filler_s)
            assert meter.predicted_p95_s == pytest.approx(made_s, rel=0.08)

    run(scene())


def test_replies_that_failed_close_the_door(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watched(tmp_path) as (at, meter):
            record = FlightRecord(None, None)
            for follow in at.house.followers:
                follow(record)
            for second in range(40):
                record.event(float(second), EngineFailed("language model", second))
                await asyncio.sleep(1)
            assert told_by(meter).value("client_caller_calls_knee") == 1

    run(scene())


def test_a_server_that_has_measured_nothing_takes_calls_and_says_so(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watched(tmp_path) as (at, meter):
            told = told_by(meter)
            assert isnan(told.value("client_caller_answer_p95_predicted_seconds"))
            assert told.value("client_caller_calls_knee") == 8
            assert (meter.predicted_p95_s, at.house.room) == (None, 8)

    run(scene())


def test_with_no_aim_nobody_is_turned_away(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watched(tmp_path, server={"answer_p95_s": 0}) as (at, meter):
            await answers(at, 9.0)
            await asyncio.sleep(31)
            assert at.house.room == 8
            assert meter.predicted_p95_s == pytest.approx(9.0, rel=0.08)

    run(scene())


def test_settings_that_are_read_anew_count_at_once(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watched(tmp_path) as (at, _):
            at.house.settings = at.settings.model_copy(update={"server": ServerSettings(calls_at_once=12)})
            assert at.house.room == 12
            at.house.settings = at.settings

    run(scene())


def test_while_the_loop_is_late_nobody_comes_in_beside_those_who_are_there(tmp_path: Path) -> None:
    async def stall(lasts_s: float) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        until = loop.time() + lasts_s
        while loop.time() < until:
            await asyncio.sleep(EVERY_S / 2)
            loop.stall(0.15)

    async def scene() -> None:
        async with watched(tmp_path) as (at, meter):
            await stall(40.0)
            assert meter.lag.p95_s > 0.08
            assert told_by(meter).value("client_caller_calls_knee") == 1
            assert at.house.room == 8  # for half a minute
            await asyncio.sleep(31)
            assert meter.lag.p95_s < 0.08
            assert 1 < at.house.room < 8  # a call more every twenty seconds
            await asyncio.sleep(200)
            for _ in range(8):
                await asyncio.sleep(21)
                assert at.house.has_room()
            assert at.house.room == 8

    run(scene())


def test_the_door_is_open_when_nobody_measures_any_more(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path, made_of=engines()) as at:
            meter = Meter()
            async with metered(meter, at.house, at.ledger):
                await answers(at, 9.0)
                await asyncio.sleep(31)
                assert at.house.room == 1
            assert at.house.room == 8
            assert meter.predicted_p95_s is None

    run(scene())
