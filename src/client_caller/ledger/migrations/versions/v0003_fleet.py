"""Several gateways: who they are, which call is where, and copies of what calls wrote down.

In:   the tables of 0002.     Out: four more.
Rule: says by itself what the tables were like then, whatever `schema.py` says today.
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _time(name: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "gateways",
        *(_text(name) for name in ("name", "boot", "address", "state")),
        sa.Column("running", sa.Integer, nullable=False),
        sa.Column("room", sa.Integer, nullable=False),
        sa.Column("answer_p95_s", sa.Float),
        _time("seen_at"),
        sa.PrimaryKeyConstraint("name", name="pk_gateways"),
    )
    op.create_table(
        "holders",
        _text("call_id"),
        _text("gateway"),
        _time("since"),
        sa.PrimaryKeyConstraint("call_id", name="pk_holders"),
    )
    op.create_index("ix_holders_since", "holders", ["since"])
    op.create_table(
        "duties",
        _text("duty"),
        _text("gateway"),
        _text("boot"),
        _time("until"),
        sa.PrimaryKeyConstraint("duty", name="pk_duties"),
    )
    op.create_table(
        "journals",
        _text("call_id"),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("lines", sa.LargeBinary, nullable=False),
        _time("at"),
        sa.PrimaryKeyConstraint("call_id", "epoch", "first", name="pk_journals"),
    )
    op.create_index("ix_journals_at", "journals", ["at"])
