"""Calls and what was told of them, numbers and their consents, campaigns and orders.

In:   an empty database.     Out: the first tables.
Rule: says by itself what the tables were like then, whatever `schema.py` says today.
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Make them."""
    _make_calls()
    _make_numbers()
    _make_campaigns()
    _make_orders()


def _make_calls() -> None:
    op.create_table(
        "calls",
        _text("call_id"),
        _time("began_at"),
        *(_text(name) for name in ("direction", "theirs", "ours", "agent", "order_id", "record", "state")),
        sa.Column("duration_s", sa.Integer),
        _text("why"),
        _text("outcome"),
        _time("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("call_id", name="pk_calls"),
    )
    op.create_index("ix_calls_began_at_call_id", "calls", ["began_at", "call_id"])
    op.create_index("ix_calls_theirs", "calls", ["theirs"])
    op.create_table(
        "entries",
        _text("id"),
        _text("call_id"),
        _time("at"),
        _text("kind"),
        _text("body"),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name="fk_entries_call_id"),
    )
    op.create_index("ix_entries_call_id_at", "entries", ["call_id", "at"])


def _make_numbers() -> None:
    op.create_table(
        "do_not_call",
        _text("id"),
        _text("number"),
        _time("at"),
        sa.Column("forbidden", sa.Boolean, nullable=False),
        _text("source"),
        _text("call_id"),
        sa.PrimaryKeyConstraint("id", name="pk_do_not_call"),
    )
    op.create_index("ix_do_not_call_number_at", "do_not_call", ["number", "at"])
    op.create_index("ix_do_not_call_call_id", "do_not_call", ["call_id"])
    op.create_table(
        "consents",
        _text("id"),
        _text("number"),
        _text("kind"),
        _time("given_at"),
        _text("source"),
        _text("text"),
        _text("evidence"),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
    )
    op.create_index("ix_consents_number", "consents", ["number"])
    op.create_table(
        "revocations",
        _text("id"),
        _text("number"),
        _text("kind"),
        _time("at"),
        _text("source"),
        sa.PrimaryKeyConstraint("id", name="pk_revocations"),
    )
    op.create_index("ix_revocations_number", "revocations", ["number"])


def _make_campaigns() -> None:
    op.create_table(
        "campaigns",
        _text("id"),
        _text("name"),
        _text("agent"),
        _text("purpose"),
        _text("digest"),
        _time("made_at"),
        _text("state"),
        sa.Column("max_at_once", sa.Integer),
        sa.PrimaryKeyConstraint("id", name="pk_campaigns"),
    )
    op.create_index("ix_campaigns_name", "campaigns", ["name"], unique=True)
    op.create_table(
        "contacts",
        _text("id"),
        _text("campaign_id"),
        sa.Column("row", sa.Integer, nullable=False),
        _text("number"),
        _text("zone"),
        _text("region"),
        sa.Column("purpose", sa.Text),
        sa.Column("vars", sa.JSON, nullable=False),
        _text("state"),
        sa.Column("attempts", sa.Integer, nullable=False),
        _time("next_at", nullable=True),
        _text("outcome"),
        sa.PrimaryKeyConstraint("id", name="pk_contacts"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_contacts_campaign_id"),
    )
    op.create_index("ix_contacts_campaign_id_row", "contacts", ["campaign_id", "row"], unique=True)
    op.create_index("ix_contacts_campaign_id_state_next_at", "contacts", ["campaign_id", "state", "next_at"])
    op.create_index("ix_contacts_number", "contacts", ["number"])


def _make_orders() -> None:
    op.create_table(
        "orders",
        _text("id"),
        _text("to_number"),
        _text("from_number"),
        _text("agent"),
        sa.Column("vars", sa.JSON, nullable=False),
        _time("made_at"),
        sa.Column("campaign_id", sa.Text),
        sa.Column("contact_id", sa.Text),
        _text("purpose"),
        _time("placed_at", nullable=True),
        _text("call_id"),
        _text("state"),
        _text("outcome"),
        _time("over_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_orders_campaign_id"),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name="fk_orders_contact_id"),
    )
    op.create_index("ix_orders_to_number_made_at", "orders", ["to_number", "made_at"])
    op.create_index("ix_orders_state", "orders", ["state"])
    is_open = sa.text("state IN ('made', 'placed', 'unsure')")
    op.create_index(
        "ix_orders_one_open_per_contact",
        "orders",
        ["contact_id"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
