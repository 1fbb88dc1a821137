"""The gateway of one machine, as a real process: started, started again, replaced in peace, found again."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from ray_parts import keeper, roll

TINY = Path(__file__).with_name("ray_tiny_gateway.py")
OFTEN_S = 0.01
PATIENCE_S = 60.0
"""For a busy machine; what is waited for comes within a second."""


@pytest.fixture
def place() -> Any:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return roll.Place("n", "127.0.0.1", 0, found.getsockname()[1])


def fitting(folder: Path, *options: str, **changes: Any) -> Any:
    command = (sys.executable, "-S", str(TINY), "{port}", *options)
    return roll.Fitting(command=command, folder=folder, **changes)


@asynccontextmanager
async def kept(place: Any) -> AsyncIterator[Any]:
    """A keeper that runs; whatever it leaves is put away."""
    one = keeper.Keeper(place, OFTEN_S, last_s=0.2)
    running = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def until(one: Any, state: str) -> int:
    """Its process, once it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while one.seen().state != state:  # noqa: ASYNC110  (a process tells nobody)
            await asyncio.sleep(OFTEN_S)
    pid: int = one.status()["pid"]
    return pid


def play(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scene())  # type: ignore[arg-type]


def lives(pid: int) -> bool:
    return bool(keeper._born(pid))


def environment_of(pid: int) -> dict[str, str]:
    told = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(each.split("=", 1) for each in told if "=" in each)


def test_it_is_started_again_when_it_dies(place: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        async with kept(place) as one:
            await one.keep(fitting(tmp_path))
            first = await until(one, "ready")
            os.kill(first, signal.SIGKILL)
            await until(one, "starting")
            second = await until(one, "ready")
            assert second != first
            await one.stop()

    play(scene)


def test_it_is_replaced_when_the_old_one_has_ended_in_peace(place: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        old, new = fitting(tmp_path, version="1"), fitting(tmp_path, version="2")
        async with kept(place) as one:
            await one.keep(old)
            first = await until(one, "ready")
            await one.keep(new)
            assert one.seen().mark == old.mark, "a new file alone replaces nothing"
            assert await one.replace(new)
            assert one.seen() == roll.Seen(place.name, "ready", new.mark)
            assert (tmp_path / "ended.txt").read_text() == f"{first}\n"
            assert not lives(first)
            await one.stop()
            assert one.seen().state == "down"

    play(scene)


def test_one_that_does_not_end_is_told_again_and_then_killed(place: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        async with kept(place) as one:
            await one.keep(fitting(tmp_path, "--stubborn", end_within_s=0.2))
            first = await until(one, "ready")
            await one.stop()
            assert (tmp_path / "ended.txt").read_text() == f"{first}\n" * 2
            assert not lives(first)

    play(scene)


def test_one_that_is_never_ready_is_told_of(place: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        async with kept(place) as one:
            assert not await one.replace(fitting(tmp_path, "--never-ready", ready_within_s=0.5))
            assert "was not ready within" in one.status()["why"]
            await one.stop()

    play(scene)


def test_a_gateway_outlives_its_keeper_and_is_found_by_the_next(place: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        async with kept(place) as one:
            await one.keep(fitting(tmp_path))
            first = await until(one, "ready")
        assert lives(first)
        async with kept(place) as another:
            await another.keep(fitting(tmp_path, version="2"))
            assert await until(another, "ready") == first
            assert another.seen().mark == fitting(tmp_path).mark
            await another.stop()
        assert not lives(first)
        one._child.wait()  # buried here, where both keepers are one process

    play(scene)


def test_a_number_that_has_come_to_be_another_processs_is_not_taken_for_it(place: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        (tmp_path / "runs").mkdir()
        note = tmp_path / "runs" / f"gateway-{place.name}.json"
        note.write_text(f'{{"pid": {os.getpid()}, "born": 1, "mark": "x"}}')
        async with kept(place) as one:
            await one.keep(fitting(tmp_path))
            assert await until(one, "ready") != os.getpid()
            await one.stop()

    play(scene)


def test_a_program_that_is_not_there_is_told_of(place: Any, tmp_path: Path) -> None:
    async def scene() -> None:
        async with kept(place) as one:
            await one.keep(roll.Fitting(command=("/nowhere/client-caller",), folder=tmp_path))
            async with asyncio.timeout(PATIENCE_S):
                while not one.status()["why"]:  # noqa: ASYNC110  (a process tells nobody)
                    await asyncio.sleep(OFTEN_S)
            assert one.status()["why"] == "/nowhere/client-caller: No such file or directory"
            assert one.seen().state == "down"

    play(scene)


def test_what_ray_has_put_into_its_environment_is_not_passed_on(
    place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with kept(place) as one:
            await one.keep(fitting(tmp_path, environment={"OWN": "{index}"}))
            pid = await until(one, "ready")
            told = environment_of(pid)
            assert told["TWILIO_AUTH_TOKEN"] == "of this machine"
            assert told["OWN"] == "0"
            assert not {"RAY_JOB_ID", "OMP_NUM_THREADS"} & set(told)
            await one.stop()

    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "of this machine")
    monkeypatch.setenv("RAY_JOB_ID", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    play(scene)
