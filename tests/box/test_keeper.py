"""One process of the box: waited for, named when it fails, started again when it dies, stopped without rest."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from client_caller.box.keeper import Keeper, Service, ServiceFailed

WAITS = "import signal; open({ready!r}, 'a').write('started\\n'); signal.pause()"


def service(
    folder: Path,
    script: str,
    warm_up: Callable[[], Awaitable[str]],
    ready_within_s: float = 60.0,
    grace_s: float | None = 60.0,
) -> Service:
    command = [sys.executable, "-ESsc", script]
    return Service(
        "engine", command, dict(os.environ), folder / "logs" / "engine.log", warm_up, ready_within_s, grace_s
    )


def when_written(path: Path, times: int = 1) -> Callable[[], Awaitable[str]]:
    """Warm once the process has written so many lines."""

    async def warm_up() -> str:
        return "" if lines_of(path) >= times else "nothing written"

    return warm_up


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


async def until(holds: Callable[[], bool]) -> None:
    """What happens is another process's doing, which wakes nobody here."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def never() -> str:
    return "refused"


def is_alive(process: int) -> bool:
    """Whether it runs; what is dead and not yet cleared away does not."""
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return bool(said.stdout.strip()) and not said.stdout.startswith("Z")


def test_it_is_ready_when_it_has_answered_and_gone_when_it_is_stopped(tmp_path: Path) -> None:
    async def story() -> None:
        ready = tmp_path / "ready"
        keeper = Keeper(service(tmp_path, WAITS.format(ready=str(ready)), when_written(ready)))
        await keeper.start()
        await keeper.stop()
        assert await keeper.ended() == 0
        await keeper.stop()  # there is nothing left to do

    asyncio.run(story())


def test_one_that_ends_before_it_is_ready_is_named_with_its_status_and_last_line(tmp_path: Path) -> None:
    script = "import sys; print('loading', flush=True); print('out of memory', file=sys.stderr); sys.exit(7)"

    async def story() -> None:
        with pytest.raises(ServiceFailed, match=r"engine has ended with status 7 .*engine\.log: out of mem"):
            await Keeper(service(tmp_path, script, never)).start()

    asyncio.run(story())


def test_one_that_ends_is_not_taken_for_ready_by_the_answer_of_another(tmp_path: Path) -> None:
    async def story() -> None:
        keeper: Keeper

        async def answered_by_another() -> str:
            await keeper.ended()
            return ""

        keeper = Keeper(service(tmp_path, "raise SystemExit(1)", answered_by_another))
        with pytest.raises(ServiceFailed, match="status 1"):
            await keeper.start()

    asyncio.run(story())


def test_one_that_is_never_ready_is_named_with_why_and_its_last_line_and_is_gone(tmp_path: Path) -> None:
    script = "import os, signal; print('still loading shard 3 of 9', os.getpid(), flush=True); signal.pause()"
    log = tmp_path / "logs" / "engine.log"

    async def story() -> None:
        async def refused_when_it_has_spoken() -> str:
            await until(lambda: lines_of(log) == 1)
            return "connection refused"

        with pytest.raises(ServiceFailed, match=r"not ready within 0 s \(connection refused\).*still loading shard 3"):
            await Keeper(service(tmp_path, script, refused_when_it_has_spoken, ready_within_s=0.0)).start()

    asyncio.run(story())
    assert not is_alive(int(log.read_text().split()[-1]))


def test_what_cannot_be_started_is_named(tmp_path: Path) -> None:
    async def story() -> None:
        missing = Service("vllm", ["no-such-program"], {}, tmp_path / "vllm.log", never, 1.0, 1.0)
        with pytest.raises(ServiceFailed, match="vllm cannot be started"):
            await Keeper(missing).start()
        (tmp_path / "file").write_text("")
        unwritable = Service("vllm", ["true"], {}, tmp_path / "file" / "vllm.log", never, 1.0, 1.0)
        with pytest.raises(ServiceFailed, match="CLIENT_CALLER_BOX__LOGS"):
            await Keeper(unwritable).start()

    asyncio.run(story())


