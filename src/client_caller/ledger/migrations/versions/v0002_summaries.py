"""What calls came to.

In:   the tables of 0001.     Out: one more.
Rule: says by itself what the table was like then, whatever `schema.py` says today.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make it."""
    op.create_table(
        "summaries",
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("summary", "outcome", "fields")),
        sa.PrimaryKeyConstraint("call_id", name="pk_summaries"),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name="fk_summaries_call_id"),
    )
    op.create_index("ix_summaries_outcome_at", "summaries", ["outcome", "at"])
