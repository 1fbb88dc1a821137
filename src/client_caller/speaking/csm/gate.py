"""The gate of the engine's server: who may use it, if it has a key.

In:   a request or a WebSocket, before anything of it is read.     Out: it, or 401.
"""

import hmac

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from client_caller.speaking.csm.speech_http import told_error

_OPEN = frozenset({"/health"})
"""Whoever watches the process need not know the key."""


class Gate:
    """Lets in whoever has the key; everybody when it is empty."""

    def __init__(self, inside: ASGIApp, key: SecretStr) -> None:
        self._inside = inside
        self._key = key.get_secret_value().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "lifespan" or scope["path"] in _OPEN or self._is_known(Headers(scope=scope)):
            await self._inside(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: HTTP's 403
        else:
            what = "the header Authorization must be: Bearer, and the key of this server"
            await told_error(401, what, code="invalid_api_key")(scope, receive, send)

    def _is_known(self, headers: Headers) -> bool:
        scheme, _, offered = headers.get("authorization", "").partition(" ")
        return not self._key or (scheme.lower() == "bearer" and hmac.compare_digest(offered.encode(), self._key))
