"""Asking the box's processes for something like what they are for.

In:   their addresses and keys.     Out: nothing where they have answered; else, in a few words, why not yet.
Rule: whoever only listens is not ready: a model has answered when it has said a word.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx2

_WITHIN_S: Final = 20.0
"""Of one request. The first one of a model may compile something; if it takes longer, it is asked again."""


@asynccontextmanager
async def _asking(url: str, key: str) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=_WITHIN_S, trust_env=False) as client:
        yield client


async def vllm_answers(url: str, model: str, key: str) -> str:
    """The language model has written a token."""
    asked = {"model": model, "messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 1}
    try:
        async with _asking(url, key) as client:
            answer = await client.post("/v1/chat/completions", json=asked)
        if answer.is_error:
            return f"status {answer.status_code}"
        return "" if answer.json().get("choices") else "an answer without a choice"
    except (httpx2.HTTPError, ValueError) as wrong:
        return f"{type(wrong).__name__}: {wrong}"


async def csm_answers(url: str, voice: str, key: str) -> str:
    """The voice has spoken. voice: empty for whichever there is."""
    try:
        async with _asking(url, key) as client:
            if not voice:
                known = (await client.get("/v1/audio/voices")).raise_for_status().json()["voices"]
                if not known:
                    return "it has no voice: add one with `client-caller voices add`"
                voice = str(known[0])
            asked = {"model": "csm-1b", "input": "Hello.", "voice": voice, "response_format": "pcm"}
            async with client.stream("POST", "/v1/audio/speech", json=asked) as answer:
                if answer.is_error:
                    return f"status {answer.status_code}"
                async for sound in answer.aiter_bytes():
                    if sound:
                        return ""
    except (httpx2.HTTPError, ValueError, KeyError, TypeError) as wrong:
        return f"{type(wrong).__name__}: {wrong}"
    return "it says nothing"


async def server_answers(url: str) -> str:
    """The server takes calls."""
    try:
        async with _asking(url, "") as client:
            answer = await client.get("/readyz")
    except httpx2.HTTPError as wrong:
        return f"{type(wrong).__name__}: {wrong}"
    return "" if answer.is_success else f"status {answer.status_code}"
