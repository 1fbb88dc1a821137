"""Orders in the database: each one attempt to place one call.

In:   a connection, within a transaction where something is written.
Out:  orders, as far as they have come.
Rule: at most one order of a contact is open. An order moves on only from where it is: what comes late changes nothing.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, or_, select, update
from sqlalchemy.exc import IntegrityError

from client_caller.errors import ClientCallerError
from client_caller.ledger.database import instant
from client_caller.ledger.entries import OPEN, Order, in_utc
from client_caller.ledger.schema import contacts, orders


class DoubleOrderError(ClientCallerError):
    """This order was made already, or its contact is being called, or need not be called any more."""


def make(connection: Connection, order: Order) -> None:
    """Write an order down and set its contact to "calling". Raises DoubleOrderError; then nothing has changed."""
    if order.contact_id is not None:
        taken = connection.execute(
            update(contacts)
            .where(contacts.c.id == order.contact_id, contacts.c.state == "waiting")
            .values(state="calling")
        )
        if taken.rowcount != 1:
            raise DoubleOrderError("this contact does not wait to be called: it is being called, or done")
    try:
        connection.execute(orders.insert().values(_row(order)))
    except IntegrityError as refused:
        if not _is_double(refused):
            raise
        raise DoubleOrderError("this order was made already, or its contact has one that is open") from refused


def placed(connection: Connection, order_id: str, call_id: str, at: datetime) -> None:
    """The carrier has placed the call. An order that is closed already, as news may cross, stays so."""
    connection.execute(
        update(orders)
        .where(orders.c.id == order_id)
        .values(
            call_id=call_id,
            placed_at=in_utc(at),
            state=case((orders.c.state.in_(OPEN), "placed"), else_=orders.c.state),
        )
    )


def unsure(connection: Connection, order_id: str) -> None:
    """Nobody can tell whether the call was placed."""
    connection.execute(update(orders).where(orders.c.id == order_id, orders.c.state == "made").values(state="unsure"))


def close(
    connection: Connection, order_id: str, outcome: str, at: datetime, retry_at: datetime | None, dropped: bool
) -> bool:
    """End an order and its contact's attempt; whether it was open. See `Ledger.close_order`."""
    closed = connection.execute(
        update(orders)
        .where(orders.c.id == order_id, orders.c.state.in_(OPEN))
        .values(state="dropped" if dropped else "over", outcome=outcome, over_at=in_utc(at))
    )
    if closed.rowcount != 1:
        return False
    contact_id = select(orders.c.contact_id).where(orders.c.id == order_id).scalar_subquery()
    connection.execute(
        update(contacts)
        .where(contacts.c.id == contact_id, contacts.c.state == "calling")
        .values(
            state="done" if retry_at is None else "waiting",
            attempts=contacts.c.attempts + (0 if dropped else 1),
            next_at=None if retry_at is None else in_utc(retry_at),
            outcome=outcome,
        )
    )
    return True


def order(connection: Connection, order_id: str) -> Order | None:
    """One order; None when there is none."""
    row = connection.execute(select(orders).where(orders.c.id == order_id)).first()
    return _order(row) if row else None


def order_with(connection: Connection, call_id: str, order_id: str) -> Order | None:
    """The order by which a call was placed, found by either of them."""
    query = select(orders).where(or_(orders.c.id == order_id, orders.c.call_id == call_id)).limit(1)
    row = connection.execute(query).first()
    return _order(row) if row else None


def open_orders(connection: Connection) -> list[Order]:
    """The orders whose calls may run, or may still be placed, oldest first."""
    query = select(orders).where(orders.c.state.in_(OPEN)).order_by(orders.c.made_at, orders.c.id)
    return [_order(row) for row in connection.execute(query)]


def _is_double(refused: IntegrityError) -> bool:
    """Whether it was a unique index that refused. Source: postgresql.org/docs, appendix A; sqlite.org/rescode.html."""
    kinds = {getattr(refused.orig, "sqlstate", ""), getattr(refused.orig, "sqlite_errorname", "")}
    return bool(kinds & {"23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"})


def _row(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "to_number": order.to,
        "from_number": order.from_,
        "agent": order.agent,
        "vars": dict(order.vars),
        "made_at": in_utc(order.made_at),
        "campaign_id": order.campaign_id,
        "contact_id": order.contact_id,
        "purpose": order.purpose,
        "placed_at": instant(order.placed_at),
        "call_id": order.call_id,
        "state": order.state,
        "outcome": order.outcome,
    }


def _order(row: Any) -> Order:
    return Order(
        id=row.id,
        to=row.to_number,
        from_=row.from_number,
        agent=row.agent,
        vars=row.vars,
        made_at=in_utc(row.made_at),
        campaign_id=row.campaign_id,
        contact_id=row.contact_id,
        purpose=row.purpose,
        placed_at=instant(row.placed_at),
        call_id=row.call_id,
        state=row.state,
        outcome=row.outcome,
    )
