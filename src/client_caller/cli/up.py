"""`client-caller up`: everything that one machine carries, started in order and kept."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from client_caller.cli.preflight import Profile

if TYPE_CHECKING:
    from client_caller.box.keeper import Keeper
    from client_caller.box.plan import BoxPlan

log = logging.getLogger("client_caller.box")


def up(
    profile: Profile = "",
    check: Annotated[bool, typer.Option("--preflight/--no-preflight", help="Check the machine first.")] = True,
) -> None:
    """Start vLLM, csm and the server, each when the one before is warm; start again what dies; drain at SIGTERM."""
    from client_caller.box.plan import plan_of
    from client_caller.cli.doctor import show
    from client_caller.cli.preflight_checks import every_check
    from client_caller.logs import set_up_logging
    from client_caller.settings import load_settings

    plan = plan_of(load_settings(profile))
    if check and not show(list(every_check(plan))):
        raise typer.Exit(1)
    set_up_logging(plan.settings.log)
    raise typer.Exit(asyncio.run(_run(plan, profile)))


async def _run(plan: "BoxPlan", profile: str) -> int:
    """Everything, on a card that is shared as well as it can be; see `keep_box`."""
    from client_caller.box.keeper import Keeper
    from client_caller.box.mps import shared_card
    from client_caller.box.services import engines_of, server_of

    mps = await shared_card(plan.settings.box)
    try:
        engines = [Keeper(service) for service in engines_of(plan, profile, mps)]
        return await keep_box(engines, Keeper(server_of(plan, profile)), plan.public_url)
    finally:
        if mps:
            await mps.stop()


async def keep_box(engines: Sequence["Keeper"], server: "Keeper", public_url: str = "") -> int:
    """Start all, engines in their order and the server last; keep the engines while the server lives.

    SIGTERM and SIGINT are passed on to the server, every time: the first drains it; and SIGHUP, once it is ready. When
    it has ended, the engines are stopped, last started first. Gives the server's exit status; raises ServiceFailed for
    what does not start.
    """
    from client_caller.sighup import on_sighup

    told_to_stop, is_ready = asyncio.Event(), asyncio.Event()

    def stop() -> None:
        told_to_stop.set()
        server.terminate()

    def have_reread() -> None:
        if is_ready.is_set():
            server.tell(signal.SIGHUP)

    on_sighup(have_reread, stop)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    keeping: list[asyncio.Task[None]] = []
    begun: list[Keeper] = []
    try:
        for keeper in (*engines, server):
            begun.append(keeper)
            if not await _started(keeper, told_to_stop):
                return 0
            if keeper is not server:
                keeping.append(asyncio.create_task(keeper.keep(), name=f"{keeper.service.name} keeper"))
        is_ready.set()
        log.info("ready for calls", extra={"reached_at": public_url or "(no public address)"})
        status = await server.ended()
        return 0 if told_to_stop.is_set() and status == -signal.SIGTERM else _as_exit_status(status)
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        for keeper in reversed(begun):
            await keeper.stop()


async def _started(keeper: "Keeper", told_to_stop: asyncio.Event) -> bool:
    """Whether it is warm; not, when we are told to stop before. Raises ServiceFailed."""
    starting = asyncio.create_task(keeper.start(), name=f"{keeper.service.name} start")
    stopping = asyncio.create_task(told_to_stop.wait(), name="stop while starting")
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        return starting.done() and not told_to_stop.is_set()
    finally:
        for task in (starting, stopping):
            task.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)


def _as_exit_status(status: int) -> int:
    """As a shell tells it: 128 and the number of the signal that killed a process."""
    return 128 - status if status < 0 else status
