"""The embedded language model server: llama.cpp in a child process of its own.

In:   a model file and the settings.     Out: the address of an OpenAI-compatible server on this machine.
Rule: a crash or a stall of llama.cpp must not take calls with it, hence the process. It ends when `stop` is called, and
      by itself when this process is gone, for it watches its standard input.
"""

import asyncio
import json
import logging
import math
import secrets
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Final

import httpx2

from client_caller.errors import EngineCrashed, EngineError
from client_caller.settings import ThinkingSettings, environment_with
from client_caller.thinking.slots import ASIDE

_START_WITHIN_S: Final = 60.0
_STOP_WITHIN_S: Final = 3.0
_REST_S: Final = 1.0  # before it is started once more, lest one that ends at once keeps a core busy
_CHECK_EVERY_S: Final = 5.0
_CHECK_WITHIN_S: Final = 3.0  # its answer takes 15 ms, and 26 ms at most with 24 requests at once (two cores)
_MISSES: Final = 2  # in a row, the second check at once after the first: it hangs
_TAIL_BYTES: Final = 2_000
_ENGINE: Final = "language model"

_ENVIRONMENT: Final = {"GOMP_SPINCOUNT": "2000", "MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": str(1 << 17)}
"""Its threads wait for each other a few microseconds and then sleep. Waiting awake, as OpenMP does by default, two of
them on two cores of which one was busy took 1.6 s to the first token (medians of 16); so they take 0.25 s.

Pieces of 128 kB and more have pages of their own, which go back as soon as they are free. With 1 MB, as in `heap.py`,
each call that was summed up left a hole of 6 to 8 MB; with this none does, at the same speed. Two arenas, as there."""

log = logging.getLogger("client_caller.thinking")


async def _nothing() -> None:
    """What is done after a start unless somebody wants more."""


class LlamaServer:
    """One server process. It may be started again after it ended; address and key stay the same.

    model: a GGUF file;  check_every_s, check_within_s: how often `keep_alive` asks whether it is well, and how long
    its answer may take.
    """

    def __init__(
        self,
        model: Path,
        settings: ThinkingSettings,
        *,
        check_every_s: float = _CHECK_EVERY_S,
        check_within_s: float = _CHECK_WITHIN_S,
    ) -> None:
        self._model = model
        self._settings = settings
        self._check_every_s = check_every_s
        self._check_within_s = check_within_s
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None
        self.api_key: Final = secrets.token_urlsafe(24)

    @property
    def base_url(self) -> str:
        """Where it serves, once started; for a client of OpenAI's protocol."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def pid(self) -> int:
        """The process, once started; for whoever looks after processes, or does away with them."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it answers. Raises EngineCrashed with the end of its log."""
        with tempfile.TemporaryFile() as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "client_caller.thinking.llamacpp_child"),
                env=environment_with(_ENVIRONMENT),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for us, and we then stop it in order
            )
            try:
                async with asyncio.timeout(_START_WITHIN_S):
                    await self._configure(self._process)
                    self._port = await self._announced_port(self._process)
                    await self._check_health()
            except (TimeoutError, ValueError, OSError, httpx2.HTTPError) as wrong:
                await self.stop()
                raise EngineCrashed(_ENGINE, f"the embedded server did not start: {_tail(log)}") from wrong
            except asyncio.CancelledError:
                await self.stop()
                raise

    async def wait(self) -> int:
        """Wait until the process ends, and say its exit status."""
        if self._process is None:
            raise EngineCrashed(_ENGINE, "the embedded server was not started")
        return await self._process.wait()

    async def keep_alive(self, restarted: Callable[[], Awaitable[None]] = _nothing) -> None:
        """Start it again whenever it ended, and whenever it hangs, until cancelled.

        restarted: awaited after each start; when it fails with an EngineError, that is logged.
        """
        clock = asyncio.get_running_loop().time
        started_at = -math.inf  # that it has run well so far is known
        while True:
            await self._until_gone()
            if clock() - started_at < _REST_S:
                await asyncio.sleep(_REST_S)
            started_at = clock()
            try:
                await self.start()
                await restarted()
            except EngineError as failure:
                log.error("the embedded language model server fails at its start", extra={"why": str(failure)})  # noqa: TRY400

    async def _until_gone(self) -> None:
        """Until the process has ended, by itself or because it hung and was killed."""
        misses = 0
        while misses < _MISSES:
            try:
                async with asyncio.timeout(0 if misses else self._check_every_s):
                    status = await self.wait()
            except TimeoutError:
                misses = 0 if await self._is_well() else misses + 1
            else:
                log.error("the embedded language model server ended", extra={"status": status})
                return
        log.error("the embedded language model server hangs and is killed", extra={"misses": misses})
        await self._kill()

    async def _is_well(self) -> bool:
        try:
            async with asyncio.timeout(self._check_within_s):
                await self._check_health()
        except (TimeoutError, OSError, httpx2.HTTPError):
            return False
        return True

    async def _kill(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def stop(self) -> None:
        """End the process, by force if it will not. Safe to repeat."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            await self._kill()

    async def _configure(self, process: asyncio.subprocess.Process) -> None:
        """Tell the child what to serve; by its standard input, for the key is nobody else's business."""
        assert process.stdin is not None
        config = {
            "model": str(self._model),
            "port": self._port,
            "api_key": self.api_key,
            "slots": self._settings.slots + ASIDE,
            "context_tokens": self._settings.context_tokens,
            "decode_threads": self._settings.decode_threads,
            "prefill_threads": self._settings.prefill_threads,
        }
        process.stdin.write(json.dumps(config).encode() + b"\n")
        await process.stdin.drain()

    async def _announced_port(self, process: asyncio.subprocess.Process) -> int:
        """The port on the one line that the child prints. Raises ValueError if it ends without."""
        assert process.stdout is not None
        return int(await process.stdout.readline())

    async def _check_health(self) -> None:
        # Without certificates, which this never needs: to load them takes 40 ms, in which no call gets on.
        async with httpx2.AsyncClient(verify=False, timeout=None) as client:
            answer = await client.get(f"http://127.0.0.1:{self._port}/health")
            answer.raise_for_status()


def _tail(log: IO[bytes]) -> str:
    log.seek(max(0, log.seek(0, 2) - _TAIL_BYTES))
    return log.read().decode(errors="replace").strip() or "it said nothing"
