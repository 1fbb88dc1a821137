"""The embedded language model server: llama.cpp in a child process of its own.

In:   a model file and the settings.     Out: the address of an OpenAI-compatible server on this machine.
Rule: a crash or a stall of llama.cpp must not take calls with it, hence the process. It ends when `stop` is called, and
      by itself when this process is gone, for it watches its standard input.
"""

import asyncio
import json
import logging
import secrets
import sys
import tempfile
from pathlib import Path
from typing import IO, Final

import httpx

from client_caller.errors import EngineCrashed
from client_caller.settings import ThinkingSettings, environment_with

_START_WITHIN_S: Final = 60.0
_STOP_WITHIN_S: Final = 3.0
_REST_S: Final = 1.0  # before it is started again, lest a broken one keeps a core busy
_TAIL_BYTES: Final = 2_000
_ENGINE: Final = "language model"

_ENVIRONMENT: Final = {"GOMP_SPINCOUNT": "2000"}
"""Its threads wait for each other a few microseconds and then sleep. Waiting awake, as OpenMP does by default, two of
them on two cores of which one was busy took 1.6 s to the first token (medians of 16); so they take 0.25 s."""

log = logging.getLogger("client_caller.thinking")


class LlamaServer:
    """One server process. It may be started again after it ended; address and key stay the same.

    model: a GGUF file.
    """

    def __init__(self, model: Path, settings: ThinkingSettings) -> None:
        self._model = model
        self._settings = settings
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None
        self.api_key: Final = secrets.token_urlsafe(24)

    @property
    def base_url(self) -> str:
        """Where it serves, once started; for a client of OpenAI's protocol."""
        return f"http://127.0.0.1:{self._port}/v1"

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
            except (TimeoutError, ValueError, OSError, httpx.HTTPError) as wrong:
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

    async def keep_alive(self) -> None:
        """Start it again whenever it ends, until cancelled."""
        while True:
            log.error("the embedded language model server ended", extra={"status": await self.wait()})
            await asyncio.sleep(_REST_S)
            try:
                await self.start()
            except EngineCrashed as crash:
                log.error("the embedded language model server does not start", extra={"why": str(crash)})  # noqa: TRY400

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
            process.kill()
            await process.wait()

    async def _configure(self, process: asyncio.subprocess.Process) -> None:
        """Tell the child what to serve; by its standard input, for the key is nobody else's business."""
        assert process.stdin is not None
        config = {
            "model": str(self._model),
            "port": self._port,
            "api_key": self.api_key,
            "slots": self._settings.slots,
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
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{self._port}/health")
            answer.raise_for_status()


def _tail(log: IO[bytes]) -> str:
    log.seek(max(0, log.seek(0, 2) - _TAIL_BYTES))
    return log.read().decode(errors="replace").strip() or "it said nothing"
