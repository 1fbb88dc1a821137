"""`GET /metrics`: the figures of this process, for Prometheus and for `client-caller top`.

In:   requests from this machine, or with the operator's key.     Out: figures; 401 or 404 for everybody else.
Rule: a request that a proxy or a tunnel has passed on is not from this machine, whatever its address says.
"""

import ipaddress
from collections.abc import Callable
from typing import Final, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from client_caller.web.api import has_key

Readers = Literal["loopback", "key", "open", "off"]

_PASSED_ON: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via", "cf-connecting-ip")
"""Headers that proxies add. Uvicorn heeds X-Forwarded-For alone, and of trusted proxies alone."""

_WHAT: Final = "from elsewhere the header Authorization must be: Bearer, and the API key"


def metrics_router(
    exposition: Callable[[str], tuple[bytes, str]], readers: Readers, key: SecretStr | None
) -> APIRouter:
    """The route.

    exposition: the figures and their type, for a header `Accept`;  key: the API's, None when there is none yet.
    """
    router, known = APIRouter(), key.get_secret_value().encode() if key else b""

    def may_read(request: Request) -> bool:
        if readers == "open" or has_key(request, known):
            return True
        return readers == "loopback" and _is_near(request)

    @router.get("/metrics", response_model=None)
    async def metrics(request: Request) -> Response:
        if readers == "off":
            return JSONResponse({"detail": "Not Found"}, 404)
        if not may_read(request):
            return JSONResponse({"detail": _WHAT}, 401, {"WWW-Authenticate": "Bearer"})
        figures, kind = exposition(request.headers.get("accept", ""))
        return Response(figures, headers={"Content-Type": kind})

    return router


def _is_near(request: Request) -> bool:
    """Whether a process of this machine asks, and for itself."""
    if request.client is None or any(header in request.headers for header in _PASSED_ON):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
