"""This gateway among the others: what it tells of itself, what it knows of them, and who holds which call.

In:   how the house stands; what the database says of the others.     Out: the holder of a call; whether we have a duty.
Rule: while the database is away this gateway is on its own: it answers what comes, and keeps the calls it has.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit

from sqlalchemy import Connection

from client_caller.errors import ConfigError
from client_caller.fleet import journals, registry
from client_caller.fleet.gateways import Gateway, State, least_loaded
from client_caller.ledger.database import LedgerFailed
from client_caller.ledger.ledger import Ledger
from client_caller.settings import FleetSettings

log = logging.getLogger("client_caller.fleet")

OFFICE: Final = "office"
"""The duty of placing calls: one gateway does it for all."""

_BEAT_S: Final = 1.0
_WITHIN_S: Final = 1.0
"""Seconds that a look into the database may take while a webhook waits; the same for a beat, twice over."""

_SENT_S: Final = 1.5
"""Seconds for which a call that was sent to a gateway is not yet in what the gateway tells of itself."""

_HOLDERS_KEPT: Final = 4_000
_HOLDERS_KEPT_S: Final = 86_400.0
_TIDY_EVERY_S: Final = 60.0

_Found = TypeVar("_Found")


class Standing(Protocol):
    """How a house stands."""

    @property
    def state(self) -> State: ...
    @property
    def running(self) -> int: ...
    @property
    def room(self) -> int: ...


class Fleet:
    """One gateway's part in it. Run `run` beside everything else.

    answer_p95_s: what it would take to answer one more caller, None while that is not known.
    Raises ConfigError when the settings do not tell who this gateway is.
    """

    def __init__(
        self,
        settings: FleetSettings,
        ledger: Ledger,
        standing: Standing,
        answer_p95_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.name = settings.name or _name_of(settings.address)
        self.gone_after_s = settings.gone_after_s
        self._settings = settings
        self._ledger = ledger
        self._standing = standing
        self._answer_p95_s = answer_p95_s
        self._boot = secrets.token_hex(8)
        self._known: dict[str, Gateway] = {}
        self._holders: OrderedDict[str, str] = OrderedDict()  # of calls that were asked about of late
        self._sent: deque[tuple[float, str]] = deque(maxlen=1_000)
        self._office, self._office_until = "", 0.0  # loop time
        self._tidied_at = float("-inf")
        self._news = asyncio.Event()
        self.is_alone = False

    # What is known.

    @property
    def state(self) -> State:
        """What this gateway does with calls."""
        return self._standing.state

    def gateway(self, name: str) -> Gateway | None:
        """Another gateway, as it last told of itself; None when it has not for an hour, or has taken its leave."""
        return self._known.get(name) if name != self.name else None

    def gateways(self) -> list[Gateway]:
        """All that are known, this one with them as it is now."""
        return [self._mine(), *(each for name, each in self._known.items() if name != self.name)]

    def is_office(self) -> bool:
        """Whether it is this gateway that places calls."""
        return self._office == self.name and asyncio.get_running_loop().time() < self._office_until

    async def office(self, within_s: float = 0.0) -> str:
        """The name of the gateway that places calls, empty when there is none even after so many seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while not self._has_office(loop.time()):
            if loop.time() >= until:
                return ""
            await asyncio.sleep(min(0.1, _BEAT_S))
        return self._office

    def choose(self, without: Sequence[str] = ()) -> str:
        """The name of the gateway that had best hold one more call; this one when nobody else takes any."""
        now = asyncio.get_running_loop().time()
        sent: dict[str, int] = {}
        for at, name in self._sent:
            if at > now - _SENT_S:
                sent[name] = sent.get(name, 0) + 1
        chosen = least_loaded(self.gateways(), self.gone_after_s, sent, without, self.name)
        return chosen.name if chosen else self.name

    # Who holds a call.

    async def holder(self, call_id: str) -> str:
        """The name of the gateway that holds this call; empty when none does.

        While nobody can be asked it is the one that did so last, as far as is known here.
        """
        known = self._holders.get(call_id, "")
        return self._remember(call_id, await self._ask(known, registry.holder, call_id))

    def held_lately(self, call_id: str) -> str:
        """The same without asking: who held it when it was asked last."""
        return self._holders.get(call_id, "")

    async def claim(self, call_id: str, name: str) -> str:
        """Have this gateway hold a call that is new; gives who does, for somebody may have been quicker."""
        held_by = await self._ask(self.name, registry.claim, call_id, name)
        self._sent.append((asyncio.get_running_loop().time(), held_by))
        return self._remember(call_id, held_by)

    async def move(self, call_id: str, held_by: str, name: str) -> str:
        """Have another gateway hold a call, whose holder does not answer any more; gives who does."""
        now_held_by = await self._ask(self.name, registry.move, call_id, held_by, name)
        log.warning("a call goes on elsewhere", extra={"call": call_id, "was": held_by, "gateway": now_held_by})
        self._sent.append((asyncio.get_running_loop().time(), now_held_by))
        return self._remember(call_id, now_held_by)

    def _remember(self, call_id: str, held_by: str) -> str:
        if held_by:
            self._holders[call_id] = held_by
            self._holders.move_to_end(call_id)
            if len(self._holders) > _HOLDERS_KEPT:
                self._holders.popitem(last=False)
        return held_by

    async def _ask(self, otherwise: _Found, ask: Callable[..., _Found], *given: object) -> _Found:
        if self.is_alone:
            return otherwise
        try:
            async with asyncio.timeout(_WITHIN_S):
                return await self._ledger.write(lambda connection: ask(connection, *given))
        except (LedgerFailed, TimeoutError) as away:
            self._be_alone(away)
            return otherwise

    # The beat.

    async def run(self) -> None:
        """Tell how this gateway stands, and learn how the others do, once a second until cancelled."""
        while True:
            await self.beat()
            try:
                async with asyncio.timeout(_BEAT_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()

    def tell_soon(self) -> None:
        """Something has changed that the others should know at once."""
        self._news.set()

    async def beat(self) -> None:
        """Tell, and learn, once. The database may be away."""
        loop = asyncio.get_running_loop()
        began, mine = loop.time(), self._mine()
        try:
            async with asyncio.timeout(2 * _WITHIN_S):
                known, office = await self._ledger.write(_exchange, mine, self.gone_after_s)
        except (LedgerFailed, TimeoutError) as away:
            self._be_alone(away)
            return
        if self.is_alone:
            log.warning("this gateway is not on its own any more")
        self.is_alone = False
        self._known = {each.name: each for each in known}
        self._office, self._office_until = office, began + self.gone_after_s
        if self.is_office() and began >= self._tidied_at + _TIDY_EVERY_S:
            self._tidied_at = began
            await self._ask(None, _tidy, self._settings.journal_kept_s)

    async def leave(self) -> None:
        """Tell the others that this gateway ends."""
        await self._ask(None, registry.leave, self._mine())

    def _mine(self) -> Gateway:
        house = self._standing
        return Gateway(
            self.name,
            self._boot,
            self._settings.address.rstrip("/"),
            house.state,
            house.running,
            house.room,
            self._answer_p95_s(),
        )

    def _has_office(self, now: float) -> bool:
        if not self._office or now >= self._office_until:
            return False
        other = self.gateway(self._office)
        return self._office == self.name or (other is not None and other.age_s < self.gone_after_s)

    def _be_alone(self, why: Exception) -> None:
        if not self.is_alone:
            log.warning("this gateway is on its own: the database is away", extra={"why": str(why) or "it is slow"})
        self.is_alone = True


def _exchange(connection: Connection, mine: Gateway, gone_after_s: float) -> tuple[list[Gateway], str]:
    """Tell how this gateway stands; learn how all do, and who places calls."""
    registry.say(connection, mine)
    if mine.state == "open":
        office = registry.take_duty(connection, OFFICE, mine, gone_after_s)
    else:
        registry.give_up_duty(connection, OFFICE, mine)
        office = registry.on_duty(connection, OFFICE)
    return registry.known(connection), office


def _tidy(connection: Connection, journal_kept_s: float) -> None:
    journals.forget_older(connection, registry.now_of(connection) - timedelta(seconds=journal_kept_s))
    registry.forget_holders(connection, _HOLDERS_KEPT_S)


def _name_of(address: str) -> str:
    """Host and port, as a name. Raises ConfigError."""
    try:
        parts = urlsplit(address)
        name = f"{parts.hostname}-{parts.port or {'http': 80, 'https': 443}[parts.scheme]}"
    except (ValueError, KeyError):
        name = ""
    if not name or not parts.hostname:
        raise ConfigError(
            f"setting CLIENT_CALLER_FLEET__ADDRESS must be like http://10.0.0.5:8080, where other gateways reach this "
            f"one (it is {address!r})"
        )
    return name.replace(":", "-").replace("[", "").replace("]", "")
