"""The supervisor: starts what died, gives up on what cannot live, and passes signals on."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from client_caller.errors import ConfigError
from client_caller.listening import inherited, listening
from client_caller.supervisor import supervise

COUNT = """
import os, signal, socket, sys, time
with open({path!r}, "a") as file:
    file.write("started\\n")
started = open({path!r}).read().count("started")
"""


def supervised(folder: Path, script: str) -> tuple[int, int]:
    """The exit status of a supervisor whose child runs `script`, and how often the child was started."""
    path = folder / "starts"
    with listening("127.0.0.1", 0) as listener:
        status = supervise([sys.executable, "-ESs", "-c", COUNT.format(path=str(path)) + script], listener)
    return status, path.read_text().count("started")


@pytest.mark.parametrize("status", [0, 2])
def test_who_ends_in_order_or_by_the_operators_mistake_is_not_started_again(tmp_path: Path, status: int) -> None:
    assert supervised(tmp_path, f"sys.exit({status})") == (status, 1)


@pytest.mark.parametrize("death", ["os.kill(os.getpid(), signal.SIGKILL)", "os.abort()", "raise ZeroDivisionError"])
def test_whoever_dies_is_started_again_at_once(
    tmp_path: Path, death: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert supervised(tmp_path, f"if started < 3:\n    {death}") == (0, 3)
    assert [record.message for record in caplog.records] == ["the serving process died"] * 2


def test_who_dies_too_often_is_given_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert supervised(tmp_path, "sys.exit(3)") == (1, 5)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 5 + [logging.CRITICAL]


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_signal_is_passed_on_as_often_as_it_comes_and_nobody_is_started_again(tmp_path: Path, number: str) -> None:
    script = f"""
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
while len(heard) < 2:
    before = len(heard)
    os.kill(os.getppid(), signal.{number})
    while len(heard) == before:
        time.sleep(0.01)
sys.exit(7)
"""
    assert supervised(tmp_path, script) == (7, 1)


def test_who_is_stopped_before_it_can_listen_to_signals_has_ended_in_order(tmp_path: Path) -> None:
    assert supervised(tmp_path, "os.kill(os.getppid(), signal.SIGTERM)\ntime.sleep(60)") == (0, 1)


def test_a_hang_up_signal_is_passed_on_and_waits_for_a_process_that_is_not_ready(tmp_path: Path) -> None:
    script = """
heard = []
os.kill(os.getppid(), signal.SIGHUP)
os.kill(os.getpid(), signal.SIGHUP)  # it would die of it, were it not held back
signal.signal(signal.SIGHUP, lambda *_: heard.append(1))
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
assert heard
os.kill(os.getppid(), signal.SIGHUP)
while len(heard) < 2:
    time.sleep(0.01)
"""
    assert supervised(tmp_path, script) == (0, 1)


def test_a_terminal_that_is_gone_stops_it_and_one_that_is_not_has_it_read_anew() -> None:
    for is_gone in (False, True):
        parent, terminal = os.openpty()
        with subprocess.Popen([sys.executable, "-c", HANGS_UP], stdin=terminal, stdout=subprocess.PIPE) as process:
            os.close(terminal)
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            if is_gone:
                os.close(parent)
            process.send_signal(signal.SIGHUP)
            assert process.stdout.readline() == (b"stop\n" if is_gone else b"read anew\n")
        if not is_gone:
            os.close(parent)


HANGS_UP = """
import asyncio
from functools import partial
from client_caller.sighup import on_sighup

async def main():
    done = asyncio.Event()
    def tell(what):
        print(what, flush=True)
        done.set()
    on_sighup(partial(tell, "read anew"), partial(tell, "stop"))
    print("ready", flush=True)
    await done.wait()

asyncio.run(main())
"""


def test_who_is_killed_while_it_is_stopped_is_told_by_its_signal(tmp_path: Path) -> None:
    script = """
signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
os.kill(os.getppid(), signal.SIGTERM)
time.sleep(60)
"""
    assert supervised(tmp_path, script) == (137, 1)


def test_every_process_answers_on_the_same_socket_and_is_told_when_its_supervisor_ends(tmp_path: Path) -> None:
    script = """
with socket.socket(fileno=int(sys.argv[sys.argv.index("--listen-fd") + 1])) as listener:
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if started == 1:  # a caller whom the next process is to answer
        caller = socket.create_connection(listener.getsockname())
        sys.exit(1)
    listener.accept()
assert os.getsid(0) == os.getpid()
import select
assert select.select([0], [], [], 0) == ([], [], [])
"""
    assert supervised(tmp_path, script) == (0, 2)


def test_without_a_socket_the_process_gets_none_and_is_watched_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "starts"
    script = 'assert "--listen-fd" not in sys.argv\nsys.exit(started == 1)'
    assert supervise([sys.executable, "-ESs", "-c", COUNT.format(path=str(path)) + script]) == 0
    assert path.read_text().count("started") == 2


def test_a_supervisor_holds_nothing_heavy() -> None:
    script = """
import sys
import client_caller.cli, client_caller.listening, client_caller.logs, client_caller.settings, client_caller.supervisor
print(*sorted(sys.modules))
"""
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numpy", "onnxruntime", "fastapi", "uvicorn", "httpx2", "client_caller.app", "client_caller.server"}
    assert not heavy & set(loaded)


def test_a_descriptor_that_is_no_socket_is_named(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(ConfigError, match=f"--listen-fd {file.fileno()} is no"):
        inherited(file.fileno())


def test_what_a_process_starts_does_not_hold_the_socket_that_it_has_inherited() -> None:
    with listening("127.0.0.1", 0) as listener:
        handed_on = os.dup(listener.fileno())
        os.set_inheritable(handed_on, True)
        with inherited(handed_on) as ours:
            assert not ours.get_inheritable()
