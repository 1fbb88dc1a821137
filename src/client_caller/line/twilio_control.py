"""Twilio is asked to place calls, to end them, to lead them elsewhere; and which numbers are ours.

In:   orders and the ids of calls.     Out: what Twilio has made of them. See `Dials`, `Steers` and `Numbers`.
Rule: to place a call is asked once, whatever comes of it: Twilio's API has no key by which it would know the same
      request again. Whatever may be asked twice without harm is asked up to four times.

Source: twilio.com/docs/voice/api/call-resource, .../recording, .../answering-machine-detection and
twilio.com/docs/phone-numbers/api/incomingphonenumber-resource; which fields there are, and what they may hold, is in
Twilio's OpenAPI file (github.com/twilio/twilio-oai), against which tests/conformance/ holds every request made here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Self, TypeVar, get_args

import httpx2
from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from client_caller.errors import CallRefused, CallUnsure, CarrierFailed, ConfigError
from client_caller.line.control import DialOrder, OwnNumber, PlacedCall
from client_caller.line.protocol import OVER, CallState
from client_caller.line.twilio_http import RequestFailed, TwilioHttp, masked
from client_caller.line.twiml import PERSISTENTLY
from client_caller.settings import Settings

Answer = TypeVar("Answer")

_NOT_FOUND: Final = 20404
"""No such call, or it is over and forgotten. Source: twilio.com/docs/api/errors/20404."""

_NOT_IN_PROGRESS: Final = 21220
"""The call is over, or not answered yet. Source: twilio.com/docs/api/errors/21220."""

_PAUSES_S: Final = (0.5, 1.0, 2.0)
"""Before each further time that something is asked."""

_PAGE: Final = 1_000
_PAGES: Final = 20
"""The most that a page of a list may hold, and the most pages that are read; a list that goes on is a failure, for
nobody could tell what is not in it."""

_EVENTS: Final = ["initiated", "ringing", "answered", "completed"]
_STATES: Final = frozenset(get_args(CallState))
_NOT_OURS: Final = frozenset({"inbound", "outbound-dial"})
"""Directions of calls to a number that nobody asked the API for: calls to us, and legs of a transfer."""

_UNREADABLE: Final = (AttributeError, KeyError, TypeError, ValueError, TwilioException)
"""What the SDK, and who reads its objects, makes of an answer whose fields are not what they should be."""


class TwilioControl:
    """One account of Twilio's.

    auth_token: that which signs its requests;  public_url: how Twilio reaches us;  api_url: where it takes requests;
    transport: what carries them, None for the network;  within_s: seconds that one may take.
    Raises ConfigError when `api_url` is no address.
    """

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        public_url: str,
        *,
        api_url: str = "https://api.twilio.com",
        transport: httpx2.AsyncBaseTransport | None = None,
        within_s: float = 10.0,
    ) -> None:
        self._webhooks = public_url.rstrip("/") + "/twilio"
        self._http = TwilioHttp(api_url, within_s, transport)
        account = Client(account_sid, auth_token, http_client=self._http)
        self._calls = account.calls
        self._numbers = account.incoming_phone_numbers

    @classmethod
    def of(cls, settings: Settings, *, transport: httpx2.AsyncBaseTransport | None = None) -> Self:
        """The account in the settings, asked with the first of its tokens, which is the one that signs.

        Raises ConfigError that names what is missing.
        """
        missing = [
            name
            for name, value in (
                ("TWILIO_ACCOUNT_SID", settings.twilio_account_sid),
                ("TWILIO_AUTH_TOKEN", settings.twilio_auth_tokens),
            )
            if not value
        ]
        if missing:
            raise ConfigError(f"to ask Twilio, set {' and '.join(missing)}; the Twilio console shows both")
        token = settings.twilio_auth_tokens[0].get_secret_value()
        return cls(
            settings.twilio_account_sid,
            token,
            settings.public_url,
            api_url=settings.twilio_api_url,
            transport=transport,
        )

    async def dial(self, order: DialOrder) -> str:
        """Place a call, once; gives its SID. See `Dials.dial`.

        Who is cancelled meanwhile knows no more than after CallUnsure.
        """

        async def place() -> str:
            call = await self._calls.create_async(**self._wishes(order))
            return _text(call.sid)

        try:
            return await _understood(place())
        except RequestFailed as failed:
            whom = masked(order.to)
            if failed.may_have_acted:
                what = f"nobody can tell whether Twilio has placed the call to {whom}: {failed}"
                raise CallUnsure(what, failed.code) from failed
            raise CallRefused(f"Twilio has not placed the call to {whom}: {failed}", failed.code) from failed

    def _wishes(self, order: DialOrder) -> dict[str, Any]:
        """An order in the words of the SDK."""
        about = f"{self._webhooks}/{order.path}/{order.id}"
        wishes: dict[str, Any] = {
            "to": order.to,
            "from_": order.from_,
            "url": about + PERSISTENTLY,
            "method": "POST",
            "fallback_url": f"{self._webhooks}/fallback",
            "status_callback": f"{about}/status",
            "status_callback_event": _EVENTS,
            "timeout": order.ring_s,
            "time_limit": order.longest_s,
        }
        if order.detect_machine:  # asynchronously, or whoever answers would hear nothing for seconds
            wishes |= {"machine_detection": "DetectMessageEnd", "async_amd": "true"}
            wishes["async_amd_status_callback"] = f"{about}/machine"
        return {**wishes, "record": True, **self._recording()} if order.record else wishes

    def _recording(self) -> dict[str, str]:
        return {"recording_channels": "dual", "recording_status_callback": f"{self._webhooks}/recording"}

    async def placed(self, to: str, since: datetime) -> Sequence[PlacedCall]:
        """The calls placed to a number since then, newest first. See `Dials.placed`.

        since: by Twilio's clock, of which it tells whole seconds; whoever has read another allows for the difference.

        Twilio finds calls by the day they started on, and a call that still waits to be dialled has not started: those
        are asked for by their state. They are asked for first, so that one that is dialled in between is found by the
        second question, if not by both. One that ended before it was dialled is found by neither; it has rung nowhere.
        """
        earliest = since.astimezone(UTC).replace(microsecond=0)
        midnight = earliest.replace(hour=0, minute=0, second=0)

        async def find(**where: Any) -> list[PlacedCall]:
            calls = await _whole(await self._calls.page_async(to=to, page_size=_PAGE, **where))
            return [_placed_call(call) for call in calls if call.direction not in _NOT_OURS]

        what = f"the calls to {masked(to)} cannot be had"
        waiting = await self._ask(what, lambda: find(status="queued"))
        started = await self._ask(what, lambda: find(start_time_after=midnight))
        calls = {call.call_id: call for call in (*waiting, *started) if call.placed_at >= earliest}
        return sorted(calls.values(), key=lambda call: call.placed_at, reverse=True)

    async def look_up(self, call_id: str) -> PlacedCall | None:
        """One call, None when Twilio does not know it. See `Dials.look_up`. Its state may be a moment old."""

        async def fetch() -> PlacedCall:
            return _placed_call(await self._calls(call_id).fetch_async())

        try:
            return await self._ask("the call cannot be looked up", fetch)
        except CarrierFailed as failed:
            if failed.code == _NOT_FOUND:
                return None
            raise

    async def hang_up(self, call_id: str) -> None:
        """End a call, or cancel one that still rings or waits. See `Steers.hang_up`.

        "completed" ends a call in any state, as Twilio puts it, "even if it's already in progress", while "canceled"
        does nothing to one that has just been answered; so the latter is asked only where the former is refused.
        """
        try:
            await self._steer(call_id, "the call cannot be ended", status="completed")
        except CarrierFailed as failed:
            if failed.code != _NOT_IN_PROGRESS:
                raise
            await self._steer(call_id, "the call cannot be cancelled", status="canceled")

    async def lead_to(self, call_id: str, url: str) -> None:
        """Have Twilio ask `url` what is next. See `Steers.lead_to`.

        A call that is over is no failure; one that is not answered yet is, for it was not led anywhere. It is not
        repeated when it may have been done: the second time it would end the stream that the first has led to.
        """
        await self._steer(
            call_id, "the call cannot be led elsewhere", twice_is_harmless=False, url=url + PERSISTENTLY, method="POST"
        )

    async def record(self, call_id: str) -> None:
        """Have Twilio keep a recording from now on, in two channels. See `Steers.record`.

        Asked again only when Twilio has surely not begun, for it would keep two.
        """
        recordings = self._calls(call_id).recordings
        what = "the call cannot be recorded"
        try:
            await self._ask(what, lambda: recordings.create_async(**self._recording()), twice_is_harmless=False)
        except CarrierFailed as failed:
            if not await self._is_gone(call_id, failed):
                raise

    async def numbers(self) -> Sequence[OwnNumber]:
        """The account's telephone numbers. See `Numbers.numbers`."""

        async def find() -> list[OwnNumber]:
            return [_own_number(number) for number in await _whole(await self._numbers.page_async(page_size=_PAGE))]

        return await self._ask("the account's numbers cannot be had", find)

    async def point(self, number: OwnNumber, voice_url: str, status_url: str) -> None:
        """Have Twilio ask there from now on. See `Numbers.point`.

        Raises CarrierFailed, too, when the number obeys a TwiML app or a SIP trunk, which Twilio would ask instead; to
        take it off them is left to the console, for somebody has meant it.
        """
        what = f"{masked(number.number)} cannot be pointed elsewhere"
        wishes = {"voice_url": voice_url, "voice_method": "POST"}
        wishes |= {"status_callback": status_url, "status_callback_method": "POST"}
        now = await self._ask(what, lambda: self._numbers(number.id).update_async(**wishes))
        if master := now.voice_application_sid or now.trunk_sid:
            raise CarrierFailed(f"{what}: it obeys {master}; take it off that in the Twilio console")

    async def close(self) -> None:
        """Close idle connections."""
        await self._http.close()

    async def _steer(self, call_id: str, what: str, *, twice_is_harmless: bool = True, **wishes: str) -> None:
        """Change a call; if it is gone, nothing is to be changed. Raises CarrierFailed."""
        change = partial(self._calls(call_id).update_async, **wishes)
        try:
            await self._ask(what, change, twice_is_harmless=twice_is_harmless)
        except CarrierFailed as failed:
            if not await self._is_gone(call_id, failed):
                raise

    async def _is_gone(self, call_id: str, failed: CarrierFailed) -> bool:
        if failed.code != _NOT_IN_PROGRESS:
            return failed.code == _NOT_FOUND
        call = await self.look_up(call_id)
        return call is None or call.state in OVER

    async def _ask(self, what: str, ask: Callable[[], Awaitable[Answer]], *, twice_is_harmless: bool = True) -> Answer:
        """Ask, and again after a while when that may help. Raises CarrierFailed that begins with `what`."""
        pauses = iter(_PAUSES_S)
        while True:
            try:
                return await _understood(ask())
            except RequestFailed as failed:
                may_repeat = failed.is_passing and (twice_is_harmless or not failed.may_have_acted)
                pause_s = next(pauses, None)
                if pause_s is None or not may_repeat:
                    raise CarrierFailed(f"{what}: {failed}", failed.code) from failed
            await asyncio.sleep(pause_s)


