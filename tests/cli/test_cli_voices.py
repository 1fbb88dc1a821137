"""The `voices` command: voices are added with consent, listed, and heard through the engine's server."""

import json
import socket
import sys
import wave
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from client_caller import cli
from client_caller.cli import voices
from client_caller.errors import ConfigError, EngineCrashed, EngineOverloaded
from client_caller.speaking.csm.prompts import VoiceShelf
from client_caller.speaking.csm.speech_http import wav_header

TEXT = "Good morning, this is the number you have called."
CONSENT = "Jane Doe agreed in writing that her voice is used for our calls."


class Engine(ThreadingHTTPServer):
    """Says a tenth of a second of anything, or answers as `answers` has it; keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Speech)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.asked: list[tuple[str, dict[str, Any], str | None]] = []
        self.answers: tuple[int, bytes] = (200, wav_header() + b"\1\0" * 2_400)
        self.promises = 0


class Speech(BaseHTTPRequestHandler):
    server: Engine

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body, self.headers["Authorization"]))
        status, answer = self.server.answers
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer) + self.server.promises))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with Engine() as served:
        thread = Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("CLIENT_CALLER_SPEAKING__CSM_URL", served.url)
        yield served
        served.shutdown()
        thread.join()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Four seconds that pass for speech."""
    at = np.arange(4 * 24_000) / 24_000
    sound = np.rint(8_000 * np.sin(2 * np.pi * 200 * at) * np.abs(np.sin(4 * np.pi * at))).astype("<i2")
    path = tmp_path / "jane.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 24_000, len(sound), "NONE", "not compressed"))
        file.writeframes(sound.tobytes())
    return path


def run(*words: str) -> str:
    """What a command says that makes no mistake."""
    result = CliRunner().invoke(cli.app, ["voices", *words], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def mistaken(kind: type[Exception], *words: str) -> str:
    """The sentence with which a command fails."""
    with pytest.raises(kind) as told:
        CliRunner().invoke(cli.app, ["voices", *words], catch_exceptions=False)
    return str(told.value)


def test_a_voice_is_added_in_the_folder_of_the_settings_and_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recording: Path
) -> None:
    monkeypatch.setenv("CLIENT_CALLER_SPEAKING__VOICES", str(tmp_path / "shelf"))
    assert "There are no voices" in run("list")
    before = date.today()
    assert "4.0 s long" in run("add", "jane", str(recording), "--text", TEXT, "--consent", CONSENT)
    shelf = VoiceShelf(tmp_path / "shelf")
    assert shelf.load("jane").text == TEXT
    assert before <= shelf.card("jane").added <= date.today()
    said = run("list")
    assert "jane" in said
    assert CONSENT in said
    assert "in order" in said


def test_the_text_may_be_in_a_file(tmp_path: Path, recording: Path) -> None:
    (tmp_path / "said.txt").write_text(f"{TEXT}\n")
    run("add", "jane", str(recording), "--text-file", "said.txt", "--consent", CONSENT)
    assert VoiceShelf(tmp_path / "voices").load("jane").text == TEXT


def test_a_voice_without_consent_is_refused_in_one_sentence(
    tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["client-caller", "voices", "add", "jane", str(recording), "--text", TEXT])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("--consent is empty: it must be a sentence that names who agreed")
    assert said.count("\n") == 1
    assert not (tmp_path / "voices").exists()


@pytest.mark.parametrize("texts", [(), ("--text", TEXT, "--text-file", "said.txt")])
def test_the_text_is_given_once(recording: Path, texts: tuple[str, ...]) -> None:
    said = mistaken(ConfigError, "add", "jane", str(recording), *texts, "--consent", CONSENT)
    assert "either --text or --text-file" in said


def test_a_text_that_cannot_be_read_is_told(recording: Path) -> None:
    said = mistaken(ConfigError, "add", "jane", str(recording), "--text-file", "nowhere.txt", "--consent", CONSENT)
    assert "nowhere.txt cannot be read" in said


