"""The embedded engines on Ray Serve do for our clients what servers of their own would do."""

import json
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from ray_parts import ROOT

PYTHON = ROOT / ".ray" / "bin" / "python"
SCENE = Path(__file__).with_name("ray_engines_scene.py")


@pytest.mark.long
@pytest.mark.models
def test_engines_on_serve_answer_and_refuse_as_our_clients_expect() -> None:
    if not PYTHON.exists():
        pytest.skip("there is no Ray in .ray to run the engines on: run scripts/ray.sh")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    # Not below pytest's folder: the paths of Ray's sockets must be short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        done = subprocess.run(
            [PYTHON, SCENE, folder, str(port)], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stderr[-3_000:]
    told = json.loads(lines[-1])
    assert told["pieces"] > 3, "it is streamed"
    assert told["unknown_voice"] == "EngineCrashed"
    assert told["long"] == 413
    assert "opening hours" in told["words"].lower()
    assert told["german"] == "EngineCrashed"
    assert told["crowd"] == ["", "EngineOverloaded"], "what is too much is refused, the rest is done"
    assert told["broken"] == 400
    assert told["fragments"] > 3
    assert told["read_ahead"] is None
    assert told["written"]
    assert told["statuses"] == [400, 400, 501, 400, 413]
