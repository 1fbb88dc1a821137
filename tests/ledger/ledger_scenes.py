"""What the ledger's tests have in common: a scene with an open ledger, an instant, two numbers, orders."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from client_caller.ledger.entries import Campaign, Contact, Order
from client_caller.ledger.ledger import Ledger

Scene = Callable[[Ledger], Coroutine[Any, Any, None]]
Play = Callable[[Scene], None]

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
THEIRS, OURS = "+15550100001", "+15550100002"


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def campaign(**changes: Any) -> Campaign:
    told = {"id": "k1", "name": "autumn", "agent": "caller", "purpose": "marketing", "digest": "d1", "made_at": at(0)}
    return Campaign(**{**told, **changes})


def contact(row: int, **changes: Any) -> Contact:
    told = {"number": THEIRS, "zone": "America/Chicago", "vars": {"name": "Ada"}}
    return Contact(**{"id": f"c{row}", "campaign_id": "k1", "row": row, **told, **changes})


def order(ident: str = "o1", **changes: Any) -> Order:
    told = {"to": THEIRS, "from_": OURS, "agent": "caller", "vars": {"name": "Ada"}, "made_at": at(0)}
    return Order(**{"id": ident, **told, **changes})
