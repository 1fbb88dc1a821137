"""Campaigns in the database, and whom they are to reach.

In:   a connection, within a transaction where something is written.
Out:  campaigns, their contacts, who is due, how far they are.
Rule: a campaign is made once of one file; the same file again changes nothing.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from client_caller.errors import ConfigError
from client_caller.ledger.database import insert, instant
from client_caller.ledger.entries import Campaign, CampaignState, Contact, Progress, in_utc
from client_caller.ledger.schema import campaigns, contacts


def add(connection: Connection, new: Campaign, whom: Sequence[Contact]) -> Campaign:
    """Make a campaign with its contacts; see `Ledger.add_campaign`."""
    row = insert(connection, campaigns).values(asdict(new) | {"made_at": in_utc(new.made_at)})
    made = row.on_conflict_do_nothing(index_elements=["name"]).returning(campaigns.c.id)
    if connection.execute(made).first() is None:
        known = _campaign(connection.execute(select(campaigns).where(campaigns.c.name == new.name)).one())
        if known.digest != new.digest:
            raise ConfigError(
                f"a campaign named {new.name!r} is known already, and was made from another file; "
                "give this one a name of its own"
            )
        return known
    rows = [
        asdict(contact) | {"vars": dict(contact.vars), "campaign_id": new.id, "next_at": instant(contact.next_at)}
        for contact in whom
    ]
    if rows:
        connection.execute(contacts.insert(), rows)
    return new


def campaign(connection: Connection, campaign_id: str) -> Campaign | None:
    """One campaign; None when there is none."""
    row = connection.execute(select(campaigns).where(campaigns.c.id == campaign_id)).first()
    return _campaign(row) if row else None


def all_campaigns(connection: Connection) -> list[Campaign]:
    """All of them, the newest first."""
    query = select(campaigns).order_by(campaigns.c.made_at.desc(), campaigns.c.id)
    return [_campaign(row) for row in connection.execute(query)]


def set_state(connection: Connection, campaign_id: str, state: CampaignState) -> None:
    """Start, stop or finish a campaign."""
    connection.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(state=state))


def contacts_of(connection: Connection, campaign_id: str) -> list[Contact]:
    """Its contacts, in the order of its file."""
    query = select(contacts).where(contacts.c.campaign_id == campaign_id).order_by(contacts.c.row)
    return [_contact(row) for row in connection.execute(query)]


def contact(connection: Connection, contact_id: str) -> Contact | None:
    """One contact; None when there is none."""
    row = connection.execute(select(contacts).where(contacts.c.id == contact_id)).first()
    return _contact(row) if row else None


def due(connection: Connection, campaign_id: str, now: datetime, limit: int) -> list[Contact]:
    """Whom to call now; see `Ledger.due`."""
    query = (
        select(contacts)
        .join(campaigns, campaigns.c.id == contacts.c.campaign_id)
        .where(contacts.c.campaign_id == campaign_id, campaigns.c.state == "running", contacts.c.state == "waiting")
        .where(or_(contacts.c.next_at.is_(None), contacts.c.next_at <= in_utc(now)))
        .order_by(contacts.c.next_at.asc().nulls_last(), contacts.c.row)
        .limit(limit)
    )
    return [_contact(row) for row in connection.execute(query)]


def after(connection: Connection, contact_id: str, outcome: str, attempts: int, next_at: datetime | None) -> bool:
    """Settle a contact that waits, without an order; see `Ledger.contact_after`."""
    settled = connection.execute(
        update(contacts)
        .where(contacts.c.id == contact_id, contacts.c.state == "waiting")
        .values(
            state="done" if next_at is None else "waiting",
            outcome=outcome,
            attempts=attempts,
            next_at=instant(next_at),
        )
    )
    return settled.rowcount == 1


def progress(connection: Connection, campaign_id: str) -> Progress:
    """How far a campaign is."""
    query = (
        select(contacts.c.state, contacts.c.outcome, func.count())
        .where(contacts.c.campaign_id == campaign_id)
        .group_by(contacts.c.state, contacts.c.outcome)
    )
    states = {"waiting": 0, "calling": 0, "done": 0}
    outcomes: dict[str, int] = {}
    for state, outcome, count in connection.execute(query):
        states[state] += count
        if state == "done":
            outcomes[outcome] = count
    return Progress(**states, outcomes=outcomes)


def _campaign(row: Any) -> Campaign:
    return Campaign(**{**row._mapping, "made_at": in_utc(row.made_at)})


def _contact(row: Any) -> Contact:
    return Contact(**{**row._mapping, "next_at": instant(row.next_at)})
