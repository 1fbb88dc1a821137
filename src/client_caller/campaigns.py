"""Campaigns: who of a list is called next, until nobody is left.

In:   a file of contacts; the dialler's room.     Out: orders; contacts postponed, or done without a call.
Rule: whoever must not be called is done before the first call, with the reason. The ledger holds how far a campaign is,
      so another process goes on where this one was stopped or died.
"""

import asyncio
import logging
import secrets
from datetime import datetime
from functools import partial
from typing import Final, cast

from client_caller.agent import filled
from client_caller.dialler import Dialler, NotAllowedError
from client_caller.errors import ConfigError
from client_caller.ledger.entries import Campaign, Consent, ConsentKind, Contact, Order, Purpose
from client_caller.ledger.orders import DoubleOrderError
from client_caller.outbound.contacts import NewContact, digest, read_contacts
from client_caller.outbound.judge import Request
from client_caller.outbound.opening import MissingVariableError
from client_caller.outbound.pace import Due, plan
from client_caller.outbound.retries import next_attempt
from client_caller.standings import standing_of

log = logging.getLogger("client_caller.campaigns")

_LOOKED_AT: Final = 8
"""Contacts that are looked at until one may be called: those in front may have to be postponed."""

_MISTAKES_TOLD: Final = 100

NEVER: Final = "never: "
"""How the outcome of a contact begins that must not be called; the reason follows."""

CALL_BACK: Final = "call back "
"""How a campaign is named that is one promised call back; the id of the call in which it was promised follows."""


