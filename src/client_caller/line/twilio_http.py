"""The wire under Twilio's SDK: its requests over httpx2, to an address of our choice.

In:   requests as the SDK makes them.     Out: answers that are good, each a JSON object.
Rule: nothing is sent twice, and no redirect is followed. Whatever else comes of a request is raised as `RequestFailed`,
      which says whether Twilio may have acted on it. What it says holds no whole number and no secret.

Source: twilio.http.AsyncHttpClient is the interface; twilio.com/docs/usage/twilios-response describes refusals.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import msgspec
from twilio.http.response import Response

from client_caller.errors import ConfigError

TOO_MANY: Final = 20429
"""Too many requests; none of them was acted on. Source: twilio.com/docs/api/errors/20429."""

_NEVER_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_TELLTALE: Final = re.compile(r"(?P<sid>[A-Z]{2}[0-9a-f]{32})|(?P<key>[0-9a-f]{32,})|\+?\d(?:(?:\) |[ ().-])?\d){6,}")


class RequestFailed(Exception):
    """A request came to nothing.

    code: Twilio's own of the reason, 0 if it gave none;  may_have_acted: whether it may have done what it was asked,
    all the same;  is_passing: whether it may go better later.
    """

    def __init__(self, why: str, *, code: int = 0, may_have_acted: bool, is_passing: bool) -> None:
        super().__init__(why)
        self.code = code
        self.may_have_acted = may_have_acted
        self.is_passing = is_passing


def masked(text: str) -> str:
    """The text with nothing but the last four digits of every telephone number, and without anything like a key.

    Ids of Twilio's (two letters and 32 digits) are no secrets and stay.
    """

    def mask(found: re.Match[str]) -> str:
        if found["sid"]:
            return found[0]
        return "…" if found["key"] else f"…{found[0][-4:]}"

    return _TELLTALE.sub(mask, text)


class TwilioHttp:
    """What the SDK takes for its asynchronous HTTP client.

    api_url: its scheme and host stand in for those of the SDK's addresses;  within_s: seconds a request may take, of
    which connecting may take half;  transport: what carries requests, None for the network.
    Raises ConfigError when `api_url` is no address.
    """

    is_async: Final = True

    def __init__(self, api_url: str, within_s: float, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._api = _address(api_url)
        self._within_s = within_s
        limits = httpx2.Timeout(within_s, connect=within_s / 2)
        self._client = httpx2.AsyncClient(timeout=limits, transport=transport, trust_env=False)

    async def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """One request, once; a list among `data` becomes a field that is repeated. Raises RequestFailed.

        timeout, allow_redirects: the SDK's own wishes, which it has only when it is given them; passed over.
        """
        url = httpx2.URL(uri).copy_with(scheme=self._api.scheme, host=self._api.host, port=self._api.port)
        try:
            async with asyncio.timeout(self._within_s):
                answer = await self._client.request(
                    method, url, params=params or None, data=data or None, headers=headers, auth=auth
                )
        except _NEVER_SENT as wrong:
            raise RequestFailed("it cannot be reached", may_have_acted=False, is_passing=True) from wrong
        except (TimeoutError, httpx2.TimeoutException) as wrong:
            why = f"it has not answered within {self._within_s:g} s"
            raise RequestFailed(why, may_have_acted=True, is_passing=True) from wrong
        except httpx2.HTTPError as wrong:
            raise RequestFailed("the connection broke", may_have_acted=True, is_passing=True) from wrong
        if not answer.is_success:
            raise _refusal(answer)
        _check_readable(answer)
        return Response(answer.status_code, answer.text, answer.headers)

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.aclose()


@dataclass(frozen=True, slots=True)
class _Reason:
    """The body of a refusal, as Twilio has always written it or by RFC 9457."""

    code: int = 0
    message: str = ""
    title: str = ""
    detail: str = ""


def _refusal(answer: httpx2.Response) -> RequestFailed:
    """What an answer means whose status is none of success."""
    status = answer.status_code
    try:
        reason = msgspec.json.decode(answer.content, type=_Reason)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        reason = _Reason()
    if status == httpx2.codes.TOO_MANY_REQUESTS or reason.code == TOO_MANY:
        why = "it has had too many requests of this account"
        return RequestFailed(why, code=reason.code or TOO_MANY, may_have_acted=False, is_passing=True)
    why = masked(reason.message or reason.detail or reason.title) or f"it answers with status {status}"
    if status == httpx2.codes.UNAUTHORIZED:
        why += "; check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
    return RequestFailed(
        f"{why} (error {reason.code})" if reason.code else why,
        code=reason.code,
        may_have_acted=not answer.is_client_error,
        is_passing=answer.is_server_error,
    )


def _check_readable(answer: httpx2.Response) -> None:
    """Raises RequestFailed unless the answer is a JSON object, of which alone the SDK can make something."""
    try:
        msgspec.json.decode(answer.content, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise RequestFailed("its answer cannot be read", may_have_acted=True, is_passing=False) from wrong


def _address(api_url: str) -> httpx2.URL:
    try:
        url = httpx2.URL(api_url)
    except httpx2.InvalidURL as wrong:
        raise ConfigError(f"setting TWILIO_API_URL is no address (it is {api_url!r})") from wrong
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(f"setting TWILIO_API_URL must begin with https:// and a host (it is {api_url!r})")
    return url
