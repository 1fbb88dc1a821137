"""The demo itself, once: real models, a server process, real sockets, in real time."""

import asyncio
import io
import json
import re
import socket
import wave
from pathlib import Path

import pytest
from rich.console import Console

from calls import heart_of
from client_caller.demo import run_demo
from client_caller.records.flight import read_record
from client_caller.records.replay import replay
from client_caller.settings import load_settings

pytestmark = [pytest.mark.realtime, pytest.mark.models]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of one demo, and what was shown meanwhile."""
    shown = io.StringIO()
    console = Console(file=shown, width=150)
    folder = asyncio.run(run_demo(load_settings(), console, tmp_path_factory.mktemp("runs")))
    return folder, shown.getvalue()


def test_the_demo_leaves_its_report_its_recording_and_its_record(demo: tuple[Path, str]) -> None:
    folder, shown = demo
    left = {path.name for path in folder.iterdir()}
    assert left >= {"report.html", "report.json", "call.wav", "record.jsonl", "server.log"}
    assert str(folder / "call.wav") in shown.replace("\n", "")


def test_at_least_five_turns_are_answered_and_hardly_anybody_is_cut_off(demo: tuple[Path, str]) -> None:
    turns = json.loads((demo[0] / "report.json").read_text(encoding="utf-8"))["turns"]
    assert sum(turn["voice_to_voice_s"] is not None for turn in turns) >= 5
    # A synthetic caller is misheard now and then, and a misheard sentence may look complete; the bench says how often.
    assert sum(turn["cut_off"] for turn in turns) <= 1


def test_the_record_of_the_demo_replays(demo: tuple[Path, str]) -> None:
    outcome = replay(demo[0] / "record.jsonl", heart_of)
    assert outcome.difference is None
    assert outcome.steps > 50


def test_the_recording_is_stereo_at_8_khz_and_as_long_as_the_call(demo: tuple[Path, str]) -> None:
    lasted_s = read_record(demo[0] / "record.jsonl")[1][-1].t
    with wave.open(str(demo[0] / "call.wav")) as kept:
        assert (kept.getnchannels(), kept.getframerate(), kept.getsampwidth()) == (2, 8_000, 2)
        assert kept.getnframes() / 8_000 == pytest.approx(lasted_s, abs=0.5)


def test_the_server_is_gone_afterwards(demo: tuple[Path, str]) -> None:
    port = re.search(r"Calling it at http://127\.0\.0\.1:(\d+)", demo[1])
    assert port is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port[1])), timeout=5)
