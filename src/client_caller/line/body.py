"""The body of a webhook, read no further than it may be long."""

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect


async def whole_body(request: Request, longest: int) -> bytes:
    """All of it. longest: in bytes. Raises HTTPException, 413 when it is longer, 400 when it breaks off."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > longest:
                raise HTTPException(413, f"the body is longer than {longest} bytes")
    except ClientDisconnect as gone:
        raise HTTPException(400, "the body broke off") from gone
    return bytes(body)
