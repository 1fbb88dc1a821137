"""How we stand with a number: what the ledger knows of it, as the judge wants it."""

from datetime import datetime

from client_caller.ledger.ledger import Ledger
from client_caller.outbound.judge import Consent, Standing


async def standing_of(ledger: Ledger, number: str, now: datetime, but_for: datetime | None = None) -> Standing:
    """What is known of a number. Raises LedgerFailed while the database is away; then nobody must be called.

    but_for: when the order was made that is about to be dialled; it counts as a call from then on, and not for itself.
    """
    kept = await ledger.standing(number, now)
    consents = tuple(
        Consent(each.kind, each.given_at, each.source, each.text, each.revoked_at) for each in kept.consents
    )
    placed_at = list(kept.placed_at)
    if but_for in placed_at:
        placed_at.remove(but_for)
    return Standing(kept.forbidden_since, consents, tuple(placed_at))
