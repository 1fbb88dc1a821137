"""The tunnel, through programs that print what cloudflared and ngrok print, and do nothing else."""

import fcntl
import logging
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from client_caller.errors import ConfigError
from client_caller.tunnel import open_tunnel

CLOUDFLARED = """
import sys, time
assert sys.argv[1:] == ["tunnel", "--url", "http://127.0.0.1:8080", "--no-autoupdate"], sys.argv
for line in (
    "2026-11-26T09:00:00Z INF Thank you for trying Cloudflare Tunnel. [...] "
    "https://developers.cloudflare.com/cloudflare-one/connections/connect-apps",
    "2026-11-26T09:00:00Z INF Requesting new quick Tunnel on trycloudflare.com...",
    "2026-11-26T09:00:03Z INF |  Your quick Tunnel has been created! Visit it at (it may take some time):  |",
    "2026-11-26T09:00:03Z INF |  https://maple-otter-lamp-four.trycloudflare.com                           |",
    "2026-11-26T09:00:03Z INF Registered tunnel connection connIndex=0 location=fra03 protocol=quic",
):
    print(line, file=sys.stderr, flush=True)
"""
NGROK = """
import json, sys, time
assert sys.argv[1:] == ["http", "8080", "--log", "stdout", "--log-format", "json"], sys.argv
for line in (
    {"lvl": "info", "msg": "no configuration paths supplied", "t": "2026-11-26T09:00:00Z"},
    {"addr": "127.0.0.1:4040", "lvl": "info", "msg": "starting web service", "obj": "web"},
    {"addr": "http://localhost:8080", "lvl": "info", "msg": "started tunnel", "name": "command_line",
     "obj": "tunnels", "url": "https://maple-otter.ngrok-free.app"},
):
    print(json.dumps(line), flush=True)
"""
PATIENCE_S = 30
"""After which something that must happen has not; nothing waits for it when all is well."""

