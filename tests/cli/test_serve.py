"""The `serve` command: what the serving process is started with. No model is loaded."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from client_caller.cli.serve import serve
from client_caller.errors import ConfigError

URL = "https://maple-otter-lamp-four.trycloudflare.com"
CLOUDFLARED = f"""
import json, sys, time
from pathlib import Path
Path("tunnel.json").write_text(json.dumps(sys.argv[1:]))
print("INF |  {URL}  |", file=sys.stderr, flush=True)
time.sleep(600)
"""
SERVING = """
import json, os, socket, sys
from pathlib import Path
listen_fd = int(sys.argv[sys.argv.index("--listen-fd") + 1])
port = socket.socket(fileno=listen_fd).getsockname()[1]
Path("serving.json").write_text(json.dumps({"words": sys.argv[1:], "port": port}))
"""
"""In place of Python, as the supervisor starts it: notes how, and ends well."""


def install(folder: Path, name: str, script: str) -> Path:
    program = folder / name
    program.write_text(f"#!{sys.executable}\n{script}")
    program.chmod(stat.S_IRWXU)
    return program


def serve_in(folder: Path, *words: str) -> tuple[dict[str, object], str]:
    """How `serve` with these words starts the serving process, and what it says."""
    (folder / "bin").mkdir()
    python = install(folder / "bin", "python", SERVING)
    main = f"import sys; from client_caller.cli import main; sys.executable = {str(python)!r}; main()"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("CLIENT_CALLER", "TWILIO"))
    }
    install(folder / "bin", "cloudflared", CLOUDFLARED)
    done = subprocess.run(
        [sys.executable, "-c", main, "serve", *words],
        cwd=folder,
        env=environment | {"PATH": str(folder / "bin")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "serving.json").read_text()), done.stderr


def value_of(option: str, started: dict[str, object]) -> str:
    words = started["words"]
    assert isinstance(words, list)
    return str(words[words.index(option) + 1])


def test_a_tunnels_address_reaches_the_serving_process_and_the_operator(tmp_path: Path) -> None:
    started, said = serve_in(tmp_path, "--tunnel", "--port", "0")
    assert value_of("--public-url", started) == URL
    assert f"Reached at {URL}." in said
    assert f"CLIENT_CALLER_PUBLIC_URL={URL} client-caller numbers point NUMBER" in said
    tunnel = json.loads((tmp_path / "tunnel.json").read_text())
    assert tunnel[2] == f"http://127.0.0.1:{started['port']}"


def test_an_address_of_ones_own_reaches_the_serving_process(tmp_path: Path) -> None:
    started, _ = serve_in(tmp_path, "--public-url", "https://voice.example.com", "--port", "0", "--host", "127.0.0.1")
    assert value_of("--public-url", started) == "https://voice.example.com"
    assert value_of("--host", started) == "127.0.0.1"
    assert not (tmp_path / "tunnel.json").exists()


def test_without_either_the_serving_process_goes_by_its_settings(tmp_path: Path) -> None:
    started, _ = serve_in(tmp_path, "--insecure", "--port", "0")
    assert "--public-url" not in str(started["words"])
    assert "--insecure" in str(started["words"])


@pytest.mark.parametrize("other", [{"insecure": True}, {"public_url": "https://voice.example.com"}])
def test_options_that_cannot_both_be_meant_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: dict[str, bool | str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"--tunnel .*: leave one of them out"):
        serve(tunnel=True, **other)  # type: ignore[arg-type]


def test_a_tunnel_for_a_port_that_nobody_knows_yet_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="CLIENT_CALLER_SERVER__PORT"):
        serve(tunnel=True, port=0, supervise=False)
