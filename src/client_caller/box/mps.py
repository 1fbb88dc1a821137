"""The card shared by NVIDIA's Multi-Process Service, so that a kernel of the voice need not wait for a turn of its own.

In:   the settings of the machine.     Out: a daemon that was seen to work, and what engines are told of it; or nothing.
Rule: only vLLM and csm are its clients. A fatal fault of one client ends all, and new ones are refused until all are
      gone; whoever holds the calls must not be among them. Where MPS is missing or fails, it is done without.

Without it, kernels of two processes never run at the same time: the card goes from one to the other by slices of time.

Sources: docs.nvidia.com/deploy/mps: architecture (error containment), appendix-tools-and-interface-reference (commands,
variables; priority 0 is normal, 1 below normal, and a hint only), troubleshooting (`terminate_client` does not affect
other clients). `man nvidia-cuda-mps-control`: a program that cannot connect runs as it would without MPS.
"""

import asyncio
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from client_caller.box.keeper import Keeper, Service, ServiceFailed
from client_caller.box.machine import card_memory_gb_s
from client_caller.errors import ConfigError
from client_caller.settings import BoxSettings, environment_for_others

log = logging.getLogger("client_caller.box")

CONTROL: Final = "nvidia-cuda-mps-control"
_READY_WITHIN_S: Final = 10.0
_GRACE_S: Final = 5.0
_ORDER_WITHIN_S: Final = 5.0
"""Of one command. `terminate_client` waits for the card, which may be what hangs."""

_NORMAL: Final = "0"
_BELOW_NORMAL: Final = "1"
"""There is no priority above normal; so it is vLLM that steps back."""

Prove = Callable[[Mapping[str, str]], float | None]
"""Has a process with this environment use the card; None when it cannot."""


class Mps:
    """The daemon of this machine, with a folder of its own for its pipes, whose paths must be short."""

    def __init__(self, box: BoxSettings) -> None:
        self._percent = box.mps_vllm_percent
        self._folder = Path(tempfile.mkdtemp(prefix="mps-"))
        self._client = {
            "CUDA_MPS_PIPE_DIRECTORY": str(self._folder),
            "CUDA_MPS_LOG_DIRECTORY": str(box.logs.absolute()),
        }
        self._environment = environment_for_others(self._client)
        self.keeper = Keeper(
            Service(
                name="mps",
                command=[CONTROL, "-f"],
                environment=self._environment,
                log=box.logs / "mps.log",
                warm_up=self._answers,
                ready_within_s=_READY_WITHIN_S,
                grace_s=_GRACE_S,
            )
        )

    @property
    def for_voice(self) -> dict[str, str]:
        """Variables of csm: before vLLM, and on all of the card's processors."""
        return self._client | {"CUDA_MPS_CLIENT_PRIORITY": _NORMAL}

    @property
    def for_thinker(self) -> dict[str, str]:
        """Variables of vLLM: behind csm, and on so many processors that some are always free for it."""
        share = {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": str(self._percent)}
        return self._client | share | {"CUDA_MPS_CLIENT_PRIORITY": _BELOW_NORMAL}

    async def start(self, prove: Prove) -> None:
        """Start the daemon, and have a process use the card through it. Raises ServiceFailed; nothing is left then."""
        works = False
        try:
            await self.keeper.start()
            await self._prove(prove)
            works = True
        finally:
            if not works:
                await self.stop()

    async def stop(self) -> None:
        """End it. Its clients should be gone."""
        await self._order("quit")  # told by a signal alone, it might leave its server behind
        await self.keeper.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def let_go(self, group: int) -> None:
        """Free what the processes of this group hold on the card: the others suffer when a client is killed at work."""
        for server in await self._servers():
            for client in _numbers(await self._order(f"get_client_list {server}")):
                with suppress(ProcessLookupError):
                    if os.getpgid(client) == group:
                        await self._order(f"terminate_client {server} {client}")

    async def _prove(self, prove: Prove) -> None:
        if await asyncio.to_thread(prove, self._environment) is None:
            raise ServiceFailed("mps runs, and a process cannot use the card through it")
        if not await self._servers():
            raise ServiceFailed("mps runs, and a process that used the card has not come to it")

    async def _servers(self) -> Sequence[int]:
        return _numbers(await self._order("get_server_list"))

    async def _answers(self) -> str:
        return "" if await self._order("get_server_list") is not None else "its daemon does not answer"

    async def _order(self, command: str) -> str | None:
        """What the daemon says to a command; None when it does not do it, or not in time."""
        try:
            asking = await asyncio.create_subprocess_exec(
                CONTROL,
                env=self._environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            return None
        try:
            async with asyncio.timeout(_ORDER_WITHIN_S):
                said, _ = await asking.communicate(f"{command}\n".encode())
        except TimeoutError:
            return None
        finally:
            if asking.returncode is None:
                asking.kill()
                await asking.wait()
        return said.decode("utf-8", "replace") if asking.returncode == 0 else None


def used_through(environment: Mapping[str, str]) -> float | None:
    """The card is used by a process with this environment: its memory is copied. None when that fails."""
    return card_memory_gb_s(environment=environment)


async def shared_card(box: BoxSettings, prove: Prove = used_through) -> Mps | None:
    """MPS, running; None where the card is shared by time, and the log says why.

    Raises ConfigError or ServiceFailed where the operator wants MPS always, and it cannot be had.
    """
    if box.mps == "never":
        log.info("the card is shared by time", extra={"why": "CLIENT_CALLER_BOX__MPS is never"})
        return None
    if shutil.which(CONTROL) is None:
        why = f"{CONTROL} is not on the PATH"
        if box.mps == "always":
            raise ConfigError(f"{why}: install it with the driver's utilities, or set CLIENT_CALLER_BOX__MPS=auto")
        log.warning("the card is shared by time", extra={"why": why})
        return None
    mps = Mps(box)
    try:
        await mps.start(prove)
    except ServiceFailed as failed:
        if box.mps == "always":
            raise
        log.warning("the card is shared by time", extra={"why": str(failed)})
        return None
    log.info("the card is shared by MPS", extra={"vllm_percent": box.mps_vllm_percent})
    return mps


def _numbers(said: str | None) -> list[int]:
    """Process ids, one a line."""
    return [int(line) for line in re.findall(r"^\s*(\d+)\s*$", said or "", re.MULTILINE)]