async def _understood(answer: Awaitable[Answer]) -> Answer:
    """What the SDK answers. Raises RequestFailed, also when it makes nothing of what Twilio sent."""
    try:
        return await answer
    except _UNREADABLE as wrong:
        raise RequestFailed("its answer is not what it should be", may_have_acted=True, is_passing=False) from wrong


async def _whole(page: Any) -> list[Any]:
    """All records of a list, of which this is the first page. Raises ValueError when it does not end."""
    records: list[Any] = []
    for _ in range(_PAGES):
        records.extend(page)
        page = await page.next_page_async()
        if page is None:
            return records
    raise ValueError("a list without an end")


def _placed_call(call: Any) -> PlacedCall:
    """A call of the SDK's in our words. Raises ValueError when it makes no sense."""
    if call.status not in _STATES or not isinstance(call.date_created, datetime):
        raise ValueError("a call without a state or a date")
    duration_s = int(call.duration) if call.duration is not None and call.status in OVER else None
    return PlacedCall(_text(call.sid), call.to or "", call._from or "", call.status, call.date_created, duration_s)


def _own_number(number: Any) -> OwnNumber:
    return OwnNumber(
        _text(number.sid),
        _text(number.phone_number),
        number.friendly_name or "",
        number.voice_url or "",
        number.status_callback or "",
    )


def _text(value: Any) -> str:
    """Raises ValueError unless it is a text that says something."""
    if not isinstance(value, str) or not value:
        raise ValueError("a field that must be there is not")
    return value
