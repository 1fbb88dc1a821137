"""Signs of life of an engine: work that went on by itself, else an answer to something small.

In:   the page of figures of vLLM or csm, and a question that it can answer.     Out: nothing if it lives, else why not.
Rule: whoever works for callers is asked nothing, for progress is proof enough and costs nothing. A server that answers
      while its card hangs is not alive: only what the card has done counts.

Source of vLLM's names: docs.vllm.ai, design/metrics: both are counters, and grow while a reply is written; a prompt
counts once it has been read.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

import httpx2

PAGE_WITHIN_S: Final = 3.0
ANSWER_WITHIN_S: Final = 10.0
"""More than the longest wait that is no fault: 8,192 tokens, the longest prompt of the launch files, at 54 GFLOP each
take an A100 2.8 s at half of 312 TFLOP/s, twice that beside the voice. Prompts are read one after another, and each
ends with a token: however many wait, somebody's comes within that time."""

VLLM_DONE: Final = re.compile(r"^vllm:(?:prompt|generation)_tokens_total(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
CSM_DONE: Final = re.compile(r"^csm_(?:frames|rows_read) (\S+)$", re.MULTILINE)


class Vitals:
    """How one engine is: to be asked again and again.

    look: how much the card has done for it so far, None when it does not say;  ask: as `Service.warm_up`.
    """

    def __init__(self, look: Callable[[], Awaitable[float | None]], ask: Callable[[], Awaitable[str]]) -> None:
        self._look = look
        self._ask = ask
        self._done: float | None = None

    async def __call__(self) -> str:
        """Empty when it lives, else why that is doubted. Takes at most PAGE_WITHIN_S twice, and ANSWER_WITHIN_S."""
        if await self._has_moved():
            return ""
        why_not = await self._answered()
        # Where many wait, the answer to us may be late, while others get theirs. What we asked for is no progress.
        return "" if await self._has_moved() else why_not

    async def _has_moved(self) -> bool:
        """Whether something was done since the last look; the count of a new process is another, and smaller."""
        before, done = self._done, await self._look()
        self._done = done
        return None not in (before, done) and done != before

    async def _answered(self) -> str:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._ask()
        except TimeoutError:
            return f"no answer within {ANSWER_WITHIN_S:g} s"


async def done_at(
    url: str, key: str, counters: re.Pattern[str], transport: httpx2.AsyncBaseTransport | None = None
) -> float | None:
    """The sum of these counters on the page /metrics at this address; None where they cannot be had."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with (
            asyncio.timeout(PAGE_WITHIN_S),
            httpx2.AsyncClient(base_url=url, headers=headers, transport=transport, trust_env=False) as client,
        ):
            answer = await client.get("/metrics")
        found = [float(value) for value in counters.findall(answer.text)]
    except (TimeoutError, httpx2.HTTPError, ValueError):
        return None
    return sum(found) if found and answer.is_success else None