def test_a_voice_is_replaced_only_if_that_is_said(recording: Path) -> None:
    words = ("add", "jane", str(recording), "--text", TEXT, "--consent", CONSENT)
    run(*words)
    assert "--replace" in mistaken(ConfigError, *words)
    assert "must be started again" in run(*words, "--replace")


def test_a_voice_that_was_tampered_with_is_shown_as_such(tmp_path: Path, recording: Path) -> None:
    run("add", "jane", str(recording), "--text", TEXT, "--consent", CONSENT)
    (tmp_path / "voices" / "jane" / "prompt.wav").write_bytes(b"another")
    result = CliRunner().invoke(cli.app, ["voices", "list"], env={"COLUMNS": "300"})
    assert result.exit_code == 1
    assert "is not the recording" in result.output


def test_a_voice_says_something_through_the_engine(tmp_path: Path, engine: Engine) -> None:
    assert "jane speaks in out.wav" in run("say", "jane", "Hello there.", "-o", "out.wav")
    wanted = {"model": "csm-1b", "input": "Hello there.", "voice": "jane", "response_format": "wav"}
    assert engine.asked == [("/v1/audio/speech", wanted, None)]
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (24_000, 2_400)  # though the engine did not know how many


def test_the_engines_key_and_another_address_are_used(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENT_CALLER_SPEAKING__CSM_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("CLIENT_CALLER_SPEAKING__CSM_KEY", "k3y")
    run("say", "jane", "Hello.", "-o", "out.wav", "--url", f"{engine.url}/")
    assert [(path, key) for path, _, key in engine.asked] == [("/v1/audio/speech", "Bearer k3y")]


def test_when_nobody_answers_it_says_how_to_start_the_engine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    said = mistaken(ConfigError, "say", "jane", "Hello.", "-o", "out.wav", "--url", url)
    assert said.startswith(f"nobody answers at {url}")
    assert "`client-caller engine csm`" in said


@pytest.mark.parametrize("url", ["127.0.0.1:8091", "ftp://host", "http://[", "http://host:port"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    assert url in mistaken(ConfigError, "say", "jane", "Hello.", "-o", "out.wav", "--url", url)


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (400, b'{"error": {"message": "voice: there is no voice jane"}}', ConfigError, "there is no voice jane"),
        (401, b'{"error": {"message": "no"}}', ConfigError, "CLIENT_CALLER_SPEAKING__CSM_KEY"),
        (404, b"not found", ConfigError, "no such engine"),
        (404, b'{"error": "not found"}', ConfigError, "no such engine"),
        (404, b"[]", ConfigError, "no such engine"),
        (503, b"{}", EngineOverloaded, "503"),
        (500, b"", EngineCrashed, "500"),
        (200, b"<html>", ConfigError, "sends no WAV file"),
    ],
)
def test_what_the_engine_refuses_is_told(
    tmp_path: Path, engine: Engine, status: int, body: bytes, kind: type[Exception], told: str
) -> None:
    engine.answers = (status, body)
    assert told in mistaken(kind, "say", "jane", "Hello.", "-o", "out.wav")
    assert not (tmp_path / "out.wav").exists()


def test_sound_that_breaks_off_is_not_taken_for_all_of_it(tmp_path: Path, engine: Engine) -> None:
    engine.promises = 100
    assert "broke off" in mistaken(EngineCrashed, "say", "jane", "Hello.", "-o", "out.wav")
    assert not (tmp_path / "out.wav").exists()


def test_a_place_that_cannot_be_written_is_told(engine: Engine) -> None:
    said = mistaken(ConfigError, "say", "jane", "Hello.", "-o", "nowhere/out.wav")
    assert "nowhere/out.wav cannot be written" in said


@pytest.mark.parametrize(
    "wav",
    [b"RIFF????WAVE", b"RIFF\x22\0\0\0WAVEdata\x02\0\0\0\1\0LIST\x04\0\0\0abcd"],
    ids=["no data", "more than data"],
)
def test_a_file_that_promises_no_more_than_it_holds_is_left_as_it_is(wav: bytes) -> None:
    assert voices._with_length(wav) == wav
