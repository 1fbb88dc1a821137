"""Whether a request comes from Twilio.

In:   the address we are known by, a path, a form, the signature header.     Out: yes or no.
Rule: the address comes from the settings; what a request says of its own host proves nothing.

Source: twilio.com/docs/usage/security. A webhook is signed over its URL and the sorted form; an upgrade over the wss
URL, sometimes with a slash behind it. While an account's token is rotated either of two signs.
"""

from collections.abc import Sequence
from typing import Final

from pydantic import SecretStr
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator

HEADER: Final = "X-Twilio-Signature"


class SignatureCheck:
    """Checks requests against every token that may sign. public_url: without a slash at the end."""

    def __init__(self, public_url: str, tokens: Sequence[SecretStr]) -> None:
        self._web = public_url
        self._socket = socket_url(public_url)
        self._validators = [RequestValidator(token.get_secret_value()) for token in tokens]

    def webhook(self, path: str, form: ImmutableMultiDict[str, str], signature: str) -> bool:
        """Whether `signature` signs this form at this path, the path with its query."""
        return any(validator.validate(self._web + path, form, signature) for validator in self._validators)

    def upgrade(self, path: str, signature: str) -> bool:
        """Whether `signature` signs the opening of a socket at this path."""
        urls = (self._socket + path, self._socket + path + "/")
        return any(validator.validate(url, {}, signature) for validator in self._validators for url in urls)


def socket_url(web_url: str) -> str:
    """The same address for a WebSocket: wss for https, ws for http."""
    return "ws" + web_url.removeprefix("http")
