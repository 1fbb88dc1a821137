"""How Alembic runs the steps: on the connection that `database.py` hands it, within its transaction.

In:   the connection.     Out: tables at the newest version.
Rule: run by Alembic only, which names this file.
"""

from alembic import context

from client_caller.ledger.database import VERSION_TABLE
from client_caller.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
context.run_migrations()
