"""What calls came to is kept once, told with the calls, and known to be missing where it is."""

from dataclasses import asdict
from importlib import resources

from alembic import command
from alembic.config import Config
from ledger_scenes import OURS, THEIRS, Play, at
from sqlalchemy import create_engine, inspect, text

from client_caller.ledger.database import VERSION_TABLE, open_database
from client_caller.ledger.entries import CallBegan, CallEnded, CallReached, CallSummed, Unsummed, settle
from client_caller.ledger.ledger import Ledger

FIELDS = '{"caller_name": "Ada", "people": 3, "in_pain": null}'
SUMMED = CallSummed("CA1", at(70), "Ada wants to come on Tuesday.", "booked", FIELDS)


def held(ledger: Ledger, call_id: str, ended: float, record: str = "runs/calls/one") -> None:
    ledger.note(CallBegan(call_id, at(0), "inbound", THEIRS, OURS, "Anna", record=record))
    ledger.note(CallEnded(call_id, at(ended), "talked"))


def test_what_a_call_came_to_is_told_with_it(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        held(ledger, "CA1", 60)
        ledger.note(SUMMED)
        kept = await ledger.call("CA1")
        assert kept is not None
        assert (kept.outcome, kept.result, kept.summary) == ("talked", "booked", "Ada wants to come on Tuesday.")
        assert kept.fields == {"caller_name": "Ada", "people": 3, "in_pain": None}
        assert await ledger.calls(5) == [kept]
        told = await ledger.audit("CA1")
        assert told is not None
        assert told["call"]["fields"] == kept.fields
        assert told["entries"][-1] == {"entry": "CallSummed", **asdict(SUMMED), "at": "2026-11-23T12:01:10Z"}

    play(scene)


def test_a_summary_told_twice_is_kept_once_and_of_two_the_later_holds(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        later = CallSummed("CA1", at(80), "Ada will call again.", "")
        for entry in (later, SUMMED, SUMMED):
            ledger.note(entry)
            await ledger.flush()
        kept = await ledger.call("CA1")
        assert kept is not None
        assert (kept.summary, kept.result, kept.fields) == ("Ada will call again.", "", {})
        told = await ledger.audit("CA1")
        assert told is not None
        assert [entry["summary"] for entry in told["entries"]] == [SUMMED.summary, later.summary]

    play(scene)


def test_calls_that_ended_without_a_summary_are_known_first_ended_first(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        for call_id, ended in (("CA1", 60), ("CA2", 90), ("CA3", 80), ("CA4", 10)):
            held(ledger, call_id, ended)
        held(ledger, "CA5", 90, record="")
        ledger.note(CallBegan("CA6", at(0), "inbound", THEIRS, OURS, "Anna", record="runs/calls/six"))
        ledger.note(SUMMED)
        ended = [Unsummed(call_id, "runs/calls/one", "Anna") for call_id in ("CA3", "CA2")]
        assert await ledger.calls_without_summary(at(20)) == ended
        assert await ledger.calls_without_summary(at(20), limit=1) == ended[:1]
        ledger.note(CallReached("CA6", at(99), "completed", 99))
        assert [call.call_id for call in await ledger.calls_without_summary(at(95))] == ["CA6"]

    play(scene)


def test_fields_that_are_no_json_object_are_none() -> None:
    for wrong in ("", "[]", "{", "[" * 100_000):
        assert settle("CA1", [CallSummed("CA1", at(0), "a", "b", wrong)]).fields == {}


def test_a_ledger_of_the_first_version_gets_the_table_and_keeps_what_it_has(url: str) -> None:
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(resources.files("client_caller.ledger") / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        assert not inspect(connection).has_table("summaries")
        names = "call_id, began_at, direction, theirs, ours, agent, order_id, record, state, why, outcome"
        row = "'CA1', '2026-11-23 12:00:00+00:00', '', '', '', '', '', '', '', '', 'talked'"
        connection.execute(text(f"INSERT INTO calls ({names}) VALUES ({row})"))
    open_database(url).close()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT outcome FROM calls")).scalars().all() == ["talked"]
        assert inspect(connection).has_table("summaries")
        assert connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == "0003"
    engine.dispose()
