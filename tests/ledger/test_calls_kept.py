"""Calls as they are kept: of entries in whatever order, each once or several times, told by whichever process."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, timedelta, timezone
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_scenes import OURS, THEIRS, Play, at
from sqlalchemy import create_engine, text

from client_caller.ledger.entries import (
    OVER,
    CallBegan,
    CallEnded,
    CallEntry,
    CallNoted,
    CallReached,
    CallSummed,
    Consent,
    Forbidden,
    KeptCall,
    Order,
    settle,
)
from client_caller.ledger.ledger import Ledger, open_ledger


def began(call_id: str = "CA1", seconds: float = 0, **changes: str) -> CallBegan:
    told = {"direction": "inbound", "theirs": THEIRS, "ours": OURS, "agent": "receptionist", **changes}
    return CallBegan(call_id, at(seconds), **told)  # type: ignore[arg-type]


A_WHOLE_CALL: Sequence[CallEntry] = (
    began(record="runs/calls/CA1"),
    CallReached("CA1", at(1), "in-progress"),
    CallNoted("CA1", at(2), "who is calling was heard"),
    CallNoted("CA1", at(3), "recording allowed", "yes, that is fine"),
    CallEnded("CA1", at(59), "talked"),
    CallReached("CA1", at(60), "completed", 59),
)
WHOLE = KeptCall(
    *("CA1", at(0), "inbound", THEIRS, OURS, "receptionist", "", "runs/calls/CA1", "completed", 59, "", "talked"),
    ended_at=at(59),
    notes=(
        CallNoted("CA1", at(2), "who is calling was heard"),
        CallNoted("CA1", at(3), "recording allowed", "yes, that is fine"),
    ),
)


def test_a_call_is_kept_as_it_was_told(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        for entry in A_WHOLE_CALL:
            ledger.note(entry)
        await ledger.flush()
        assert await ledger.call("CA1") == WHOLE
        assert await ledger.call("CA2") is None

    play(scene)


def test_what_is_kept_is_there_when_the_ledger_is_opened_again(play: Play) -> None:
    async def tell(ledger: Ledger) -> None:
        for entry in A_WHOLE_CALL:
            ledger.note(entry)

    async def ask(ledger: Ledger) -> None:
        assert await ledger.call("CA1") == WHOLE

    play(tell)
    play(ask)


def test_a_state_may_come_before_the_call_has_begun(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        ledger.note(CallReached("CA1", at(-1), "ringing"))
        await ledger.flush()
        early = await ledger.call("CA1")
        assert early == KeptCall("CA1", at(-1), state="ringing")
        ledger.note(began())
        await ledger.flush()
        kept = await ledger.call("CA1")
        assert kept is not None
        assert (kept.began_at, kept.theirs, kept.state) == (at(0), THEIRS, "ringing")

    play(scene)


def test_nothing_overwrites_a_state_after_which_nobody_is_on_the_line() -> None:
    for state in OVER:
        told = [
            CallReached("CA1", at(5), state),
            CallReached("CA1", at(6), "in-progress"),
            CallReached("CA1", at(7), "failed"),
        ]
        assert settle("CA1", told).state == state


def test_details_of_the_last_state_may_be_told_later() -> None:
    kept = settle("CA1", [CallReached("CA1", at(5), "completed"), CallReached("CA1", at(6), "completed", 4, "31005")])
    assert (kept.duration_s, kept.why, kept.ended_at) == (4, "31005", at(5))


def test_a_call_that_goes_on_elsewhere_has_begun_once_and_ends_as_was_said_last() -> None:
    told = [
        began(),
        began(seconds=30, record="runs/calls/CA1"),
        CallEnded("CA1", at(20), "lost"),
        CallEnded("CA1", at(50), "talked"),
    ]
    kept = settle("CA1", told)
    assert (kept.began_at, kept.record, kept.outcome, kept.ended_at) == (at(0), "runs/calls/CA1", "talked", at(50))


def test_the_same_instant_is_the_same_entry_in_whatever_zone_it_is_told(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        for zone in (UTC, timezone(timedelta(hours=-8)), timezone(timedelta(hours=9))):
            ledger.note(CallNoted("CA1", at(2).astimezone(zone), "opted out"))
        ledger.note(CallNoted("CA1", at(2).replace(tzinfo=None), "opted out"))
        await ledger.flush()
        kept = await ledger.call("CA1")
        assert kept is not None
        assert kept.notes == (CallNoted("CA1", at(2), "opted out"),)

    play(scene)


def test_words_that_are_no_text_are_kept_as_far_as_they_are(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        ledger.note(CallNoted("CA1", at(1), "said", "a\0b"))
        ledger.note(CallNoted("CA1", at(2), "said", "c\ud800d"))
        await ledger.flush()
        kept = await ledger.call("CA1")
        assert kept is not None
        assert [note.detail for note in kept.notes] == ["a\N{REPLACEMENT CHARACTER}b", "c?d"]

    play(scene)


def test_calls_are_listed_newest_first_and_page_by_page(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        for number in range(7):
            ledger.note(began(f"CA{number}", seconds=number // 2))  # pairs within one instant
        ledger.note(CallNoted("CA5", at(9), "opted out"))
        await ledger.flush()
        first = await ledger.calls(4)
        rest = await ledger.calls(4, before=first[-1].call_id)
        assert [kept.call_id for kept in [*first, *rest]] == ["CA6", "CA5", "CA4", "CA3", "CA2", "CA1", "CA0"]
        assert [note.what for note in first[1].notes] == ["opted out"]
        assert await ledger.calls(4, before="CA0") == []
        assert await ledger.calls(4, before="nobody") == []

    play(scene)


def test_an_audit_says_what_we_knew_when_we_decided_to_call(play: Play) -> None:
    async def scene(ledger: Ledger) -> None:
        agreed = Consent(THEIRS, "marketing", at(-900), "web form", "Yes, call me.", "form 7")
        ended = Consent(THEIRS, "informational", at(-900), "web form", "Yes.", revoked_at=at(-800))
        later = Consent(THEIRS, "recording", at(5), "call", "Yes.")
        await ledger.add_consents([agreed, ended, later])
        await ledger.make_order(Order("o1", THEIRS, OURS, "caller", {"name": "Ada"}, at(-2), purpose="marketing"))
        await ledger.order_placed("o1", "CA1", at(-1))
        ledger.note(began(direction="outbound", order_id="o1"))
        ledger.note(CallNoted("CA1", at(6), "opted out"))
        ledger.note(Forbidden(THEIRS, at(6), "caller said so", "CA1"))
        told = await ledger.audit("CA1")
        assert told is not None
        assert [consent["evidence"] for consent in told["consents"]] == ["form 7"]
        assert (told["order"]["vars"], told["order"]["purpose"]) == ({"name": "Ada"}, "marketing")
        assert [entry["entry"] for entry in told["entries"]] == ["CallBegan", "CallNoted"]
        assert told["forbidden_then"] is False
        assert told["forbidden_in_call"] == [
            {"number": THEIRS, "at": "2026-11-23T12:00:06Z", "source": "caller said so"}
        ]
        assert told["call"]["notes"][0]["what"] == "opted out"
        assert await ledger.audit("CA2") is None

    play(scene)


SECONDS = st.integers(0, 6)
STATES = st.sampled_from(["queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"])
ENTRIES = st.one_of(
    st.builds(lambda s, r: began("CA", s, record=r), SECONDS, st.sampled_from(["", "a", "b"])),
    st.builds(lambda s, *more: CallReached("CA", at(s), *more), SECONDS, STATES, st.sampled_from([None, 1, 2])),
    st.builds(lambda s, what: CallNoted("CA", at(s), what), SECONDS, st.text(max_size=3)),
    st.builds(lambda s, outcome: CallEnded("CA", at(s), outcome), SECONDS, st.sampled_from(["talked", "lost"])),
    st.builds(lambda s, summary: CallSummed("CA", at(s), summary, "booked"), SECONDS, st.sampled_from("ab")),
)


@given(st.data(), st.lists(ENTRIES, min_size=1, max_size=12))
def test_the_order_and_number_of_tellings_never_matter(data: st.DataObject, told: list[CallEntry]) -> None:
    again = data.draw(st.lists(st.sampled_from(told), max_size=6))
    shuffled = data.draw(st.permutations([*told, *again]))
    assert settle("CA", shuffled) == settle("CA", told)


@given(st.lists(ENTRIES, min_size=1, max_size=12), ENTRIES)
def test_once_over_a_call_stays_over(told: list[CallEntry], more: CallEntry) -> None:
    if settle("CA", told).state in OVER:
        assert settle("CA", [*told, more]).state in OVER


def test_rows_are_the_same_in_whatever_order_two_processes_tell(url: str, spill: Path, tmp_path: Path) -> None:
    numbers = count()
    ledgers = open_ledger(url, spill), open_ledger(url, tmp_path / "other.jsonl")
    plain = create_engine(url)

    def row_of(call_id: str) -> dict[str, object]:
        with plain.connect() as connection:
            row = connection.execute(text("SELECT * FROM calls WHERE call_id = :id"), {"id": call_id}).one()
            summed = text("SELECT at, summary, outcome, fields FROM summaries WHERE call_id = :id")
            summary = connection.execute(summed, {"id": call_id}).one_or_none()
            return {**row._mapping, "call_id": "CA", "summed": summary and tuple(summary)}

    @settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data(), st.lists(ENTRIES, min_size=1, max_size=8))
    def compare(data: st.DataObject, told: list[CallEntry]) -> None:
        again = data.draw(st.lists(st.sampled_from(told), max_size=4))
        in_order, shuffled = f"A{next(numbers)}", f"B{next(numbers)}"
        for entry in told:
            ledgers[0].note(_of(in_order, entry))
        for entry in data.draw(st.permutations([*told, *again])):
            data.draw(st.sampled_from(ledgers)).note(_of(shuffled, entry))
        for ledger in ledgers:
            ledger._writer.flush()
        assert row_of(shuffled) == row_of(in_order)

    try:
        compare()
    finally:
        plain.dispose()
        for ledger in ledgers:
            asyncio.run(ledger.close())


def _of(call_id: str, entry: CallEntry) -> CallEntry:
    return type(entry)(call_id, *(getattr(entry, name) for name in entry.__slots__[1:]))
