"""Whether a request comes from Twilio.

In:   the address we are known by, a path, a form, the signature header.     Out: yes or no.
Rule: the address comes from the settings; what a request says of its own host proves nothing.

Source: twilio.com/docs/usage/security. A webhook is signed over its URL and the sorted form; an upgrade over the wss
URL, sometimes with a slash behind it. Either may be signed with its port or without. While an account's token is
rotated either of two signs.
"""

from collections.abc import Sequence
from hmac import compare_digest
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator

HEADER: Final = "X-Twilio-Signature"

_PORTS: Final = {"wss": 443, "ws": 80}
"""Twilio's own library takes 80 for wss, too, so that it refuses what was signed with 443."""


class SignatureCheck:
    """Checks requests against every token that may sign.

    public_url, stream_url: where requests and media streams come in, each without a slash at the end.
    """

    def __init__(self, public_url: str, tokens: Sequence[SecretStr], stream_url: str = "") -> None:
        self._web = public_url
        self._sockets = _with_port_and_without(socket_url(stream_url or public_url))
        self._validators = [RequestValidator(token.get_secret_value()) for token in tokens]

    def webhook(self, path: str, form: ImmutableMultiDict[str, str], signature: str) -> bool:
        """Whether `signature` signs this form at this path, the path with its query."""
        return any(validator.validate(self._web + path, form, signature) for validator in self._validators)

    def upgrade(self, path: str, signature: str) -> bool:
        """Whether `signature` signs the opening of a socket at this path."""
        urls = [base + path + end for base in self._sockets for end in ("", "/")]
        signed = [validator.compute_signature(url, {}) for validator in self._validators for url in urls]
        return any([compare_digest(ours.encode(), signature.encode()) for ours in signed])


def socket_url(web_url: str) -> str:
    """The same address for a WebSocket: wss for https, ws for http."""
    return "ws" + web_url.removeprefix("http")


def _with_port_and_without(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    host = parts.netloc if parts.port is None else parts.netloc.rpartition(":")[0]
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    return parts._replace(netloc=host).geturl(), parts._replace(netloc=f"{host}:{port}").geturl()
