"""The twin: one Twilio account, simulated, with its numbers, its calls and its REST API.

In:   who answers at which number; a network on which the server is reached.
Out:  calls, in and out, and what each left behind.
Rule: it knows the server only by its webhooks and its socket, and shares no code with it but sound.

    async with Twin(ACCOUNT, TOKEN, Apps(app), numbers=[Number("+15550100002", voice_url)]) as twin:
        call = await twin.call_in(Person(next_frame=talking(2.0, 5.0)), to="+15550100002")
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Final

import httpx2
from starlette.types import ASGIApp

from client_caller.twin.asgi_network import transport_to
from client_caller.twin.carried import CarriedCall
from client_caller.twin.faults import Faults
from client_caller.twin.interpreter import Interpreter
from client_caller.twin.leg import Exchange, Leg
from client_caller.twin.life import carry_in, carry_out
from client_caller.twin.network import Network
from client_caller.twin.numbers import Number
from client_caller.twin.orders import Order, Step
from client_caller.twin.people import Person, steady_tone
from client_caller.twin.places import Hook
from client_caller.twin.rest import rest_api
from client_caller.twin.vocabulary import VERBS
from client_caller.twin.webhooks import Webhooks

VOICE: Final = steady_tone(400)
"""What the carrier's own voice sounds like."""

SOMEBODY: Final = "+15550100001"
"""The number of who calls in and does not say."""

_COMPLETED: Final = frozenset({"completed"})


class _Closing(Exception):
    """Ends what still runs when the context is left."""


def _nobody(number: str) -> Person:
    return Person(outcome="failed", ring_s=0.0)


class Twin:
    """One account; a context, within which calls are held.

    account_sid, auth_token: its credentials;  network: where the server is reached;  numbers: that belong to it;
    people: who answers at a number, by default nobody;  faults: what goes wrong;
    calls_per_second: at which calls ordered by REST are dialled; further ones wait;
    voice: the frame that the carrier's voice sounds like; None: it is not heard, and takes as long;
    keeps_sound: whether calls keep what was heard and said;  signs_slash: upgrades are signed with a slash at the end;
    opened_at: what time it is when the context is entered, by default now;  retry_after_s: the rest between two tries
    of a webhook.
    """

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        network: Network,
        *,
        numbers: Sequence[Number] = (),
        people: Callable[[str], Person] = _nobody,
        faults: Faults | None = None,
        calls_per_second: float = 1.0,
        voice: bytes | None = VOICE,
        keeps_sound: bool = True,
        signs_slash: bool = False,
        opened_at: datetime | None = None,
        retry_after_s: float = 0.5,
    ) -> None:
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.numbers = list(numbers)
        self.rest: ASGIApp = rest_api(self)
        self._calls_per_second = calls_per_second
        self._opened_at = opened_at
        self._tasks = asyncio.TaskGroup()
        self._dialled_at = float("-inf")
        faults = faults or Faults()
        webhooks = Webhooks(network, account_sid, auth_token, faults, retry_after_s)
        self.exchange = Exchange(
            account_sid,
            network,
            webhooks,
            people,
            faults,
            self._tasks,
            (0.0, datetime.min),
            voice,
            keeps_sound,
            signs_slash,
        )

    async def __aenter__(self) -> "Twin":
        self.exchange.opened = (asyncio.get_running_loop().time(), self._opened_at or datetime.now(UTC))
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Break off the calls that still run."""
        try:
            if isinstance(raised, asyncio.CancelledError):
                await self._tasks.__aexit__(kind, raised, trace)
            else:
                await self._tasks.__aexit__(_Closing, _Closing(), None)
        except* _Closing:
            pass
        finally:
            await self.exchange.network.aclose()

    @property
    def calls(self) -> list[CarriedCall]:
        """All legs, in the order in which they came to be."""
        return [leg.record for leg in self.exchange.legs.values()]

    def transport(self) -> httpx2.AsyncBaseTransport:
        """The REST API in memory, for `httpx2.AsyncClient(transport=…)`; time limits hold."""
        return transport_to(self.rest)

    async def call_in(self, person: Person, to: str, from_: str = SOMEBODY) -> CarriedCall:
        """Have somebody call a number of the account, and hold the call to its end.

        Raises KeyError when the number is not the account's.
        """
        leg = self.begin_call_in(person, to, from_)
        await leg.over.wait()
        return leg.record

    def begin_call_in(self, person: Person, to: str, from_: str = SOMEBODY) -> Leg:
        """The same, without waiting."""
        number = next((each for each in self.numbers if each.number == to), None)
        if number is None:
            raise KeyError(f"the account has no number {to}")
        fallback, told = number.voice_fallback_url, number.status_callback
        order = Order(
            first=Step(
                number.voice_url,
                number.voice_method,
                fallback=Hook(fallback, number.voice_fallback_method) if fallback else None,
            ),
            status=Hook(told, number.status_callback_method, _COMPLETED) if told else None,
        )
        leg = Leg(self.exchange, person, order, to, from_, "inbound")
        self._tasks.create_task(carry_in(Interpreter(leg, VERBS)))
        return leg

    def call_out(self, order: Order, to: str, from_: str) -> Leg:
        """Place a call, as REST does: it is dialled when its turn has come."""
        now = asyncio.get_running_loop().time()
        self._dialled_at = max(now, self._dialled_at + 1 / self._calls_per_second)
        leg = Leg(self.exchange, self.exchange.people(to), order, to, from_, "outbound-api")
        self._tasks.create_task(carry_out(Interpreter(leg, VERBS), self._dialled_at))
        return leg

    async def quiet(self) -> None:
        """Wait until no call is left, and all was told."""
        while waiting := [leg for leg in self.exchange.legs.values() if not leg.over.is_set()]:
            await waiting[0].over.wait()
