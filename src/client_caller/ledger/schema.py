"""The tables of the ledger.

In:   nothing.     Out: `metadata`, the same for SQLite and PostgreSQL.
Rule: whoever changes a table adds a step to migrations/versions; tests/ledger/test_database.py compares the two.

What is told is appended and never changed: `entries`, `do_not_call`, `consents`, `revocations`. A fact's `id` is made
of the fact itself, so that to write it twice does no harm. A row of `calls` is what the entries of a call come to, one
of `summaries` what they say of its words. `gateways`, `holders`, `duties` and `journals` are of the moment: what
several gateways must know of each other to share calls; nothing in them is kept for ever.
Instants are kept in UTC; SQLite stores them without saying so.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

NAMING: Final = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}

metadata: Final = MetaData(naming_convention=NAMING)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


calls: Final = Table(
    "calls",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("began_at", DateTime(timezone=True), nullable=False),
    _text("direction"),
    _text("theirs"),
    _text("ours"),
    _text("agent"),
    _text("order_id"),
    _text("record"),
    _text("state"),
    Column("duration_s", Integer),
    _text("why"),
    _text("outcome"),
    Column("ended_at", DateTime(timezone=True)),
    Index(None, "began_at", "call_id"),
    Index(None, "theirs"),
)

entries: Final = Table(
    "entries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("call_id", Text, ForeignKey("calls.call_id"), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    _text("kind"),
    _text("body"),
    Index(None, "call_id", "at"),
)
"""What was told of calls. body: the entry as ledger/encoding.py writes it."""

summaries: Final = Table(
    "summaries",
    metadata,
    Column("call_id", Text, ForeignKey("calls.call_id"), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    _text("summary"),
    _text("outcome"),
    _text("fields"),
    Index(None, "outcome", "at"),
)
"""What calls came to, one row a call: the last that was told. fields: a JSON object."""

do_not_call: Final = Table(
    "do_not_call",
    metadata,
    Column("id", Text, primary_key=True),
    _text("number"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("forbidden", Boolean, nullable=False),
    _text("source"),
    _text("call_id"),
    Index(None, "number", "at"),
    Index(None, "call_id"),
)
"""forbidden: true for "must not be called", false for "may be called again". The latest of a number holds."""

consents: Final = Table(
    "consents",
    metadata,
    Column("id", Text, primary_key=True),
    _text("number"),
    _text("kind"),
    Column("given_at", DateTime(timezone=True), nullable=False),
    _text("source"),
    _text("text"),
    _text("evidence"),
    Index(None, "number"),
)

revocations: Final = Table(
    "revocations",
    metadata,
    Column("id", Text, primary_key=True),
    _text("number"),
    _text("kind"),
    Column("at", DateTime(timezone=True), nullable=False),
    _text("source"),
    Index(None, "number"),
)
"""kind: of the consents that end, empty for all. A consent given later is a new one."""

campaigns: Final = Table(
    "campaigns",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    _text("agent"),
    _text("purpose"),
    _text("digest"),
    Column("made_at", DateTime(timezone=True), nullable=False),
    _text("state"),
    Column("max_at_once", Integer),
    Index(None, "name", unique=True),
)

contacts: Final = Table(
    "contacts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("campaign_id", Text, ForeignKey("campaigns.id"), nullable=False),
    Column("row", Integer, nullable=False),
    _text("number"),
    _text("zone"),
    _text("region"),
    Column("purpose", Text),
    Column("vars", JSON, nullable=False),
    _text("state"),
    Column("attempts", Integer, nullable=False),
    Column("next_at", DateTime(timezone=True)),
    _text("outcome"),
    Index(None, "campaign_id", "row", unique=True),
    Index(None, "campaign_id", "state", "next_at"),
    Index(None, "number"),
)

orders: Final = Table(
    "orders",
    metadata,
    Column("id", Text, primary_key=True),
    _text("to_number"),
    _text("from_number"),
    _text("agent"),
    Column("vars", JSON, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("campaign_id", Text, ForeignKey("campaigns.id")),
    Column("contact_id", Text, ForeignKey("contacts.id")),
    _text("purpose"),
    Column("placed_at", DateTime(timezone=True)),
    _text("call_id"),
    _text("state"),
    _text("outcome"),
    Column("over_at", DateTime(timezone=True)),
    Index(None, "to_number", "made_at"),
    Index(None, "state"),
)

OPEN_ORDER: Final = "state IN ('made', 'placed', 'unsure')"

one_open_order: Final = Index(
    "ix_orders_one_open_per_contact",
    orders.c.contact_id,
    unique=True,
    sqlite_where=text(OPEN_ORDER),
    postgresql_where=text(OPEN_ORDER),
)
"""No contact is called twice at once, however many processes try."""

gateways: Final = Table(
    "gateways",
    metadata,
    Column("name", Text, primary_key=True),
    _text("boot"),
    _text("address"),
    _text("state"),
    Column("running", Integer, nullable=False),
    Column("room", Integer, nullable=False),
    Column("answer_p95_s", Float),
    Column("seen_at", DateTime(timezone=True), nullable=False),
)
"""The processes that hold calls. boot: another each time one starts;  address: where the others reach it;  room: for
how many more calls;  seen_at: when it last said so, by the database's clock."""

holders: Final = Table(
    "holders",
    metadata,
    Column("call_id", Text, primary_key=True),
    _text("gateway"),
    Column("since", DateTime(timezone=True), nullable=False),
    Index(None, "since"),
)
"""Which gateway holds a call."""

duties: Final = Table(
    "duties",
    metadata,
    Column("duty", Text, primary_key=True),
    _text("gateway"),
    _text("boot"),
    Column("until", DateTime(timezone=True), nullable=False),
)
"""What one gateway does for all, as long as it says so in time."""

journals: Final = Table(
    "journals",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("first", Integer, primary_key=True, autoincrement=False),
    Column("lines", LargeBinary, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index(None, "at"),
)
"""Copies of flight records, some lines in each row. epoch: grows each time a call goes on, so that what a gateway
writes that lost it is told from what counts;  first: how many lines of the epoch came before."""