class Campaigns:
    """The campaigns of one ledger, worked off through one dialler."""

    def __init__(self, dialler: Dialler, from_number: str) -> None:
        self._dialler = dialler
        self._ledger = dialler.ledger
        self._from = from_number
        self._ordered_at: dict[str, float] = {}  # loop time of the last order, by campaign

    async def add(
        self,
        name: str,
        text: str,
        agent: str,
        *,
        region: str | None = None,
        purpose: str | None = None,
        max_at_once: int | None = None,
    ) -> Campaign:
        """Make a campaign of a CSV text and start it; the same file again goes on with the one there is.

        region: the country of numbers without a plus;  purpose: None: that of the agent's file.
        Raises ConfigError with all mistakes of the file, LedgerFailed.
        """
        speaker = self._dialler.agents.for_calling(agent)
        assert speaker.outbound is not None
        rows = await self._ledger.aside(partial(self._read, text, name, agent, region))
        now = self._dialler.now()
        wanted: Purpose = "marketing" if "marketing" in (purpose, speaker.outbound.purpose) else "informational"
        new = Campaign(secrets.token_hex(8), name, agent, wanted, digest(text), now, "running", max_at_once)
        campaign = await self._ledger.add_campaign(new, [_contact(row, new.id) for row in rows])
        if campaign.id == new.id:
            await self._ledger.add_consents([_consent(row) for row in rows if row.consent])
            await self._rule_out(campaign)
        await self._ledger.set_campaign_state(campaign.id, "running")
        self._dialler.wake()
        return campaign

    async def promise_call_back(self, call_id: str, number: str, agent: str, at: datetime | None = None) -> None:
        """Have a caller called back, once, not before `at`: there was no room for them, or they asked for it.

        Raises ConfigError, LedgerFailed.
        """
        now = self._dialler.now()
        campaign = Campaign(secrets.token_hex(8), CALL_BACK + call_id, agent, "informational", call_id, now)
        contact = Contact(f"{campaign.id}-1", campaign.id, 1, number, "", {}, next_at=at)
        await self._ledger.add_consents([Consent(number, "call back", now, f"call {call_id}", "asked by calling us")])
        await self._ledger.add_campaign(campaign, [contact])
        self._dialler.wake()

    async def step(self) -> bool:
        """Order as many calls as there is room for, the campaign that has waited longest first; whether there are more
        to be ordered as soon as there is room again. Raises LedgerFailed."""
        running = [campaign for campaign in await self._ledger.campaigns() if campaign.state == "running"]
        running.sort(key=lambda campaign: self._ordered_at.get(campaign.id, 0.0))
        return any([await self._work_off(campaign) for campaign in running])

    async def _work_off(self, campaign: Campaign) -> bool:
        progress = await self._ledger.progress(campaign.id)
        if not progress.waiting and not progress.calling:
            await self._ledger.set_campaign_state(campaign.id, "done")
            return False
        if campaign.max_at_once is not None and progress.calling >= campaign.max_at_once:
            return False  # until one of its calls is over, which is news
        room = self._dialler.room()
        if not room:
            return progress.waiting > 0
        now = self._dialler.now()
        contacts = await self._ledger.due(campaign.id, now, _LOOKED_AT)
        for contact in contacts:
            planned = plan([await self._due(contact, campaign, now)], self._dialler.law, now, room)
            for postponed in planned.postpone:
                await self._ledger.contact_after(contact.id, contact.outcome, contact.attempts, postponed.until)
            for done in planned.done:
                await self._ledger.contact_after(contact.id, NEVER + done.why, contact.attempts, None)
            for _ in planned.dial:
                await self._order(contact, campaign, now)
                self._ordered_at[campaign.id] = asyncio.get_running_loop().time()
                room -= 1
            if not room:
                return True
        return bool(contacts)

    async def _order(self, contact: Contact, campaign: Campaign, now: datetime) -> None:
        order = Order(
            secrets.token_urlsafe(12),
            contact.number,
            self._from,
            campaign.agent,
            contact.vars,
            now,
            campaign.id,
            contact.id,
            _purpose(contact, campaign),
        )
        try:
            await self._dialler.order(order, _request(contact, campaign), contact.attempts + 1)
        except NotAllowedError as refusal:
            retry_at = refusal.until or next_attempt("canceled", 1, now, self._dialler.law)
            await self._ledger.contact_after(contact.id, contact.outcome, contact.attempts, retry_at)
        except DoubleOrderError:
            log.info("a contact is being called by another process", extra={"contact": contact.id})
        except (ConfigError, MissingVariableError) as wrong:  # the agent's file was changed under the campaign
            log.warning("a campaign is stopped", extra={"campaign": campaign.id, "why": str(wrong)})
            await self._ledger.set_campaign_state(campaign.id, "stopped")

    async def _due(self, contact: Contact, campaign: Campaign, now: datetime) -> Due:
        standing = await standing_of(self._ledger, contact.number, now)
        return Due(contact.id, _request(contact, campaign), standing, contact.next_at or campaign.made_at)

    async def _rule_out(self, campaign: Campaign) -> None:
        """Be done with contacts who must not be called, before the first call."""
        forbidden = {entry.number for entry in await self._ledger.forbidden()}
        for number, contact in enumerate(await self._ledger.contacts(campaign.id)):
            if contact.number in forbidden:
                await self._ledger.contact_after(contact.id, f"{NEVER}on the list of those not to be called", 0, None)
            if number % 100 == 0:
                await asyncio.sleep(0)

    def _read(self, text: str, name: str, agent: str, region: str | None) -> list[NewContact]:
        """The contacts of a file, whom the agent can speak to; a long one takes seconds."""
        rows = read_contacts(text, name, region)
        mistakes = [mistake for row in rows if (mistake := self._cannot_speak_to(row, agent, name))]
        if mistakes:
            raise ConfigError("\n".join(mistakes[:_MISTAKES_TOLD]))
        return rows

    def _cannot_speak_to(self, row: NewContact, agent: str, name: str) -> str:
        """What the agent's texts want and this contact does not have; empty if nothing."""
        try:
            filled(self._dialler.agents.for_calling(agent), row.variables, outbound=True)
        except MissingVariableError as missing:
            return f"{name}, line {row.row}: {missing}"
        return ""


def _contact(row: NewContact, campaign_id: str) -> Contact:
    return Contact(
        f"{campaign_id}-{row.row}",
        campaign_id,
        row.row,
        row.number,
        row.zone or "",
        row.variables,
        region=row.region or "",
        purpose=row.purpose,
    )


def _consent(row: NewContact) -> Consent:
    assert row.consent is not None
    given = row.consent
    return Consent(row.number, cast(ConsentKind, given.kind), given.given_at, given.source, given.text)


def _purpose(contact: Contact, campaign: Campaign) -> Purpose:
    return contact.purpose or campaign.purpose


def _request(contact: Contact, campaign: Campaign) -> Request:
    return Request(contact.number, _purpose(contact, campaign), contact.zone or None, contact.region or None)
