"""A declared tool as one HTTP request.

In:   checked arguments and what the call knows of itself.     Out: the answer in few words, for the language model.
Rule: secrets are taken out of whatever comes back. No redirect is followed, no cookie kept, no address logged: requests
      go through a transport that knows none of these. Only what merely reads is tried again, once, when a connection
      breaks.

Source: which statuses mean that a request was not carried out, RFC 9110, section 15; Idempotency-Key,
draft-ietf-httpapi-idempotency-key-header.
"""

import json
import re
import ssl
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing, suppress
from functools import cache
from typing import Any, Final
from urllib.parse import quote

import httpx2
from pydantic import SecretStr
from pydantic_core import from_json

from client_caller.errors import ConfigError, ToolFailed
from client_caller.tools.arguments import declared_model
from client_caller.tools.declared import DeclaredTool
from client_caller.tools.http_request import as_text, filled_request
from client_caller.tools.outcome import OutcomeUnknown
from client_caller.tools.placeholders import Slot, parts_of
from client_caller.tools.protocol import Done, Tool

LONGEST_ANSWER: Final = 2_000
"""Characters of an answer that the model is given."""

_READ_AT_MOST: Final = 65_536
"""Bytes of an answer that are read."""

_LONGEST_REASON: Final = 300
_KEPT_OPEN_S: Final = 3.0
"""Common servers drop an idle connection after 5 s; a request that meets the drop would be lost."""

_PACKED: Final = b"The answer is packed and cannot be read."
_UNKNOWN: Final = "it is not known whether it was done"
_UNCHANGED: Final = "nothing was changed"


class HttpTools:
    """Makes tools of what an agent file declares. One for the process; its tools share connections.

    secrets: by name, in capitals or not;  transport: what carries requests; left out: sockets.
    """

    def __init__(self, secrets: Mapping[str, SecretStr], transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._secrets = {name.lower(): secret.get_secret_value() for name, secret in secrets.items()}
        limits = httpx2.Limits(keepalive_expiry=_KEPT_OPEN_S)
        self._transport = transport or httpx2.AsyncHTTPTransport(verify=_trusted(), limits=limits)

    def with_secrets(self, secrets: Mapping[str, SecretStr]) -> "HttpTools":
        """Tools with other secrets, by the same connections."""
        return HttpTools(secrets, self._transport)

    def tool(self, declared: DeclaredTool, context: Mapping[str, str]) -> Tool:
        """The tool for one call.

        context: the call's variables, caller_number (empty when it is withheld) and call_id.
        Raises ConfigError when a secret is not set, or cannot stand in a header.
        """
        for name in declared.secrets:
            variable = f"CLIENT_CALLER_TOOL_SECRETS__{name.upper()}"
            if not self._secrets.get(name):
                raise ConfigError(f"the tool {declared.name} needs a secret: set {variable}")
            if re.search(r"[\x00-\x1f\x7f]", self._secrets[name]):
                raise ConfigError(f"{variable} must be one line without control characters")

        async def run(arguments: Mapping[str, Any], key: str) -> Done:
            return Done(await self._answer(declared, context, arguments, key))

        return Tool(
            name=declared.name,
            description=declared.description,
            parameters=declared_model(declared.parameters),
            run=run,
            reads_only=declared.only_reads,
            repeatable=declared.repeatable,
            within_s=declared.within_s,
            bridge=declared.bridge,
        )

    async def close(self) -> None:
        """Close idle connections."""
        await self._transport.aclose()

    async def _answer(
        self, declared: DeclaredTool, context: Mapping[str, str], arguments: Mapping[str, Any], key: str
    ) -> str:
        secrets = {name: self._secrets[name] for name in declared.secrets}
        request = filled_request(declared, context, arguments, secrets, key)
        try:
            try:
                status, content = await self._exchange(request)
            except httpx2.TransportError:
                if not declared.only_reads:
                    raise
                status, content = await self._exchange(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol):
            raise ToolFailed(f"The server of {declared.name} cannot be reached; {_UNCHANGED}.") from None
        except httpx2.TransportError:
            raise _unsure(declared, "broke off the connection") from None
        text = _without(secrets.values(), content.decode("utf-8", errors="replace"))
        if 200 <= status < 300:
            return _without(secrets.values(), _told(declared, text))
        raise _refusal(declared, status, text)

    async def _exchange(self, request: httpx2.Request) -> tuple[int, bytes]:
        """Status and the first bytes of the answer, as they were sent: nothing is unpacked, for it may be endless."""
        response = await self._transport.handle_async_request(request)
        try:
            if response.headers.get("content-encoding", "identity") != "identity":
                return response.status_code, _PACKED
            content = b""
            async with aclosing(_raw(response)) as chunks:
                async for chunk in chunks:
                    content += chunk
                    if len(content) >= _READ_AT_MOST:
                        break
            return response.status_code, content[:_READ_AT_MOST]
        finally:
            await response.aclose()


@cache
def _trusted() -> ssl.SSLContext:
    """Whom requests trust, read once a process: to read all certificates takes 40 ms."""
    return httpx2.create_ssl_context()


async def _raw(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    async for chunk in response.aiter_raw():
        yield chunk


def _without(secrets: Collection[str], text: str) -> str:
    """The text with every secret in it blotted out, also one that was escaped for an address or for JSON."""
    for secret in secrets:
        for written in _writings(secret):
            text = text.replace(written, "***")
    return text


def _writings(secret: str) -> set[str]:
    in_json = json.dumps(secret)[1:-1]
    return {secret, quote(secret, safe=""), quote(secret), in_json, in_json.replace("/", "\\/")}


def _told(declared: DeclaredTool, text: str) -> str:
    """What the model is told of a good answer."""
    told = text.strip()
    if declared.answer:
        with suppress(ValueError):  # what is no JSON, or too long to be read whole, is told as it is
            answer = from_json(text)
            parts = parts_of(declared.answer)
            told = "".join(as_text(_field(answer, part.name)) if isinstance(part, Slot) else part for part in parts)
    return told[:LONGEST_ANSWER] or f"{declared.name} is done; the answer is empty."


def _field(answer: Any, path: str) -> Any:
    """What lies under a dotted path; elements of lists by their number, from 0. "unknown" when nothing does."""
    for name in path.split("."):
        if isinstance(answer, Mapping):
            answer = answer.get(name)
        elif isinstance(answer, list) and name.isdecimal() and int(name) < len(answer):
            answer = answer[int(name)]
        else:
            answer = None
    return "unknown" if answer is None else answer


def _refusal(declared: DeclaredTool, status: int, text: str) -> ToolFailed:
    if status < 400:
        return _unsure(declared, f"answered with a redirect (status {status}), which is not followed")
    if status >= 500 or status == 408:
        return _unsure(declared, f"answered with an error (status {status})")
    # A page of HTML tells a model nothing but how errors look.
    reason = "" if text.lstrip().startswith("<") else " ".join(text.split())[:_LONGEST_REASON]
    known = "" if declared.only_reads else "; nothing is known to have been changed"
    said = f" It said: {reason}" if reason else ""
    return ToolFailed(f"The server of {declared.name} refused (status {status}){known}.{said}")


def _unsure(declared: DeclaredTool, what: str) -> ToolFailed:
    if declared.only_reads:
        return ToolFailed(f"The server of {declared.name} {what}; nothing was found out.")
    return OutcomeUnknown(f"The server of {declared.name} {what}; {_UNKNOWN}.")