RUNS_ON = "time.sleep(600)\n"
UNREACHABLE = """
import sys
print("2026-11-26T09:00:00Z INF Requesting new quick Tunnel on trycloudflare.com...", file=sys.stderr)
print('failed to request quick Tunnel: Post "https://api.trycloudflare.com/tunnel": no such host', file=sys.stderr)
sys.exit(1)
"""
WRONG_TOKEN = r"""
import sys
print('{"err":"The authtoken you specified does not look like a proper ngrok tunnel authtoken.\\nYour authtoken: '
      '2aSECRET_9z\\nInstructions are on your dashboard\\r\\n\\r\\nERR_NGROK_105","lvl":"eror","msg":"failed to auth"}')
print("ERROR:  authentication failed: The authtoken you specified is not proper.", file=sys.stderr)
print("ERROR:  Your authtoken: 2aSECRET_9z", file=sys.stderr)
print("ERROR:  ERR_NGROK_105", file=sys.stderr)
sys.exit(1)
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def ended() -> Iterator[Event]:
    """Set when the log tells that a tunnel has ended by itself."""
    event = Event()

    class Listens(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert record.getMessage() == "the tunnel has ended; no call can come in"
            event.set()

    listens = Listens()
    logging.getLogger("client_caller.tunnel").addHandler(listens)
    yield event
    logging.getLogger("client_caller.tunnel").removeHandler(listens)


def install(folder: Path, name: str, script: str) -> Path:
    """A program of this name; while it runs, it holds a file beside it that has its process id."""
    path = folder / name
    note = f"import fcntl, os; held = open({str(path) + '.pid'!r}, 'w'); fcntl.flock(held, fcntl.LOCK_EX)\n"
    note += "print(os.getpid(), file=held, flush=True)\n"
    path.write_text(f"#!{sys.executable} -ESs\n{note}{script}")
    path.chmod(stat.S_IRWXU)
    return path


def process_id(program: Path) -> int:
    return int(Path(f"{program}.pid").read_text())


def is_running(program: Path) -> bool:
    with open(f"{program}.pid", "a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.parametrize(
    ("name", "script", "url"),
    [
        ("cloudflared", CLOUDFLARED, "https://maple-otter-lamp-four.trycloudflare.com"),
        ("ngrok", NGROK, "https://maple-otter.ngrok-free.app"),
    ],
)
def test_the_address_is_taken_from_what_the_program_says_and_the_program_ends_with_the_block(
    name: str, script: str, url: str, programs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = install(programs, name, script + RUNS_ON)
    with open_tunnel(8080) as address:
        assert address == url
        assert is_running(program)
    assert not is_running(program)
    assert not caplog.records


def test_of_two_programs_that_which_needs_no_account_is_taken(programs: Path) -> None:
    install(programs, "ngrok", NGROK + RUNS_ON)
    install(programs, "cloudflared", CLOUDFLARED + RUNS_ON)
    with open_tunnel(8080) as address:
        assert address.endswith(".trycloudflare.com")


def test_the_program_ends_when_the_block_fails_too(programs: Path) -> None:
    program = install(programs, "ngrok", NGROK + RUNS_ON)
    with pytest.raises(ZeroDivisionError), open_tunnel(8080):
        raise ZeroDivisionError
    assert not is_running(program)


def test_what_a_script_around_the_program_has_started_ends_as_well(programs: Path) -> None:
    inner = install(programs, "inner", NGROK + RUNS_ON)
    install(programs, "ngrok", f"import subprocess, sys\nsubprocess.run([{str(inner)!r}, *sys.argv[1:]])")
    with open_tunnel(8080):
        assert is_running(inner)
    assert not is_running(inner)


def test_a_program_that_does_not_listen_to_signals_is_killed(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client_caller.tunnel._END_WITHIN_S", 0.0)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    program = install(programs, "ngrok", deaf + NGROK + RUNS_ON)
    with open_tunnel(8080):
        pass
    assert not is_running(program)


def test_ctrl_c_does_not_reach_it(programs: Path) -> None:
    program = install(programs, "ngrok", NGROK + RUNS_ON)
    with open_tunnel(8080):
        assert os.getpgid(process_id(program)) != os.getpgid(0)


def test_whatever_else_it_says_is_read_so_that_it_never_stands_still(programs: Path, ended: Event) -> None:
    install(programs, "ngrok", NGROK + "for _ in range(4000): print('x' * 100)\n")
    with open_tunnel(8080):
        assert ended.wait(PATIENCE_S)


def test_a_tunnel_that_ends_by_itself_is_told(programs: Path, ended: Event) -> None:
    program = install(programs, "ngrok", NGROK + RUNS_ON)
    with open_tunnel(8080):
        os.kill(process_id(program), signal.SIGKILL)
        assert ended.wait(PATIENCE_S)


def test_without_a_program_it_is_said_how_to_come_by_one(programs: Path) -> None:
    with pytest.raises(ConfigError, match=r"install cloudflared .* or ngrok"), open_tunnel(8080):
        pass


def test_a_program_that_fails_is_quoted_and_its_own_address_is_not_taken_for_ours(programs: Path) -> None:
    install(programs, "cloudflared", UNREACHABLE)
    with pytest.raises(ConfigError, match="ended without an address") as failed, open_tunnel(8080):
        pass
    assert "cloudflared said at last:\n" in str(failed.value)
    assert str(failed.value).endswith('Post "https://api.trycloudflare.com/tunnel": no such host')


def test_a_token_that_the_program_says_back_is_not_quoted(programs: Path) -> None:
    install(programs, "ngrok", WRONG_TOKEN)
    with pytest.raises(ConfigError, match="ERR_NGROK_105") as failed, open_tunnel(8080):
        pass
    assert "Your authtoken: …" in str(failed.value)
    assert "SECRET" not in str(failed.value)


def test_a_program_that_says_nothing_is_not_waited_for_for_ever(programs: Path) -> None:
    program = install(programs, "ngrok", "import time\n" + RUNS_ON)
    with pytest.raises(ConfigError, match=r"brought no address within 0 s; ngrok said at last:\nnothing"):  # noqa: SIM117
        with open_tunnel(8080, within_s=0.0):
            pass
    assert not is_running(program)


@pytest.mark.parametrize(
    "line",
    [
        '{"msg": "started tunnel"}',
        '{"msg": "started tunnel", "url": "http://plain.example"}',
        '{"msg": "started tunnel", "url": 5}',
        '{"msg": "client session", "url": "https://other.example"}',
        "[1]",
        "t=2026 lvl=info msg=x url=https://other.example",
    ],
)
def test_a_line_that_only_looks_like_it_is_no_address(programs: Path, line: str) -> None:
    install(programs, "ngrok", f"print({line!r})")
    with pytest.raises(ConfigError, match="ended without an address"), open_tunnel(8080):
        pass


def test_a_program_that_cannot_be_run_is_named(programs: Path) -> None:
    (programs / "ngrok").write_bytes(b"\x7fELF is what it is not")
    (programs / "ngrok").chmod(stat.S_IRWXU)
    with pytest.raises(ConfigError, match="ngrok cannot be run"), open_tunnel(8080):
        pass


def test_a_tunnel_to_any_port_is_none(programs: Path) -> None:
    with pytest.raises(ConfigError, match="CLIENT_CALLER_SERVER__PORT"), open_tunnel(0):
        pass
