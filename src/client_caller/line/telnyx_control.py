"""Telnyx is asked to place calls, and to do things with them: its Call Control API.

In:   orders, and commands by name.     Out: what Telnyx has made of them. See `Dials` and `Steers`.
Rule: to place a call is asked once, whatever comes of it. A command is asked up to four times under one command id, of
      which Telnyx obeys the first. What an error says holds neither key nor number.

What Telnyx does not tell stays empty: its status of a call names neither telephone, and whether a call still rings is
known from webhooks only.

Source: developers.telnyx.com/api-reference/call-commands, .../call-information and .../debugging/list-call-events.
No live account has proved it yet.
"""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Self
from urllib.parse import quote

import httpx2

from client_caller.errors import CallRefused, CallUnsure, CarrierFailed, ConfigError, LineProtocolError
from client_caller.line.control import DialOrder, PlacedCall
from client_caller.line.fields import Part, id_of, json_object, part_of, text_of
from client_caller.line.protocol import CallState
from client_caller.line.telnyx_events import encoded_state, moment
from client_caller.settings import Settings

_GONE: Final = 90018
"""The call has ended already. Source: developers.telnyx.com/api/errors/90018."""

_UNKNOWN: Final = frozenset({90015, 10005, 10006})
"""No such call. Source: developers.telnyx.com/development/api-fundamentals/api-errors."""

_PAUSES_S: Final = (0.5, 1.0, 2.0)
"""Before each further time that something is asked."""

_PAGE: Final = 250
"""The most that a page of a list may hold."""

_NEVER_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_PASSING: Final = frozenset({httpx2.codes.REQUEST_TIMEOUT, httpx2.codes.TOO_MANY_REQUESTS})
"""Refusals that may be none later; so are all failures of the server."""


