"""How a gateway joins the others: its settings checked, its door put before the application, its journal copied.

In:   a house, its ledger, the application that answers calls.     Out: the application that all requests go to.
Rule: built of what `fleet/` has; decides nothing.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Scope

from client_caller.app import working
from client_caller.errors import ConfigError
from client_caller.fleet.copying import JournalCopies, materialise
from client_caller.fleet.fleet import Fleet
from client_caller.fleet.front import Front, when
from client_caller.house import House
from client_caller.keys import known_key
from client_caller.ledger.database import LedgerFailed
from client_caller.ledger.ledger import Ledger
from client_caller.line.twilio_signature import SignatureCheck
from client_caller.line.twilio_whose import About, about
from client_caller.office import Office
from client_caller.settings import Settings
from client_caller.web.api import has_key

log = logging.getLogger("client_caller.fleet")

_ORDERS_WITHIN_S: Final = 4.0
_LAST_FLUSH_S: Final = 5.0


def check_fleet(settings: Settings) -> None:
    """Raises ConfigError when a setting is missing that several gateways need."""
    if not settings.fleet.address:
        return
    if not settings.fleet.key.get_secret_value():
        raise ConfigError(
            "setting CLIENT_CALLER_FLEET__KEY is empty: set it to a long random text, the same for all gateways"
        )
    if settings.telnyx_api_key:
        raise ConfigError(
            "several gateways share calls of Twilio's only: leave TELNYX_API_KEY or CLIENT_CALLER_FLEET__ADDRESS empty"
        )


class _Kept:
    """The copies of this gateway's journals, and its folder of records."""

    def __init__(self, copies: JournalCopies, folder: Path) -> None:
        self._copies = copies
        self._folder = folder

    async def flush(self, call_id: str | None = None, within_s: float = _LAST_FLUSH_S) -> bool:
        return await self._copies.flush(call_id, within_s)

    async def bring(self, call_id: str) -> None:
        try:
            content = await self._copies.fetch(call_id)
        except LedgerFailed as away:
            log.warning("what another gateway wrote of a call cannot be had", extra={"call": call_id, "why": str(away)})
            return
        if content is None:
            log.warning("no other gateway wrote anything of a call", extra={"call": call_id})
            return
        try:
            materialise(self._folder, content)
        except (OSError, ConfigError) as refused:
            log.warning("a journal cannot be put in place", extra={"call": call_id, "why": str(refused)})


@asynccontextmanager
async def joined(
    app: ASGIApp, fleet: Fleet, ledger: Ledger, house: House, office: Office | None, check: SignatureCheck | None
) -> AsyncIterator[Front]:
    """This gateway among the others while the block runs. check: how Twilio's requests are checked; None: not."""
    settings, copies = house.settings, JournalCopies(ledger.database)
    kept = _Kept(copies, settings.records.folder)

    def whose(target: str, headers: Mapping[str, str], body: bytes) -> About | None:
        return about(target, headers, body, check)

    async def order_known() -> None:
        if office:
            await when(office.has_orders, _ORDERS_WITHIN_S)

    known = known_key(settings)

    def is_operator(scope: Scope) -> bool:
        return known is not None and has_key(Request(scope), known.get_secret_value().encode())

    front = Front(app, fleet, kept, settings.fleet.key.get_secret_value(), whose, order_known, is_operator)
    house.on_change = fleet.tell_soon
    house.followers.append(copies.follow)
    try:
        async with working(fleet.run(), "fleet"):
            yield front
    finally:
        await kept.flush()
        await copies.close()
        await fleet.leave()
        await front.close()
