"""Copies of journals in the ledger's database, in epochs, one for each time that somebody took a call up.

In:   an open transaction; whole lines of flight records.     Out: rows of `journals`; the record that counts.
Rule: an epoch is whole by itself, and belongs to who began it: the primary key gives it to one writer. The newest one
      counts. A gateway that was cut off while its call went on elsewhere writes into an older one, which nobody reads.

What callers said is in these rows. They stay for `fleet.journal_kept_s` after the last of a call, two hours by default:
whoever is asked late about a call that is over must find that it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, exists, func, select

from client_caller.fleet.registry import now_of
from client_caller.ledger.database import insert
from client_caller.ledger.entries import in_utc
from client_caller.ledger.schema import journals


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of one epoch, each with its end. first: how many lines of it come before."""

    call_id: str
    epoch: int
    first: int
    lines: bytes


def next_epoch(connection: Connection, call_id: str) -> int:
    """The number of the epoch after all that are there; 1 is the first."""
    newest_there = select(func.max(journals.c.epoch)).where(journals.c.call_id == call_id)
    return (connection.execute(newest_there).scalar() or 0) + 1


def begin(connection: Connection, call_id: str, lines: bytes) -> int:
    """Begin an epoch with all that the record holds so far; gives its number, which is nobody else's."""
    at = now_of(connection)
    while True:
        epoch = next_epoch(connection, call_id)
        row = insert(connection, journals).values(call_id=call_id, epoch=epoch, first=0, lines=lines, at=at)
        # Who is a moment late waits here for the other's transaction, and takes the epoch after it.
        if connection.execute(row.on_conflict_do_nothing().returning(journals.c.epoch)).first():
            return epoch


def store(connection: Connection, parts: Sequence[Part]) -> None:
    """Go on with epochs that were begun. A part that is there already, from a try that seemed to fail, is replaced."""
    if not parts:
        return
    at = now_of(connection)
    row = insert(connection, journals)
    newer = {"lines": row.excluded.lines, "at": row.excluded.at}
    change = row.on_conflict_do_update(index_elements=["call_id", "epoch", "first"], set_=newer)
    rows = [
        {"call_id": part.call_id, "epoch": part.epoch, "first": part.first, "lines": part.lines, "at": at}
        for part in parts
    ]
    connection.execute(change, rows)


def newest(connection: Connection, call_id: str) -> tuple[int, bytes] | None:
    """The newest epoch of a call that has its beginning, and its lines up to the first gap; None when there is none."""
    begun = select(func.max(journals.c.epoch)).where(journals.c.call_id == call_id, journals.c.first == 0)
    query = (
        select(journals.c.epoch, journals.c.first, journals.c.lines)
        .where(journals.c.call_id == call_id, journals.c.epoch == begun.scalar_subquery())
        .order_by(journals.c.first)
    )
    rows = connection.execute(query).all()
    if not rows:
        return None
    count, found = 0, list[bytes]()
    for row in rows:
        if row.first != count:
            break
        found.append(row.lines)
        count += row.lines.count(b"\n")
    whole = b"".join(found)
    return rows[0].epoch, whole[: whole.rfind(b"\n") + 1]


def forget(connection: Connection, call_id: str) -> None:
    """Remove all that was copied of a call that is over."""
    connection.execute(delete(journals).where(journals.c.call_id == call_id))


def forget_older(connection: Connection, before: datetime) -> None:
    """Remove what was copied of calls to which nothing was added since. Of any other call nothing is removed."""
    later = journals.alias("later")
    goes_on = exists().where(later.c.call_id == journals.c.call_id, later.c.at >= in_utc(before))
    connection.execute(delete(journals).where(journals.c.at < in_utc(before), ~goes_on))
