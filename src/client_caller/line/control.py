"""What is asked of a carrier outside of a media stream: to place calls, to end them, to lead them elsewhere.

In:   orders.     Out: what the carrier has made of them.
Rule: a call is never placed twice for one order. After `CallUnsure` nobody knows whether it was, and `placed` must be
      asked before it is tried again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from client_caller.line.protocol import CallState


@dataclass(frozen=True, slots=True)
class DialOrder:
    """A call to be placed.

    id: ours, safe in a URL; it comes back as `Parties.order`;  to, from_: E.164 numbers;  ring_s: how long it may ring;
    longest_s: after how long the carrier ends it, whatever happens;  path: which webhook is asked when it is answered,
    `/<carrier>/<path>/<id>`, and told how it fares, the same with `/status` behind it;  detect_machine: have it found
    out who answers, while the call goes on, and `…/machine` told;  record: have it recorded by the carrier, too.
    """

    id: str
    to: str
    from_: str
    ring_s: int = 30
    longest_s: int = 3_600
    path: str = "voice"
    detect_machine: bool = True
    record: bool = False


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call as the carrier knows it. placed_at: with a time zone;  duration_s: answered, once it is over."""

    call_id: str
    to: str
    from_: str
    state: CallState
    placed_at: datetime
    duration_s: int | None = None


class Dials(Protocol):
    """Places calls."""

    async def dial(self, order: DialOrder) -> str:
        """Place a call, once; gives the carrier's id of it.

        Raises CallRefused when it was surely not placed, CallUnsure when nobody can tell.
        """

    async def placed(self, to: str, since: datetime) -> Sequence[PlacedCall]:
        """The calls placed to a number since then, newest first. Raises CarrierFailed."""

    async def look_up(self, call_id: str) -> PlacedCall | None:
        """One call, None when the carrier does not know it. Raises CarrierFailed."""


class Steers(Protocol):
    """Takes running calls elsewhere. A call that is gone already is no failure."""

    async def hang_up(self, call_id: str) -> None:
        """End a call, or cancel one that still rings or waits. Tried again by itself; raises CarrierFailed."""

    async def lead_to(self, call_id: str, url: str) -> None:
        """Have the carrier ask `url` what is next; its stream ends. Raises CarrierFailed."""

    async def record(self, call_id: str) -> None:
        """Have the carrier keep a recording of its own from now on, both sides apart. Raises CarrierFailed."""


@dataclass(frozen=True, slots=True)
class OwnNumber:
    """A number of ours. voice_url, status_url: where the carrier asks when it rings, and tells how calls fare."""

    id: str
    number: str
    name: str
    voice_url: str
    status_url: str


class Numbers(Protocol):
    """The numbers that belong to the account."""

    async def numbers(self) -> Sequence[OwnNumber]:
        """All of them. Raises CarrierFailed."""

    async def point(self, number: OwnNumber, voice_url: str, status_url: str) -> None:
        """Have the carrier ask there from now on. Raises CarrierFailed."""
