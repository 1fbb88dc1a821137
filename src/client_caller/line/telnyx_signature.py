"""Whether a webhook comes from Telnyx, and now.

In:   the body of a request as it came, and two of its headers.     Out: yes or no.
Rule: reads no clock; `wall` tells the time. Nothing of a body is looked at before its signature holds.

Source: developers.telnyx.com/docs/development/api-fundamentals/webhooks: the signature is Ed25519, in base64, over the
timestamp, a `|` and the body; the timestamp is in seconds since 1970. Telnyx's own libraries allow five minutes, too.
"""

import binascii
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from client_caller.errors import ConfigError

SIGNATURE: Final = "telnyx-signature-ed25519"
TIMESTAMP: Final = "telnyx-timestamp"

_OLDEST_S: Final = 300.0
"""How far a request's timestamp may be from now, either way."""

_DIGITS: Final = 12
"""More make no date."""


class TelnyxSignature:
    """Checks webhooks.

    public_key: in base64, as Telnyx shows it;  wall: the time now, in seconds since 1970.
    Raises ConfigError when that is no such key.
    """

    def __init__(self, public_key: str, wall: Callable[[], float]) -> None:
        try:
            self._key = Ed25519PublicKey.from_public_bytes(binascii.a2b_base64(public_key, strict_mode=True))
        except ValueError as wrong:
            raise ConfigError(
                "setting TELNYX_PUBLIC_KEY is not an Ed25519 public key in base64: copy it from the Telnyx portal"
            ) from wrong
        self._wall = wall

    def holds(self, body: bytes, timestamp: str, signature: str) -> bool:
        """Whether Telnyx has signed this body, within the last five minutes."""
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _DIGITS):
            return False
        if abs(self._wall() - int(timestamp)) > _OLDEST_S:
            return False
        try:
            self._key.verify(binascii.a2b_base64(signature, strict_mode=True), f"{timestamp}|".encode() + body)
        except (ValueError, InvalidSignature):
            return False
        return True
