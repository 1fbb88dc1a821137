"""What gateways know of each other, in the ledger's database.

In:   an open transaction.     Out: rows of `gateways`, `holders`, `duties`.
Rule: the database's clock is the only one (on SQLite that of the machine, which all share there). Who holds a call, and
      who has a duty, is decided by one statement each, so that two who ask at once get the same answer.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, func, or_, select, update

from client_caller.fleet.gateways import Gateway
from client_caller.ledger.database import insert, instant
from client_caller.ledger.schema import duties, gateways, holders

_FORGOTTEN_S: Final = 3_600.0
"""Seconds after which a gateway that says nothing is not listed any more."""


def now_of(connection: Connection) -> datetime:
    """What time it is, UTC."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    found: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return found.astimezone(UTC)


def say(connection: Connection, mine: Gateway) -> None:
    """Tell how this gateway stands."""
    values = {
        "boot": mine.boot,
        "address": mine.address,
        "state": mine.state,
        "running": mine.running,
        "room": mine.room,
        "answer_p95_s": mine.answer_p95_s,
        "seen_at": now_of(connection),
    }
    row = insert(connection, gateways).values(name=mine.name, **values)
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))


def leave(connection: Connection, mine: Gateway) -> None:
    """This gateway ends. Nothing happens to its row if another process has its name by now."""
    connection.execute(delete(gateways).where(gateways.c.name == mine.name, gateways.c.boot == mine.boot))
    connection.execute(delete(duties).where(duties.c.gateway == mine.name, duties.c.boot == mine.boot))


def known(connection: Connection) -> list[Gateway]:
    """All gateways of the last hour, by name."""
    now = now_of(connection)
    found = []
    for row in connection.execute(select(gateways).order_by(gateways.c.name)):
        seen_at = instant(row.seen_at)
        assert seen_at is not None
        age_s = max(0.0, (now - seen_at).total_seconds())
        if age_s < _FORGOTTEN_S:
            found.append(
                Gateway(row.name, row.boot, row.address, row.state, row.running, row.room, row.answer_p95_s, age_s)
            )
    return found


def holder(connection: Connection, call_id: str) -> str:
    """The name of the gateway that holds a call; empty when none does."""
    found = connection.execute(select(holders.c.gateway).where(holders.c.call_id == call_id)).scalar()
    return found or ""


def claim(connection: Connection, call_id: str, gateway: str) -> str:
    """Have this gateway hold a call that nobody holds; gives who holds it now."""
    row = insert(connection, holders).values(call_id=call_id, gateway=gateway, since=now_of(connection))
    connection.execute(row.on_conflict_do_nothing(index_elements=["call_id"]))
    return holder(connection, call_id)


def move(connection: Connection, call_id: str, held_by: str, gateway: str) -> str:
    """Have this gateway hold a call, if it is still `held_by` that does; gives who holds it now."""
    connection.execute(
        update(holders)
        .where(holders.c.call_id == call_id, holders.c.gateway == held_by)
        .values(gateway=gateway, since=now_of(connection))
    )
    return holder(connection, call_id)


def take_duty(connection: Connection, duty: str, mine: Gateway, for_s: float) -> str:
    """Have this gateway do this for all, for so many seconds, if nobody else does; gives the name of who does."""
    now = now_of(connection)
    values = {"gateway": mine.name, "boot": mine.boot, "until": now + timedelta(seconds=for_s)}
    row = insert(connection, duties).values(duty=duty, **values)
    free = or_(duties.c.until < now, (duties.c.gateway == mine.name) & (duties.c.boot == mine.boot))
    connection.execute(row.on_conflict_do_update(index_elements=["duty"], set_=values, where=free))
    return on_duty(connection, duty)


def on_duty(connection: Connection, duty: str) -> str:
    """The name of the gateway that does this for all; empty when none has said so in time."""
    ask = select(duties.c.gateway).where(duties.c.duty == duty, duties.c.until >= now_of(connection))
    return connection.execute(ask).scalar() or ""


def give_up_duty(connection: Connection, duty: str, mine: Gateway) -> None:
    """Let another gateway do it."""
    connection.execute(
        delete(duties).where(duties.c.duty == duty, duties.c.gateway == mine.name, duties.c.boot == mine.boot)
    )


def forget_holders(connection: Connection, before_s: float) -> None:
    """Forget who held calls that were last given to somebody so long ago: no call lasts for that long."""
    connection.execute(delete(holders).where(holders.c.since < now_of(connection) - timedelta(seconds=before_s)))