class TelnyxControl:
    """One account of Telnyx's, and the application in it that places our calls.

    api_key: the bearer key of its requests;  connection_id: the application;  public_url: how Telnyx reaches us;
    api_url: where it takes requests;  transport: what carries them, None for the network;  within_s: seconds one may
    take.
    """

    def __init__(
        self,
        api_key: str,
        connection_id: str,
        public_url: str,
        *,
        api_url: str = "https://api.telnyx.com",
        transport: httpx2.AsyncBaseTransport | None = None,
        within_s: float = 10.0,
    ) -> None:
        self._connection_id = connection_id
        self._webhook = public_url.rstrip("/") + "/telnyx/voice"
        self._within_s = within_s
        self._http = httpx2.AsyncClient(
            base_url=api_url.rstrip("/") + "/v2",
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=within_s,
            transport=transport,
            trust_env=False,
        )

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The account in the settings. Raises ConfigError that names what is missing."""
        key = settings.telnyx_api_key.get_secret_value()
        for name, value in (("TELNYX_API_KEY", key), ("TELNYX_CONNECTION_ID", settings.telnyx_connection_id)):
            if not value:
                raise ConfigError(f"setting {name} is empty: copy it from the Telnyx portal")
        return cls(key, settings.telnyx_connection_id, settings.public_url, api_url=settings.telnyx_api_url)

    async def close(self) -> None:
        """Close idle connections."""
        await self._http.aclose()

    async def dial(self, order: DialOrder) -> str:
        """Place a call, once; gives Telnyx's id of it.

        It carries no stream: one is started when the call is answered, so that the agent does not greet what rings.
        All that Telnyx tells goes to one webhook, so `order.path` is of no use here. Raises CallRefused, CallUnsure.
        """
        wish: dict[str, Any] = {
            "connection_id": self._connection_id,
            "to": order.to,
            "from": order.from_,
            "timeout_secs": order.ring_s,
            "time_limit_secs": order.longest_s,
            "client_state": encoded_state(order.id),
            "webhook_url": self._webhook,
        }
        if order.detect_machine:
            wish["answering_machine_detection"] = "premium"
        if order.record:
            wish |= {"record": "record-from-answer", "record_channels": "dual", "record_format": "wav"}
        try:
            answer = await self._ask("POST", "/calls", wish)
        except _NEVER_SENT as wrong:
            raise CallRefused("the call was not placed: Telnyx cannot be reached") from wrong
        except (TimeoutError, httpx2.HTTPError) as wrong:
            raise CallUnsure("nobody knows whether the call was placed: the request broke off") from wrong
        if answer.is_client_error and answer.status_code != httpx2.codes.REQUEST_TIMEOUT:
            raise CallRefused(f"the call was not placed: {_why(answer)}", _code(answer))
        try:
            return id_of(_data(answer), "call_control_id")
        except LineProtocolError as wrong:
            raise CallUnsure(f"nobody knows whether the call was placed: {_why(answer)}", _code(answer)) from wrong

    async def placed(self, to: str, since: datetime) -> Sequence[PlacedCall]:
        """The calls placed to a number since then, newest first, of the last 24 hours. Raises CarrierFailed.

        A call that is over is named by its leg: no list of Telnyx's gives more. How it ended is not told, either.
        """
        filters = {
            "filter[connection_id]": self._connection_id,
            "filter[to]": to,
            "filter[name]": "call.initiated",
            "filter[type]": "webhook",
            "filter[occurred_at][gte]": since.isoformat(),
            "page[size]": str(_PAGE),
        }
        begun = await self._list("/call_events", filters)
        running = await self._list(f"/connections/{self._connection_id}/active_calls", {"page[limit]": str(_PAGE)})
        try:
            names = {text_of(call, "call_leg_id"): id_of(call, "call_control_id") for call in running}
            legs = {text_of(event, "call_leg_id"): _moment(event, "event_timestamp") for event in begun}
        except LineProtocolError as wrong:
            raise CarrierFailed(f"Telnyx's answer cannot be read: {wrong}") from wrong
        calls = [
            PlacedCall(names.get(leg, leg), to, "", "in-progress" if leg in names else "completed", at)
            for leg, at in legs.items()
        ]
        return sorted(calls, key=lambda call: call.placed_at, reverse=True)

    async def look_up(self, call_id: str) -> PlacedCall | None:
        """One call, None when Telnyx does not know it, which is so ten minutes after its end. Raises CarrierFailed."""
        answer = await self._persist("GET", _path(call_id))
        if answer.status_code == httpx2.codes.NOT_FOUND or _code(answer) in _UNKNOWN:
            return None
        try:
            call = _data(answer)
            began = _moment(call, "start_time")
        except LineProtocolError as wrong:
            raise CarrierFailed(f"the call cannot be looked up: {_why(answer)}", _code(answer)) from wrong
        state: CallState = "in-progress" if call.get("is_alive") is True else "queued"
        if call.get("end_time"):
            state = "completed"
        lasted = call.get("call_duration")
        return PlacedCall(
            call_id, "", "", state, began, lasted if isinstance(lasted, int) and state == "completed" else None
        )

    async def hang_up(self, call_id: str) -> None:
        """End a call, or cancel one that still rings. Raises CarrierFailed."""
        await self.command(call_id, "hangup")

    async def lead_to(self, call_id: str, url: str) -> None:
        """Raises CarrierFailed: Telnyx asks no address what is next, it is told."""
        raise CarrierFailed("Telnyx cannot be sent to another address in the middle of a call")

    async def record(self, call_id: str) -> None:
        """Have Telnyx keep a recording of its own from now on, both sides apart. Raises CarrierFailed."""
        await self.command(call_id, "record_start", format="wav", channels="dual")

    async def command(self, call_id: str, action: str, **fields: object) -> bool:
        """Have something done with a call; false when it is gone. Raises CarrierFailed."""
        answer = await self._persist(
            "POST", f"{_path(call_id)}/actions/{action}", fields | {"command_id": str(uuid.uuid4())}
        )
        if answer.is_success:
            return True
        if _code(answer) == _GONE:
            return False
        raise CarrierFailed(f"{action} came to nothing: {_why(answer)}", _code(answer))

    async def _list(self, path: str, query: dict[str, str]) -> list[Part]:
        """The first page of a list. Raises CarrierFailed."""
        answer = await self._persist("GET", path, query=query)
        if not answer.is_success:
            raise CarrierFailed(f"a list cannot be had: {_why(answer)}", _code(answer))
        try:
            records = json_object(answer.content).get("data")
        except LineProtocolError as wrong:
            raise CarrierFailed(f"Telnyx's answer cannot be read: {wrong}") from wrong
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise CarrierFailed("Telnyx's answer cannot be read: data is missing or not a list")
        return records

    async def _persist(
        self, method: str, path: str, wish: dict[str, Any] | None = None, query: dict[str, str] | None = None
    ) -> httpx2.Response:
        """The first answer that is no passing failure, or the last. Raises CarrierFailed when none comes at all."""
        for pause_s in _PAUSES_S:
            with suppress(TimeoutError, httpx2.HTTPError):
                answer = await self._ask(method, path, wish, query)
                if not (answer.is_server_error or answer.status_code in _PASSING):
                    return answer
            await asyncio.sleep(pause_s)
        try:
            return await self._ask(method, path, wish, query)
        except (TimeoutError, httpx2.HTTPError) as wrong:
            raise CarrierFailed("Telnyx cannot be reached, or does not answer") from wrong

    async def _ask(
        self, method: str, path: str, wish: dict[str, Any] | None = None, query: dict[str, str] | None = None
    ) -> httpx2.Response:
        async with asyncio.timeout(self._within_s):
            return await self._http.request(method, path, json=wish, params=query)


def _path(call_id: str) -> str:
    return f"/calls/{quote(call_id, safe='')}"


def _data(answer: httpx2.Response) -> Part:
    """What a good answer holds. Raises LineProtocolError."""
    if not answer.is_success:
        raise LineProtocolError("the answer is a refusal")
    return part_of(json_object(answer.content), "data")


def _moment(part: Part, field: str) -> datetime:
    when = moment(text_of(part, field))
    if when is None:
        raise LineProtocolError(f"{field} is not a date and time")
    return when


def _code(answer: httpx2.Response) -> int:
    """Telnyx's own number of the first reason it gives, 0 if it gives none."""
    try:
        errors = json_object(answer.content).get("errors")
    except LineProtocolError:
        return 0
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    code = str(first.get("code", ""))
    return int(code) if code.isascii() and code.isdigit() and len(code) <= 9 else 0


def _why(answer: httpx2.Response) -> str:
    """What an answer means, in numbers only: Telnyx's sentences may repeat what they were asked."""
    code = _code(answer)
    why = f"it answers with status {answer.status_code}" + (f" (error {code})" if code else "")
    return why + ("; check TELNYX_API_KEY" if answer.status_code == httpx2.codes.UNAUTHORIZED else "")
