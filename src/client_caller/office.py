"""The office: calls that we place, campaigns, and what is asked about calls; behind the API and the command line.

In:   requests of the operator; what the carrier tells.     Out: orders, campaigns, answers as plain data.
Rule: it holds the threads together and decides nothing: whom to call is the law's business, when the dialler's.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, Literal

from client_caller.agent import Agent, filled
from client_caller.campaigns import CALL_BACK, Campaigns
from client_caller.conversation import events as ev
from client_caller.dialler import Dialler
from client_caller.errors import CarrierFailed, ClientCallerError, ConfigError
from client_caller.ledger.database import LedgerFailed
from client_caller.ledger.entries import Campaign, Consent, Forbidden, Order
from client_caller.line.control import Steers
from client_caller.line.protocol import CallBackWanted, News
from client_caller.outbound.judge import Request
from client_caller.outbound.law import Law, parse_law
from client_caller.outbound.numbers import parse_number
from client_caller.settings import OutboundSettings

log = logging.getLogger("client_caller.office")

_PAUSE_S: Final = 5.0
"""Seconds to wait when the ledger is away, before it is asked again."""

_ROOM_S: Final = 1.0
_IDLE_S: Final = 30.0
"""Seconds after which contacts are looked at again that wait for room, and for their time."""

_AT_LEAST_S: Final = 0.02
"""Seconds between two looks, whatever is due: a mistake in an instant must cost no processor."""

_CALL_BACKS: Final = 1_000

Tell = Callable[[str, ev.OutsideNews], bool]
"""Has a running call take something in; whether there is such a call."""


def law_of(settings: OutboundSettings) -> Law:
    """The law that the settings name, else the one built in. Raises ConfigError."""
    if settings.law is None:
        return Law()
    try:
        return parse_law(settings.law.read_text(encoding="utf-8"), str(settings.law))
    except (OSError, UnicodeDecodeError) as refusal:
        raise ConfigError(
            f"setting CLIENT_CALLER_OUTBOUND__LAW: {settings.law} cannot be read as UTF-8 text: name another file"
        ) from refusal


class Office:
    """What an operator may ask for.

    from_number: the number we call from, empty if we call nobody;  tell: the house's;  answering: the name of the agent
    that answers, and calls back;  steers: has the carrier record calls;  on_duty: whether it is this process that
    places calls, where several share a ledger.
    """

    def __init__(
        self,
        dialler: Dialler,
        from_number: str,
        tell: Tell,
        answering: str,
        steers: Steers | None = None,
        on_duty: Callable[[], bool] = lambda: True,
    ) -> None:
        self._dialler = dialler
        self._steers = steers
        self._to_record: deque[str] = deque(maxlen=_CALL_BACKS)
        self._ledger = dialler.ledger
        self._campaigns = Campaigns(dialler, from_number)
        self._from = from_number
        self._tell = tell
        self._answering = answering
        self._on_duty = on_duty
        self.has_orders = asyncio.Event()  # set while it is known here what was ordered
        self._call_backs: deque[tuple[str, str, datetime | None]] = deque(maxlen=_CALL_BACKS)

    # For the house: whose calls are ours.

    def agent_of(self, order_id: str) -> Agent | None:
        """The agent that speaks in this call."""
        return self._dialler.agent_of(order_id)

    def hear_of(self, news: News) -> None:
        """Take note of what the carrier tells."""
        if isinstance(news, CallBackWanted):
            self.call_back(news.call_id, news.parties.theirs, None)
        self._dialler.hear_of(news)

    def can_call_back(self) -> bool:
        """Whether the agent that answers could call somebody back: it has the words, and we a number to call from."""
        try:
            self._check_that_we_call()
            filled(self._dialler.agents.for_calling(self._answering), {}, outbound=True)
        except ClientCallerError as wrong:
            log.warning("nobody can be called back", extra={"why": str(wrong)})
            return False
        return True

    def call_back(self, call_id: str, number: str, at: datetime | None) -> None:
        """Have the other side of a call called back, not before `at`; returns at once."""
        self._call_backs.append((call_id, number, at))
        self._dialler.wake()

    def ended(self, order_id: str, outcome: str) -> None:
        """A call was held, and this is how it went."""
        self._dialler.ended(order_id, outcome)

    def may_be_recorded(self, call_id: str) -> None:
        """A call may be recorded from now on; have the carrier do so, too."""
        self._to_record.append(call_id)
        self._dialler.wake()

    # For the operator.

    def check_agent(self, agent: str, sha256: str) -> None:
        """Raises ConfigError unless the agent of this name, empty: the one who answers, has this digest, if any."""
        if sha256:
            self._dialler.agents.check_same(agent or self._answering, sha256)

    async def call(
        self, to: str, agent: str, variables: Mapping[str, str], consent: str = "", region: str | None = None
    ) -> str:
        """Place one call; gives the id of its order. consent: where and how the callee agreed to it, if that is new.

        Raises NumberError, NotAllowedError, MissingVariableError, ConfigError, LedgerFailed.
        """
        self._check_that_we_call()
        number = parse_number(to, region)
        speaker = self._dialler.agents.for_calling(agent or self._answering)
        assert speaker.outbound is not None
        now, purpose = self._dialler.now(), speaker.outbound.purpose
        if consent:
            await self._ledger.add_consents([Consent(number, purpose, now, "operator", consent)])
        order = Order(
            secrets.token_urlsafe(12), number, self._from, agent or self._answering, variables, now, purpose=purpose
        )
        await self._dialler.order(order, Request(number, purpose))
        return order.id

    async def order(self, order_id: str) -> dict[str, Any] | None:
        """How an order stands; None when there is none."""
        order = await self._ledger.order(order_id)
        if order is None:
            return None
        known = self._dialler.open.get(order_id)
        state = known.state if known and known.state else order.state
        return {"order": order.id, "state": state, "call": order.call_id or "", "outcome": order.outcome}

    def transfer(self, call_id: str, to: str, briefing: str) -> bool:
        """Connect the caller to a telephone, after a sentence; whether there is such a call."""
        return self._tell(call_id, ev.TransferOrdered(to, briefing))

    def press(self, call_id: str, keys: str) -> bool:
        """Press keys in a call; whether there is such a call."""
        return self._tell(call_id, ev.KeysOrdered(keys))

    def hang_up(self, call_id: str, reason: str) -> bool:
        """End a call, after a goodbye; whether there is such a call."""
        return self._tell(call_id, ev.HangUpOrdered(reason))

    async def calls(self, limit: int, before: str | None) -> list[dict[str, Any]]:
        """Calls, the newest first."""
        return [asdict(call) for call in await self._ledger.calls(limit, before)]

    async def audit(self, call_id: str) -> dict[str, Any] | None:
        """All that can be proved of a call."""
        return await self._ledger.audit(call_id)

    async def start_campaign(
        self,
        name: str,
        text: str,
        agent: str,
        region: str | None = None,
        purpose: str | None = None,
        max_at_once: int | None = None,
    ) -> dict[str, Any]:
        """Start a campaign of a CSV text, or go on with it. Raises ConfigError, LedgerFailed."""
        self._check_that_we_call()
        if name.startswith(CALL_BACK):
            raise ConfigError(f"a campaign's name must not begin with {CALL_BACK!r}: promised call backs are named so")
        agent = agent or self._answering
        campaign = await self._campaigns.add(name, text, agent, region=region, purpose=purpose, max_at_once=max_at_once)
        return await self._told(campaign)

    async def campaign(self, campaign_id: str) -> dict[str, Any] | None:
        """How far a campaign is; None when there is none."""
        campaign = await self._ledger.campaign(campaign_id)
        return await self._told(campaign) if campaign else None

    async def campaigns(self) -> list[dict[str, Any]]:
        """All campaigns, the newest first."""
        return [await self._told(campaign) for campaign in await self._ledger.campaigns()]

    async def set_campaign(self, campaign_id: str, state: Literal["running", "stopped"]) -> bool:
        """Stop a campaign, or go on with it; whether there is one. Calls that run go on."""
        campaign = await self._ledger.campaign(campaign_id)
        if campaign is not None:
            await self._ledger.set_campaign_state(campaign_id, state)
            self._dialler.wake()
        return campaign is not None

    async def _told(self, campaign: Campaign) -> dict[str, Any]:
        current = await self._ledger.campaign(campaign.id) or campaign
        progress = await self._ledger.progress(campaign.id)
        return {
            "campaign": current.id,
            "name": current.name,
            "state": current.state,
            **asdict(progress),
            "paused": self._dialler.pacer.breaker.why,
        }

    async def forbidden(self) -> list[dict[str, Any]]:
        """The list of those who must not be called."""
        return [asdict(entry) for entry in await self._ledger.forbidden()]

    async def forbid(self, numbers: list[str], region: str | None) -> int:
        """Have numbers not be called any more; how many. Raises NumberError, and changes nothing, for a wrong one."""
        now = self._dialler.now()
        entries = [Forbidden(parse_number(number, region), now, "operator") for number in numbers]
        await self._ledger.forbid(entries)
        return len(entries)

    async def add_consent(self, number: str, kind: str, source: str, text: str, given_at: datetime) -> None:
        """Keep a consent. Raises NumberError, ConfigError, LedgerFailed."""
        if kind not in ("informational", "marketing"):
            raise ConfigError(f"{kind!r} is no kind of consent; there are: informational, marketing")
        wanted: Literal["informational", "marketing"] = "marketing" if kind == "marketing" else "informational"
        await self._ledger.add_consents([Consent(parse_number(number, None), wanted, given_at, source, text)])

    # Its work.

    async def run(self) -> None:
        """Take up what was left open, then place calls until cancelled. The ledger may be away for a while.

        Off duty, what is left open is another's.
        """
        recovered = False
        while True:
            try:
                await self._have_recorded()
                await self._note_call_backs()
                if self._on_duty():
                    if not recovered:
                        await self._dialler.recover()
                        recovered = True
                        self.has_orders.set()
                    at = await self._place_calls()
                else:
                    self._dialler.rest()
                    self.has_orders.clear()
                    recovered, at = False, asyncio.get_running_loop().time() + _ROOM_S
            except LedgerFailed as away:
                log.warning("no call is placed while the ledger is away", extra={"why": str(away)})
                at = asyncio.get_running_loop().time() + _PAUSE_S
            await self._dialler.until_news(at)

    async def _place_calls(self) -> float:
        """Do all that can be done now; gives the loop time at which there may be more. Raises LedgerFailed."""
        waits_for_room = await self._campaigns.step()
        due_at = await self._dialler.step()
        now = asyncio.get_running_loop().time()
        later_at = min(self._dialler.room_at(), now + _ROOM_S) if waits_for_room else now + _IDLE_S
        return max(now + _AT_LEAST_S, min(due_at, later_at))

    def _check_that_we_call(self) -> None:
        if not self._from:
            raise ConfigError(
                "setting CLIENT_CALLER_OUTBOUND__FROM_NUMBER is empty: set it to a number of yours, e.g. +12125550100"
            )

    async def _have_recorded(self) -> None:
        while self._to_record and self._steers:
            call_id = self._to_record.popleft()
            try:
                await self._steers.record(call_id)
            except CarrierFailed as failure:
                log.warning("the carrier does not record a call", extra={"call": call_id, "why": str(failure)})

    async def _note_call_backs(self) -> None:
        while self._call_backs:
            call_id, theirs, at = self._call_backs[0]
            try:
                await self._campaigns.promise_call_back(call_id, parse_number(theirs, None), self._answering, at)
            except LedgerFailed:
                raise
            except ClientCallerError as wrong:
                log.warning("a promised call back cannot be made", extra={"call": call_id, "why": str(wrong)})
            self._call_backs.popleft()
