"""Whether the server lives, and whether it takes calls; for load balancers and supervisors."""

import asyncio
import os
from collections.abc import Callable

from fastapi import APIRouter, Response


def health_router(is_ready: Callable[[], bool]) -> APIRouter:
    """Routes `/healthz` and `/readyz`.

    The first answers 200 while the process serves, with its id and the number of its tasks; the second 200 while one
    more call can be held, else 503.
    """
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> dict[str, str | int]:
        return {"status": "alive", "process": os.getpid(), "tasks": len(asyncio.all_tasks())}

    @router.get("/readyz")
    async def readyz(response: Response) -> dict[str, str]:
        if is_ready():
            return {"status": "ready"}
        response.status_code = 503
        return {"status": "full"}

    return router
