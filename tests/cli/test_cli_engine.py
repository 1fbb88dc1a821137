"""`client-caller engine csm`: what it refuses, and the whole of it with a tiny model of random weights."""

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner
from websockets.sync.client import connect

from client_caller import cli
from client_caller.speaking.csm import app
from client_caller.speaking.csm.wire import Begun, Ended, Open, Ready, Speak, encode, read_answer
from csm_process import process_at, running_csm


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root, "handlers", [*logging.root.handlers])  # a command that is run here adds its own
    level = logging.root.level
    yield
    logging.root.setLevel(level)


def fail(*words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What a mistaken command says on stderr, given that it exits with 2."""
    monkeypatch.setattr(sys, "argv", ["client-caller", "engine", "csm", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    return capsys.readouterr().err


def test_its_help_names_the_options() -> None:
    result = CliRunner().invoke(cli.app, ["engine", "csm", "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for option in ("--weights", "--voices", "--host", "--port", "--slots", "--device", "--random", "--no-supervise"):
        assert option in result.output


def test_help_imports_no_torch() -> None:
    look = "import sys; from client_caller import cli; print('torch' in sys.modules, 'numpy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert said == "False False\n"


def test_the_server_is_imported_without_torch() -> None:
    look = "import sys, client_caller.speaking.csm.app; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert said == "False\n"


@pytest.mark.parametrize("words", [[], ["--weights", "w", "--random", "tiny"]])
def test_either_weights_or_none(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = fail(*words, monkeypatch=monkeypatch, capsys=capsys)
    assert said == "give --weights FOLDER, or --random tiny to try it without; and not both\n"


def test_without_torch_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app.importlib.util, "find_spec", lambda name: None)
    said = fail("--random", "tiny", "--port", "0", "--no-supervise", monkeypatch=monkeypatch, capsys=capsys)
    assert said.splitlines()[-1] == app.MISSING.format(missing="torch and safetensors and tokenizers")
    assert "pip install 'client-caller[gpu]'" in said


def test_a_folder_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = fail("--weights", "nowhere", "--port", "0", "--no-supervise", monkeypatch=monkeypatch, capsys=capsys)
    assert said.startswith("there is no folder nowhere")


def test_it_speaks_noise_until_it_is_told_to_stop(tmp_path: Path) -> None:
    known = {"Authorization": "Bearer k-1"}
    with running_csm(tmp_path, "--slots", "2", key="k-1") as (url, process):
        with httpx2.Client(base_url=url, headers=known, timeout=60) as client:
            assert client.get("/v1/audio/voices").json() == {"voices": ["noise"]}
            asked = {"model": "csm-1b", "input": "Hi.", "voice": "noise", "response_format": "pcm"}
            said = client.post("/v1/audio/speech", json=asked)
            assert said.status_code == 200
            assert len(said.content) > 2 * 1_920
            assert len(set(said.content)) > 2
            assert client.post("/v1/audio/speech", json=asked).content == said.content  # the seed is the same
            assert httpx2.get(f"{url}/v1/models").status_code == 401
        with connect(f"ws{url.removeprefix('http')}/v1/calls", additional_headers=known) as call:
            call.send(encode(Open("noise")))
            assert read_answer(str(call.recv())) == Ready()
            call.send(encode(Speak("1", "Hi.")))
            got = [read_answer(str(call.recv()))]
            while not isinstance(got[-1], Ended):
                message = call.recv()
                got += [read_answer(message)] if isinstance(message, str) else []
            assert got[0] == Begun("1")
        assert process_at(url) != process.pid
        process.terminate()
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0
    assert told.count("whatever this engine says is noise") == 1
    assert "Traceback" not in told


def test_an_engine_that_is_killed_is_back_at_the_same_address_and_ends_with_its_supervisor(tmp_path: Path) -> None:
    with running_csm(tmp_path, "--slots", "2", key="k-1") as (url, supervisor):
        killed = process_at(url)
        os.kill(killed, signal.SIGKILL)
        following = process_at(url)
        assert following not in (killed, supervisor.pid)
        with socket.create_connection(("127.0.0.1", httpx2.URL(url).port or 0)) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
            supervisor.kill()
            while connection.recv(65_536):  # the engine's process closes it when it ends
                pass
        assert supervisor.wait(60) == -signal.SIGKILL
