"""Numbers in the database: who must not be called, who has agreed to be, and when we called.

In:   a connection, within a transaction where something is written.
Out:  how we stand with a number.
Rule: prohibitions, consents and their ends are only added, never changed. Even the right to be forgotten leaves the
      prohibitions and revocations: without them the number would be called again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, or_, select, update
from sqlalchemy.sql.selectable import FromClause

from client_caller.ledger.database import insert
from client_caller.ledger.encoding import name_of, storable
from client_caller.ledger.entries import Consent, Forbidden, Standing, in_utc, revoked
from client_caller.ledger.schema import (
    calls,
    consents,
    contacts,
    do_not_call,
    entries,
    journals,
    orders,
    revocations,
    summaries,
)

_MOST_CALLS: Final = 100
_YEAR: Final = timedelta(days=366)


def forbid(connection: Connection, numbers: Sequence[Forbidden]) -> None:
    """Numbers that must not be called any more."""
    rows = [
        _event(entry.number, entry.at, entry.source, forbidden=True, call_id=entry.call_id)
        for entry in map(storable, numbers)
    ]
    _add(connection, do_not_call, rows)


def permit(connection: Connection, number: str, at: datetime, reason: str) -> None:
    """A number may be called again: what forbade it until then stays in the books, and no longer holds."""
    event = storable(Forbidden(number, at, reason))
    _add(connection, do_not_call, [_event(event.number, event.at, event.source, forbidden=False)])


def forbidden(connection: Connection, number: str | None = None) -> list[Forbidden]:
    """The prohibitions that hold, of all numbers or of one, oldest first."""
    query = select(do_not_call).where(_holds(do_not_call)).order_by(do_not_call.c.at, do_not_call.c.id)
    if number is not None:
        query = query.where(do_not_call.c.number == number)
    return [Forbidden(row.number, in_utc(row.at), row.source, row.call_id) for row in connection.execute(query)]


def was_forbidden(connection: Connection, number: str, at: datetime) -> bool:
    """Whether a prohibition of the number held at that time."""
    query = select(do_not_call.c.id).where(
        do_not_call.c.number == number, do_not_call.c.at <= in_utc(at), _holds(do_not_call, in_utc(at))
    )
    return connection.execute(query.limit(1)).first() is not None


def add_consents(connection: Connection, given: Sequence[Consent]) -> None:
    """Consents, each kept once. One that comes revoked ends all of its kind that were given before."""
    given = [storable(consent) for consent in given]
    rows = [
        {
            "id": name_of(one.number, one.kind, one.given_at, one.source, one.text, one.evidence),
            "number": one.number,
            "kind": one.kind,
            "given_at": one.given_at,
            "source": one.source,
            "text": one.text,
            "evidence": one.evidence,
        }
        for one in given
    ]
    _add(connection, consents, rows)
    for one in given:
        if one.revoked_at is not None:
            revoke(connection, one.number, one.revoked_at, one.source, one.kind)


def revoke(connection: Connection, number: str, at: datetime, source: str, kind: str = "") -> None:
    """End the consents of a number that were given until then: all, or those of a kind."""
    event = storable(Forbidden(number, at, source))
    row = {"number": event.number, "kind": kind, "at": event.at, "source": event.source}
    _add(connection, revocations, [{"id": name_of(*row.values()), **row}])


def consents_at(connection: Connection, number: str, at: datetime) -> list[Consent]:
    """The consents that were given and not revoked at that time."""
    return [
        consent
        for consent in _consents(connection, number)
        if consent.given_at <= in_utc(at) and (consent.revoked_at is None or consent.revoked_at > in_utc(at))
    ]


def standing(connection: Connection, number: str, now: datetime | None) -> Standing:
    """How we stand with a number. With `now`, calls of more than 366 days before are left out."""
    holding = forbidden(connection, number)
    # A call that is about to be placed, or may have been, counts: better one call too few.
    placed_at = func.coalesce(orders.c.placed_at, orders.c.made_at)
    query = (
        select(placed_at)
        .where(orders.c.to_number == number, or_(orders.c.placed_at.is_not(None), orders.c.state != "dropped"))
        .order_by(placed_at.desc())
        .limit(_MOST_CALLS)
    )
    if now is not None:
        query = query.where(placed_at >= in_utc(now) - _YEAR)
    return Standing(
        number,
        holding[0].at if holding else None,
        tuple(_consents(connection, number)),
        tuple(in_utc(at) for at in connection.execute(query).scalars()),
    )


def forget(connection: Connection, number: str) -> list[str]:
    """Remove what is known of whose number this is; gives the folders of the flight records of their calls."""
    of_number = select(calls.c.call_id).where(calls.c.theirs == number)
    folders = list(
        connection.execute(select(calls.c.record).where(calls.c.theirs == number, calls.c.record != "")).scalars()
    )
    for told in (entries, summaries, journals):
        connection.execute(delete(told).where(told.c.call_id.in_(of_number)))
    connection.execute(delete(calls).where(calls.c.theirs == number))
    connection.execute(delete(orders).where(orders.c.to_number == number))
    connection.execute(delete(consents).where(consents.c.number == number))
    connection.execute(update(do_not_call).where(do_not_call.c.number == number).values(call_id=""))
    # The rows stay, for the campaign's counts, and lead to nobody.
    of_contacts = update(contacts).where(contacts.c.number == number)
    connection.execute(
        of_contacts.where(contacts.c.state != "done").values(state="done", next_at=None, outcome="forgotten")
    )
    connection.execute(of_contacts.values(number="", zone="", region="", vars={}))
    return folders


def _holds(table: FromClause, until: datetime | None = None) -> ColumnElement[bool]:
    """A prohibition that no later permission has ended; in the same instant the prohibition is stronger."""
    later = do_not_call.alias("later")
    ended = and_(later.c.number == table.c.number, later.c.at > table.c.at, later.c.forbidden.is_(False))
    if until is not None:
        ended = and_(ended, later.c.at <= until)
    return and_(table.c.forbidden.is_(True), ~exists().where(ended))


def _event(number: str, at: datetime, source: str, *, forbidden: bool, call_id: str = "") -> dict[str, Any]:
    row = {"number": number, "at": at, "forbidden": forbidden, "source": source, "call_id": call_id}
    return {"id": name_of(*row.values()), **row}


def _consents(connection: Connection, number: str) -> list[Consent]:
    ends = [
        (row.kind, in_utc(row.at))
        for row in connection.execute(select(revocations).where(revocations.c.number == number))
    ]
    query = select(consents).where(consents.c.number == number).order_by(consents.c.given_at.desc(), consents.c.id)
    return [
        revoked(Consent(number, row.kind, in_utc(row.given_at), row.source, row.text, row.evidence), ends)
        for row in connection.execute(query)
    ]


def _add(connection: Connection, table: Any, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        in_order = sorted(rows, key=lambda row: str(row["id"]))  # so that two processes never wait for each other
        connection.execute(insert(connection, table).on_conflict_do_nothing(), in_order)