def test_one_that_dies_is_back_also_after_starts_in_vain(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It dies once it was warm; fails twice; and is warm again at the fourth start."""
    caplog.set_level(logging.INFO, "client_caller.box")
    path = tmp_path / "starts"
    script = f"""
import os, signal, sys
with open({str(path)!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
if len(open({str(path)!r}).readlines()) in (2, 3):
    sys.exit("no card")
signal.pause()
"""

    async def story() -> None:
        wanted = 1

        async def warm_up() -> str:
            return "" if lines_of(path) == wanted else "not yet"

        keeper = Keeper(service(tmp_path, script, warm_up), first_pause_s=0.0)
        await keeper.start()
        wanted = 4
        keeping = asyncio.create_task(keeper.keep())
        os.kill(int(path.read_text()), signal.SIGKILL)
        await until(lambda: [record.message for record in caplog.records].count("ready") == 2)
        keeping.cancel()
        await keeper.stop()

    asyncio.run(story())
    told = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    assert told == ["died", "is not back", "is not back"]
    assert [record.why.count("no card") for record in caplog.records if record.message == "is not back"] == [1, 1]
    assert len(path.read_text().splitlines()) == 4


def test_one_that_hangs_is_killed_with_all_it_started_and_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not hear SIGTERM; what it holds is let go first. The watch itself is on virtual time in test_watch.py."""
    monkeypatch.setattr("client_caller.box.watch.EVERY_S", 0.0)
    path = tmp_path / "processes"
    script = f"""
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    with open({str(path)!r}, "a") as file:
        file.write(f"{{os.getpid()}}\\n{{child}}\\n")
while True:
    signal.pause()
"""
    let_go: list[tuple[int, bool]] = []

    async def story() -> None:
        wanted = 2

        async def warm_up() -> str:
            return "" if lines_of(path) == wanted else "not yet"

        async def alive() -> str:
            return "no token" if lines_of(path) == 2 else ""

        async def note(group: int) -> None:
            let_go.append((group, is_alive(group)))

        hung = replace(service(tmp_path, script, warm_up, grace_s=60.0), alive=alive, let_go=note)
        keeper = Keeper(hung)
        await keeper.start()
        wanted = 4
        keeping = asyncio.create_task(keeper.keep())
        await until(lambda: lines_of(path) == 4)
        parent, child = map(int, path.read_text().split()[:2])
        assert let_go[0] == (parent, True)
        assert not is_alive(parent)
        await until(lambda: not is_alive(child))
        keeping.cancel()
        os.killpg(int(path.read_text().split()[2]), signal.SIGKILL)
        await keeper.stop()

    asyncio.run(story())
    told = [(record.message, getattr(record, "why", "")) for record in caplog.records if record.levelname == "ERROR"]
    assert told[:2] == [("hangs", "no token"), ("died", "")]


def test_what_does_not_end_when_told_to_is_killed_and_so_is_what_it_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "processes"
    script = f"""
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    with open({str(path)!r}, "w") as file:
        file.write(f"{{os.getpid()}}\\n{{child}}\\n")
while True:
    signal.pause()
"""

    async def story() -> None:
        keeper = Keeper(service(tmp_path, script, when_written(path, 2), grace_s=0.1))
        await keeper.start()
        parent, child = map(int, path.read_text().split())
        await keeper.stop()
        assert not is_alive(parent)
        await until(lambda: not is_alive(child))

    asyncio.run(story())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent is gone")
def test_what_it_started_ends_when_the_launcher_is_killed(tmp_path: Path) -> None:
    """The engine's end of a pipe closes when it ends, and so this test goes on."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:  # the launcher
        os.close(reading)
        os.set_inheritable(writing, True)

        async def start() -> None:
            script = f"import os, signal; os.write({writing}, b'up'); signal.pause()"
            process = Keeper(service(tmp_path, script, never))
            spawned = asyncio.create_subprocess_exec

            async def with_pipe(*words: str, **options: object) -> asyncio.subprocess.Process:
                return await spawned(*words, **options, pass_fds=(writing,))  # type: ignore[arg-type]

            asyncio.create_subprocess_exec = with_pipe  # type: ignore[assignment]
            await process.start()

        asyncio.run(start())
        os._exit(0)
    os.close(writing)
    assert os.read(reading, 2) == b"up"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_the_log_of_the_process_before_stays(tmp_path: Path) -> None:
    async def story() -> None:
        for words in ("first", "second"):
            with pytest.raises(ServiceFailed, match=words):
                await Keeper(service(tmp_path, f"raise SystemExit('{words}')", never)).start()

    asyncio.run(story())
    assert (tmp_path / "logs" / "engine.before.log").read_text() == "first\n"
    assert (tmp_path / "logs" / "engine.log").read_text() == "second\n"
    assert (tmp_path / "logs" / "engine.log").stat().st_mode & 0o777 == 0o600
