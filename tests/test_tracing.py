"""Traces: what a collector is told of calls, that no word of theirs is in it, and that no call minds it."""

import ast
import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import client_caller
from calls import AGENT, Caller, engines
from client_caller import tracing
from client_caller.audio.frame import FRAME_S
from client_caller.conversation.events import CallAnswered, HungUp, LineLost, LineResumed
from client_caller.errors import ConfigError
from client_caller.house import House
from client_caller.line.protocol import Parties
from client_caller.line.simulated import SimulatedLine
from client_caller.records.flight import ActionEntry, EventEntry, FactEntry, FlightRecord, Header, read_record
from client_caller.settings import HearingSettings, RecordSettings, Settings, TraceSettings
from client_caller.tracing import is_wanted, trace_of, traced
from collector import Collector, collecting, facts_of
from virtual import run

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
SECRET, NUMBER = "hippopotamus", "+15550100007"
Feed = Callable[[FlightRecord], None]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def house_of(folder: Path, url: str, **traces: Any) -> House:
    settings = Settings(
        _env_file=None,
        hearing=HearingSettings(interim_s=0),
        records=RecordSettings(folder=folder),
        traces=TraceSettings(endpoint=url, **traces),
    )
    return House(settings, AGENT, engines([SECRET], f"The {SECRET} is out."), now=lambda: NOW)


def record_of(folder: Path, call: str = "CA1") -> FlightRecord:
    return FlightRecord(folder / f"20261123T140000-{call}" / "record.jsonl", Header(call, "", "Anna"))


def replayed(record: FlightRecord, path: Path) -> None:
    """Write a call once more that was recorded there."""
    with closing(record):
        for entry in read_record(path)[1]:
            match entry:
                case EventEntry(t, event):
                    record.event(t, event)
                case ActionEntry(t, action):
                    record.action(t, action)
                case FactEntry(t, name, fields):
                    record.fact(t, name, **fields)


def while_traced(house: House, script: Callable[[Feed], Awaitable[None]]) -> None:
    """Do this while the house's calls are traced; all is sent afterwards."""

    async def main() -> None:
        async with traced(house):
            (follow,) = house.followers
            await script(follow)
        assert house.followers == []

    asyncio.run(main())


def test_a_call_is_one_trace_of_its_turns_at_the_records_own_times(tmp_path: Path, collector: Collector) -> None:
    async def script(follow: Feed) -> None:
        follow(record := record_of(tmp_path))
        replayed(record, GOLDEN / "barge_in" / "record.jsonl")

    while_traced(house_of(tmp_path, collector.url, headers="Authorization=Bearer a=b, X-Team = voice"), script)
    (call,), (first, second) = collector.named("call"), collector.named("turn")
    assert {span.trace_id for span in collector.spans} == {trace_of("CA1").to_bytes(16)}
    assert (call.parent_span_id, first.parent_span_id) == (b"", call.span_id)
    assert facts_of(call)["client_caller.call"] == "CA1"
    assert [facts_of(turn)["client_caller.outcome"] for turn in (first, second)] == ["barged in", "answered"]
    zero_ns = int(NOW.timestamp()) * 10**9
    assert call.start_time_unix_nano == zero_ns
    assert first.start_time_unix_nano - zero_ns == pytest.approx(2.124e9, abs=1e3)
    assert first.end_time_unix_nano - zero_ns == pytest.approx(2.48e9, abs=1e3)
    assert [span.name for span in collector.spans if span.parent_span_id == second.span_id] == [
        *("pause noticed", "words", "turn judged", "first token", "first piece", "first audio", "sent")
    ]
    assert collector.headers[0]["authorization"] == "Bearer a=b"
    assert collector.headers[0]["x-team"] == "voice"


def test_a_call_that_goes_on_elsewhere_goes_on_in_its_trace(tmp_path: Path, collector: Collector) -> None:
    async def script(follow: Feed) -> None:
        for events in ([(0.0, CallAnswered()), (5.0, LineLost())], [(7.0, LineResumed()), (9.0, HungUp())]):
            with closing(record_of(tmp_path)) as record:
                follow(record)
                for t, event in events:
                    record.event(t, event)

    while_traced(house_of(tmp_path, collector.url), script)
    first, then = collector.named("call")
    assert first.trace_id == then.trace_id
    assert (first.parent_span_id, then.parent_span_id) == (b"", first.span_id)
    assert first.span_id != then.span_id
    assert [event.name for event in first.events] == ["line lost"]
    assert facts_of(then)["client_caller.resumed"] is True


def test_no_word_number_or_name_of_a_call_is_told(tmp_path: Path, collector: Collector) -> None:
    async def hold(house: House) -> None:
        caller = Caller(SimulatedLine("CA1"))
        caller.line.parties = Parties(NUMBER, "+15550100002")
        running = asyncio.create_task(house.answer(caller.line))
        await asyncio.sleep(FRAME_S / 2)
        await caller.hear_out()
        await caller.say()
        await caller.hear_out()
        caller.line.hang_up_by_caller()
        await running

    async def script(follow: Feed) -> None:
        follow(record := record_of(tmp_path))
        replayed(record, next((tmp_path / "held").glob("*/record.jsonl")))

    run(hold(house_of(tmp_path / "held", "")))
    assert SECRET in next((tmp_path / "held").glob("*/record.jsonl")).read_text()
    while_traced(house_of(tmp_path, collector.url), script)
    assert collector.named("turn")
    told = b"".join(collector.bodies)
    for secret in (SECRET, NUMBER, "555", AGENT.name, AGENT.company, AGENT.greeting):
        assert secret.encode() not in told, secret


