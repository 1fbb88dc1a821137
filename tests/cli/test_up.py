"""`client-caller up`: the order of starting and stopping, with stand-ins for what needs a GPU."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LAUNCHER = """
import asyncio, logging, os, sys
from functools import partial
from pathlib import Path
from client_caller.box.keeper import Keeper, Service, ServiceFailed
from client_caller.cli.up import keep_box

told, folder = Path(sys.argv[1]), Path(sys.argv[2])
told.touch()
handler = logging.StreamHandler(sys.stderr)
handler.setFormatter(logging.Formatter("%(message)s %(service)s", defaults={"service": ""}))
logging.basicConfig(level=logging.INFO, handlers=[handler])
STAND_IN = '''
import os, signal, sys
name, told, drains = sys.argv[1:4]
def tell(what):
    with open(told, "a") as file:
        file.write(f"{name} {what} {os.getpid()}\\\\n")
    os.write(2, f"{name} {what}\\\\n".encode())  # in a handler that may interrupt itself
asked = []
def stop(*_):
    asked.append(1)
    tell("asked to stop")
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGHUP, lambda *_: tell("told to read anew"))
if os.path.exists(f"{told}.{name}.breaks"):
    print("no kernel image is available")
    sys.exit(3)
tell("started")
while len(asked) <= int(drains):
    signal.pause()
tell("ends")
'''

starts = {"vllm": 0, "csm": 0, "serve": 0}

async def warm(name):
    started = told.read_text().count(f"{name} started")
    if started == starts[name] or Path(f"{told}.{name}.mute").exists():
        return "not yet"
    starts[name] = started
    return ""

def keeper(name, drains=0, within=60.0, grace=60.0):
    command = [sys.executable, "-ESsc", STAND_IN, name, str(told), str(drains)]
    log = None if name == "serve" else folder / f"{name}.log"
    return Keeper(Service(name, command, dict(os.environ), log, partial(warm, name), within, grace), 0.0)

within = float(os.environ.get("WITHIN", "60"))
try:
    engines = [keeper("vllm"), keeper("csm", within=within)]
    sys.exit(asyncio.run(keep_box(engines, keeper("serve", int(os.environ.get("DRAINS", "0")), grace=None))))
except ServiceFailed as failure:
    print(failure)
    sys.exit(1)
"""


class Box:
    """A launcher that runs, and what its stand-ins have told in the order in which it happened."""

    def __init__(self, folder: Path, process: "subprocess.Popen[str]") -> None:
        self.told = folder / "told"
        self.process = process

    def wait_for(self, line: str) -> None:
        """Until its log has this line."""
        assert self.process.stderr is not None
        seen = []
        for read in self.process.stderr:
            seen.append(read)
            if read.strip() == line:
                return
        pytest.fail(f"it ended without {line!r}: {''.join(seen)}")

    def events(self) -> list[str]:
        """Without the processes' ids."""
        return [line.rpartition(" ")[0] for line in self.told.read_text().splitlines()]

    def process_of(self, name: str) -> int:
        """The id of the one that was started last."""
        lines = [line for line in self.told.read_text().splitlines() if line.startswith(f"{name} started")]
        return int(lines[-1].rpartition(" ")[2])

    def left_over(self) -> list[int]:
        """Processes of all that were ever started that still run."""
        ids = {int(line.rpartition(" ")[2]) for line in self.told.read_text().splitlines() if " started " in line}
        return [each for each in ids if Path(f"/proc/{each}").exists()]


@contextmanager
def box(folder: Path, **environment: str) -> Iterator[Box]:
    """The launcher with three stand-ins; it is killed at the end, if it still runs."""
    command = [sys.executable, "-c", LAUNCHER, str(folder / "told"), str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env={**os.environ, **environment}) as process:
        try:
            yield Box(folder, process)
        finally:
            process.kill()


def test_each_starts_when_the_one_before_is_warm_and_they_stop_the_other_way_round(tmp_path: Path) -> None:
    with box(tmp_path) as running:
        running.wait_for("ready for calls")
        assert running.events() == ["vllm started", "csm started", "serve started"]
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait() == 0
        stops = [event for event in running.events() if "started" not in event]
        assert stops == [f"{name} {what}" for name in ("serve", "csm", "vllm") for what in ("asked to stop", "ends")]
        assert running.left_over() == []


def test_the_server_drains_with_its_engines_and_a_second_signal_reaches_it(tmp_path: Path) -> None:
    with box(tmp_path, DRAINS="1") as running:
        running.wait_for("ready for calls")
        running.process.send_signal(signal.SIGTERM)
        running.wait_for("serve asked to stop")
        os.kill(running.process_of("csm"), signal.SIGKILL)  # while the last calls are held
        running.wait_for("ready csm")
        assert running.events().count("csm started") == 2
        assert "vllm asked to stop" not in running.events()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait() == 0
        assert running.left_over() == []


@pytest.mark.parametrize("name", ["vllm", "csm"])
def test_an_engine_that_dies_is_back_and_the_server_has_not_noticed(name: str, tmp_path: Path) -> None:
    with box(tmp_path) as running:
        running.wait_for("ready for calls")
        first = running.process_of(name)
        os.kill(first, signal.SIGKILL)
        running.wait_for(f"ready {name}")
        assert running.process_of(name) != first
        assert running.events() == ["vllm started", "csm started", "serve started", f"{name} started"]
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait() == 0
        assert running.left_over() == []


def test_the_server_is_told_to_read_its_configuration_anew_and_no_engine_is(tmp_path: Path) -> None:
    with box(tmp_path) as running:
        running.wait_for("ready for calls")
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("serve told to read anew")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait() == 0
        assert [event for event in running.events() if "anew" in event] == ["serve told to read anew"]


def test_an_engine_that_breaks_at_the_start_is_named_with_its_last_line_and_the_others_are_stopped(
    tmp_path: Path,
) -> None:
    (tmp_path / "told.csm.breaks").touch()
    with box(tmp_path) as running:
        said, _ = running.process.communicate()
        assert running.process.returncode == 1
        assert "csm has ended with status 3" in said
        assert "no kernel image is available" in said
        assert running.events() == ["vllm started", "vllm asked to stop", "vllm ends"]


def test_an_engine_that_is_never_warm_is_named_and_the_others_are_stopped(tmp_path: Path) -> None:
    (tmp_path / "told.csm.mute").touch()
    with box(tmp_path, WITHIN="0.1") as running:
        said, _ = running.process.communicate()
        assert running.process.returncode == 1
        assert "csm was not ready within 0.1 s (not yet)" in said
        assert running.left_over() == []


def test_a_signal_while_it_starts_ends_it(tmp_path: Path) -> None:
    (tmp_path / "told.csm.mute").touch()
    with box(tmp_path) as running:
        running.wait_for("starting csm")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait() == 0
        assert "serve started" not in running.events()
        assert running.left_over() == []


def test_a_server_that_gives_up_ends_the_box_with_its_status(tmp_path: Path) -> None:
    with box(tmp_path) as running:
        running.wait_for("ready for calls")
        os.kill(running.process_of("serve"), signal.SIGKILL)
        assert running.process.wait() == 137
        assert running.left_over() == []
