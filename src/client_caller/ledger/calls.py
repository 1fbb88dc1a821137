"""Calls in the database: their entries written down, and what they come to read out.

In:   a connection, within a transaction where something is written.
Out:  kept calls, and all that can be proved of one.
Rule: entries are only added. The row of a call is made anew of all its entries whenever one is added, under that row's
      lock, so that it comes out the same in whatever order processes add them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, select, tuple_, update

from client_caller.ledger import numbers
from client_caller.ledger.database import insert, instant
from client_caller.ledger.encoding import decode, encode, name_of, storable
from client_caller.ledger.entries import (
    CallEntry,
    CallNoted,
    Entry,
    Forbidden,
    KeptCall,
    Unsummed,
    fields_of,
    in_utc,
    last_summed,
    settle,
)
from client_caller.ledger.orders import order_with
from client_caller.ledger.schema import calls, do_not_call, entries, summaries

_COLUMNS: Final = tuple(field.name for field in fields(KeptCall) if field.name in calls.c)

_KEPT: Final = select(calls, summaries.c.summary, summaries.c.outcome.label("result"), summaries.c.fields).outerjoin(
    summaries, summaries.c.call_id == calls.c.call_id
)


def store(connection: Connection, told: Sequence[Entry]) -> None:
    """Write entries down. Those that are there already are passed over."""
    numbers.forbid(connection, [entry for entry in told if isinstance(entry, Forbidden)])
    by_call: dict[str, list[CallEntry]] = {}
    for entry in map(storable, told):
        if not isinstance(entry, Forbidden):
            by_call.setdefault(entry.call_id, []).append(entry)
    if not by_call:
        return
    # Always in the same order, so that two processes never wait for each other's rows.
    row = insert(connection, calls)
    lock = row.on_conflict_do_update(index_elements=["call_id"], set_={"call_id": row.excluded.call_id})
    connection.execute(lock, [_row(settle(call_id, of_call)) for call_id, of_call in sorted(by_call.items())])
    rows = [_entry_row(entry) for of_call in by_call.values() for entry in of_call]
    connection.execute(insert(connection, entries).on_conflict_do_nothing(), rows)
    of_calls = _told(connection, by_call)
    settled = [{"settled_id": call_id, **_row(settle(call_id, told))} for call_id, told in of_calls.items()]
    connection.execute(update(calls).where(calls.c.call_id == bindparam("settled_id")), settled)
    summed = [asdict(last) for _, of_call in sorted(of_calls.items()) if (last := last_summed(of_call))]
    if summed:
        change = insert(connection, summaries)
        newest = {name: change.excluded[name] for name in ("at", "summary", "outcome", "fields")}
        connection.execute(change.on_conflict_do_update(index_elements=["call_id"], set_=newest), summed)


def call(connection: Connection, call_id: str) -> KeptCall | None:
    """One call; None when nothing was told of it."""
    found = _kept(connection, connection.execute(_KEPT.where(calls.c.call_id == call_id)).all())
    return found[0] if found else None


def newest(connection: Connection, limit: int, before: str | None) -> list[KeptCall]:
    """Calls, the one that began last first; with `before`, those that come after that call in this order."""
    query = _KEPT.order_by(calls.c.began_at.desc(), calls.c.call_id.desc()).limit(limit)
    if before is not None:
        last = connection.execute(select(calls.c.began_at).where(calls.c.call_id == before)).scalar()
        if last is None:
            return []
        query = query.where(tuple_(calls.c.began_at, calls.c.call_id) < tuple_(in_utc(last), before))
    return _kept(connection, connection.execute(query).all())


def without_summary(connection: Connection, since: datetime, limit: int) -> list[Unsummed]:
    """Calls that ended since then and were not summed up, the one that ended first first."""
    query = (
        select(calls.c.call_id, calls.c.record, calls.c.agent)
        .outerjoin(summaries, summaries.c.call_id == calls.c.call_id)
        .where(calls.c.ended_at >= in_utc(since), calls.c.record != "", summaries.c.call_id.is_(None))
        .order_by(calls.c.ended_at, calls.c.call_id)
        .limit(limit)
    )
    return [Unsummed(*row) for row in connection.execute(query)]


def audit(connection: Connection, call_id: str) -> dict[str, Any] | None:
    """All that can be proved of one call, ready for JSON; None when nothing was told of it."""
    kept = call(connection, call_id)
    if kept is None:
        return None
    order = order_with(connection, call_id, kept.order_id)
    # What mattered is how we stood when we decided to call.
    decided_at = order.made_at if order else kept.began_at
    told = connection.execute(
        select(entries.c.body).where(entries.c.call_id == call_id).order_by(entries.c.at, entries.c.id)
    )
    forbidden = connection.execute(
        select(do_not_call.c.number, do_not_call.c.at, do_not_call.c.source)
        .where(do_not_call.c.call_id == call_id, do_not_call.c.forbidden)
        .order_by(do_not_call.c.at)
    )
    found: dict[str, Any] = msgspec.to_builtins(
        {
            "call": asdict(kept),
            "entries": [msgspec.json.decode(body) for body in told.scalars()],
            "order": asdict(order) if order else None,
            "consents": [asdict(consent) for consent in numbers.consents_at(connection, kept.theirs, decided_at)],
            "forbidden_then": numbers.was_forbidden(connection, kept.theirs, decided_at),
            "forbidden_in_call": [
                {"number": row.number, "at": instant(row.at), "source": row.source} for row in forbidden
            ],
        }
    )
    return found


def _told(connection: Connection, call_ids: Iterable[str]) -> dict[str, list[CallEntry]]:
    query = select(entries.c.call_id, entries.c.body).where(entries.c.call_id.in_(list(call_ids)))
    of_calls: dict[str, list[CallEntry]] = {}
    for row in connection.execute(query):
        entry = decode(row.body)
        assert not isinstance(entry, Forbidden)
        of_calls.setdefault(row.call_id, []).append(entry)
    return of_calls


def _entry_row(entry: CallEntry) -> dict[str, object]:
    body = encode(entry).decode()
    return {
        "id": name_of(body),
        "call_id": entry.call_id,
        "at": entry.at,
        "kind": type(entry).__name__,
        "body": body,
    }


def _row(kept: KeptCall) -> dict[str, Any]:
    return {name: getattr(kept, name) for name in _COLUMNS}


def _kept(connection: Connection, rows: Sequence[Any]) -> list[KeptCall]:
    query = (
        select(entries.c.body)
        .where(entries.c.call_id.in_([row.call_id for row in rows]), entries.c.kind == CallNoted.__name__)
        .order_by(entries.c.at, entries.c.body)
    )
    notes: dict[str, list[CallNoted]] = {}
    for body in connection.execute(query).scalars():
        note = decode(body)
        if isinstance(note, CallNoted):
            notes.setdefault(note.call_id, []).append(note)
    return [
        KeptCall(
            **{
                **row._mapping,
                "began_at": instant(row.began_at),
                "ended_at": instant(row.ended_at),
                "notes": tuple(notes.get(row.call_id, ())),
                "summary": row.summary or "",
                "result": row.result or "",
                "fields": fields_of(row.fields or "{}"),
            }
        )
        for row in rows
    ]