def test_a_collector_that_is_away_is_told_of_once_and_again_when_it_is_back(
    tmp_path: Path, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.statuses = [400, 404]

    async def script(follow: Feed) -> None:
        for number in range(40):  # some batches
            follow(record := record_of(tmp_path, f"CA{number}"))
            replayed(record, GOLDEN / "two_turns" / "record.jsonl")

    with caplog.at_level(logging.DEBUG):
        while_traced(house_of(tmp_path, collector.url), script)
    ours = [record.message for record in caplog.records if record.name.startswith(("client_caller", "opentelemetry"))]
    assert ours == ["traces cannot be delivered and are dropped", "traces are delivered again"]
    assert collector.spans


def test_what_is_left_is_given_up_when_nobody_takes_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_WITHIN_S", 0.1)  # too short for a second try

    async def script(follow: Feed) -> None:
        for number in range(40):
            follow(record := record_of(tmp_path, f"CA{number}"))
            replayed(record, GOLDEN / "two_turns" / "record.jsonl")

    while_traced(house_of(tmp_path, "http://127.0.0.1:9"), script)  # nobody listens there
    assert [(record.message, record.to) for record in caplog.records] == [  # type: ignore[attr-defined]
        ("traces cannot be delivered and are dropped", "127.0.0.1")
    ]


def test_a_collector_that_hangs_keeps_neither_a_call_nor_the_end_waiting(tmp_path: Path, collector: Collector) -> None:
    collector.goes_on.clear()

    async def main() -> float:
        house = house_of(tmp_path, collector.url)
        async with traced(house):
            began_at = asyncio.get_running_loop().time()
            for number in range(40):
                house.followers[0](record := record_of(tmp_path, f"CA{number}"))
                replayed(record, GOLDEN / "two_turns" / "record.jsonl")
            collector.is_asked.wait()
            closing_at = asyncio.get_running_loop().time()
            assert closing_at - began_at < 1e-3
        return asyncio.get_running_loop().time() - closing_at

    assert run(main()) == pytest.approx(3.0)  # on a clock that jumps: what is waited for at most
    assert collector.spans == []
    collector.goes_on.set()
    for thread in threading.enumerate():
        if thread.name == "traces end":
            thread.join()


@given(st.text("0123456789abcdef", min_size=1), st.floats(0.001, 1))
def test_a_trace_that_is_wanted_is_wanted_in_every_greater_share(call: str, share: float) -> None:
    trace = trace_of(f"CA{call}")
    assert is_wanted(trace, 1.0)
    assert not is_wanted(trace, share) or is_wanted(trace, min(1.0, 1.5 * share))


def test_a_share_of_the_calls_is_traced_whole(tmp_path: Path, collector: Collector) -> None:
    calls = [f"CA{number}" for number in range(40)]

    async def script(follow: Feed) -> None:
        for call in calls:
            follow(record := record_of(tmp_path, call))
            replayed(record, GOLDEN / "plain_question" / "record.jsonl")

    while_traced(house_of(tmp_path, collector.url, share=0.25), script)
    wanted = {trace_of(call).to_bytes(16) for call in calls if is_wanted(trace_of(call), 0.25)}
    assert {span.trace_id for span in collector.spans} == wanted
    assert 3 <= len(wanted) <= 20
    assert len(collector.named("call")) == len(collector.named("turn")) == len(wanted)


@pytest.mark.parametrize("headers", [SECRET, f"={SECRET}", f"a=\n{SECRET}", f"ä={SECRET}"])
def test_headers_that_are_none_are_refused_and_not_repeated(tmp_path: Path, headers: str) -> None:
    async def script(follow: Feed) -> None:
        raise AssertionError

    with pytest.raises(ConfigError, match="CLIENT_CALLER_TRACES__HEADERS must be of the form") as refused:
        while_traced(house_of(tmp_path, "http://127.0.0.1:9", headers=headers), script)
    assert SECRET not in str(refused.value)


def test_an_address_with_a_path_is_taken_as_it_is(tmp_path: Path, collector: Collector) -> None:
    async def script(follow: Feed) -> None:
        follow(record := record_of(tmp_path))
        replayed(record, GOLDEN / "plain_question" / "record.jsonl")

    while_traced(house_of(tmp_path, f"{collector.url}/v1/traces"), script)
    assert collector.spans


def test_the_library_is_loaded_only_for_a_collector() -> None:
    package = Path(client_caller.__file__).parent
    for path in package.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        known = ast.parse(source if "tracing" in source or "opentelemetry" in source else "").body
        names = [ast.unparse(node) for node in known if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not any("client_caller.tracing" in name for name in names), path
        assert path == package / "tracing.py" or not any("opentelemetry" in name for name in names), path
