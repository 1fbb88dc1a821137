"""Webhooks: how the carrier asks and tells the server.

In:   an address, perhaps with overrides behind #, and a form.     Out: the answer, or why there is none.
Rule: every request is signed, and all tries of one carry the same idempotency token.

Source: twilio.com/docs/usage/security, .../usage/webhooks/webhooks-connection-overrides: 5 s to connect, 15 s to answer
and 15 s for all tries together; by default one more try, and only when no connection was made.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urldefrag, urlencode, urlsplit

import httpx2
from twilio.request_validator import RequestValidator

from client_caller.twin.carried import Asked, CarriedCall, Noted
from client_caller.twin.faults import Faults, WebhookFault
from client_caller.twin.network import Network

RETRIEVAL_FAILED: Final = 11200
"""Source: twilio.com/docs/api/errors/11200."""

_ALL_TRIES_S: Final = 15.0
_RETRY_AFTER_S: Final = 0.5  # Twilio does not say; a longer rest would make the server's life easier
_MULTIPLE_CHOICES: Final = 300
_CLIENT_ERROR: Final = 400
_SERVER_ERROR: Final = 500


class WebhookFailed(Exception):
    """A webhook gave nothing that could be used. status: what it answered with, 0 if it did not answer."""

    def __init__(self, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Overrides:
    """What stands behind # in an address. retries: further tries;  at: what is tried again."""

    retries: int = 1
    at: frozenset[str] = frozenset({"ct"})
    connect_s: float = 5.0
    read_s: float = 15.0

    @classmethod
    def of(cls, fragment: str) -> "_Overrides":
        given = {name: values[0] for name, values in parse_qs(fragment).items()}
        return cls(
            retries=int(given.get("rc", 1)),
            at=frozenset(given.get("rp", "ct").split(",")),
            connect_s=int(given.get("ct", 5_000)) / 1_000,
            read_s=int(given.get("rt", 15_000)) / 1_000,
        )

    def retry(self, answer: httpx2.Response | httpx2.HTTPError) -> bool:
        """Whether a try that went so is followed by another."""
        if isinstance(answer, httpx2.ConnectError | httpx2.ConnectTimeout):
            reason = "ct"
        elif isinstance(answer, httpx2.HTTPError):
            reason = "rt"
        elif answer.status_code >= _SERVER_ERROR:
            reason = "5xx"
        elif answer.status_code >= _CLIENT_ERROR:
            reason = "4xx"
        else:
            return False
        return bool(self.at & {reason, "all"})


class Webhooks:
    """Asks a server, as one account. retry_after_s: the rest between two tries."""

    def __init__(
        self,
        network: Network,
        account_sid: str,
        auth_token: str,
        faults: Faults,
        retry_after_s: float = _RETRY_AFTER_S,
    ) -> None:
        self._network = network
        self._account_sid = account_sid
        self._validator = RequestValidator(auth_token)
        self._faults = faults
        self._retry_after_s = retry_after_s

    def signature(self, url: str, form: Mapping[str, str]) -> dict[str, str]:
        """The header that proves a request to be the account's."""
        return {"X-Twilio-Signature": self._validator.compute_signature(url, form)}

    async def ask(
        self, record: CarriedCall, kind: str, address: str, form: Mapping[str, str], method: str = "POST"
    ) -> httpx2.Response:
        """What a webhook answers, below 300. Raises WebhookFailed, with the address and without what was answered."""
        fault = self._faults.webhook(kind, form)
        if fault.lost:
            await asyncio.sleep(_ALL_TRIES_S)
            raise WebhookFailed(f"the webhook {urldefrag(address).url} did not answer within {_ALL_TRIES_S} s")
        return await self._ask(record, _Request.of(kind, address, form, method, fault))

    async def tell(self, record: CarriedCall, kind: str, address: str, form: Mapping[str, str], method: str) -> None:
        """Tell a webhook something; whether it listens is noted, and changes nothing."""
        fault = self._faults.webhook(kind, form)
        if fault.lost:
            return
        try:
            await self._ask(record, _Request.of(kind, address, form, method, fault))
        except WebhookFailed as wrong:
            now = asyncio.get_running_loop().time()
            record.errors.append(Noted(RETRIEVAL_FAILED, str(wrong), now, wrong.status))

    async def _ask(self, record: CarriedCall, request: "_Request") -> httpx2.Response:
        await asyncio.sleep(request.fault.late_s)
        try:
            async with asyncio.timeout(_ALL_TRIES_S):
                answer = await self._persistently(record, request)
        except TimeoutError as late:
            raise WebhookFailed(f"the webhook {request.url} did not answer within {_ALL_TRIES_S} s") from late
        except (httpx2.HTTPError, httpx2.InvalidURL) as wrong:
            what = str(wrong) or type(wrong).__name__
            raise WebhookFailed(f"the webhook {request.url} cannot be reached: {what}") from wrong
        if answer.status_code >= _MULTIPLE_CHOICES:
            raise WebhookFailed(f"the webhook {request.url} answered {answer.status_code}", answer.status_code)
        return answer

    async def _persistently(self, record: CarriedCall, request: "_Request") -> httpx2.Response:
        overrides = request.overrides
        for tries_left in range(overrides.retries, -1, -1):
            try:
                answer = await self._once(record, request)
            except httpx2.HTTPError as wrong:
                if not tries_left or not overrides.retry(wrong):
                    raise
            else:
                if not tries_left or not overrides.retry(answer):
                    return answer
            await asyncio.sleep(self._retry_after_s)
        raise AssertionError("the last try returns or raises")

    async def _once(self, record: CarriedCall, request: "_Request") -> httpx2.Response:
        asked_at, status = asyncio.get_running_loop().time(), 0
        try:
            if request.fault.twice:
                answer, _ = await asyncio.gather(self._send(request), self._send(request))
            else:
                answer = await self._send(request)
            status = answer.status_code
            return answer
        finally:
            record.webhooks.append(Asked(request.kind, request.url, request.form, asked_at, status))

    async def _send(self, request: "_Request") -> httpx2.Response:
        url, content = request.url, dict[str, Any]()
        if request.method == "GET":
            url += ("&" if urlsplit(url).query else "?") + urlencode(request.form)
        else:
            content = {"data": request.form}
        headers = self.signature(url, {} if request.method == "GET" else request.form)
        headers["i-twilio-idempotency-token"] = request.token
        limits = httpx2.Timeout(request.overrides.read_s, connect=request.overrides.connect_s)
        return await self._network.http.request(request.method, url, headers=headers, timeout=limits, **content)


@dataclass(frozen=True, slots=True)
class _Request:
    """One request, all tries of it."""

    kind: str
    url: str
    method: str
    form: dict[str, str]
    overrides: _Overrides
    token: str
    fault: WebhookFault

    @classmethod
    def of(cls, kind: str, address: str, form: Mapping[str, str], method: str, fault: WebhookFault) -> "_Request":
        url, fragment = urldefrag(address)
        return cls(kind, url, method, dict(form), _Overrides.of(fragment), secrets.token_hex(8), fault)
